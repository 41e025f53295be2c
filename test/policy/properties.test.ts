import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decide } from '../../lib/policy/decide'
import { requirementDigest } from '../../lib/policy/digest'
import { forHost } from '../../lib/policy/for-host'
import { compareStrength } from '../../lib/policy/strength'
import {
  LEVELS,
  type HostInputs,
  type MapRow,
  type MtaStsState,
  type PolicyInputs,
  type Requirement,
  type Route,
  type TlsaState,
} from '../../lib/policy/types'
import { inputs, mapOf, row, STS, TLSA } from './fixtures'

const version = fc.constantFrom('TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3')
const level = fc.constantFrom(...LEVELS)
const names = fc.subarray(['a.example', '.b.example', 'c.example'])

const anyRow: fc.Arbitrary<MapRow> = fc
  .record({
    level,
    match: names,
    override: fc.constantFrom('never', 'allow'),
    overridePublished: fc.boolean(),
    minVersion: fc.option(version, { nil: undefined }),
    ca: fc.option(fc.constantFrom('ca.pem'), { nil: undefined }),
    servername: fc.option(fc.constantFrom('s.example'), { nil: undefined }),
  })
  .map(({ minVersion, ca, servername, ...rest }) =>
    row({
      ...rest,
      ...(minVersion === undefined ? {} : { minVersion }),
      ...(ca === undefined ? {} : { ca }),
      ...(servername === undefined ? {} : { servername }),
    }),
  )

const anyInputs: fc.Arbitrary<PolicyInputs> = fc.record({
  recipient: fc.constantFrom('a@example.org', 'a@own.example', 'a@x.own.example', '', '@', 'no-at-sign'),
  route: fc.constantFrom<Route[]>(
    { kind: 'mx' },
    { kind: 'static', host: 'relay.example' },
    { kind: 'static', host: '' },
    { kind: 'local' },
  ),
  map: fc.option(anyRow, { nil: undefined }).map(mapOf),
  defaultLevel: level,
  minVersion: version,
  internalDomains: fc.subarray(['own.example', '.own.example']),
  mode: fc.constantFrom('enforce', 'monitor'),
  overrideMode: fc.constantFrom('opportunistic', 'plaintext'),
  grant: fc.constantFrom(null, { by: 'subject-tag' }, { by: 'tls-required-no' }),
  requiretls: fc.boolean(),
  nullSender: fc.boolean(),
  mtaSts: fc.constantFrom<MtaStsState[]>(
    { state: 'absent' },
    STS,
    { ...STS, mode: 'testing' },
    { ...STS, mode: 'none' },
    { state: 'error', resultType: 'sts-policy-invalid', detail: '' },
  ),
  dane: fc.boolean(),
  kind: fc.constantFrom('mail', 'report', 'tlsrpt'),
  now: fc.nat(),
})

const anyHost: fc.Arbitrary<HostInputs> = fc.record({
  host: fc.constantFrom('mx1.example.org', 'evil.example', '192.0.2.1'),
  domain: fc.constant('example.org'),
  mxSecure: fc.boolean(),
  addressSecure: fc.boolean(),
  tlsa: fc.constantFrom<TlsaState[]>(
    { state: 'absent' },
    { state: 'insecure' },
    { state: 'unusable' },
    { state: 'error', detail: '' },
    { state: 'usable', records: [TLSA], base: 'mx1.example.org' },
    { state: 'usable', records: [], base: 'mx1.example.org' },
  ),
})

const runs = { numRuns: 2000 }

/** The row alone: no sender, no publisher, enforced. */
function rowAlone(given: PolicyInputs): Requirement {
  return decide({ ...given, mode: 'enforce', grant: null, requiretls: false, mtaSts: { state: 'absent' }, dane: false })
}

function notBelow(got: Requirement, floor: Requirement): void {
  const comparison = compareStrength(got, floor)
  assert.ok(comparison === 'equal' || comparison === 'stronger', `${comparison}: ${got.reason} against ${floor.reason}`)
}

const isException = (given: PolicyInputs) => given.kind === 'tlsrpt' || given.route.kind === 'local'

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
