/** BER and DER (X.690) of CMS structures: strict about lengths, bounded in depth and number. */

export interface BerElement {
  /** Identifier octet; only low tag numbers. */
  tag: number
  constructed: boolean
  /** Content of a primitive element. */
  bytes: Buffer
  children: readonly BerElement[]
}

const MAX_DEPTH = 40
const MAX_ELEMENTS = 50_000
const END_OF_CONTENTS = 0

/**
 * Parse one element that fills the bytes.
 *
 * @throws RangeError when it does not, or is nested too deep
 */
export function parseBer(bytes: Buffer): BerElement {
  let count = 0
  const read = (at: number, limit: number, depth: number): { element: BerElement; end: number } => {
    if (++count > MAX_ELEMENTS || depth > MAX_DEPTH) throw new RangeError('too many or too deep elements')
    if (at + 2 > limit) throw new RangeError('an element is cut off')
    const tag = bytes.readUInt8(at)
    // section 8.1.2.4: no structure that is read here has tag numbers above 30
    if ((tag & 0x1f) === 0x1f) throw new RangeError('a tag is not known')
    const constructed = (tag & 0x20) !== 0
    const first = bytes.readUInt8(at + 1)
    const lengthOctets = first > 0x80 ? first & 0x7f : 0
    if (lengthOctets > 4 || at + 2 + lengthOctets > limit) throw new RangeError('a length is not valid')
    const from = at + 2 + lengthOctets
    const indefinite = first === 0x80
    if (indefinite && !constructed) throw new RangeError('a length is not valid')
    const end = indefinite ? limit : from + (lengthOctets === 0 ? first : bytes.readUIntBE(at + 2, lengthOctets))
    if (end > limit) throw new RangeError('an element is cut off')
    if (!constructed) return { element: { tag, constructed, bytes: bytes.subarray(from, end), children: [] }, end }
    const children: BerElement[] = []
    let here = from
    while (here < end) {
      if (indefinite && bytes[here] === END_OF_CONTENTS && bytes[here + 1] === 0) {
        return { element: { tag, constructed, bytes: bytes.subarray(from, here), children }, end: here + 2 }
      }
      const child = read(here, end, depth + 1)
      children.push(child.element)
      here = child.end
    }
    if (indefinite) throw new RangeError('an element does not end')
    return { element: { tag, constructed, bytes: bytes.subarray(from, end), children }, end }
  }
  const { element, end } = read(0, bytes.length, 0)
  // some programs end the file with a line end
  if (!/^\s*$/.test(bytes.toString('latin1', end, end + 8)) || bytes.length > end + 8) {
    throw new RangeError('bytes follow the structure')
  }
  return element
}

/** An OCTET STRING in one piece or in several (section 8.7). @throws RangeError when it is none */
export function octets(element: BerElement | undefined): Buffer {
  if (element === undefined || (element.tag & 0x1f) !== 0x04) throw new RangeError('no octet string')
  return element.constructed ? Buffer.concat(element.children.map(octets)) : element.bytes
}
