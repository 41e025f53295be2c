/** Everything that a decision can be asked, with few values each, so that equal ones come up as well. */
import fc from 'fast-check'
import {
  LEVELS,
  type HostInputs,
  type MapRow,
  type MtaStsState,
  type PolicyInputs,
  type Route,
  type TlsaState,
} from '../../lib/policy/types'
import { mapOf, row, STS, TLSA } from './fixtures'

const version = fc.constantFrom('TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3')
const level = fc.constantFrom(...LEVELS)
const names = fc.subarray(['a.example', '.b.example', 'c.example'])

export const anyRow: fc.Arbitrary<MapRow> = fc
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

export const anyInputs: fc.Arbitrary<PolicyInputs> = fc.record({
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

export const anyHost: fc.Arbitrary<HostInputs> = fc.record({
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

/** Rules that stand above map and default: a local route, and TLS reports. */
export const isException = (given: PolicyInputs): boolean => given.kind === 'tlsrpt' || given.route.kind === 'local'
