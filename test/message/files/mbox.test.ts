import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readMbox } from '../../../lib/message/files/mbox'
import { CPR } from '../../gate/support'
import { budgetOf, fileOf, readingOf, reasonsOf, refusalsOf } from './legacy-support'

const FROM = 'From anna@uni.example Mon Jan  5 00:00:00 2026'
const first = `${FROM}\nSubject: a\n\nFrom here on\n>From now on\n`
const second = `${FROM} +0100\r\nSubject: b\r\n\r\nx\r\n`
const both = Buffer.from(`${first}\n${second}`)

describe('mailboxes (RFC 4155)', () => {
  it('each message stands behind its own line', async () => {
    const { embedded, uninspected } = await readingOf(readMbox, both)
    assert.deepEqual(
      embedded.map(({ where, bytes }) => [where, bytes.toString().split(/\r?\n/, 1)[0]]),
      [
        ['file > message 1', 'Subject: a'],
        ['file > message 2', 'Subject: b'],
      ],
    )
    assert.match(embedded[0]?.bytes.toString() ?? '', /From here on\n>From now on/)
    assert.deepEqual(uninspected, [])
  })

  const OTHERS: [what: string, text: string][] = [
    ['a letter', 'From now on, the canteen opens at 8.\nFrom 2026 on as well'],
    ['a message', 'From: a@b.example\nSubject: x\n\ny'],
    ['a line inside', `hello\n${FROM}\n`],
    ['nothing', ''],
  ]
  for (const [what, text] of OTHERS)
    it(`is none: ${what}`, () => assert.equal(readMbox(fileOf(Buffer.from(text)), budgetOf()), null))

  it('a number in the line of a message is found, and one in a message', async () => {
    assert.ok((await refusalsOf(Buffer.from(both.toString().replace('anna', CPR)))).includes('cpr'))
    assert.ok((await refusalsOf(Buffer.from(both.toString().replace('\r\nx', `\r\n${CPR}`)))).includes('cpr'))
    assert.deepEqual(await refusalsOf(both), [])
  })

  it('ends with its budget', async () => {
    for (const limits of [{ parts: 1 }, { bytes: 50 }, { asks: 1 }])
      assert.equal(reasonsOf(await readingOf(readMbox, both, budgetOf(limits))).length, 1)
  })

  it('hands on every byte once', async () => {
    const piece = fc.constantFrom(`${FROM}\n`, 'From x\n', 'Subject: y\n', '\n', 'text', `${FROM} Z\r\n`, '>From ')
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
        const bytes = Buffer.from(`${FROM}\n${pieces.join('')}`)
        const reading = await readMbox(fileOf(bytes), budgetOf())
        const told = reading?.texts.reduce((sum, { text }) => sum + text.length, 0) ?? 0
        const handed = reading?.embedded.reduce((sum, one) => sum + one.bytes.length, 0) ?? 0
        assert.equal(told + handed, bytes.length)
      }),
    )
  })
})
