/**
 * What a reader of one file format is given and gives back. Readers run in a worker (or in the command): they may take
 * time, but not beyond their budget, and they never throw on any bytes — what they cannot read they say.
 */
import type { TextPiece, Uninspectable } from '../message'

/** One file, named by where it stands: an attachment, a member of an archive, an object inside a document. */
export interface OpenFile {
  bytes: Buffer
  /** As given by whoever encloses it; never decides what the file is. '' = it has none. */
  name: string
  /** Place for people: `attachment list.xlsx`, `attachment all.zip > list.xlsx`. Places inside append ` > ...`. */
  where: string
  /** Declared media type in lower case; '' = none. Never decides what the file is. */
  type: string
}

/**
 * What all readers of one message share. Everything that is spent is spent for the whole message; a `false` means that
 * the rest is uninspected.
 */
export interface ReadBudget {
  /** One more part, member, page, sheet or embedded file. */
  part(): boolean
  /** So many more bytes, decoded or unpacked. */
  bytes(count: number): boolean
  /** An engine in WebAssembly wants to hold so many bytes in all; absent = nobody counts them. */
  engine?(total: number): boolean
  /** The deadline has passed. Ask in loops, at least every few milliseconds of work. */
  timeUp(): boolean
}

/** A file inside a file, to be opened in its turn by its own content. */
export interface EmbeddedFile extends OpenFile {
  /** Counts as a level of archives (depth limit); a document's own parts do not. */
  archive: boolean
}

/** A cell of a table whose place is known: spreadsheets, CSV. Rows and columns count from 0. */
export interface TableCell {
  row: number
  column: number
  /** As shown; numbers as the program shows them with their format (leading zeros kept). */
  text: string
  /** As stored, when that differs from what is shown: the number without its format. */
  raw?: string
  /** Stored as a number. */
  numeric: boolean
}

/** A table with typed cells, in reading order. */
export interface Table {
  /** `attachment list.xlsx > Ark1`. */
  where: string
  /** Name of a cell for people: `B7`. */
  cellName: (row: number, column: number) => string
  cells: readonly TableCell[]
  /**
   * A long sheet is told in several tables, one after the other: the first rows of the whole, in which the headings of
   * the columns stand, for all but the first of them.
   */
  headings?: readonly TableCell[]
}

/** A classification label found in a file's properties (never on the file's name): key and value as they stand there. */
export interface FileProperty {
  where: string
  /** `MSIP_Label_<guid>_Enabled`, `Sensitivity`, `Keywords`, ... */
  key: string
  value: string
}

/** Content in a file that is encrypted, by the bytes. Names of archive members that stay readable are in `texts`. */
export interface FileProtection {
  where: string
  kind: 'zip-encrypted' | 'pdf-encrypted' | 'office-encrypted' | 'archive-encrypted' | 'smime-enveloped' | 'pgp-mime'
}

/**
 * The outcome of reading one file. A file counts as inspected only when `uninspected` and `protection` are empty here
 * and for everything in `embedded`.
 */
export interface FileReading {
  texts: TextPiece[]
  tables: Table[]
  properties: FileProperty[]
  embedded: EmbeddedFile[]
  protection: FileProtection[]
  uninspected: Uninspectable[]
}

/**
 * A reader of one format. Linear in the bytes, asks the budget, never throws.
 *
 * @returns `null` when the bytes turn out not to be of its format at all
 */
export type FileReader = (file: OpenFile, budget: ReadBudget) => FileReading | null | Promise<FileReading | null>

/** A reading with nothing in it yet. */
export function emptyReading(): FileReading {
  return { texts: [], tables: [], properties: [], embedded: [], protection: [], uninspected: [] }
}
