/** A small writer of PDF (ISO 32000-1): enough to put text, values and hiding places where the tests need them. */
import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { deflateSync } from 'node:zlib'

/** A value of a PDF object: text strings are strings, names `name()`, references `ref()`. */
export type PdfValue =
  number | boolean | string | Buffer | PdfSyntax | readonly PdfValue[] | { readonly [key: string]: PdfValue }

/** Written as it stands: a name, a reference, or anything else. */
export class PdfSyntax {
  constructor(readonly text: string) {}
}

/** An indirect object; with `stream` its bytes as they stand (already filtered). */
export interface PdfObject {
  value: PdfValue
  stream?: Buffer
}

export const name = (text: string): PdfValue => new PdfSyntax(`/${text}`)
export const ref = (number: number): PdfValue => new PdfSyntax(`${number} 0 R`)
export const raw = (text: string): PdfValue => new PdfSyntax(text)

/** How a document is encrypted (section 7.6.3): with an empty user password every reader opens it. */
export interface PdfEncryption {
  method: 'rc4' | 'aes'
  user: string
  owner: string
}

/** Objects by number; the file numbers them as they are. */
export class PdfObjects {
  readonly list: (PdfObject | undefined)[] = [undefined]

  /** @returns the number of the new object */
  add(value: PdfValue, stream?: Buffer): number {
    this.list.push(stream === undefined ? { value } : { value, stream })
    return this.list.length - 1
  }

  /** A stream under Flate. */
  flate(bytes: Buffer | string, dictionary: Record<string, PdfValue> = {}): number {
    const packed = deflateSync(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, 'latin1'))
    return this.add({ ...dictionary, Filter: name('FlateDecode'), Length: packed.length }, packed)
  }

  /** Number for an object that is set later. */
  reserve(): number {
    this.list.push(undefined)
    return this.list.length - 1
  }

  set(number: number, value: PdfValue): void {
    this.list[number] = { value }
  }
}

/** Write the file: with the classic cross-reference table, or with object and cross-reference streams (PDF 1.5). */
export function assemblePdf(
  objects: PdfObjects,
  trailer: Record<string, PdfValue>,
  options: { encrypt?: PdfEncryption; compressed?: boolean } = {},
): Buffer {
  const id = createHash('md5').update('document').digest()
  const all = { ...trailer, ID: [id, id] } as Record<string, PdfValue>
  const security = options.encrypt === undefined ? null : securityHandler(options.encrypt, id)
  const list = [...objects.list]
  if (security !== null) all.Encrypt = ref(list.push({ value: security.dictionary }) - 1)
  const packedPlaces = options.compressed === true ? packObjects(list, security?.dictionary) : new Map<number, Packed>()
  const pieces: Buffer[] = [Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n', 'latin1')]
  let at = pieces[0]?.length ?? 0
  const put = (piece: Buffer | string) => {
    const bytes = Buffer.isBuffer(piece) ? piece : Buffer.from(piece, 'latin1')
    pieces.push(bytes)
    at += bytes.length
  }
  const offsets = list.map(() => 0)
  for (const [number, object] of list.entries()) {
    if (object === undefined) continue
    offsets[number] = at
    const isEncrypt = security !== null && object.value === security.dictionary
    const cipher = security === null || isEncrypt ? (bytes: Buffer) => bytes : security.cipher(number)
    const stream = object.stream === undefined ? undefined : cipher(object.stream)
    const value = stream === undefined ? object.value : { ...(object.value as object), Length: stream.length }
    put(`${number} 0 obj\n${serialize(value, cipher)}\n`)
    if (stream !== undefined) {
      put('stream\n')
      put(stream)
      put('\nendstream\n')
    }
    put('endobj\n')
  }
  const xref = at
  if (options.compressed === true) {
    const number = list.length
    const entries = Buffer.alloc((number + 1) * 7)
    for (const [n, offset] of [...offsets, xref].entries()) {
      const inside = packedPlaces.get(n)
      entries.writeUInt8(inside !== undefined ? 2 : offset === 0 ? 0 : 1, n * 7)
      entries.writeUInt32BE(inside?.stream ?? offset, n * 7 + 1)
      entries.writeUInt16BE(inside?.index ?? 0, n * 7 + 5)
    }
    const dictionary = { ...all, Type: name('XRef'), Size: number + 1, W: [1, 4, 2], Length: entries.length }
    put(`${number} 0 obj\n${serialize(dictionary, (bytes) => bytes)}\nstream\n`)
    put(entries)
    put(`\nendstream\nendobj\nstartxref\n${xref}\n%%EOF\n`)
    return Buffer.concat(pieces)
  }
  put(`xref\n0 ${list.length}\n0000000000 65535 f \n`)
  for (const offset of offsets.slice(1)) {
    put(offset === 0 ? '0000000000 65535 f \n' : `${String(offset).padStart(10, '0')} 00000 n \n`)
  }
  put(`trailer\n${serialize({ ...all, Size: list.length }, (bytes) => bytes)}\nstartxref\n${xref}\n%%EOF\n`)
  return Buffer.concat(pieces)
}

/** A text string: as it stands where it is ASCII, else UTF-16 with its mark (section 7.9.2.2). */
function textBytes(text: string): Buffer {
  if (/^[\x20-\x7e]*$/.test(text)) return Buffer.from(text, 'latin1')
  return Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(text, 'utf16le').swap16()])
}

function serialize(value: PdfValue, cipher: (bytes: Buffer) => Buffer): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return serialize(textBytes(value), cipher)
  if (Buffer.isBuffer(value)) return `<${cipher(value).toString('hex')}>`
  if (Array.isArray(value)) return `[${value.map((one) => serialize(one as PdfValue, cipher)).join(' ')}]`
  if (value instanceof PdfSyntax) return value.text
  const entries = Object.entries(value as Record<string, PdfValue>)
  return `<<${entries.map(([key, one]) => `/${key} ${serialize(one, cipher)}`).join(' ')}>>`
}

/** Where a packed object is: number of its stream, and its place there. */
interface Packed {
  stream: number
  index: number
}

/** Objects without a stream go into one object stream (section 7.5.7), but for the encryption dictionary. */
function packObjects(list: (PdfObject | undefined)[], apart: PdfValue | undefined): Map<number, Packed> {
  const packed: [number: number, text: string][] = []
  for (const [number, object] of list.entries()) {
    if (object === undefined || object.stream !== undefined || object.value === apart) continue
    packed.push([number, serialize(object.value, (bytes) => bytes)])
    list[number] = undefined
  }
  let offset = 0
  const head = packed.map(([number, text]) => {
    const entry = `${number} ${offset}`
    offset += text.length + 1
    return entry
  })
  const first = `${head.join(' ')} `
  const stream = deflateSync(Buffer.from(first + packed.map(([, text]) => text).join('\n'), 'latin1'))
  const dictionary = { Type: name('ObjStm'), N: packed.length, First: first.length, Filter: name('FlateDecode') }
  const number = list.push({ value: { ...dictionary, Length: stream.length }, stream }) - 1
  return new Map(packed.map(([one], index) => [one, { stream: number, index }]))
}

const PADDING = Buffer.from('28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a', 'hex')
const padded = (password: string) => Buffer.concat([Buffer.from(password, 'latin1'), PADDING]).subarray(0, 32)
const md5 = (...parts: Buffer[]) => createHash('md5').update(Buffer.concat(parts)).digest()

/** Standard security handler, revisions 3 (RC4) and 4 (AES), 128 bits (algorithms 1, 2, 3 and 5). */
function securityHandler({ method, user, owner }: PdfEncryption, id: Buffer) {
  const permissions = Buffer.from('fcffffff', 'hex')
  let ownerKey = md5(padded(owner))
  for (let n = 0; n < 50; n++) ownerKey = md5(ownerKey)
  let ownerEntry: Buffer = padded(user)
  for (let n = 0; n < 20; n++) ownerEntry = rc4(ownerKey.map((byte) => byte ^ n) as Buffer, ownerEntry)
  let key = md5(padded(user), ownerEntry, permissions, id)
  for (let n = 0; n < 50; n++) key = md5(key)
  let userEntry: Buffer = md5(PADDING, id)
  for (let n = 0; n < 20; n++) userEntry = rc4(key.map((byte) => byte ^ n) as Buffer, userEntry)
  const common = {
    Filter: name('Standard'),
    O: ownerEntry,
    U: Buffer.concat([userEntry, Buffer.alloc(16)]),
    P: permissions.readInt32LE(),
    Length: 128,
  }
  const dictionary: PdfValue =
    method === 'rc4'
      ? { ...common, V: 2, R: 3 }
      : {
          ...common,
          V: 4,
          R: 4,
          CF: { StdCF: { CFM: name('AESV2'), AuthEvent: name('DocOpen'), Length: 16 } },
          StmF: name('StdCF'),
          StrF: name('StdCF'),
        }
  const cipher = (number: number) => (bytes: Buffer) => {
    const tail = Buffer.from([number & 0xff, (number >> 8) & 0xff, (number >> 16) & 0xff, 0, 0])
    if (method === 'rc4') return rc4(md5(key, tail), bytes)
    const iv = randomBytes(16)
    const aes = createCipheriv('aes-128-cbc', md5(key, tail, Buffer.from('sAlT')), iv)
    return Buffer.concat([iv, aes.update(bytes), aes.final()])
  }
  return { dictionary, cipher }
}

function rc4(key: Buffer, data: Buffer): Buffer {
  const s = Uint8Array.from({ length: 256 }, (_, n) => n)
  const at = (n: number) => s[n & 0xff] ?? 0
  const swap = (a: number, b: number) => {
    const held = at(a)
    s[a] = at(b)
    s[b] = held
  }
  for (let i = 0, j = 0; i < 256; i++) {
    j = (j + at(i) + (key[i % key.length] ?? 0)) & 0xff
    swap(i, j)
  }
  const out = Buffer.alloc(data.length)
  for (let n = 0, i = 0, j = 0; n < data.length; n++) {
    i = (i + 1) & 0xff
    j = (j + at(i)) & 0xff
    swap(i, j)
    out[n] = (data[n] ?? 0) ^ at(at(i) + at(j))
  }
  return out
}
