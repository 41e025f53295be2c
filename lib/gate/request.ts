/** What is asked for, and by whom: everything that the header alone decides. */
import type { Settings } from '../config/settings'
import { decodeWords } from '../message/encoded-words'
import { fieldsNamed, parseHeader, type HeaderBlock, type RawHeader } from '../message/header'
import { subjectTags } from '../message/subject'
import { mailboxes } from './addresses'
import { saysTlsRequiredNo } from './tls-required'
import type { Request, SenderFacts, Submission } from './types'

/**
 * Cheap first look at the header only: is there anything for the gate to decide?
 *
 * @param header the message, its header block, or its raw fields
 * @param requiretls REQUIRETLS was given on MAIL FROM
 */
export function quickLook(header: RawHeader, settings: Settings, requiretls = false): Request & { requested: boolean } {
  const request = readRequest(parseHeader(header), settings, requiretls)
  return { requested: request.by !== null, ...request }
}

/**
 * Is an opt-out asked for (RFC 2047 decoded, NFKC, case-insensitive; RFC 8689 section 3)?
 *
 * @param requiretls REQUIRETLS was given on MAIL FROM: a tag is then a contradiction, which `decide()` refuses, while
 *   the header field is not looked at
 */
export function readRequest(block: HeaderBlock, settings: Settings, requiretls: boolean): Request {
  const subjects = fieldsNamed(block, 'subject').map((field) => decodeWords(field.value).text)
  const secure = subjects.some((subject) => subjectTags(subject, settings.category3.subjectTags).length > 0)
  const tags = subjects.flatMap((subject) => subjectTags(subject, settings.override.tags))
  if (tags.length > 0) {
    return { by: 'subject-tag', where: 'subject', inherited: tags.every(({ inherited }) => inherited), secure }
  }
  // RFC 8689 section 4.1: with REQUIRETLS the field is ignored
  if (settings.override.tlsRequiredNo && !requiretls && saysTlsRequiredNo(block)) {
    return { by: 'tls-required-no', where: 'header TLS-Required', inherited: false, secure }
  }
  return { by: null, where: '', inherited: false, secure }
}

/** Header facts about the sender, beside what the seam knows. */
export function readSender(block: HeaderBlock, submission: Submission): SenderFacts {
  const fromFields = fieldsNamed(block, 'from')
  const lists = fromFields.map((field) => mailboxes(field.value))
  const values = fieldsNamed(block, 'auto-submitted').map((field) =>
    field.value
      .replace(/[;(].*$/s, '')
      .trim()
      .toLowerCase(),
  )
  return {
    fromFields: fromFields.length,
    ...submission,
    from: lists.some((list) => list === null) ? null : lists.flatMap((list) => list ?? []),
    subjectFields: fieldsNamed(block, 'subject').length,
    resent: block.fields.filter((field) => field.key.startsWith('resent-')).map((field) => field.name.slice(0, 40)),
    list: fieldsNamed(block, 'list-id').length > 0,
    autoSubmitted: values.find((value) => value !== 'no') ?? values[0] ?? null,
  }
}
