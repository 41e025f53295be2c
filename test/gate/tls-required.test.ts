/** TLS-Required and REQUIRETLS before the gate (RFC 8689): what is a request, and which of the two wins. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { quickLook, saysTlsRequiredNo } from '../../lib/gate'
import { parseHeader } from '../../lib/message/header'
import { look, mail, settingsWith } from './support'

const TEXT = 'The canteen opens at ten.\n'
const allowed = settingsWith({ override: { tlsRequiredNo: true } })
const forbidden = settingsWith({ override: { tlsRequiredNo: false } })

/** [fields, is it the wish?, why] */
const FIELDS: [fields: readonly string[], wish: boolean, source: string][] = [
  [['TLS-Required: No'], true, 'RFC 8689 section 3'],
  [['TLS-Required:No'], true, 'RFC 8689 section 3: [FWS]'],
  [['TLS-Required: \t No'], true, 'RFC 8689 section 3: [FWS]'],
  [['TLS-Required:\r\n No'], true, 'RFC 8689 section 3: [FWS], folded'],
  [['TLS-Required: \r\n\tNo'], true, 'RFC 8689 section 3: [FWS], folded'],
  [['tls-required: NO'], true, 'RFC 5234 section 2.3: letter case does not count'],
  [[], false, 'no field'],
  [['TLS-Required:'], false, 'no value'],
  [['TLS-Required: Yes'], false, 'RFC 8689 section 3: No is the only value'],
  [['TLS-Required: None'], false, 'RFC 8689 section 3: No is the only value'],
  [['TLS-Required: No (please)'], false, 'RFC 8689 section 3: no comment'],
  [['TLS-Required: (please) No'], false, 'RFC 8689 section 3: no comment'],
  [['TLS-Required: "No"'], false, 'RFC 8689 section 3: no quoted string'],
  [['TLS-Required: No;'], false, 'RFC 8689 section 3: no parameter'],
  [['TLS-Required: No '], false, 'RFC 8689 section 3: nothing behind it'],
  [['TLS-Required: N\r\n o'], false, 'a folded word is two words'],
  [['TLS-Required: No\r\n x'], false, 'a second line'],
  [['TLS-Required : No'], false, 'RFC 5322 section 4.5 is obsolete syntax'],
  [['TLS-Required: No', 'TLS-Required: No'], false, 'RFC 8689 section 3: MUST NOT appear twice'],
  [['TLS-Required: No', 'TLS-Required: Yes'], false, 'RFC 8689 section 3: MUST NOT appear twice'],
  [['TLS-Required: No', 'tls-required : x'], false, 'RFC 8689 section 3: MUST NOT appear twice'],
  [['X-TLS-Required: No'], false, 'another field'],
]

describe('gate: TLS-Required (RFC 8689 section 3)', () => {
  for (const [fields, wish, source] of FIELDS) {
    it(`${JSON.stringify(fields)}: ${wish ? 'the wish' : 'nothing'} (${source})`, () => {
      const header = ['Subject: x', ...fields].map((field) => `${field}\r\n`)
      assert.equal(saysTlsRequiredNo(parseHeader(header)), wish)
      assert.equal(quickLook(header, allowed).by, wish ? 'tls-required-no' : null)
    })
  }

  it('is nothing where the postmaster does not allow it, and nothing with REQUIRETLS (section 4.1)', () => {
    const header = ['Subject: x\r\n', 'TLS-Required: No\r\n']
    assert.equal(quickLook(header, forbidden).requested, false)
    assert.equal(quickLook(header, allowed, true).requested, false)
    assert.equal(quickLook(header, allowed, false).requested, true)
  })

  it('is a wish in no other form, whatever stands around the word', () => {
    const noise = fc.constantFrom('', ' ', '\t', '\r\n ', 'No', '(x)', ',', ';', '"', 'o', 'n', '=')
    fc.assert(
      fc.property(fc.array(noise, { maxLength: 4 }), fc.array(noise, { maxLength: 4 }), (before, after) => {
        const value = `${before.join('')}No${after.join('')}`
        const wish = saysTlsRequiredNo(parseHeader([`TLS-Required:${value}\r\n`]))
        if (wish) assert.match(value, /^[ \t\r\n]*no$/i)
        else assert.doesNotMatch(value, /^ ?no$/i)
      }),
    )
  })
})

describe('gate: REQUIRETLS and the opt-out (RFC 8689 section 4.1)', () => {
  it('a granted wish: everything else held', async () => {
    const raw = mail({ Subject: '[public] x', 'TLS-Required': 'No' }, TEXT)
    const { verdict } = await look(raw, {}, allowed)
    assert.deepEqual([verdict.by, verdict.granted, verdict.category], ['tls-required-no', true, 1])
  })

  it('the same with REQUIRETLS: nothing was asked, nothing is granted', async () => {
    const raw = mail({ Subject: '[public] x', 'TLS-Required': 'No' }, TEXT)
    const { verdict } = await look(raw, { requiretls: true }, allowed)
    assert.deepEqual([verdict.requested, verdict.granted, verdict.refusals], [false, false, []])
  })

  it('the tag with REQUIRETLS: refused as secure-requested, and for nothing else', async () => {
    const { verdict } = await look(mail({}, TEXT), { requiretls: true })
    assert.equal(verdict.granted, false)
    assert.deepEqual(
      verdict.refusals.map(({ code, where }) => [code, where]),
      [['secure-requested', 'MAIL FROM']],
    )
  })

  it('the header asks for no less proof than the tag: the same conditions (section 8.4)', async () => {
    const raw = mail({ Subject: 'x', 'TLS-Required': 'No', From: 'eve@outside.example' }, 'CPR 070761-4285\n')
    const { verdict } = await look(raw, {}, allowed)
    assert.deepEqual([...new Set(verdict.refusals.map(({ code }) => code))].sort(), [
      'cpr',
      'no-public-marker',
      'sender-not-allowed',
    ])
  })
})
