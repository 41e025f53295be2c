import assert from 'node:assert/strict'
import fc from 'fast-check'
import PostalMime from 'postal-mime'
import { maskCpr } from '../../lib/classify/cpr'
import { composeReport } from '../../lib/notify/compose'
import { decodeFully } from '../../lib/notify/encoded-words'
import { REPORT_KINDS } from '../../lib/notify/kinds'
import { clean } from '../../lib/notify/sanitize'
import type { Failure } from '../../lib/failure'
import type { ReportInput, Told } from '../../lib/notify/types'
import { packageTemplates, recipientOf, report } from './fixtures'
import { allParts, judge, valuesOf } from './judge'

const options = { templates: packageTemplates() }

/** Ten digits that are a CPR number by date and modulus 11. */
const cpr = fc
  .tuple(
    fc.integer({ min: 1, max: 28 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 40, max: 99 }),
    fc.integer({ min: 0, max: 399 }),
  )
  .map(([day, month, year, serial]) => {
    const nine = [day, month, year].map((n) => String(n).padStart(2, '0')).join('') + String(serial).padStart(3, '0')
    const sum = [4, 3, 2, 7, 6, 5, 4, 3, 2].reduce((total, weight, i) => total + weight * Number(nine[i]), 0)
    const check = (11 - (sum % 11)) % 11
    return check === 10 ? '0101401007' : `${nine}${check}`
  })

/** The number as people and attackers write it. */
const written = fc
  .tuple(cpr, fc.constantFrom('', '-', ' ', '\u00ad', '\u200b', '\r\n ', '\u202e'))
  .map(([digits, between]) => ({ digits, text: `${digits.slice(0, 6)}${between}${digits.slice(6)}` }))

/** The text hidden in header encodings. */
const hidings: ((text: string) => string)[] = [
  (text) => text,
  (text) => `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`,
  (text) =>
    `=?utf-8?Q?${[...Buffer.from(text)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')}?=`,
  (text) => `=?utf-8?Q?${text.slice(0, 4)}?= =?utf-8?Q?${text.slice(4).replaceAll(' ', '_').replace(/\r\n/g, '')}?=`,
  (text) => {
    const inner = `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`
    return `=?utf-8?B?${Buffer.from(inner).toString('base64')}?=`
  },
]

const asFailure = (told: Told): Failure => ({
  ...told,
  resultType: told.resultType === 'relayed' ? 'smtp-deferred' : told.resultType,
})

function plant(kind: ReportInput['kind'], text: string, hide: (text: string) => string): ReportInput {
  const input = report(kind)
  const failure = {
    ...input.recipients[0]!.failure,
    publicText: `it said CPR ${text}`,
    smtp: { code: 550, enhanced: '5.7.1', text: `rejected: CPR ${text} found` },
  }
  return {
    ...input,
    original: {
      ...input.original,
      subject: `Vedr. cpr ${text}`,
      headers: [
        { name: 'Subject', value: `Vedr. cpr ${hide(text)}` },
        { name: 'To', value: `cpr ${hide(text)} <bo@partner.example>` },
        {
          name: 'Content-Type',
          value: `application/pdf; name="${text}.pdf"; name*=utf-8''${encodeURIComponent(text)}`,
        },
        { name: 'References', value: `${hide(text)} ${encodeURIComponent(`cpr ${text}`)}` },
      ],
    },
    recipients: [
      recipientOf(kind, {
        failure,
        attempts: [{ host: 'mx1.partner.example', at: '2026-11-23T18:03:14Z', ok: false, failure: asFailure(failure) }],
      }),
    ],
    optOut: { requested: true, refusals: [{ code: 'cpr', where: `attachment ${text}.xlsx`, detail: text }] },
    policySource: `map, CPR ${text}`,
  }
}

describe('a report about a hostile mail', function () {
  // The judge is a process of its own.
  this.timeout(30_000)

  it('never holds a CPR number, in its bytes or decoded (postal-mime as the second reader)', async function () {
    this.timeout(60_000)
    await fc.assert(
      fc.asyncProperty(
        written,
        fc.constantFrom(...hidings),
        fc.constantFrom(...REPORT_KINDS),
        async (number, hide, kind) => {
          const { message } = await composeReport(plant(kind, number.text, hide), options)
          const parsed = await PostalMime.parse(message)
          const attached = parsed.attachments.map(({ content }) =>
            typeof content === 'string' ? content : Buffer.from(new Uint8Array(content)).toString('utf8'),
          )
          const seen = [
            message.toString('latin1'),
            parsed.subject ?? '',
            parsed.text ?? '',
            parsed.html ?? '',
            ...attached,
          ]
          for (const text of seen.flatMap((one) => [one, decodeFully(one)])) {
            assert.equal(digitsOnly(text).includes(number.digits), false, text)
          }
        },
      ),
      { numRuns: 150 },
    )
  })

  it('never holds a CPR number as Python reads it', async function () {
    this.timeout(60_000)
    const cases = fc.sample(fc.tuple(written, fc.constantFrom(...hidings), fc.constantFrom(...REPORT_KINDS)), {
      numRuns: 60,
      seed: 7,
    })
    const messages = await Promise.all(
      cases.map(async ([number, hide, kind]) => (await composeReport(plant(kind, number.text, hide), options)).message),
    )
    judge(messages).forEach((judged, i) => {
      const everything = JSON.stringify([
        judged.headers,
        judged.returned,
        allParts(judged).map((part) => [part.text, part.blocks]),
      ])
      assert.equal(digitsOnly(everything).includes(cases[i]![0].digits), false, everything)
    })
  })

  it('lets no line break from outside make a header or a field', async () => {
    const evil =
      'x\r\nBcc: victim@evil.example\r\n\r\nContent-Type: text/html\nAction: delivered\u2028Status: 2.0.0\u0085X-Evil: 1\rX-More: 1'
    const input = report('mailbox-refused')
    const planted: ReportInput = {
      ...input,
      caseId: 'SM-AAAA-BBBB',
      sender: `anne@uni.example\r\nBcc: victim@evil.example`,
      envid: evil,
      policySource: evil,
      messageId: `a@b>\r\nBcc: victim@evil.example`,
      reportingMta: 'mx.uni.example\r\nBcc: victim@evil.example',
      original: {
        subject: evil,
        messageId: evil,
        headers: [
          { name: 'Subject', value: evil },
          { name: 'X: y\r\nBcc', value: 'victim@evil.example' },
          { name: 'To', value: `=?utf-8?B?${Buffer.from(evil).toString('base64')}?=` },
        ],
      },
      recipients: [
        recipientOf('mailbox-refused', {
          address: `bo@partner.example${evil}`,
          originalRecipient: `rfc822;${evil}`,
          logId: evil,
          failure: {
            resultType: 'smtp-rejected',
            enhancedCode: '5.1.1',
            publicText: evil,
            mx: evil,
            smtp: { code: 550, text: evil },
          },
        }),
      ],
    }
    const { message } = await composeReport(planted, options)
    const judged = judge([message])[0]!
    for (const name of ['Bcc', 'X-Evil', 'X-More', 'Action']) assert.deepEqual(valuesOf(judged.headers, name), [], name)
    const status = judged.parts[1]!.blocks!
    assert.equal(status.length, 2)
    assert.deepEqual(valuesOf(status[1]!, 'Action'), ['failed'])
    for (const block of status)
      for (const name of ['Bcc', 'X-Evil', 'X-More']) assert.deepEqual(valuesOf(block, name), [])
    assert.deepEqual(
      judged.returned!.map(([name]) => name),
      ['Subject', 'To'],
    )
    assert.equal((judged.returnedBody ?? '').trim(), '')
  })

  it('survives any text anywhere with a whole structure', async function () {
    this.timeout(60_000)
    const any = fc.string({ unit: 'binary', maxLength: 300 })
    const cases = fc.sample(fc.tuple(any, any, any, any, fc.constantFrom(...REPORT_KINDS)), { numRuns: 80, seed: 11 })
    const messages = await Promise.all(
      cases.map(async ([subject, remote, address, where, kind]) => {
        const input = report(kind)
        const failure = {
          ...input.recipients[0]!.failure,
          publicText: remote,
          mx: remote,
          smtp: { code: 550, text: remote },
        }
        const change: ReportInput = {
          ...input,
          original: {
            subject,
            headers: [
              { name: 'Subject', value: subject },
              { name: 'From', value: remote },
            ],
          },
          recipients: [recipientOf(kind, { address, failure })],
          optOut: { requested: true, refusals: [{ code: 'uninspected', where, detail: where }] },
        }
        return (await composeReport(change, options)).message
      }),
    )
    judge(messages).forEach((judged, i) => {
      const advice = cases[i]![4] === 'category3-advice'
      assert.deepEqual(
        judged.parts.map((part) => part.type),
        advice
          ? ['multipart/alternative', 'text/rfc822-headers']
          : ['multipart/alternative', 'message/delivery-status', 'text/rfc822-headers'],
      )
      if (!advice) assert.equal(judged.parts[1]!.blocks!.length, 2)
      assert.match(messages[i]!.toString('latin1'), /^[\t\r\n\x20-\x7e]*$/)
    })
  })
})

describe('cleaning text from outside', function () {
  // The judge is a process of its own.
  this.timeout(30_000)

  const rows: [string, string, string][] = [
    ['control characters', 'a\u0000b\u0007c', 'a b c'],
    ['line breaks', 'a\r\nb\u2028c\u0085d', 'a b c d'],
    ['bidi override', 'invoice\u202efdp.exe', 'invoicefdp.exe'],
    ['zero width', 'a\u200bb\ufeffc', 'abc'],
    ['lone surrogate', 'a\ud800b', 'a\ufffdb'],
    ['terminal escape', '\u001b[31mred', '[31mred'],
    ['CPR split by a soft hyphen', 'cpr 070761\u00ad-4285', 'cpr 070761-****'],
  ]
  for (const [what, given, expected] of rows) {
    it(what, () => {
      assert.equal(clean(given, maskCpr), expected)
    })
  }

  it('decodes encoded words until none is left', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 0, max: 8 }), (text, rounds) => {
        let value = text
        for (let i = 0; i < rounds; i++) value = `=?utf-8?B?${Buffer.from(value).toString('base64')}?=`
        assert.equal(decodeFully(value).includes('=?'), false)
      }),
      { numRuns: 200 },
    )
  })
})

/** What a reader sees who pays no heed to separators inside a number. */
function digitsOnly(text: string): string {
  return text.replace(/(?<=\p{Nd})[\s\p{Cf}\p{Pd}.=]+(?=\p{Nd})/gu, '')
}
