/** Texts of a workbook: XLUnicodeString and the shared string table (MS-XLS sections 2.5.293, 2.5.294, 2.4.265). */
import { utf16Text } from '../utf16'
import type { XlsRecord } from './xls-records'

const WIDE = 0x01
const PHONETIC = 0x04
const RICH = 0x08
/** Bytes of one change of the font. */
const RUN = 4

/** Reads on over the ends of records. */
class Continued {
  readonly #segments: readonly Buffer[]
  #segment = 0
  #at = 0

  constructor(record: XlsRecord) {
    this.#segments = [record.data, ...record.more]
  }

  u8(): number {
    this.#advance()
    return this.#current().readUInt8(this.#at++)
  }

  u16(): number {
    return this.u8() | (this.u8() << 8)
  }

  u32(): number {
    return this.u16() + this.u16() * 0x1_0000
  }

  skip(count: number): void {
    for (let left = count; left > 0;) {
      this.#advance()
      const step = Math.min(left, this.#current().length - this.#at)
      this.#at += step
      left -= step
    }
  }

  /** Characters; where they go on in the next record, it begins with their width anew. */
  characters(count: number, isWide: boolean): string {
    const pieces: string[] = []
    let wide = isWide
    for (let left = count; left > 0;) {
      if (this.#at >= this.#current().length) {
        this.#next()
        wide = (this.#current().readUInt8(this.#at++) & WIDE) !== 0
      }
      const width = wide ? 2 : 1
      const step = Math.min(left, Math.floor((this.#current().length - this.#at) / width))
      if (step === 0) throw new RangeError('half a character')
      const end = this.#at + step * width
      const bytes = this.#current()
      pieces.push(wide ? utf16Text(bytes, this.#at, end) : bytes.toString('latin1', this.#at, end))
      this.#at = end
      left -= step
    }
    return pieces.join('')
  }

  #current(): Buffer {
    const segment = this.#segments[this.#segment]
    if (segment === undefined) throw new RangeError('the record is too short')
    return segment
  }

  #next(): void {
    this.#segment++
    this.#at = 0
    this.#current()
  }

  #advance(): void {
    while (this.#at >= this.#current().length) this.#next()
  }
}

/** All strings of the shared table. @throws RangeError when the table is shorter than it says */
export function sharedStrings(record: XlsRecord): string[] {
  const input = new Continued(record)
  input.u32()
  const count = input.u32()
  const size = record.data.length + record.more.reduce((sum, data) => sum + data.length, 0)
  // each takes three bytes at least
  if (count * 3 > size) throw new RangeError('count')
  const strings: string[] = []
  for (let n = 0; n < count; n++) {
    const length = input.u16()
    const flags = input.u8()
    const runs = (flags & RICH) === 0 ? 0 : input.u16()
    const phonetic = (flags & PHONETIC) === 0 ? 0 : input.u32()
    strings.push(input.characters(length, (flags & WIDE) !== 0))
    input.skip(runs * RUN + phonetic)
  }
  return strings
}

/** A string with a length of two bytes. @param at where in the record it begins */
export function longString(record: XlsRecord, at: number): string {
  const input = new Continued(record)
  input.skip(at)
  const length = input.u16()
  // an empty string may come without its flags
  if (length === 0) return ''
  const flags = input.u8()
  return input.characters(length, (flags & WIDE) !== 0)
}

/** A string with a length of one byte. */
export function shortString(record: XlsRecord, at: number): string {
  const input = new Continued(record)
  input.skip(at)
  const length = input.u8()
  const flags = input.u8()
  return input.characters(length, (flags & WIDE) !== 0)
}

/** Text of a text object, which stands in the records that follow (section 2.4.329). */
export function objectText(record: XlsRecord): string {
  const length = record.data.readUInt16LE(10)
  if (length === 0) return ''
  const input = new Continued({ ...record, data: record.more[0] ?? Buffer.alloc(0), more: record.more.slice(1) })
  const flags = input.u8()
  return input.characters(length, (flags & WIDE) !== 0)
}
