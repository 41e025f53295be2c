import assert from 'node:assert/strict'
import { compareStrength, type Comparison } from '../../lib/policy/strength'
import type { Requirement } from '../../lib/policy/types'
import { requirement } from './fixtures'

const sts = { id: '1', mx: ['a', 'b'] }

const TABLE: [string, Partial<Requirement>, Partial<Requirement>, Comparison][] = [
  ['the same', {}, {}, 'equal'],
  ['encrypt over may', {}, { level: 'may' }, 'stronger'],
  ['may over none', { level: 'may' }, { level: 'none' }, 'stronger'],
  ['secure over verify', { level: 'secure', names: ['a'] }, { level: 'verify' }, 'stronger'],
  ['dane and verify', { level: 'dane' }, { level: 'verify' }, 'incomparable'],
  ['fingerprint and secure', { level: 'fingerprint', fingerprints: ['a'] }, { level: 'secure' }, 'incomparable'],
  ['dane-only over dane', { level: 'dane-only' }, { level: 'dane' }, 'stronger'],
  ['dane and a raised encrypt', { level: 'dane' }, { daneRaises: true }, 'equal'],
  ['dane over encrypt', { level: 'dane' }, {}, 'stronger'],
  ['a CA where none is asked', { ca: 'x' }, {}, 'equal'],
  ['fewer names', { level: 'secure', names: ['a'] }, { level: 'secure', names: ['a', 'b'] }, 'stronger'],
  ['other names', { level: 'secure', names: ['a'] }, { level: 'secure', names: ['b'] }, 'incomparable'],
  ['another CA', { level: 'verify', ca: 'x' }, { level: 'verify' }, 'incomparable'],
  ['newer TLS', { minVersion: 'TLSv1.3' }, {}, 'stronger'],
  ['newer TLS where clear text would do', { level: 'may', minVersion: 'TLSv1.3' }, {}, 'weaker'],
  ['newer TLS, lower level', { level: 'encrypt', minVersion: 'TLSv1.3' }, { level: 'verify' }, 'incomparable'],
  ['MTA-STS', { level: 'verify', sts }, { level: 'verify' }, 'stronger'],
  ['fewer MX patterns', { level: 'verify', sts: { id: '2', mx: ['a'] } }, { level: 'verify', sts }, 'stronger'],
  ['REQUIRETLS', { requiretls: true }, {}, 'stronger'],
  ['TLSA may raise it', { daneRaises: true }, {}, 'stronger'],
]

const OPPOSITE = { equal: 'equal', incomparable: 'incomparable', stronger: 'weaker', weaker: 'stronger' } as const

describe('policy: compareStrength', () => {
  for (const [what, a, b, wanted] of TABLE) {
    it(`${what}: ${wanted}`, () => {
      assert.equal(compareStrength(requirement(a), requirement(b)), wanted)
      assert.equal(compareStrength(requirement(b), requirement(a)), OPPOSITE[wanted])
    })
  }
})
