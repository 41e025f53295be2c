import assert from 'node:assert/strict'
import { forHost } from '../../lib/policy/for-host'
import type { HostInputs, HostRequirement, Level, Requirement } from '../../lib/policy/types'
import { host, requirement, STS, TLSA } from './fixtures'

const usable = { state: 'usable', records: [TLSA], base: 'mx1.example.org' } as const
const sts = { id: STS.id, mx: STS.mx }

type Wanted = Partial<HostRequirement>
type Row = [what: string, given: Partial<Requirement>, host: Partial<HostInputs>, wanted: Wanted]

const no = (resultType: NonNullable<HostRequirement['resultType']>): Wanted => ({ usable: false, resultType })

const TABLE: Row[] = [
  ['none: never', { level: 'none' }, {}, { tls: 'none', auth: 'none', usable: true, sni: undefined }],
  ['may', { level: 'may' }, {}, { tls: 'may', auth: 'none', usable: true, sni: 'mx1.example.org', refNames: [] }],
  ['encrypt', {}, {}, { tls: 'must', auth: 'none', usable: true, refNames: [] }],
  ['verify: the MX host', { level: 'verify' }, {}, { tls: 'must', auth: 'pkix', refNames: ['mx1.example.org'] }],
  ['verify: match=', { level: 'verify', names: ['a.example'] }, {}, { auth: 'pkix', refNames: ['a.example'] }],
  [
    'secure',
    { level: 'secure', names: ['example.org', '.example.org'] },
    {},
    { tls: 'must', auth: 'pkix', refNames: ['example.org', '.example.org'] },
  ],
  [
    'fingerprint',
    { level: 'fingerprint', fingerprints: ['ab'] },
    {},
    { tls: 'must', auth: 'fingerprint', fingerprints: ['ab'] },
  ],
  ['fingerprint without any', { level: 'fingerprint' }, {}, no('fingerprint-mismatch')],
  [
    'ca and servername of the row',
    { level: 'verify', ca: 'ca.pem', servername: 's.example' },
    {},
    { ca: 'ca.pem', sni: 's.example', refNames: ['mx1.example.org'] },
  ],
  ['no SNI for an address (RFC 6066 3)', {}, { host: '192.0.2.1' }, { sni: undefined, usable: true }],
  ['a level nobody knows', { level: 'future' as Level }, {}, { tls: 'must', auth: 'dane', tlsa: [] }],

  [
    'dane, usable',
    { level: 'dane' },
    { tlsa: usable },
    { tls: 'must', auth: 'dane', tlsa: [TLSA], sni: 'mx1.example.org', usable: true },
  ],
  ['dane, absent: encrypt', { level: 'dane' }, {}, { tls: 'must', auth: 'none', usable: true }],
  ['dane, insecure: encrypt', { level: 'dane' }, { tlsa: { state: 'insecure' } }, { tls: 'must', auth: 'none' }],
  [
    'dane, unusable (RFC 7672 2.2)',
    { level: 'dane' },
    { tlsa: { state: 'unusable' } },
    { tls: 'must', auth: 'none', usable: true },
  ],
  [
    'dane, error (RFC 7672 2.1.2)',
    { level: 'dane' },
    { tlsa: { state: 'error', detail: 'SERVFAIL' } },
    no('dnssec-invalid'),
  ],
  ['dane-only, usable', { level: 'dane-only' }, { tlsa: usable }, { auth: 'dane', usable: true }],
  ['dane-only, absent', { level: 'dane-only' }, {}, no('dane-required')],
  ['dane-only, insecure', { level: 'dane-only' }, { tlsa: { state: 'insecure' } }, no('dane-required')],
  ['dane-only, unusable', { level: 'dane-only' }, { tlsa: { state: 'unusable' } }, no('dane-required')],
  ['dane-only, error', { level: 'dane-only' }, { tlsa: { state: 'error', detail: 'x' } }, no('dnssec-invalid')],
  [
    'dane-only, insecure MX (RFC 7672 2.2.1)',
    { level: 'dane-only' },
    { tlsa: usable, mxSecure: false },
    no('dane-required'),
  ],
  [
    'dane-only, insecure address (RFC 7672 2.2.2)',
    { level: 'dane-only' },
    { tlsa: usable, addressSecure: false },
    no('dane-required'),
  ],
  ['dane, insecure MX', { level: 'dane' }, { tlsa: usable, mxSecure: false }, { tls: 'must', auth: 'none', tlsa: [] }],
  ['dane, usable but empty', { level: 'dane' }, { tlsa: { ...usable, records: [] } }, no('tlsa-invalid')],
  [
    'SNI is the TLSA base, also with servername= (RFC 7672 8.1)',
    { level: 'dane', servername: 's.example' },
    { tlsa: { ...usable, base: 'real.example' } },
    { sni: 'real.example' },
  ],
  [
    'DANE names (RFC 7672 3.2.2)',
    { level: 'dane' },
    { tlsa: { ...usable, base: 'real.example' }, expandedDomain: 'x.example' },
    { refNames: ['real.example', 'example.org', 'x.example'] },
  ],

  ['TLSA raises encrypt', { daneRaises: true }, { tlsa: usable }, { tls: 'must', auth: 'dane' }],
  ['TLSA raises may', { level: 'may', daneRaises: true }, { tlsa: usable }, { tls: 'must', auth: 'dane' }],
  [
    'unusable TLSA raise may to TLS',
    { level: 'may', daneRaises: true },
    { tlsa: { state: 'unusable' } },
    { tls: 'must', auth: 'none', sni: 'mx1.example.org' },
  ],
  [
    'unusable TLSA raise none to TLS',
    { level: 'none', daneRaises: true },
    { tlsa: { state: 'unusable' } },
    { tls: 'must', auth: 'none', sni: 'mx1.example.org' },
  ],
  [
    'TLSA error under may',
    { level: 'may', daneRaises: true },
    { tlsa: { state: 'error', detail: 'x' } },
    no('dnssec-invalid'),
  ],
  ['a row that stands alone', { level: 'may' }, { tlsa: usable }, { tls: 'may', auth: 'none' }],
  [
    'a row that stands alone, error',
    { level: 'encrypt' },
    { tlsa: { state: 'error', detail: 'x' } },
    { tls: 'must', usable: true },
  ],
  ['verify of a row', { level: 'verify' }, { tlsa: usable }, { auth: 'pkix', tlsa: [] }],

  ['STS, named', { level: 'verify', sts }, {}, { auth: 'pkix', refNames: ['mx1.example.org'], usable: true }],
  [
    'STS, wildcard of one label (RFC 8461 4.1)',
    { level: 'verify', sts },
    { host: 'a.mail.example.org' },
    { auth: 'pkix', usable: true, refNames: ['a.mail.example.org'] },
  ],
  ['STS, two labels', { level: 'verify', sts }, { host: 'a.b.mail.example.org' }, no('validation-failure')],
  ['STS, no label', { level: 'verify', sts }, { host: 'mail.example.org' }, no('validation-failure')],
  ['STS, another host', { level: 'verify', sts }, { host: 'evil.example' }, no('validation-failure')],
  ['STS, an address', { level: 'verify', sts }, { host: '192.0.2.1' }, no('validation-failure')],
  ['STS, no patterns', { level: 'verify', sts: { id: '1', mx: [] } }, {}, no('validation-failure')],
  [
    'STS and usable TLSA: DANE alone (RFC 8461 2)',
    { level: 'verify', sts, daneRaises: true },
    { host: 'evil.example', tlsa: usable },
    { auth: 'dane', usable: true },
  ],
  [
    'STS and TLSA error',
    { level: 'verify', sts, daneRaises: true },
    { tlsa: { state: 'error', detail: 'x' } },
    no('dnssec-invalid'),
  ],
  [
    'STS and unusable TLSA: still STS',
    { level: 'verify', sts, daneRaises: true },
    { tlsa: { state: 'unusable' } },
    { auth: 'pkix', usable: true },
  ],
  [
    'STS and unusable TLSA, another host',
    { level: 'verify', sts, daneRaises: true },
    { host: 'evil.example', tlsa: { state: 'unusable' } },
    no('validation-failure'),
  ],

  ['REQUIRETLS', { level: 'verify', requiretls: true }, {}, { auth: 'pkix', requiretls: true, usable: true }],
  [
    'REQUIRETLS, insecure MX (RFC 8689 4.2.1)',
    { level: 'verify', requiretls: true },
    { mxSecure: false },
    no('requiretls-not-supported'),
  ],
  [
    'REQUIRETLS, insecure MX named by STS',
    { level: 'verify', requiretls: true, sts },
    { mxSecure: false },
    { auth: 'pkix', usable: true },
  ],
  [
    'REQUIRETLS, insecure MX not named by STS',
    { level: 'verify', requiretls: true, sts },
    { mxSecure: false, host: 'evil.example' },
    no('validation-failure'),
  ],
  [
    'REQUIRETLS under dane without TLSA: PKIX',
    { level: 'dane', requiretls: true },
    {},
    { tls: 'must', auth: 'pkix', refNames: ['mx1.example.org'] },
  ],
  [
    'REQUIRETLS under dane, unusable: PKIX',
    { level: 'dane', requiretls: true },
    { tlsa: { state: 'unusable' } },
    { tls: 'must', auth: 'pkix' },
  ],
  [
    'REQUIRETLS and fingerprint',
    { level: 'fingerprint', requiretls: true, fingerprints: ['ab'] },
    {},
    { auth: 'fingerprint', requiretls: true },
  ],
]

describe('policy: forHost', () => {
  for (const [what, given, at, wanted] of TABLE) {
    it(what, () => {
      const got = forHost(requirement(given), host(at))
      for (const [key, value] of Object.entries(wanted)) {
        assert.deepEqual(got[key as keyof HostRequirement], value, `${key}: ${JSON.stringify(got)}`)
      }
      assert.match(got.why, /\w/)
      // whoever overlooks `usable` still sends nothing
      if (!got.usable) assert.deepEqual([got.tls, got.auth, got.tlsa.length], ['must', 'dane', 0])
    })
  }
})
