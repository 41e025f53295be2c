import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decide } from '../../lib/policy/decide'
import { requirementDigest } from '../../lib/policy/digest'
import { forHost } from '../../lib/policy/for-host'
import { compareStrength } from '../../lib/policy/strength'
import type { PolicyInputs, Requirement } from '../../lib/policy/types'
import { anyHost, anyInputs, anyRow, isException } from './arbitraries'
import { inputs, mapOf } from './fixtures'

const runs = { numRuns: 2000 }

/** The row alone: no sender, no publisher, enforced. */
function rowAlone(given: PolicyInputs): Requirement {
  return decide({ ...given, mode: 'enforce', grant: null, requiretls: false, mtaSts: { state: 'absent' }, dane: false })
}

function notBelow(got: Requirement, floor: Requirement): void {
  const comparison = compareStrength(got, floor)
  assert.ok(comparison === 'equal' || comparison === 'stronger', `${comparison}: ${got.reason} against ${floor.reason}`)
}

describe('policy: properties', () => {
  it('never below the map row, unless a grant was there and the row allows it; also in monitor mode', () => {
    fc.assert(
      fc.property(anyInputs, anyRow, (given, only) => {
        const asked = { ...given, map: mapOf(only) }
        if (isException(asked) || (asked.grant !== null && !asked.requiretls && only.override === 'allow')) return
        notBelow(decide(asked), rowAlone(asked))
      }),
      runs,
    )
  })

  it('without grant, enforced, to the outside: never below the default level', () => {
    fc.assert(
      fc.property(anyInputs, (given) => {
        const asked: PolicyInputs = { ...given, map: mapOf(), grant: null, mode: 'enforce', internalDomains: [] }
        if (isException(asked)) return
        const plain = inputs({ ...asked, dane: false, requiretls: false, mtaSts: { state: 'absent' } })
        notBelow(decide(asked), decide(plain))
      }),
      runs,
    )
  })

  it('a grant only ever lowers to the configured floor, and never under REQUIRETLS', () => {
    fc.assert(
      fc.property(anyInputs, (given) => {
        const got = decide(given)
        if (given.requiretls && !isException(given)) assert.equal(got.requiretls, true)
        if (got.source === 'override') {
          assert.notEqual(given.grant, null)
          const plaintext = given.overrideMode === 'plaintext' && given.grant?.by === 'subject-tag'
          assert.equal(got.level, plaintext ? 'none' : 'may')
        }
        if (got.overrideForbidden) assert.notEqual(got.source, 'override')
      }),
      runs,
    )
  })

  it('clear text is possible only where somebody said so', () => {
    fc.assert(
      fc.property(anyInputs, anyHost, (given, at) => {
        const asked = decide(given)
        const got = forHost(asked, at)
        if (got.tls === 'must') return
        assert.ok(asked.level === 'none' || asked.level === 'may')
        const allowed =
          isException(given) ||
          given.mode === 'monitor' ||
          asked.source === 'map' ||
          asked.source === 'override' ||
          asked.source === 'internal' ||
          given.defaultLevel === 'may' ||
          given.defaultLevel === 'none'
        assert.ok(allowed, JSON.stringify(asked))
      }),
      runs,
    )
  })

  it('authentication asked for is authentication given, or no connection', () => {
    fc.assert(
      fc.property(anyInputs, anyHost, (given, at) => {
        const asked = decide(given)
        const got = forHost(asked, at)
        const mustAuthenticate =
          asked.requiretls || ['verify', 'secure', 'dane-only', 'fingerprint'].includes(asked.level)
        if (got.usable && mustAuthenticate) assert.notEqual(got.auth, 'none')
        if (got.usable && got.auth === 'dane') assert.ok(got.tlsa.length > 0)
        if (got.usable && got.auth === 'pkix') assert.ok(got.refNames.length > 0)
        if (got.usable && got.auth === 'fingerprint') assert.ok(got.fingerprints.length > 0)
        assert.equal(got.usable, got.resultType === undefined)
      }),
      runs,
    )
  })

  it('equal digests: equal protection, and the other way round', () => {
    fc.assert(
      fc.property(anyInputs, anyInputs, (one, two) => {
        const [a, b] = [decide(one), decide(two)]
        const same = requirementDigest(a) === requirementDigest(b)
        if (same) assert.equal(compareStrength(a, b), 'equal')
        const axes = (r: Requirement) =>
          JSON.stringify([
            r.level,
            r.minVersion,
            r.names,
            r.fingerprints,
            r.ca,
            r.servername,
            r.sts?.mx,
            r.requiretls,
            r.daneRaises,
          ])
        if (axes(a) === axes(b)) assert.ok(same)
      }),
      runs,
    )
  })

  it('is JSON-safe', () => {
    fc.assert(
      fc.property(anyInputs, (given) => {
        const got = decide(given)
        assert.deepEqual(JSON.parse(JSON.stringify(got)), got)
      }),
      { numRuns: 300 },
    )
  })
})
