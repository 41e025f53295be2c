import assert from 'node:assert/strict'
import fc from 'fast-check'
import { doneRecord, mailRecord, newMark, readRecords } from '../../lib/spool/record'

const MARK = Buffer.from('8 random')
const mail = (number: number, name: string, content: string | Buffer) =>
  Buffer.concat(mailRecord(MARK, number, name, Buffer.from(content)).pieces)
const segmentOf = (...records: Buffer[]) => Buffer.concat([MARK, ...records])

/** What a segment says, as plain text. */
const read = (segment: Buffer) => {
  const { records, damaged } = readRecords(segment)
  return {
    damaged,
    records: records.map((record) =>
      record.kind === 'mail'
        ? `${record.number} ${record.name} ${record.content.toString('latin1')}`
        : `done ${record.numbers.join(',')}`,
    ),
  }
}

describe('records of the journal', () => {
  it('gives back what was written, in order', () => {
    const segment = segmentOf(mail(1, 'a_æ', 'one'), doneRecord(MARK, [1, 7]), mail(4_000_000_000, 'b', ''))
    assert.deepEqual(read(segment), { damaged: false, records: ['1 a_æ one', 'done 1,7', '4000000000 b '] })
  })

  it('says where in the written pieces the content begins', () => {
    const { pieces, length, contentAt } = mailRecord(MARK, 9, 'name', Buffer.from('content'))
    const bytes = Buffer.concat(pieces)
    assert.equal(bytes.length, length)
    assert.equal(bytes.toString('latin1', contentAt), 'content')
  })

  it('a write that never ended is none, wherever it was cut', () => {
    const whole = mail(1, 'first', 'kept')
    const torn = mail(2, 'second', 'never acknowledged')
    for (let cut = 0; cut < torn.length; cut++) {
      const { records, damaged } = read(segmentOf(whole, torn.subarray(0, cut)))
      assert.deepEqual(records, ['1 first kept'], `cut at ${cut}`)
      assert.equal(damaged, false)
    }
  })

  it('every flipped bit is found, and what follows is read all the same', () => {
    const first = mail(1, 'first', 'damaged')
    const second = mail(2, 'second', 'whole')
    for (let at = 0; at < first.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const bytes = segmentOf(first, second)
        bytes[MARK.length + at] = (bytes[MARK.length + at] ?? 0) ^ (1 << bit)
        assert.deepEqual(read(bytes), { damaged: true, records: ['2 second whole'] }, `bit ${bit} of byte ${at}`)
      }
    }
  })

  it('a mark that is damaged leaves nothing to read, and that is told', () => {
    const bytes = segmentOf(mail(1, 'first', 'x'), mail(2, 'second', 'y'))
    bytes[0] = 0
    assert.deepEqual(read(bytes), { damaged: true, records: [] })
  })

  it('a mail cannot hold records: not whole, and not when its own record is cut', () => {
    const forged = Buffer.concat([
      newMark(),
      ...mailRecord(newMark(), 3, 'inner', Buffer.from('forged')).pieces,
      doneRecord(newMark(), [1]),
    ])
    const outer = mail(2, 'outer', forged)
    assert.deepEqual(readRecords(segmentOf(mail(1, 'first', 'x'), outer, mail(4, 'next', 'y'))).records.length, 3)
    const cut = segmentOf(mail(1, 'first', 'x'), outer.subarray(0, outer.length - 1))
    assert.deepEqual(read(cut), { damaged: false, records: ['1 first x'] })
  })

  it('never throws and never invents, on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const { records } = readRecords(Buffer.from(bytes))
        assert.deepEqual(records, [])
      }),
    )
  })
})
