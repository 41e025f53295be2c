import assert from 'node:assert/strict'
import { decide } from '../../lib/policy/decide'
import type { Level, PolicyInputs, Requirement } from '../../lib/policy/types'
import { inputs, mapOf, row, STS } from './fixtures'

const TAG = { by: 'subject-tag' } as const
const HEADER = { by: 'tls-required-no' } as const
const INTERNAL = { recipient: 'bo@own.example' }
const STATIC = { route: { kind: 'static', host: 'relay.example.net' } } as const
const LOCAL = { route: { kind: 'local' } } as const
const never = (level: Level) => mapOf(row({ level, override: 'never' }))
const rowOf = (level: Level) => mapOf(row({ level }))

/** What a requirement says besides level and source; absent = false / none. */
interface Extra {
  dane?: boolean
  sts?: boolean
  forbidden?: boolean
  requiretls?: boolean
  would?: Level
}

type Row = [what: string, given: Partial<PolicyInputs>, level: Level, source: Requirement['source'], extra?: Extra]

// the section in brackets is the rule that the row shows: design = design/transport.md "Requirement per recipient"
const TABLE: Row[] = [
  ['default level (design)', {}, 'encrypt', 'default', { dane: true }],
  ['default may', { defaultLevel: 'may' }, 'may', 'default', { dane: true }],
  ['default verify: DANE does not replace it', { defaultLevel: 'verify' }, 'verify', 'default'],
  ['default secure', { defaultLevel: 'secure' }, 'secure', 'default'],
  ['default dane', { defaultLevel: 'dane' }, 'dane', 'default'],
  ['default dane-only', { defaultLevel: 'dane-only' }, 'dane-only', 'default'],
  [
    'none is no default (design: only ever by an explicit row)',
    { defaultLevel: 'none' },
    'may',
    'default',
    { dane: true },
  ],
  ['tls.dane=false', { dane: false }, 'encrypt', 'default'],

  ['map none', { map: mapOf(row({ level: 'none', overridePublished: true })) }, 'none', 'map'],
  ['map may, override-published', { map: mapOf(row({ level: 'may', overridePublished: true })) }, 'may', 'map'],
  ['map may bows to TLSA records', { map: rowOf('may') }, 'may', 'map', { dane: true }],
  ['map encrypt', { map: rowOf('encrypt') }, 'encrypt', 'map'],
  ['map verify', { map: rowOf('verify') }, 'verify', 'map'],
  ['map secure', { map: rowOf('secure') }, 'secure', 'map'],
  ['map dane', { map: rowOf('dane') }, 'dane', 'map'],
  ['map dane-only', { map: rowOf('dane-only') }, 'dane-only', 'map'],
  ['map fingerprint', { map: rowOf('fingerprint') }, 'fingerprint', 'map'],

  ['STS enforce raises encrypt (RFC 8461 5)', { mtaSts: STS }, 'verify', 'mta-sts', { sts: true, dane: true }],
  ['STS enforce raises may', { mtaSts: STS, defaultLevel: 'may' }, 'verify', 'mta-sts', { sts: true, dane: true }],
  ['STS enforce, tls.dane=false', { mtaSts: STS, dane: false }, 'verify', 'mta-sts', { sts: true }],
  [
    'STS enforce under default dane',
    { mtaSts: STS, defaultLevel: 'dane' },
    'verify',
    'mta-sts',
    { sts: true, dane: true },
  ],
  [
    'STS enforce binds the MX names of verify',
    { mtaSts: STS, defaultLevel: 'verify' },
    'verify',
    'mta-sts',
    { sts: true },
  ],
  ['default secure is narrower', { mtaSts: STS, defaultLevel: 'secure' }, 'secure', 'default'],
  ['default dane-only is narrower', { mtaSts: STS, defaultLevel: 'dane-only' }, 'dane-only', 'default'],
  [
    'STS testing changes nothing (RFC 8461 5)',
    { mtaSts: { ...STS, mode: 'testing' } },
    'encrypt',
    'default',
    { dane: true },
  ],
  ['STS none', { mtaSts: { ...STS, mode: 'none' } }, 'encrypt', 'default', { dane: true }],
  [
    'STS error is the caller’s to wait for',
    { mtaSts: { state: 'error', resultType: 'sts-policy-fetch-error', detail: 'x' } },
    'encrypt',
    'default',
    { dane: true },
  ],
  ['a row stands alone (design)', { mtaSts: STS, map: rowOf('encrypt') }, 'encrypt', 'map'],
  [
    'row may without override-published bows',
    { mtaSts: STS, map: rowOf('may') },
    'verify',
    'mta-sts',
    { sts: true, dane: true },
  ],
  [
    'row none without override-published bows',
    { mtaSts: STS, map: rowOf('none') },
    'verify',
    'mta-sts',
    { sts: true, dane: true },
  ],
  [
    'row may with override-published',
    { mtaSts: STS, map: mapOf(row({ level: 'may', overridePublished: true })) },
    'may',
    'map',
  ],

  ['internal', INTERNAL, 'may', 'internal'],
  ['internal, strict default', { ...INTERNAL, defaultLevel: 'secure' }, 'may', 'internal'],
  ['internal with a row', { ...INTERNAL, map: rowOf('verify') }, 'verify', 'map'],
  ['internal with row may', { ...INTERNAL, map: rowOf('may'), mtaSts: STS }, 'may', 'map'],
  ['internal, STS', { ...INTERNAL, mtaSts: STS }, 'may', 'internal'],
  [
    'internal, grant: the gate is not for it',
    { ...INTERNAL, grant: TAG, overrideMode: 'plaintext' },
    'may',
    'internal',
  ],
  ['internal row, grant', { ...INTERNAL, grant: TAG, map: rowOf('encrypt') }, 'encrypt', 'map'],
  ['internal over a static route', { ...INTERNAL, ...STATIC }, 'may', 'internal'],
  ['internal, REQUIRETLS', { ...INTERNAL, requiretls: true }, 'verify', 'requiretls', { requiretls: true, dane: true }],
  [
    'subdomain of an internal domain is external',
    { recipient: 'a@sub.own.example' },
    'encrypt',
    'default',
    { dane: true },
  ],
  [
    '.domain names the subdomains',
    { recipient: 'a@x.sub.own.example', internalDomains: ['.own.example'] },
    'may',
    'internal',
  ],
  [
    '.domain is not the domain',
    { recipient: 'a@own.example', internalDomains: ['.own.example'] },
    'encrypt',
    'default',
    { dane: true },
  ],
  [
    'a longer name is another name',
    { recipient: 'a@notown.example', internalDomains: ['.own.example', 'own.example'] },
    'encrypt',
    'default',
    { dane: true },
  ],

  ['static route', STATIC, 'encrypt', 'static-route', { dane: true }],
  ['static route with a row', { ...STATIC, map: rowOf('secure') }, 'secure', 'map'],
  [
    'static route, STS of the relay (RFC 8461 3.4)',
    { ...STATIC, mtaSts: STS },
    'verify',
    'mta-sts',
    { sts: true, dane: true },
  ],
  ['static route, grant', { ...STATIC, grant: TAG }, 'may', 'override'],
  ['static route, monitor', { ...STATIC, mode: 'monitor' }, 'may', 'static-route', { would: 'encrypt' }],
  ['local', LOCAL, 'none', 'local'],
  ['local, whatever else', { ...LOCAL, map: rowOf('secure'), requiretls: true, mtaSts: STS }, 'none', 'local'],

  ['TLS report (RFC 8460 3)', { kind: 'tlsrpt' }, 'may', 'report'],
  ['TLS report, row and STS', { kind: 'tlsrpt', map: rowOf('secure'), mtaSts: STS }, 'may', 'report'],
  ['report to the outside keeps the default', { kind: 'report' }, 'encrypt', 'default', { dane: true }],
  ['report to the inside', { ...INTERNAL, kind: 'report' }, 'may', 'internal'],
  ['report to the inside, row', { ...INTERNAL, kind: 'report', map: rowOf('encrypt') }, 'encrypt', 'map'],
  ['report, grant means nothing', { kind: 'report', grant: TAG }, 'encrypt', 'default', { dane: true }],
  [
    'report of a REQUIRETLS mail (RFC 8689 5)',
    { kind: 'report', requiretls: true },
    'verify',
    'requiretls',
    { requiretls: true, dane: true },
  ],

  ['grant, opportunistic', { grant: TAG }, 'may', 'override'],
  ['grant, plaintext', { grant: TAG, overrideMode: 'plaintext' }, 'none', 'override'],
  ['grant by header', { grant: HEADER }, 'may', 'override'],
  ['grant by header, plaintext (RFC 8689 4.2.2)', { grant: HEADER, overrideMode: 'plaintext' }, 'may', 'override'],
  ['grant waives STS (RFC 8689 4.2.2)', { grant: TAG, mtaSts: STS }, 'may', 'override'],
  ['grant over row encrypt', { grant: TAG, map: rowOf('encrypt') }, 'may', 'override'],
  ['grant over row may, plaintext', { grant: TAG, map: rowOf('may'), overrideMode: 'plaintext' }, 'none', 'override'],
  ['grant never raises row none', { grant: TAG, map: rowOf('none') }, 'none', 'map'],
  ['grant, override=never', { grant: TAG, map: never('encrypt') }, 'encrypt', 'map', { forbidden: true }],
  ['grant, verify implies never', { grant: TAG, map: rowOf('verify') }, 'verify', 'map', { forbidden: true }],
  [
    'grant, secure override=allow',
    { grant: TAG, map: mapOf(row({ level: 'secure', override: 'allow' })) },
    'may',
    'override',
  ],
  [
    'grant, may row override=never with STS',
    { grant: TAG, map: never('may'), mtaSts: STS },
    'verify',
    'mta-sts',
    { sts: true, dane: true, forbidden: true },
  ],

  ['REQUIRETLS (RFC 8689 4.2.1)', { requiretls: true }, 'verify', 'requiretls', { requiretls: true, dane: true }],
  [
    'REQUIRETLS with STS',
    { requiretls: true, mtaSts: STS },
    'verify',
    'requiretls',
    { requiretls: true, sts: true, dane: true },
  ],
  [
    'REQUIRETLS beats a grant (RFC 8689 4.1)',
    { requiretls: true, grant: TAG, overrideMode: 'plaintext' },
    'verify',
    'requiretls',
    { requiretls: true, dane: true },
  ],
  [
    'REQUIRETLS beats row none',
    { requiretls: true, map: rowOf('none') },
    'verify',
    'requiretls',
    { requiretls: true, dane: true },
  ],
  [
    'REQUIRETLS beats row encrypt',
    { requiretls: true, map: rowOf('encrypt') },
    'verify',
    'requiretls',
    { requiretls: true, dane: true },
  ],
  [
    'REQUIRETLS, grant, secure override=allow (RFC 8689 4.1)',
    { requiretls: true, grant: TAG, map: mapOf(row({ level: 'secure', override: 'allow' })) },
    'secure',
    'map',
    { requiretls: true },
  ],
  ['REQUIRETLS keeps row secure', { requiretls: true, map: rowOf('secure') }, 'secure', 'map', { requiretls: true }],
  [
    'REQUIRETLS keeps row fingerprint',
    { requiretls: true, map: rowOf('fingerprint') },
    'fingerprint',
    'map',
    { requiretls: true },
  ],
  ['REQUIRETLS keeps row dane', { requiretls: true, map: rowOf('dane') }, 'dane', 'map', { requiretls: true }],
  [
    'REQUIRETLS takes the MX names of STS beside a row',
    { requiretls: true, map: rowOf('verify'), mtaSts: STS },
    'verify',
    'map',
    { requiretls: true, sts: true },
  ],
  [
    'REQUIRETLS, grant, override=never',
    { requiretls: true, grant: TAG, map: never('encrypt') },
    'verify',
    'requiretls',
    { requiretls: true, dane: true, forbidden: true },
  ],

  ['monitor relaxes the default', { mode: 'monitor' }, 'may', 'default', { would: 'encrypt' }],
  [
    'monitor, default may: TLSA records would count',
    { mode: 'monitor', defaultLevel: 'may' },
    'may',
    'default',
    { would: 'may' },
  ],
  ['monitor, default may, no DANE', { mode: 'monitor', defaultLevel: 'may', dane: false }, 'may', 'default'],
  ['monitor, default secure', { mode: 'monitor', defaultLevel: 'secure' }, 'may', 'default', { would: 'secure' }],
  ['monitor relaxes published policy', { mode: 'monitor', mtaSts: STS }, 'may', 'default', { would: 'verify' }],
  ['monitor keeps a row', { mode: 'monitor', map: rowOf('encrypt') }, 'encrypt', 'map'],
  [
    'monitor keeps row may, and its own word',
    { mode: 'monitor', map: rowOf('may'), mtaSts: STS },
    'may',
    'map',
    { would: 'verify' },
  ],
  [
    'monitor keeps REQUIRETLS',
    { mode: 'monitor', requiretls: true },
    'verify',
    'requiretls',
    { requiretls: true, dane: true },
  ],
  ['monitor with a grant', { mode: 'monitor', grant: TAG, overrideMode: 'plaintext' }, 'none', 'override'],
  [
    'monitor with a forbidden grant',
    { mode: 'monitor', grant: TAG, map: never('encrypt') },
    'encrypt',
    'map',
    { forbidden: true },
  ],
  ['monitor, internal', { mode: 'monitor', ...INTERNAL }, 'may', 'internal'],
]

describe('policy: decide', () => {
  for (const [what, given, level, source, extra = {}] of TABLE) {
    it(what, () => {
      const got = decide(inputs(given))
      assert.equal(got.level, level)
      assert.equal(got.source, source)
      assert.deepEqual(
        {
          dane: got.daneRaises,
          sts: got.sts !== undefined,
          forbidden: got.overrideForbidden,
          requiretls: got.requiretls,
          would: got.enforced?.level,
        },
        { dane: false, sts: false, forbidden: false, requiretls: false, would: undefined, ...extra },
      )
      assert.match(got.reason, /\w/)
    })
  }

  it('names the row in reason and rule', () => {
    const got = decide(inputs({ map: mapOf(row({ level: 'encrypt', note: 'agreed with Bo' })) }))
    assert.match(got.reason, /secure-mail\.tls_policy:7 example\.org/)
    assert.deepEqual(got.rule, {
      pattern: 'example.org',
      file: 'secure-mail.tls_policy',
      line: 7,
      note: 'agreed with Bo',
    })
  })

  const OTHERWISE: [string, Partial<PolicyInputs>, string | undefined][] = [
    ['mail', { requiretls: true }, undefined],
    ['report to the outside', { requiretls: true, nullSender: true, kind: 'report' }, 'encrypt default'],
    ['report to the inside', { ...INTERNAL, requiretls: true, nullSender: true, kind: 'report' }, 'may internal'],
    ['report, row', { requiretls: true, nullSender: true, kind: 'report', map: rowOf('secure') }, 'secure map'],
    ['relayed report, STS', { requiretls: true, nullSender: true, mtaSts: STS }, 'verify mta-sts'],
    ['report, monitor', { requiretls: true, nullSender: true, mode: 'monitor' }, 'may default'],
    ['null sender without REQUIRETLS', { nullSender: true }, undefined],
    ['local', { ...LOCAL, requiretls: true, nullSender: true }, undefined],
  ]
  for (const [what, given, otherwise] of OTHERWISE) {
    it(`where REQUIRETLS cannot be met (RFC 8689 5), ${what}: ${otherwise ?? 'nothing else'}`, () => {
      const got = decide(inputs(given)).otherwise
      assert.equal(got && `${got.level} ${got.source}`, otherwise)
      assert.notEqual(got?.requiretls, true)
    })
  }

  const NAMES: [string, Partial<PolicyInputs>, readonly string[]][] = [
    ['secure: the recipient domain, as Postfix', { map: rowOf('secure') }, ['example.org', '.example.org']],
    ['secure: match=', { map: mapOf(row({ level: 'secure', match: ['.example.net'] })) }, ['.example.net']],
    ['secure as default', { defaultLevel: 'secure' }, ['example.org', '.example.org']],
    ['secure over a static route', { ...STATIC, map: rowOf('secure') }, ['relay.example.net', '.relay.example.net']],
    ['verify: match=', { map: mapOf(row({ level: 'verify', match: ['a.example'] })) }, ['a.example']],
    ['verify: the MX host, known later', { map: rowOf('verify') }, []],
    ['encrypt: none, even with match=', { map: mapOf(row({ level: 'encrypt', match: ['a.example'] })) }, []],
    ['fingerprint: none', { map: mapOf(row({ level: 'fingerprint', match: ['ab'] })) }, []],
  ]
  for (const [what, given, names] of NAMES) {
    it(`names, ${what}`, () => assert.deepEqual(decide(inputs(given)).names, names))
  }

  it('takes fingerprints, ca, servername and version from the row', () => {
    const got = decide(
      inputs({
        map: mapOf(
          row({
            level: 'fingerprint',
            match: ['ab', 'cd'],
            ca: '/etc/ca.pem',
            servername: 'x.example',
            minVersion: 'TLSv1.3',
          }),
        ),
      }),
    )
    assert.deepEqual(
      [got.fingerprints, got.ca, got.servername, got.minVersion],
      [['ab', 'cd'], '/etc/ca.pem', 'x.example', 'TLSv1.3'],
    )
  })

  it('asks for TLS 1.2 under MTA-STS and REQUIRETLS (RFC 8461 7.2), and keeps more', () => {
    for (const given of [{ mtaSts: STS }, { requiretls: true }]) {
      assert.equal(decide(inputs({ ...given, minVersion: 'TLSv1' })).minVersion, 'TLSv1.2')
      assert.equal(decide(inputs({ ...given, minVersion: 'TLSv1.3' })).minVersion, 'TLSv1.3')
    }
    assert.equal(decide(inputs({ minVersion: 'TLSv1' })).minVersion, 'TLSv1')
  })

  it('asks the map with route and time', () => {
    const asked: unknown[] = []
    const map = { rows: [], find: (...args: unknown[]) => void asked.push(args) }
    decide(inputs({ map, now: 42, route: { kind: 'static', host: 'r.example' } }))
    decide(inputs({ map, now: 43 }))
    assert.deepEqual(asked, [
      ['anna@example.org', 'r.example', 42],
      ['anna@example.org', undefined, 43],
    ])
  })
})
