/** What bytes are, by the bytes alone. */

export type BinaryKind =
  | 'pdf'
  | 'zip'
  | 'ole'
  | '7z'
  | 'rar'
  | 'gzip'
  | 'bzip2'
  | 'xz'
  | 'rtf'
  | 'tnef'
  | 'png'
  | 'jpeg'
  | 'gif'
  | 'image'
  | 'media'
  | 'der'
  | 'postscript'
  | 'executable'

const MAGIC: readonly (readonly [kind: BinaryKind, hex: string])[] = [
  ['zip', '504b0304'],
  ['zip', '504b0506'],
  ['zip', '504b0708'],
  ['ole', 'd0cf11e0a1b11ae1'],
  ['7z', '377abcaf271c'],
  ['rar', '526172211a07'],
  ['gzip', '1f8b'],
  ['bzip2', '425a68'],
  ['xz', 'fd377a585a00'],
  ['rtf', '7b5c7274'],
  ['tnef', '789f3e22'],
  ['png', '89504e470d0a1a0a'],
  ['jpeg', 'ffd8ff'],
  ['gif', '47494638'],
  ['image', '49492a00'],
  ['image', '4d4d002a'],
  ['media', '494433'],
  ['media', '4f676753'],
  ['media', '1a45dfa3'],
  ['postscript', '25215053'],
  ['executable', '4d5a9000'],
  ['executable', '7f454c46'],
]

/** How far into the bytes a PDF may begin (readers allow 1,024 bytes of anything before it). */
const PDF_WINDOW = 1024

/** @returns null: nothing that is known by its first bytes; perhaps text */
export function sniff(bytes: Buffer): BinaryKind | null {
  const head = bytes.subarray(0, 16).toString('hex')
  for (const [kind, magic] of MAGIC) if (head.startsWith(magic)) return kind
  if (bytes.subarray(0, PDF_WINDOW).includes('%PDF-')) return 'pdf'
  const riff = bytes.toString('latin1', 0, 4) === 'RIFF' ? bytes.toString('latin1', 8, 12) : ''
  if (riff === 'WEBP') return 'image'
  if (riff !== '') return 'media'
  if (bytes.toString('latin1', 4, 8) === 'ftyp') return 'media'
  // DER SEQUENCE in indefinite form or with a two-byte length (keys, certificates, S/MIME)
  if (bytes[0] === 0x30 && (bytes[1] === 0x80 || bytes[1] === 0x82 || bytes[1] === 0x83)) return 'der'
  return null
}

/** Does a PNG, JPEG or GIF end where its format says, with nothing behind it? */
export function imageEndsClean(kind: BinaryKind, bytes: Buffer): boolean {
  switch (kind) {
    case 'png':
      return bytes.subarray(-8).toString('hex') === '49454e44ae426082'
    case 'jpeg':
      return bytes.subarray(-2).toString('hex') === 'ffd9'
    case 'gif':
      return bytes.at(-1) === 0x3b
    default:
      return false
  }
}
