/**
 * DNS messages on the wire (RFC 1035 section 4, EDNS(0) RFC 6891). Queries are written by dns-packet. Replies are read
 * here, because they are an attacker's to write: dns-packet's reader trusts record contents over RDLENGTH, so one
 * record can shift all that follow, and it turns label bytes into text that makes different names look equal.
 */
import { AUTHENTIC_DATA, DNSSEC_OK, encode, RECURSION_DESIRED, type RecordType as PacketType } from 'dns-packet'

/** Type numbers that replies are searched for. */
export const TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, MX: 15, TXT: 16, AAAA: 28, OPT: 41, TLSA: 52 } as const

const CLASS_IN = 1
const HEADER_BYTES = 12

/** RFC 9715 (and DNS Flag Day 2020): what passes without fragments, which could be forged. */
export const UDP_PAYLOAD_BYTES = 1232

/** Response codes that are treated each in their own way (RFC 1035 section 4.1.1). */
export const RCODE = { noError: 0, servFail: 2, nxDomain: 3, refused: 5 } as const

/** One resource record; its data is still bytes of the message. */
export interface ResourceRecord {
  owner: string
  type: number
  ttl: number
  /** Offsets of RDATA in the message. */
  start: number
  end: number
}

export interface Reply {
  /** The whole message; names in RDATA may point anywhere into it. */
  bytes: Buffer
  rcode: number
  /** AD: the resolver says that it validated all of this (RFC 4035 section 3.2.3). */
  authentic: boolean
  authoritative: boolean
  answers: ResourceRecord[]
  authorities: ResourceRecord[]
}

export interface Query {
  id: number
  bytes: Buffer
  /** The question section as sent; a reply must carry these very bytes. */
  question: Buffer
}

/**
 * @param id 16 bits, unpredictable
 * @param name normalised; `''` is the root
 */
export function encodeQuery(id: number, name: string, type: PacketType): Query {
  const bytes = encode({
    type: 'query',
    id,
    // RFC 6840 section 5.7: AD in a query asks for AD in the reply
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ type, name: name === '' ? '.' : name }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_PAYLOAD_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: DNSSEC_OK,
        flag_do: true,
        options: [],
      },
    ],
  })
  const { next } = readName(bytes, HEADER_BYTES)
  return { id, bytes, question: bytes.subarray(HEADER_BYTES, next + 4) }
}

/**
 * Is this a reply to that question? RFC 5452 section 9.1: the id, the response bit, the opcode and the question, byte
 * for byte and so also in case, all have to fit. (The address and port it came from are the socket's to check.)
 */
export function isReplyTo(query: Query, bytes: Buffer): boolean {
  if (bytes.length < HEADER_BYTES + query.question.length) return false
  if (bytes.readUInt16BE(0) !== query.id) return false
  const flags = bytes.readUInt16BE(2)
  if ((flags & 0x8000) === 0 || (flags & 0x7800) !== 0) return false
  if (bytes.readUInt16BE(4) !== 1) return false
  return bytes.subarray(HEADER_BYTES, HEADER_BYTES + query.question.length).equals(query.question)
}

/** TC: the reply did not fit and must be asked for over TCP (RFC 7766 section 5). */
export function isTruncated(bytes: Buffer): boolean {
  return (bytes.readUInt16BE(2) & 0x0200) !== 0
}

/**
 * Read a reply that `isReplyTo` let through.
 *
 * @throws RangeError when the message is not well-formed
 */
export function decodeReply(query: Query, bytes: Buffer): Reply {
  const flags = bytes.readUInt16BE(2)
  const cursor = { offset: HEADER_BYTES + query.question.length }
  const answers = readRecords(bytes, cursor, bytes.readUInt16BE(6))
  const authorities = readRecords(bytes, cursor, bytes.readUInt16BE(8))
  const additionals = readRecords(bytes, cursor, bytes.readUInt16BE(10))
  // RFC 6891 section 6.1.3: the upper eight bits of the response code stand in the TTL of OPT
  const opt = additionals.find((record) => record.type === TYPE.OPT)
  const upper = opt === undefined ? 0 : Math.floor(opt.ttl / 0x1000000)
  return {
    bytes,
    rcode: upper * 16 + (flags & 0xf),
    authentic: (flags & 0x0020) !== 0,
    authoritative: (flags & 0x0400) !== 0,
    answers,
    authorities,
  }
}

function readRecords(bytes: Buffer, cursor: { offset: number }, count: number): ResourceRecord[] {
  const records: ResourceRecord[] = []
  for (let i = 0; i < count; i++) {
    const { name, next } = readName(bytes, cursor.offset)
    const type = bytes.readUInt16BE(next)
    const klass = bytes.readUInt16BE(next + 2)
    const ttl = bytes.readUInt32BE(next + 4)
    const start = next + 10
    const end = start + bytes.readUInt16BE(next + 8)
    if (end > bytes.length) throw new RangeError('record data reaches past the end of the message')
    cursor.offset = end
    // OPT puts the payload size where the class stands
    if (klass !== CLASS_IN && type !== TYPE.OPT) continue
    records.push({ owner: name, type, ttl: ttlOf(type, ttl), start, end })
  }
  return records
}

/** RFC 2181 section 8: a TTL with the top bit set counts as zero. */
function ttlOf(type: number, ttl: number): number {
  return type !== TYPE.OPT && ttl > 0x7fffffff ? 0 : ttl
}

/**
 * A domain name at an offset, lower case, compression pointers followed (RFC 1035 section 4.1.4).
 *
 * @returns the name, and the offset behind it; bytes that no host name has are written `\DDD`, so such a name equals
 *   no name that was asked for
 * @throws RangeError on a name that is cut, too long, or points forward or in a circle
 */
export function readName(bytes: Buffer, at: number): { name: string; next: number } {
  const labels: string[] = []
  let offset = at
  let next = -1
  let wireBytes = 1
  for (;;) {
    const length = bytes.readUInt8(offset)
    if (length === 0) break
    if ((length & 0xc0) === 0xc0) {
      const target = bytes.readUInt16BE(offset) & 0x3fff
      // only ever backwards, so there is no circle
      if (target >= offset) throw new RangeError('compression pointer does not point back')
      if (next < 0) next = offset + 2
      offset = target
      // a pointer chain costs too, or a message could be one long chain for each name
      wireBytes += 1
    } else if ((length & 0xc0) === 0) {
      const end = offset + 1 + length
      if (end > bytes.length) throw new RangeError('label reaches past the end of the message')
      labels.push(labelText(bytes.subarray(offset + 1, end)))
      wireBytes += 1 + length
      offset = end
    } else {
      throw new RangeError('unknown label type')
    }
    if (wireBytes > 255) throw new RangeError('name too long')
  }
  return { name: labels.join('.'), next: next < 0 ? offset + 1 : next }
}

function labelText(label: Buffer): string {
  return label
    .toString('latin1')
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`)
}
