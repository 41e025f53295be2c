/** What a mail is: header, parts, texts, and the few edits that are made to it. */
export { contentDigest, contentDigestOfWire } from './digest'
export { unstuff } from './dot-stuffing'
export { parseHeader, type HeaderBlock, type HeaderField, type RawHeader } from './header'
export type { Message, Part, ReadLimits, TextPiece, Uninspectable } from './message'
export { readMessage } from './read'
export { hasSignatureOver, headersForReport } from './report-headers'
export { removeSubjectTag, subjectTags } from './subject'
