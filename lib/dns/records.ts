/** The data of each record type, read within the bounds of its own RDLENGTH. Every reader throws RangeError on bytes that are not that type. */
import type { MxData, RecordData, RecordType, TlsaData } from './types'
import { readName, type ResourceRecord } from './wire'

type Reader<T extends RecordType> = (bytes: Buffer, start: number, end: number) => RecordData[T]

const READERS: { [T in RecordType]: Reader<T> } = {
  A: readA,
  AAAA: readAaaa,
  CNAME: readCname,
  MX: readMx,
  TXT: readTxt,
  TLSA: readTlsa,
}

/**
 * @param bytes the message that the record is in
 * @throws RangeError when the record's data is not of that type
 */
export function readRecord<T extends RecordType>(type: T, bytes: Buffer, record: ResourceRecord): RecordData[T] {
  return READERS[type](bytes, record.start, record.end)
}

/** RFC 1035 section 3.4.1. */
function readA(bytes: Buffer, start: number, end: number): string {
  if (end - start !== 4) throw new RangeError('an A record has four bytes')
  return bytes.subarray(start, end).join('.')
}

/** RFC 3596 section 2.2; written as RFC 5952 wants it. */
function readAaaa(bytes: Buffer, start: number, end: number): string {
  if (end - start !== 16) throw new RangeError('an AAAA record has sixteen bytes')
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(start + 2 * i).toString(16))
  // the URL parser compresses the longest run of zeros, as RFC 5952 section 4.2 asks
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function readCname(bytes: Buffer, start: number, end: number): string {
  return readNameExactly(bytes, start, end)
}

/** RFC 1035 section 3.3.9; the root as exchange is the null MX (RFC 7505 section 3). */
function readMx(bytes: Buffer, start: number, end: number): MxData {
  if (end - start < 3) throw new RangeError('an MX record has a preference and a name')
  return { preference: bytes.readUInt16BE(start), exchange: readNameExactly(bytes, start + 2, end) }
}

/** RFC 1035 section 3.3.14; the strings of one record belong together (RFC 8461 section 3.1). Bytes as latin1: lossless. */
function readTxt(bytes: Buffer, start: number, end: number): string {
  let text = ''
  for (let offset = start; offset < end;) {
    const stop = offset + 1 + bytes.readUInt8(offset)
    if (stop > end) throw new RangeError('a TXT string reaches past its record')
    text += bytes.toString('latin1', offset + 1, stop)
    offset = stop
  }
  return text
}

/**
 * RFC 6698 section 2.1. Three bytes without any data are a record that no certificate can match; that is DANE's to
 * judge ("unusable"), not a broken message.
 */
function readTlsa(bytes: Buffer, start: number, end: number): TlsaData {
  if (end - start < 3) throw new RangeError('a TLSA record has at least three bytes')
  return {
    usage: bytes.readUInt8(start),
    selector: bytes.readUInt8(start + 1),
    matchingType: bytes.readUInt8(start + 2),
    data: bytes.toString('hex', start + 3, end),
  }
}

function readNameExactly(bytes: Buffer, start: number, end: number): string {
  const { name, next } = readName(bytes, start)
  if (next !== end) throw new RangeError('a name does not end where its record ends')
  return name
}

/** Negative-caching TTL of a SOA record in seconds: the lesser of its own TTL and its MINIMUM (RFC 2308 section 5). */
export function soaNegativeTtl(bytes: Buffer, record: ResourceRecord): number {
  const mname = readName(bytes, record.start)
  const rname = readName(bytes, mname.next)
  if (rname.next + 20 !== record.end) throw new RangeError('a SOA record has two names and five numbers')
  return Math.min(record.ttl, bytes.readUInt32BE(rname.next + 16))
}
