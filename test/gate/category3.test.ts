import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decideCategory3, inspect, takesAdvice } from '../../lib/gate'
import type { Category3Content } from '../../lib/gate/category3'
import type { Category3Decision, Category3Rules, Finding, Inspection } from '../../lib/gate/types'
import { base64, clock, mail, multipart, settingsWith, SUBMISSION, syntheticCpr } from './support'

const CONTENT: Category3Content = {
  persons: 0,
  nameRows: 0,
  findings: [],
  sensitive: [],
  uninspected: [],
  protection: [],
  wholeProtected: false,
  asked: false,
  granted: false,
}
const FINDING: Finding = { kind: 'cpr', confidence: 'low', where: 'subject', masked: '070761-****', evidence: [] }
const ZIP = { kind: 'zip-encrypted', where: 'attachment a.zip' } as const
const UNREAD_ZIP = { where: 'attachment a.zip', reason: 'it is encrypted (zip-encrypted)' }
const UNREAD_MEMBER = { where: 'attachment a.zip > list.txt', reason: 'it is encrypted' }
const UNREAD_PHOTO = { where: 'attachment photo.jpg', reason: 'it is a picture' }

type Outcomes = Record<Category3Rules['action'], Category3Decision['outcome']>
const all = (outcome: Category3Decision['outcome']): Outcomes => ({
  notify: outcome,
  ndr: outcome,
  off: outcome,
  encrypt: outcome,
})
const many: Outcomes = { notify: 'notify', ndr: 'ndr', off: 'none', encrypt: 'encrypt' }

const TABLE: readonly (readonly [what: string, content: Partial<Category3Content>, outcomes: Outcomes])[] = [
  ['nothing at all', {}, all('none')],
  ['as many persons as may be', { persons: 5 }, all('none')],
  ['one more', { persons: 6 }, many],
  ['as many rows of names as may be', { nameRows: 5 }, all('none')],
  ['one more row', { nameRows: 6 }, many],
  ['rows and persons are not added up', { persons: 5, nameRows: 5 }, all('none')],
  ['the whole content encrypted', { wholeProtected: true, protection: [ZIP], uninspected: [UNREAD_ZIP] }, all('none')],
  [
    'encrypted below a subject with six persons',
    { wholeProtected: true, persons: 6, findings: [FINDING] },
    { ...many, encrypt: 'ndr' },
  ],
  ['an encrypted attachment, six persons beside it', { protection: [ZIP], persons: 6, findings: [FINDING] }, many],
  ['asked for, and nothing encrypted', { asked: true }, all('encrypt')],
  ['asked for, with six persons', { asked: true, persons: 6, findings: [FINDING] }, all('encrypt')],
  ['asked for, and encrypted', { asked: true, wholeProtected: true }, all('none')],
  [
    'asked for, encrypted, with a number in the subject',
    { asked: true, wholeProtected: true, findings: [FINDING] },
    all('ndr'),
  ],
  [
    'asked for, an encrypted attachment beside harmless text',
    { asked: true, protection: [ZIP], uninspected: [UNREAD_ZIP, UNREAD_MEMBER] },
    all('none'),
  ],
  [
    'asked for, an encrypted attachment beside a photograph',
    { asked: true, protection: [ZIP], uninspected: [UNREAD_ZIP, UNREAD_PHOTO] },
    all('encrypt'),
  ],
  [
    'asked for, an encrypted attachment beside its own password',
    { asked: true, protection: [ZIP], sensitive: [{ where: 'text', detail: 'A password stands there.' }] },
    all('encrypt'),
  ],
  [
    'asked for, an encrypted attachment beside a name row',
    { asked: true, protection: [ZIP], nameRows: 1 },
    all('encrypt'),
  ],
  ['a photograph', { uninspected: [UNREAD_PHOTO] }, all('none')],
  ['nobody can read it now', { unread: true }, { notify: 'none', off: 'none', ndr: 'defer', encrypt: 'defer' }],
  ['nobody can read it now, and more is asked for', { unread: true, asked: true }, all('defer')],
  ['public names, by proof', { granted: true, nameRows: 6 }, { ...many, notify: 'none' }],
]

describe('category 3: the decision', () => {
  for (const [what, content, outcomes] of TABLE) {
    for (const action of ['notify', 'ndr', 'off', 'encrypt'] as const) {
      it(`${what}, action ${action}: ${outcomes[action]}`, () => {
        assert.equal(decideCategory3({ ...CONTENT, ...content }, { persons: 5, action }).outcome, outcomes[action])
      })
    }
  }

  it('says why, also where the configuration makes nothing of it', () => {
    assert.deepEqual(decideCategory3({ ...CONTENT, persons: 7, asked: true }, { persons: 5, action: 'off' }), {
      outcome: 'encrypt',
      reasons: ['persons', 'asked'],
      persons: 7,
      threshold: 5,
    })
    assert.deepEqual(decideCategory3({ ...CONTENT, nameRows: 7 }, { persons: 6, action: 'off' }).reasons, ['persons'])
  })

  const content = fc.record({
    persons: fc.nat(20),
    nameRows: fc.nat(20),
    findings: fc.constantFrom([], [FINDING]),
    sensitive: fc.constant([]),
    uninspected: fc.constantFrom([], [UNREAD_ZIP], [UNREAD_PHOTO]),
    protection: fc.constantFrom([], [ZIP]),
    wholeProtected: fc.boolean(),
    unread: fc.boolean(),
    asked: fc.boolean(),
    granted: fc.boolean(),
  })
  const rules = fc.record({
    persons: fc.nat(20),
    action: fc.constantFrom<Category3Rules['action']>('notify', 'ndr', 'off', 'encrypt'),
  })
  // by either of the last two nothing leaves that can be read
  const RANK = { none: 0, notify: 1, defer: 2, encrypt: 3, ndr: 3 } as const

  it('more persons, or a lower limit, never make it milder', () => {
    fc.assert(
      fc.property(content, rules, fc.nat(20), fc.nat(20), fc.nat(20), (one, given, more, rows, less) => {
        const before = decideCategory3(one, given).outcome
        const worse = { ...one, persons: one.persons + more, nameRows: one.nameRows + rows }
        const after = decideCategory3(worse, { ...given, persons: Math.max(0, given.persons - less) }).outcome
        assert.ok(RANK[after] >= RANK[before], `${before} became ${after}`)
      }),
    )
  })

  it('asking for full encryption never makes it milder', () => {
    fc.assert(
      fc.property(content, rules, (one, given) => {
        const plain = decideCategory3({ ...one, asked: false }, given).outcome
        const asked = decideCategory3({ ...one, asked: true }, given).outcome
        assert.ok(RANK[asked] >= RANK[plain], `${plain} became ${asked}`)
      }),
    )
  })
})

describe('category 3: who is advised', () => {
  const person = { mailFrom: 'anna@uni.example', list: false, autoSubmitted: null }
  for (const [what, change, expected] of [
    ['a person of one’s own', {}, true],
    ['Auto-Submitted: no', { autoSubmitted: 'no' }, true],
    ['the null sender', { mailFrom: '' }, false],
    ['somebody outside', { mailFrom: 'bo@partner.example' }, false],
    ['a list', { list: true }, false],
    ['an automatic answer (RFC 3834 section 5)', { autoSubmitted: 'auto-replied' }, false],
  ] as const) {
    it(`${what}: ${expected ? 'yes' : 'no'}`, () => {
      assert.equal(takesAdvice({ ...person, ...change }, ['uni.example']), expected)
    })
  }
})

const persons = (count: number): string =>
  Array.from({ length: count }, (_, n) => `CPR ${syntheticCpr('070761', 4, n)}`).join('\n')

const ENVELOPED = Buffer.concat([
  Buffer.from('3080', 'hex'),
  Buffer.from('06092a864886f70d010703', 'hex'),
  Buffer.alloc(64, 1),
])

async function judge(raw: Buffer, action: Category3Rules['action'] = 'notify'): Promise<Inspection> {
  return inspect(raw, SUBMISSION, settingsWith({ category3: { action } }), clock)
}

describe('category 3: from mail to decision', () => {
  const [enveloped, envelopedBody] = ['application/pkcs7-mime; name=smime.p7m', base64(ENVELOPED)]
  const smime = (subject: string) =>
    mail({ Subject: subject, 'Content-Type': enveloped, 'Content-Transfer-Encoding': 'base64' }, envelopedBody)

  it('five persons go, six do not go unnoticed; one person six times is one', async () => {
    assert.equal((await judge(mail({ Subject: 'x' }, persons(5)))).category3.outcome, 'none')
    const six = await judge(mail({ Subject: 'x' }, persons(6)))
    assert.deepEqual([six.category3.outcome, six.category3.persons, six.verdict.category], ['notify', 6, 2])
    const same = await judge(mail({ Subject: 'x' }, `${persons(1)}\n`.repeat(6)))
    assert.deepEqual([same.category3.outcome, same.category3.persons], ['none', 1])
  })

  it('persons in base64, in HTML and in a forwarded mail are counted together', async () => {
    const lines = persons(6).split('\n')
    const [type, body] = multipart('mixed', [
      `Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n${base64(lines.slice(0, 2).join('\n'))}`,
      `Content-Type: text/html\n\n<p>${lines.slice(2, 4).join('<br>')}</p>`,
      `Content-Type: message/rfc822\n\nSubject: y\n\n${lines.slice(4).join('\n')}`,
    ])
    assert.equal((await judge(mail({ Subject: 'x', 'Content-Type': type }, body))).category3.persons, 6)
  })

  it('rows of names and grades count with name_rows, and only with it', async () => {
    const table = [
      'Navn;Karakter',
      ...Array.from({ length: 6 }, (_, n) => `Person${'abcdef'[n]} Hansen;${n + 2}`),
    ].join('\n')
    const raw = mail({ Subject: 'x' }, table)
    assert.equal((await judge(Buffer.from(raw))).category3.outcome, 'notify')
    const without = await inspect(raw, SUBMISSION, settingsWith({ category3: { nameRows: false } }), clock)
    assert.equal(without.category3.outcome, 'none')
  })

  it('S/MIME passes as category 3; persons in its subject are counted all the same', async () => {
    const passes = await judge(smime('[secure] x'), 'ndr')
    assert.deepEqual([passes.category3.outcome, passes.verdict.category, passes.inspected], ['none', 3, true])
    const told = await judge(smime(persons(6).replaceAll('\n', ' ')), 'ndr')
    assert.deepEqual([told.category3.outcome, told.verdict.category], ['ndr', 2])
  })

  for (const subject of [
    '[secure] x',
    '[SIKKER] x',
    '=?utf-8?b?W3NlY3VyZV0geA==?=',
    'Re: [secure] x',
    '[secure] [unsecure] x',
  ]) {
    it(`${subject}: more is asked for`, async () => {
      const { category3, verdict } = await judge(mail({ Subject: subject }, 'Hello'), 'off')
      assert.deepEqual([category3.outcome, category3.reasons, verdict.granted], ['encrypt', ['asked'], false])
    })
  }

  it('what nobody can read now goes, is put off, or waits for an answer, and is recorded as not inspected', async () => {
    const broken = () => Promise.reject(new Error('overload'))
    const [type, body] = multipart('mixed', [
      'Content-Type: text/plain\n\nHello',
      `Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n${base64('%PDF-1.4\n')}`,
    ])
    const look = (subject: string, action: Category3Rules['action']) =>
      inspect(
        mail({ Subject: subject, 'Content-Type': type }, body),
        SUBMISSION,
        settingsWith({ category3: { action } }),
        clock,
        broken,
      )
    assert.deepEqual(
      await Promise.all(
        (['notify', 'off', 'ndr'] as const).map(async (action) => (await look('x', action)).category3.outcome),
      ),
      ['none', 'none', 'defer'],
    )
    assert.equal((await look('[secure] x', 'notify')).category3.outcome, 'defer')
    const { inspected, verdict } = await look('x', 'notify')
    assert.deepEqual([inspected, verdict.category], [false, 2])
  })

  it('a small mail is not taken for clean when nothing may be read', async () => {
    const raw = mail({ Subject: '[unsecure] [public] x' }, 'Hello')
    const { verdict, inspected } = await inspect(raw, SUBMISSION, settingsWith({}), clock, null)
    assert.equal(verdict.granted, false)
    assert.equal(inspected, false)
  })
})
