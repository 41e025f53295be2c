import assert from 'node:assert/strict'
import fc from 'fast-check'
import { compile, emptyMap, hasExpired, parsePolicyMap } from '../../lib/config'
import type { MapRow } from '../../lib/policy/types'

const NOW = Date.UTC(2026, 10, 23, 12)

function mapOf(text: string) {
  const { map, problems } = parsePolicyMap(text, 'map', (file) => file, NOW)
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  )
  return map
}

const ALL = mapOf(`
* encrypt
.example verify
.region.example secure
region.example dane
ida@region.example dane-only
[mx.smart.example] encrypt protocols=>=TLSv1.3
[192.0.2.1] verify
`)

describe('config: policy map, look-up', function () {
  // properties take long on a busy machine
  this.timeout(30_000)
  /** Recipient, host of a static route, the pattern that must be found. */
  const CASES: readonly [recipient: string, route: string | undefined, pattern: string][] = [
    ['ida@region.example', undefined, 'ida@region.example'],
    ['IDA@region.example', undefined, 'ida@region.example'],
    ['"ida"@region.example', undefined, 'ida@region.example'],
    ['bo@region.example', undefined, 'region.example'],
    ['bo@a.region.example', undefined, '.region.example'],
    ['bo@a.b.region.example', undefined, '.region.example'],
    ['bo@other.example', undefined, '.example'],
    ['bo@xregion.example', undefined, '.example'],
    ['bo@example', undefined, '*'],
    ['bo@elsewhere.test', undefined, '*'],
    ['ida@region.example', 'mx.smart.example', '[mx.smart.example]'],
    ['ida@region.example', 'MX.Smart.Example', '[mx.smart.example]'],
    ['ida@region.example', '192.0.2.1', '[192.0.2.1]'],
    ['ida@region.example', 'mx.unknown.example', 'ida@region.example'],
    // without a route the host rows are not about the domain of that name
    ['bo@mx.smart.example', undefined, '.example'],
    // RFC 5321 section 4.1.3
    ['bo@[192.0.2.1]', undefined, '[192.0.2.1]'],
    ['bo@[192.0.2.9]', undefined, '*'],
  ]
  for (const [recipient, route, pattern] of CASES) {
    it(`${recipient}${route === undefined ? '' : ` by ${route}`} -> ${pattern}`, () => {
      assert.equal(ALL.find(recipient, route, NOW)?.pattern, pattern)
    })
  }

  it('an expired row is passed over and the next one holds', () => {
    const map = mapOf('x.example none note=x expires=2026-11-23\n* verify')
    const lastMoment = Date.UTC(2026, 10, 24) - 1
    assert.equal(map.find('a@x.example', undefined, lastMoment)?.pattern, 'x.example')
    assert.equal(map.find('a@x.example', undefined, lastMoment + 1)?.pattern, '*')
    assert.equal(map.rows.length, 2, 'and stays listed')
  })

  it('an empty map has no row', () => assert.equal(emptyMap.find('a@x.example', 'mx.x.example', NOW), undefined))

  const label = fc.constantFrom('a', 'b', 'c')
  const domainName = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
  const localPart = fc.constantFrom('x', 'y')
  const target: fc.Arbitrary<Pick<MapRow, 'kind' | 'key'>> = fc.oneof(
    fc.tuple(localPart, domainName).map(([local, domain]) => ({ kind: 'address' as const, key: `${local}@${domain}` })),
    domainName.map((key) => ({ kind: 'domain' as const, key })),
    domainName.map((key) => ({ kind: 'subdomain' as const, key })),
    domainName.map((key) => ({ kind: 'host' as const, key })),
    fc.constant({ kind: 'any' as const, key: '*' }),
  )
  const anyRow: fc.Arbitrary<MapRow> = fc
    .record({ target, expired: fc.boolean() })
    .map(({ target: { kind, key }, expired }) => ({
      pattern: `${kind} ${key}`,
      kind,
      key,
      level: 'encrypt' as const,
      match: [],
      override: 'allow' as const,
      overridePublished: false,
      file: 'map',
      line: 1,
      ...(expired ? { expires: '2026-11-22' } : {}),
    }))
  const anyRows = fc.uniqueArray(anyRow, { maxLength: 12, selector: ({ kind, key }) => `${kind} ${key}` })

  /** What the documentation says, row by row, without an index. */
  function naive(rows: readonly MapRow[], recipient: string, route: string | undefined): MapRow | undefined {
    const domain = recipient.split('@')[1]!
    const rank = (row: MapRow): number => {
      if (hasExpired(row, NOW)) return -1
      switch (row.kind) {
        case 'host':
          return row.key === route ? 10_000 : -1
        case 'address':
          return row.key === recipient ? 9000 : -1
        case 'domain':
          return row.key === domain ? 8000 : -1
        case 'subdomain':
          return domain.endsWith(`.${row.key}`) ? 100 + row.key.length : -1
        case 'any':
          return 0
      }
    }
    return rows.filter((row) => rank(row) >= 0).sort((a, b) => rank(b) - rank(a))[0]
  }

  it('agrees with going through the rows one by one', () => {
    fc.assert(
      fc.property(
        anyRows,
        localPart,
        domainName,
        fc.option(domainName, { nil: undefined }),
        (rows, local, domain, route) => {
          const recipient = `${local}@${domain}`
          assert.equal(compile(rows).find(recipient, route, NOW), naive(rows, recipient, route))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('the order of rows does not matter', () => {
    fc.assert(
      fc.property(anyRows, localPart, domainName, (rows, local, domain) => {
        const found = compile(rows).find(`${local}@${domain}`, undefined, NOW)
        assert.equal(compile([...rows].reverse()).find(`${local}@${domain}`, undefined, NOW), found)
      }),
    )
  })

  it('any recipient text gets an answer', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.option(fc.string(), { nil: undefined }), (recipient, route) => {
        assert.notEqual(ALL.find(recipient, route, NOW), undefined)
      }),
    )
  })

  it('no text makes the parser throw, and none/may never come without note and expiry', () => {
    const words = fc.constantFrom(
      ...[
        'x.example',
        '.x',
        '*',
        '[h]',
        'a@b',
        'none',
        'may',
        'encrypt',
        'secure',
        'note=x',
        'note="',
        'expires=2027-01-31',
      ],
      ...['match=y', '\n', '\n ', '#', '"', '\\', 'override=allow', '='],
    )
    const text = fc.array(fc.oneof({ weight: 4, arbitrary: words }, fc.string({ unit: 'binary' })), { maxLength: 15 })
    fc.assert(
      fc.property(text, (pieces) => {
        const { map } = parsePolicyMap(pieces.join(' '), 'map', (file) => file, NOW)
        for (const row of map.rows) {
          if (row.level === 'none' || row.level === 'may')
            assert.ok(row.note !== undefined && row.expires !== undefined)
          if (row.level === 'fingerprint') assert.ok(row.match.length > 0)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
