import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { explain, explainFindings, type Findings, type HostFindings } from '../../lib/policy/explain'
import { packageRoot } from '../../lib/package-root'
import type { PolicyInputs } from '../../lib/policy/types'
import { inputs, mapOf, requirement, row, STS, TLSA } from './fixtures'

const schema = JSON.parse(readFileSync(path.join(packageRoot(), 'docs/schema/policy.schema.json'), 'utf8')) as object
const bySchema = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema)

function found(more: Partial<HostFindings> = {}): HostFindings {
  return {
    host: 'mx1.example.org',
    preference: 10,
    addresses: {
      kind: 'addresses',
      addresses: ['192.0.2.1'],
      secure: true,
      secureAlias: false,
      expandedName: 'mx1.example.org',
    },
    tlsa: { state: 'absent' },
    ownHost: false,
    ...more,
  }
}

function findings(given: Partial<PolicyInputs> = {}, more: Partial<Findings> = {}): Findings {
  const hosts = more.hosts ?? [found()]
  return {
    inputs: inputs(given),
    mx: {
      kind: 'hosts',
      hosts: hosts.map(({ host, preference }) => ({ host, preference })),
      secure: true,
      implicit: false,
      expandedDomain: 'example.org',
    },
    hosts,
    mtaStsEnabled: true,
    lookedUp: { mtaSts: true, tlsa: true },
    ...more,
  }
}

const usable = { state: 'usable', records: [TLSA], base: 'mx1.example.org' } as const

describe('policy: explainFindings', () => {
  const TABLE: [string, Findings, Record<string, unknown>, Record<string, unknown>?][] = [
    [
      'the default',
      findings(),
      { level: 'encrypt', tls: 'must', auth: 'none', source: 'default', deliver: true, match: [] },
      { usable: true, secure: true, stsMatch: null, tlsa: 0 },
    ],
    ['DANE', findings({}, { hosts: [found({ tlsa: usable })] }), { deliver: true }, { usable: true, tlsa: 1 }],
    [
      'MTA-STS, another host',
      findings({ mtaSts: STS }, { hosts: [found({ host: 'evil.example' })] }),
      { level: 'verify', auth: 'pkix', source: 'mta-sts', deliver: false },
      { usable: false, stsMatch: false, resultType: 'validation-failure' },
    ],
    ['MTA-STS, its host', findings({ mtaSts: STS }), { deliver: true }, { usable: true, stsMatch: true }],
    [
      'MTA-STS in mode testing: said, not enforced',
      findings({ mtaSts: { ...STS, mode: 'testing' } }, { hosts: [found({ host: 'evil.example' })] }),
      { level: 'encrypt', deliver: true },
      { usable: true, stsMatch: false },
    ],
    [
      'MTA-STS in mode none',
      findings({ mtaSts: { ...STS, mode: 'none', mx: [] } }),
      { level: 'encrypt', deliver: true },
      { usable: true, stsMatch: null },
    ],
    [
      'MTA-STS that cannot be had',
      findings({ mtaSts: { state: 'error', resultType: 'sts-webpki-invalid', detail: 'expired' } }),
      {
        level: 'encrypt',
        mtaSts: { enabled: true, lookedUp: true, state: 'error', resultType: 'sts-webpki-invalid', detail: 'expired' },
      },
      { stsMatch: null },
    ],
    [
      'dane-only without TLSA',
      findings({ map: mapOf(row({ level: 'dane-only' })) }),
      { deliver: false, auth: 'dane' },
      { usable: false, resultType: 'dane-required' },
    ],
    [
      'a host without address',
      findings({}, { hosts: [found({ addresses: { kind: 'none', detail: 'mx1.example.org has no address' } })] }),
      { deliver: false },
      { usable: false, resultType: 'no-address', addresses: [], secure: false },
    ],
    [
      'a host whose address is in doubt',
      findings({}, { hosts: [found({ addresses: { kind: 'error', error: 'servfail', detail: 'x' } })] }),
      { deliver: false },
      { usable: false, resultType: 'dns-error' },
    ],
    [
      'our own host',
      findings({}, { hosts: [found({ ownHost: true })] }),
      { deliver: false },
      { usable: false, resultType: 'no-route' },
    ],
    [
      'one bad, one good',
      findings({}, { hosts: [found({ ownHost: true }), found({ host: 'mx2.example.org' })] }),
      { deliver: true },
    ],
    ['null MX', findings({}, { mx: { kind: 'null-mx', secure: true }, hosts: [] }), { deliver: false, mx: [] }],
    ['no such domain', findings({}, { mx: { kind: 'no-domain', detail: 'gone' }, hosts: [] }), { deliver: false }],
    [
      'DNS in doubt',
      findings({}, { mx: { kind: 'error', error: 'servfail', detail: 'x' }, hosts: [] }),
      { deliver: false },
    ],
    ['monitor', findings({ mode: 'monitor' }), { level: 'may', tls: 'may', wouldRequire: 'encrypt', deliver: true }],
    [
      'a row',
      findings({ map: mapOf(row({ level: 'secure', note: 'why' })) }),
      {
        source: 'map',
        match: ['example.org', '.example.org'],
        rule: { pattern: 'example.org', file: 'secure-mail.tls_policy', line: 7, note: 'why' },
      },
    ],
  ]
  for (const [what, given, wanted, first] of TABLE) {
    it(what, () => {
      const report = explainFindings(given)
      assert.ok(bySchema(JSON.parse(JSON.stringify(report))), JSON.stringify(bySchema.errors))
      assert.deepEqual({ ...report, ...wanted }, report)
      if (first !== undefined) assert.deepEqual({ ...report.mx[0], ...first }, report.mx[0])
    })
  }

  it('says of every source what it says', () => {
    const report = explainFindings(findings({ mtaSts: STS, map: mapOf(row({ level: 'encrypt', override: 'never' })) }))
    const says = Object.fromEntries(report.sources.map(({ source, says }) => [source, says]))
    assert.match(says['map']!, /secure-mail\.tls_policy:7: example\.org encrypt, override=never/)
    assert.match(says['MTA-STS']!, /20261101, mode enforce/)
    assert.match(says['opt-out']!, /not possible/)
    assert.match(says['internal domains']!, /none of them/)
  })

  it('does not claim to have looked where nobody looked', () => {
    const report = explainFindings(findings({}, { lookedUp: { mtaSts: false, tlsa: false } }))
    const says = report.sources.filter(({ source }) => source === 'DANE' || source === 'MTA-STS')
    assert.ok(says.length === 2 && says.every((line) => line.says.startsWith('not looked up')))
    assert.deepEqual([report.dane.lookedUp, report.mtaSts.lookedUp], [false, false])
  })

  it('the schema refuses what it does not know', () => {
    const report = explainFindings(findings())
    assert.equal(bySchema({ ...report, level: 'strong' }), false)
    assert.equal(bySchema({ ...report, extra: 1 }), false)
  })
})

describe('policy: explain', () => {
  it('says all there is to say', () => {
    const lines = explain(
      requirement({
        level: 'secure',
        names: ['a.example'],
        ca: 'ca.pem',
        sts: { id: '1', mx: ['mx.a.example'] },
        requiretls: true,
        daneRaises: true,
        overrideForbidden: true,
        enforced: requirement({ level: 'verify' }),
      }),
    ).join('\n')
    for (const part of [
      'secure',
      'TLSv1.2',
      'a.example',
      'ca.pem',
      'MTA-STS',
      'REQUIRETLS',
      'DANE',
      'override=never',
      'verify',
    ]) {
      assert.ok(lines.includes(part), part)
    }
    assert.deepEqual(explain(requirement({ level: 'none' })), ['none: clear text, no TLS at all', 'because test'])
    assert.match(explain(requirement({ level: 'fingerprint', fingerprints: ['ab'] })).join('\n'), /SHA-256 ab/)
  })
})
