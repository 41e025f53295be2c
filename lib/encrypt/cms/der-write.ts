/** Elements of X.690 DER, built from the inside out. Values are small; content of any size is streamed by `enveloped`. */

/** First byte of an element. */
export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** Context-specific tag `[n]`, constructed: of an EXPLICIT one, or of an IMPLICIT one over a structure. */
export const context = (n: number): number => 0xa0 | n

/** Context-specific tag `[n]` over a primitive value (IMPLICIT). */
export const primitive = (n: number): number => 0x80 | n

/**
 * @param tag one byte: tag numbers above 30 do not occur in CMS
 */
export function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const length = content.reduce((sum, { length }) => sum + length, 0)
  return Buffer.concat([head(tag, length), ...content])
}

/**
 * What stands before the content of an element: for content that is not to be copied.
 *
 * @param tag as in `der`
 * @param length bytes of the content, below 2^32
 */
export function head(tag: number, length: number): Buffer {
  return Buffer.concat([Buffer.from([tag]), lengthOctets(length)])
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const bytes = length > 0xffffff ? 4 : length > 0xffff ? 3 : length > 0xff ? 2 : 1
  const octets = Buffer.alloc(1 + bytes, 0x80 | bytes)
  octets.writeUIntBE(length, 1, bytes)
  return octets
}

export const sequence = (...content: readonly Uint8Array[]): Buffer => der(TAG.sequence, ...content)

/** SET OF: elements in the order of their bytes (X.690 section 11.6). */
export function setOf(...content: readonly Uint8Array[]): Buffer {
  return der(TAG.set, ...[...content].sort((a, b) => Buffer.compare(a, b)))
}

export const octets = (content: Uint8Array): Buffer => der(TAG.octetString, content)

/** @param n 0 to 127 */
export const small = (n: number): Buffer => der(TAG.integer, Buffer.from([n]))

export const nothing = (): Buffer => der(TAG.null)

/** @param dotted e.g. `1.2.840.113549.1.7.3` */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return der(TAG.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(arc: number): number[] {
  const bytes = [arc & 0x7f]
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) bytes.unshift((left & 0x7f) | 0x80)
  return bytes
}
