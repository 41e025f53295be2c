/**
 * How keys and values become bytes, the same in every engine. Keys keep their order as bytes, so an engine needs
 * nothing but "sorted by memcmp"; values carry their expiry and a checksum, so damage is noticed and never read as
 * "nothing there".
 */
import { crc32 } from 'node:zlib'
import type { StoreKey } from './types'

/** LMDB takes keys of up to 1978 bytes; one limit for every engine, so that a move between them cannot fail. */
export const MAX_KEY_BYTES = 1900

const NUMBER = 0x01
const STRING = 0x02
const END = 0x00
/** Greater than every type byte and than END: closes the range of keys that begin with a prefix. */
const AFTER_ALL = 0xff

/**
 * Order-preserving bytes of a key. Each element is a type byte and its content; numbers come before strings, a key
 * before its extensions. A zero byte inside a string is written 00 FF, which sorts after the terminator and cannot be
 * taken for it: `['a', 'b']` and `['a\0b']` are different keys, and only the first begins with `['a']`.
 *
 * @throws TypeError when the key is empty, too long, or holds anything but well-formed strings and finite numbers
 */
export function encodeKey(key: StoreKey): Buffer {
  if (key.length === 0) throw new TypeError('store: a key needs at least one element')
  return encodeElements(key)
}

/**
 * The half-open byte range [start, end) of all keys that begin with `prefix`, element by element. The empty prefix
 * stands for everything.
 *
 * @throws TypeError as `encodeKey`
 */
export function prefixRange(prefix: StoreKey): { start: Buffer; end: Buffer } {
  const start = encodeElements(prefix)
  return {
    start: prefix.length === 0 ? Buffer.of(NUMBER) : start,
    end: Buffer.concat([start, Buffer.of(AFTER_ALL)]),
  }
}

function encodeElements(key: StoreKey): Buffer {
  const bytes = Buffer.concat(key.map(encodeElement))
  if (bytes.length > MAX_KEY_BYTES) {
    throw new TypeError(`store: a key may have ${MAX_KEY_BYTES} bytes, this one has ${bytes.length}`)
  }
  return bytes
}

function encodeElement(element: string | number): Buffer {
  return typeof element === 'number' ? encodeNumber(element) : encodeString(element)
}

/** IEEE 754, big-endian; sign bit flipped for positive numbers, all bits for negative ones, so that bytes sort. */
function encodeNumber(value: number): Buffer {
  if (!Number.isFinite(value)) throw new TypeError(`store: ${value} cannot be part of a key`)
  const bytes = Buffer.alloc(9, NUMBER)
  // + 0 makes one key of 0 and -0
  bytes.writeDoubleBE(value + 0, 1)
  flipNumber(bytes, (bytes[1] ?? 0) >= 0x80)
  return bytes
}

function flipNumber(bytes: Buffer, negative: boolean): void {
  if (negative) for (let i = 1; i < 9; i++) bytes[i] = ~(bytes[i] ?? 0)
  else bytes[1] = (bytes[1] ?? 0) ^ 0x80
}

function encodeString(value: string): Buffer {
  if (typeof value !== 'string') throw new TypeError('store: a key is made of strings and numbers')
  // A lone surrogate has no UTF-8 form: two different keys would become one.
  if (/\p{Surrogate}/u.test(value)) throw new TypeError('store: a key holds half a character')
  const text = Buffer.from(value, 'utf8')
  const out = [STRING]
  for (const byte of text) {
    out.push(byte)
    if (byte === 0) out.push(AFTER_ALL)
  }
  out.push(END)
  return Buffer.from(out)
}

/**
 * The key that `encodeKey` made these bytes of.
 *
 * @throws Error when the bytes are no key of ours
 */
export function decodeKey(bytes: Uint8Array): StoreKey {
  const buffer = Buffer.from(bytes)
  const key: (string | number)[] = []
  for (let at = 0; at < buffer.length;) {
    const type = buffer[at]
    if (type === NUMBER && at + 9 <= buffer.length) {
      const number = Buffer.from(buffer.subarray(at, at + 9))
      flipNumber(number, (number[1] ?? 0) < 0x80)
      key.push(number.readDoubleBE(1))
      at += 9
    } else if (type === STRING) {
      const { text, next } = decodeString(buffer, at + 1)
      key.push(text)
      at = next
    } else {
      throw new Error(`store: damaged key ${buffer.toString('hex')}`)
    }
  }
  return key
}

function decodeString(buffer: Buffer, from: number): { text: string; next: number } {
  const out: number[] = []
  for (let at = from; at < buffer.length; at++) {
    const byte = buffer[at] ?? 0
    if (byte !== END) out.push(byte)
    else if (buffer[at + 1] === AFTER_ALL) {
      out.push(0)
      at++
    } else return { text: Buffer.from(out).toString('utf8'), next: at + 1 }
  }
  throw new Error(`store: damaged key ${buffer.toString('hex')}`)
}

/** Layout: version byte, expiry as float64 (0 = never), CRC-32 of expiry and JSON, JSON in UTF-8. */
const VERSION = 1
const HEADER = 13

/** A value and when it is gone: milliseconds since the epoch, 0 = never. */
export interface Entry {
  value: unknown
  expires: number
}

/**
 * @param expires milliseconds since the epoch, 0 = never
 * @throws TypeError when the value has no JSON form (undefined, functions, bigint, cycles)
 */
export function encodeEntry(value: unknown, expires: number): Buffer {
  const json = JSON.stringify(value) as string | undefined
  if (json === undefined) throw new TypeError(`store: a value of type ${typeof value} has no JSON form`)
  const size = Buffer.byteLength(json)
  const bytes = Buffer.alloc(HEADER + size)
  bytes.writeUInt8(VERSION, 0)
  bytes.writeDoubleBE(expires, 1)
  bytes.write(json, HEADER, 'utf8')
  bytes.writeUInt32BE(checksum(bytes), 9)
  return bytes
}

/**
 * @throws Error when the bytes were damaged or written by something else; never gives a value that was not stored
 */
export function decodeEntry(bytes: Uint8Array): Entry {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length <= HEADER || buffer[0] !== VERSION) throw new Error('store: value in an unknown format')
  if (buffer.readUInt32BE(9) !== checksum(buffer)) throw new Error('store: value damaged, its checksum does not fit')
  return { expires: buffer.readDoubleBE(1), value: JSON.parse(buffer.toString('utf8', HEADER)) as unknown }
}

function checksum(buffer: Buffer): number {
  return crc32(buffer.subarray(HEADER), crc32(buffer.subarray(1, 9)))
}

/**
 * The expiry alone, without reading the value: for a sweep over everything.
 *
 * @returns milliseconds since the epoch, 0 = never or unreadable (a sweep leaves such an entry for its reader to see)
 */
export function expiryOf(bytes: Buffer): number {
  if (bytes.length <= HEADER || bytes[0] !== VERSION) return 0
  const expires = bytes.readDoubleBE(1)
  return Number.isFinite(expires) ? expires : 0
}
