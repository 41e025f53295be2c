/** A message that was read: what it is made of, every text in it, and what could not be read. */
import type { HeaderBlock } from './header'
import type { FileProperty, FileProtection, OpenFile, Table } from './files/types'
import type { BinaryKind } from './sniff'

/** Budgets of one reading. What lies beyond them is uninspected, never clean. */
export interface ReadLimits {
  maxParts: number
  maxDepth: number
  /** Bytes, of the message and of all that is decoded from it. */
  maxBytes: number
  /** Milliseconds. */
  maxMillis: number
}

/** One stretch of text in which something may stand. */
export interface TextPiece {
  /** `subject`, `header X-Foo`, `text part 1.2`, `attachment list.csv`, `nested message 1.3 > subject`. */
  where: string
  role: 'subject' | 'header' | 'name' | 'text' | 'html' | 'hidden' | 'around' | 'raw'
  /** Line ends are LF. */
  text: string
}

/** A MIME entity (RFC 2045 section 2.4). */
export interface Part {
  /** Section number as in IMAP (RFC 9051 section 6.4.5.1), within its message: `1`, `1.2`; '' = the message itself. */
  path: string
  /** Its place, for people. */
  where: string
  /** Declared type, lower case; `text/plain` when none is declared. */
  type: string
  parameters: ReadonlyMap<string, string>
  /** `inline`, `attachment`, ...; '' when none is declared. */
  disposition: string
  /** Inspected: read completely. */
  status: 'inspected' | 'uninspected'
  /** Content, decoded from its transfer encoding; only of leaves, and of files only until they are read completely. */
  bytes?: Buffer
  /** What the bytes are, when they are nothing to read as text. */
  kind?: BinaryKind
  /** Text as a reader sees it; only of leaves that were read as text. */
  shown?: { text: string; format: 'text' | 'html' }
  /** Parts of a multipart, or the one entity of an enclosed message. */
  children: readonly Part[]
  /** Something stands before the first or after the last boundary. */
  surrounded: boolean
}

export interface Uninspectable {
  where: string
  reason: string
}

/** A leaf that is a file. */
export interface UnopenedLeaf {
  part: Part
  file: OpenFile
  /** Nothing about the part is in doubt: once its file is read completely, so is the part. */
  sound: boolean
}

export interface Message {
  /** Header of the message itself. */
  header: HeaderBlock
  /** Headers of enclosed messages and of parts. */
  innerHeaders: readonly { where: string; block: HeaderBlock }[]
  root: Part
  texts: readonly TextPiece[]
  /** Of its files. */
  tables: readonly Table[]
  /** Labels and properties of its files. */
  properties: readonly FileProperty[]
  /** Files that are encrypted. */
  protection: readonly FileProtection[]
  uninspected: readonly Uninspectable[]
  /** Messages that were found as files: roots of their trees. */
  enclosed: readonly Part[]
  /** Files that nobody has opened: each of them is uninspected until it is (`openLeaves`). */
  unopened: readonly UnopenedLeaf[]
  /** The time was up before everything was read. */
  timeUp: boolean
}
