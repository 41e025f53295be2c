/** Extra fields of a zip member (APPNOTE section 4.5): those that are known, and that hold what they should. */

/** Fields of times, owners and flags of known programs, and the most bytes of each. */
const KNOWN: ReadonlyMap<number, number> = new Map([
  [0x000a, 32], // NTFS times
  [0x5455, 13], // times of Info-ZIP
  [0x5855, 12], // the same, older
  [0x7855, 4], // owner, older
  [0x7875, 24], // owner
  [0xcafe, 0], // Java
  [0xd935, 4096], // alignment of Android: zeros
  [0xa220, 0xffff], // room to grow of Office: zeros
])
const ZIP64 = 0x0001
const STRONG = 0x0017
const UNICODE_COMMENT = 0x6375
const UNICODE_NAME = 0x7075
const AES = 0x9901

export interface ExtraFields {
  unicodeName: string | null
  unicodeComment: string | null
  encrypted: boolean
  /** Something that this reader does not know, or that is not in its form. */
  problem: string | null
  /** @returns the sizes that did not fit into 32 bits, one with each call in their order */
  sizes64(): () => number
}

/** @param bytes of all extra fields of one record */
export function readExtra(bytes: Buffer): ExtraFields {
  const fields: ExtraFields = {
    unicodeName: null,
    unicodeComment: null,
    encrypted: false,
    problem: null,
    sizes64: () => () => 0xffffffff,
  }
  const odd = () => (fields.problem = 'a member of the archive has fields that are not known')
  const seen = new Set<number>()
  let at = 0
  while (at + 4 <= bytes.length) {
    const id = bytes.readUInt16LE(at)
    const end = at + 4 + bytes.readUInt16LE(at + 2)
    if (end > bytes.length || seen.has(id)) {
      odd()
      return fields
    }
    seen.add(id)
    readField(fields, id, bytes.subarray(at + 4, end), odd)
    at = end
  }
  if (at < bytes.length) odd()
  return fields
}

function readField(fields: ExtraFields, id: number, data: Buffer, odd: () => void): void {
  switch (id) {
    case ZIP64:
      if (data.length > 28 || data.length % 4 !== 0) {
        odd()
        return
      }
      fields.sizes64 = () => sizesOf(data)
      return
    case AES:
      fields.encrypted = true
      if (data.length !== 7) odd()
      return
    case STRONG:
      fields.encrypted = true
      return
    case UNICODE_NAME:
    case UNICODE_COMMENT: {
      // version, CRC of the plain name, UTF-8
      if (data.length < 5 || data[0] !== 1) {
        odd()
        return
      }
      const text = data.toString('utf8', 5)
      if (id === UNICODE_NAME) fields.unicodeName = text
      else fields.unicodeComment = text
      return
    }
    default: {
      const most = KNOWN.get(id)
      const padding = id === 0xa220 ? data.subarray(4) : id === 0xd935 ? data.subarray(2) : null
      if (most === undefined || data.length > most || padding?.some((byte) => byte !== 0) === true) odd()
    }
  }
}

function sizesOf(data: Buffer): () => number {
  let at = 0
  return () => {
    if (at + 8 > data.length) return 0xffffffff
    const value = data.readBigUInt64LE(at)
    at += 8
    // beyond any file that there is: fails where it is compared with the file
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value)
  }
}
