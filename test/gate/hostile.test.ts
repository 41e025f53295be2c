/** Inputs that take minutes, or the stack, where any step grows faster than the mail. */
import assert from 'node:assert/strict'
import { inspect } from '../../lib/gate'
import { look, mail, settingsWith } from './support'

const rep = (piece: string, length = 200_000) => piece.repeat(Math.floor(length / piece.length))
const html = (body: string) => mail({ 'Content-Type': 'text/html' }, body)

const HOSTILE: [name: string, raw: Buffer][] = [
  ['subject of brackets', mail({ Subject: rep('[') }, 'x')],
  ['subject of tags', mail({ Subject: `${rep('[unsecure] ')}[public]` }, 'x')],
  ['subject of prefixes', mail({ Subject: rep('re      ') }, 'x')],
  ['subject of one prefix and blanks', mail({ Subject: `re${rep(' ')}x` }, 'x')],
  ['subject of words', mail({ Subject: rep('=?utf-8?q?a?= ') }, 'x')],
  ['from of commas', mail({ From: rep('a@b,') }, 'x')],
  ['from of comments', mail({ From: rep('(') }, 'x')],
  ['content type of parameters', mail({ 'Content-Type': `text/plain${rep('; a=b')}` }, 'x')],
  ['labels', mail({ msip_labels: rep('MSIP_Label_aaaaaaaa-0000-0000-0000-000000000001_Enabled=true;') }, 'x')],
  ['label lines', mail({}, rep('Classification: x\n', 3_000_000))],
  ['dense numbers', mail({}, rep('010170-1234 '))],
  ['table of numbers in one line', mail({}, `CPR;b\n${rep('0101701234;')}`)],
  ['addresses', mail({}, rep('http://x.example/0707614285/'))],
  ['base64 of paddings', mail({ 'Content-Transfer-Encoding': 'base64' }, rep('YQ=='))],
  ['quoted-printable of equals', mail({ 'Content-Transfer-Encoding': 'quoted-printable' }, rep('=   '))],
  ['boundaries', mail({ 'Content-Type': 'multipart/mixed; boundary=b' }, rep('--b\n'))],
  ['data URLs', html(rep('<img src="data:image/png;base64,AAAA">', 6_000_000))],
  ['comments in comments', html(rep('<!--<'))],
  ['hiding styles', html(`<p style="${rep('margin:')}">`)],
  ['combining marks', mail({}, rep('\u0301'))],
]

describe('hostile mails are read in linear time', () => {
  for (const [name, raw] of HOSTILE) {
    it(name, async () => {
      const { verdict } = await look(raw)
      assert.equal(verdict.granted, verdict.requested && verdict.refusals.length === 0)
      assert.ok(JSON.stringify(verdict).length < 2_000_000)
    })
  }

  it('the clock ends the search in the middle of a text', async () => {
    let now = Date.UTC(2026, 10, 23)
    const raw = mail({}, rep('010170-1234 '))
    const given = settingsWith({ content: { maxMillis: 50 } })
    const submission = { authenticated: true, aclListed: false, mailFrom: 'anna@uni.example' }
    const { verdict } = await inspect(raw, submission, given, { now: () => (now += 10) })
    assert.ok(verdict.refusals.some(({ code }) => code === 'cannot-inspect-now'))
    assert.equal(verdict.granted, false)
  })
})
