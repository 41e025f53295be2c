import assert from 'node:assert/strict'
import { quickLook } from '../../lib/gate'
import type { RefusalCode, Submission } from '../../lib/gate/types'
import type { Settings } from '../../lib/config/settings'
import { base64, codes, CPR, look, mail, multipart, settings, settingsWith } from './support'

const TEXT = 'The canteen is open from 8 to 14.\n'
const HTML_CPR = `<html><body><p>Kære Bo</p><p>Nummeret er ${CPR}</p></body></html>`
const [ALTERNATIVE, ALTERNATIVE_BODY] = multipart('alternative', [
  `Content-Type: text/plain; charset=utf-8\n\n${TEXT}`,
  `Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n${base64(HTML_CPR)}`,
])
const [FORWARD, FORWARD_BODY] = multipart('mixed', [
  `Content-Type: text/plain\n\n${TEXT}`,
  `Content-Type: message/rfc822\n\nFrom: c@x.example\nSubject: old\n\nCPR ${CPR}\n`,
])
const ZIP = Buffer.from('504b0304140000000000', 'hex')
const [ZIPPED, ZIPPED_BODY] = multipart('mixed', [
  `Content-Type: text/plain\n\n${TEXT}`,
  `Content-Type: application/zip; name="a.zip"\nContent-Disposition: attachment; filename="a.zip"\nContent-Transfer-Encoding: base64\n\n${base64(ZIP)}`,
])

interface Row {
  name: string
  raw: Buffer
  submission?: Partial<Submission>
  settings?: Settings
  codes: RefusalCode[]
}

const ROWS: Row[] = [
  { name: 'public marker, harmless text', raw: mail({}, TEXT), codes: [] },
  {
    name: 'CPR in base64 HTML',
    raw: mail({ 'Content-Type': ALTERNATIVE }, ALTERNATIVE_BODY),
    codes: ['cpr'],
  },
  { name: 'CPR in the subject', raw: mail({ Subject: `[unsecure] [public] ${CPR}` }, TEXT), codes: ['cpr'] },
  { name: 'CPR in a forwarded message', raw: mail({ 'Content-Type': FORWARD }, FORWARD_BODY), codes: ['cpr'] },
  { name: 'no marker', raw: mail({ Subject: '[unsecure] Opening hours' }, TEXT), codes: ['no-public-marker'] },
  { name: 'Sensitivity: Private', raw: mail({ Sensitivity: 'Private' }, TEXT), codes: ['contradicting-label'] },
  {
    name: 'Re: [unsecure]',
    raw: mail({ Subject: '[public] Re: [unsecure] Opening hours' }, TEXT),
    codes: ['tag-in-reply'],
  },
  {
    name: 'everything behind Re:',
    raw: mail({ Subject: 'Re: [unsecure] [public] Opening hours' }, TEXT),
    codes: ['no-public-marker', 'tag-in-reply'],
  },
  {
    name: 'sender outside',
    raw: mail({ From: 'eve@outside.example' }, TEXT),
    submission: { mailFrom: 'eve@outside.example' },
    codes: ['sender-not-allowed'],
  },
  {
    name: 'two Subject fields',
    raw: mail({ Subject: ['[unsecure] [public] a', 'b'] }, TEXT),
    codes: ['marker-conflict'],
  },
  { name: 'a zip attached', raw: mail({ 'Content-Type': ZIPPED }, ZIPPED_BODY), codes: ['uninspected'] },
  {
    name: '[secure] as well',
    raw: mail({ Subject: '[unsecure] [secure] [public] x' }, TEXT),
    codes: ['secure-requested'],
  },
  {
    name: '[sikker] behind Re:',
    raw: mail({ Subject: '[unsecure] [public] Re: [sikker] x' }, TEXT),
    codes: ['secure-requested'],
  },
  { name: 'a private key', raw: mail({}, '-----BEGIN PRIVATE KEY-----\nMIIB\n'), codes: ['sensitive', 'uninspected'] },
  {
    name: 'envelope sender outside only',
    raw: mail({}, TEXT),
    submission: { mailFrom: 'anna@other.example' },
    codes: ['sender-not-allowed'],
  },
  { name: 'null sender', raw: mail({}, TEXT), submission: { mailFrom: '' }, codes: ['sender-not-allowed'] },
  { name: 'merely relaying', raw: mail({}, TEXT), submission: { authenticated: false }, codes: ['sender-not-allowed'] },
  { name: 'in the relay ACL', raw: mail({}, TEXT), submission: { authenticated: false, aclListed: true }, codes: [] },
  {
    name: 'a domain that only ends alike',
    raw: mail({ From: 'a@eviluni.example' }, TEXT),
    submission: { mailFrom: 'a@eviluni.example' },
    codes: ['sender-not-allowed'],
  },
  {
    name: 'a subdomain that is not listed',
    raw: mail({ From: 'a@x.uni.example' }, TEXT),
    submission: { mailFrom: 'a@x.uni.example' },
    codes: ['sender-not-allowed'],
  },
  {
    name: 'a subdomain by .sub entry',
    raw: mail({ From: 'a@x.sub.uni.example' }, TEXT),
    submission: { mailFrom: 'a@x.sub.uni.example' },
    codes: [],
  },
  {
    name: '.sub entry does not hold the domain itself',
    raw: mail({ From: 'a@sub.uni.example' }, TEXT),
    submission: { mailFrom: 'a@sub.uni.example' },
    codes: ['sender-not-allowed'],
  },
  {
    name: 'two From fields',
    raw: mail({ From: ['a@uni.example', 'b@uni.example'] }, TEXT),
    codes: ['sender-not-allowed'],
  },
  {
    name: 'two mailboxes in From',
    raw: mail({ From: 'a@uni.example, b@uni.example' }, TEXT),
    codes: ['sender-not-allowed'],
  },
  { name: 'no From', raw: mail({ From: null }, TEXT), codes: ['sender-not-allowed'] },
  {
    name: 'own address only in the display name',
    raw: mail({ From: '"anna@uni.example" <eve@outside.example>' }, TEXT),
    codes: ['sender-not-allowed'],
  },
  {
    name: 'own address only in a comment',
    raw: mail({ From: 'eve@outside.example (anna@uni.example)' }, TEXT),
    codes: ['sender-not-allowed'],
  },
  { name: 'resent', raw: mail({ 'Resent-From': 'a@uni.example' }, TEXT), codes: ['sender-not-allowed'] },
  { name: 'mailing list', raw: mail({ 'List-Id': '<l.uni.example>' }, TEXT), codes: ['sender-not-allowed'] },
  { name: 'automatic', raw: mail({ 'Auto-Submitted': 'auto-replied' }, TEXT), codes: ['sender-not-allowed'] },
  { name: 'RFC 3834 section 5: no', raw: mail({ 'Auto-Submitted': 'no' }, TEXT), codes: [] },
  {
    name: 'on the deny list',
    raw: mail({}, TEXT),
    settings: settingsWith({ override: { sendersDeny: ['Anna@uni.example'] } }),
    codes: ['sender-not-allowed'],
  },
  {
    name: 'not on the allow list',
    raw: mail({}, TEXT),
    settings: settingsWith({ override: { sendersAllow: ['press@uni.example'] } }),
    codes: ['sender-not-allowed'],
  },
  {
    name: 'RFC 8689 TLS-Required: No',
    raw: mail({ Subject: '[public] x', 'TLS-Required': 'No' }, TEXT),
    settings: settingsWith({ override: { tlsRequiredNo: true } }),
    codes: [],
  },
  {
    name: 'everything at once',
    raw: mail(
      {
        Subject: ['Re: [unsecure] [secure]', 'x'],
        From: 'e@out.example',
        Sensitivity: 'Personal',
        'Content-Type': ZIPPED,
      },
      ZIPPED_BODY.replace('canteen', CPR),
    ),
    codes: [
      'contradicting-label',
      'cpr',
      'marker-conflict',
      'no-public-marker',
      'secure-requested',
      'sender-not-allowed',
      'tag-in-reply',
      'uninspected',
    ],
  },
]

describe('the gate', () => {
  for (const row of ROWS) {
    it(`${row.name}: ${row.codes.join(', ') || 'granted'}`, async () => {
      const { verdict } = await look(row.raw, row.submission, row.settings)
      assert.deepEqual([...new Set(verdict.refusals.map(({ code }) => code))].sort(), row.codes)
      assert.equal(verdict.requested, true)
      assert.equal(verdict.granted, row.codes.length === 0)
      assert.equal(verdict.category, row.codes.length === 0 ? 1 : 2)
      assert.doesNotMatch(JSON.stringify(verdict), /070761-?4285/)
    })
  }

  it('names every place in which something was found', async () => {
    const { verdict } = await look(
      mail({ Subject: `[unsecure] [public] ${CPR}`, 'Content-Type': FORWARD }, FORWARD_BODY),
    )
    assert.deepEqual(
      verdict.findings.map(({ where, masked, confidence }) => [where, masked, confidence]),
      [
        ['subject', '070761-****', 'high'],
        ['nested message 2 > text part 1 line 1', '070761-****', 'high'],
      ],
    )
    assert.equal(verdict.persons, 1)
  })

  it('is not asked without a tag', async () => {
    const { verdict } = await look(mail({ Subject: 'Opening hours' }, `CPR ${CPR}`))
    assert.equal(verdict.requested, false)
    assert.deepEqual(verdict.refusals, [])
    assert.equal(verdict.findings.length, 1)
    assert.equal(verdict.category, 2)
  })

  it('does not take TLS-Required when it is not configured', async () => {
    const { verdict } = await look(mail({ Subject: '[public] x', 'TLS-Required': 'No' }, TEXT))
    assert.equal(verdict.requested, false)
  })

  it('a mail that cannot be read in time is refused as cannot-inspect-now', async () => {
    const given = settingsWith({ content: { maxMillis: -1 } })
    assert.deepEqual(await codes(mail({}, TEXT), {}, given), ['cannot-inspect-now', 'uninspected'])
  })

  it('gives the subject without the tag, and keeps a signed one', async () => {
    assert.equal((await look(mail({}, TEXT))).strippedSubject, 'Subject: [public] Opening hours')
    const signed = mail({ 'DKIM-Signature': 'v=1; h=from:subject; b=x' }, TEXT)
    assert.equal((await look(signed)).strippedSubject, null)
    assert.equal((await look(signed)).subjectSigned, true)
    const anyway = settingsWith({ override: { stripSigned: true } })
    assert.equal((await look(signed, {}, anyway)).strippedSubject, 'Subject: [public] Opening hours')
    const kept = settingsWith({ override: { stripTag: false } })
    assert.equal((await look(mail({}, TEXT), {}, kept)).strippedSubject, null)
    assert.equal((await look(mail({ Sensitivity: 'Private' }, TEXT))).strippedSubject, null)
  })

  it('looks at the header only when it is asked to', () => {
    const cases: [subject: string, by: string | null, inherited: boolean][] = [
      ['[unsecure] x', 'subject-tag', false],
      ['=?UTF-8?B?W1VOU0VDVVJFXQ==?= x', 'subject-tag', false],
      ['=?utf-8?q?=5Bunse?=\r\n =?utf-8?q?cure=5D?= x', 'subject-tag', false],
      ['\uff3b\uff55\uff4e\uff53ecure\uff3d x', 'subject-tag', false],
      ['SV: VS: [unsecure] x', 'subject-tag', true],
      ['Re[2]: [unsecure] x', 'subject-tag', true],
      ['[list] Fwd: [unsecure] x', 'subject-tag', true],
      ['[unsecure] Re: [unsecure] x', 'subject-tag', false],
      ['unsecure', null, false],
      ['', null, false],
    ]
    for (const [subject, by, inherited] of cases) {
      for (const header of [
        Buffer.from(`Subject: ${subject}\r\n\r\nbody`),
        [`Subject: ${subject}\n`],
        `Subject: ${subject}\n`,
      ]) {
        const found = quickLook(header, settings)
        assert.deepEqual([found.by, found.inherited, found.requested], [by, inherited, by !== null], subject)
      }
    }
  })
})
