/** OpenPGP in ASCII armor (RFC 9580 section 6.2): a signature is read, an encrypted message is said to be one. */
import { emptyReading, type FileReading, type OpenFile } from './types'

const MESSAGE = '-----BEGIN PGP MESSAGE-----'
const SIGNATURE =
  /^([^-]{0,2000})-----BEGIN PGP SIGNATURE-----[ \t]*\r?\n((?:[A-Za-z]{1,40}: [^\r\n]{0,500}\r?\n)*)[ \t]*\r?\n((?:[A-Za-z0-9+/=]{1,100}\s{1,4}){1,2000})-----END PGP SIGNATURE-----\s*$/
/** Largest armored signature, in bytes. */
const LIMIT = 64 * 1024
/** Packet type of a signature (section 5). */
const SIGNATURE_PACKET = 2

/** Reader of armored OpenPGP; see {@link import('./types').FileReader}. */
export function readPgp(file: OpenFile): FileReading | null {
  if (file.bytes.includes(MESSAGE)) {
    const text = file.bytes.toString('latin1', 0, LIMIT)
    return {
      ...emptyReading(),
      texts: [{ where: file.where, role: 'raw', text }],
      protection: [{ where: file.where, kind: 'pgp-mime' }],
    }
  }
  if (file.bytes.length > LIMIT) return null
  const found = SIGNATURE.exec(file.bytes.toString('latin1'))
  if (found === null) return null
  const [, before = '', headers = '', armored = ''] = found
  // the last line may be a checksum: `=` and four characters
  const packets = Buffer.from(armored.replace(/\s+/g, '').replace(/=[A-Za-z0-9+/]{4}$/, ''), 'base64')
  if (!onlySignatures(packets)) return null
  const text = `${before}\n${headers}\n${printable(packets)}`.trim()
  return { ...emptyReading(), texts: text === '' ? [] : [{ where: file.where, role: 'hidden', text }] }
}

/** Signature packets, end to end (section 4.2). */
function onlySignatures(packets: Buffer): boolean {
  let at = 0
  while (at < packets.length) {
    const packet = packetAt(packets, at)
    if (packet?.type !== SIGNATURE_PACKET) return false
    at = packet.end
  }
  return packets.length > 0 && at === packets.length
}

function packetAt(bytes: Buffer, at: number): { type: number; end: number } | null {
  const head = bytes[at] ?? 0
  const first = bytes[at + 1] ?? 0
  if ((head & 0x80) === 0) return null
  if ((head & 0x40) === 0) {
    // section 4.2.2, legacy form: length of one, two or four octets
    const octets = [1, 2, 4][head & 0x03]
    if (octets === undefined || at + 1 + octets > bytes.length) return null
    return { type: (head >> 2) & 0x0f, end: at + 1 + octets + bytes.readUIntBE(at + 1, octets) }
  }
  const type = head & 0x3f
  if (first < 192) return { type, end: at + 2 + first }
  if (first < 224) return { type, end: at + 3 + ((first - 192) << 8) + (bytes[at + 2] ?? 0) + 192 }
  // partial lengths are for data, not for signatures
  return first === 255 && at + 6 <= bytes.length ? { type, end: at + 6 + bytes.readUInt32BE(at + 2) } : null
}

/** Notations and user names inside a signature. */
function printable(bytes: Buffer): string {
  return (bytes.toString('latin1').match(/[\x20-\x7e]{6,}/g) ?? []).join('\n')
}
