import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decide } from '../../../lib/policy/decide'
import { requirementDigest } from '../../../lib/policy/digest'
import { stsEffect, stsFetchOptions } from '../../../lib/policy/sts'
import { LEVELS, type MtaStsState, type PolicyInputs } from '../../../lib/policy/types'
import { inputs, mapOf, row, STS } from '../fixtures'

describe('MTA-STS: does it matter what is published?', () => {
  const TABLE: [what: string, given: Partial<PolicyInputs>, effect: ReturnType<typeof stsEffect>][] = [
    ['the default', {}, 'enforced'],
    ['default verify: the names of the MX hosts', { defaultLevel: 'verify' }, 'enforced'],
    ['default secure is narrower already', { defaultLevel: 'secure' }, 'none'],
    ['a row stands alone', { map: mapOf(row({ level: 'encrypt' })) }, 'none'],
    ['a row that bows', { map: mapOf(row({ level: 'may' })) }, 'enforced'],
    ['a row that does not', { map: mapOf(row({ level: 'may', overridePublished: true })) }, 'none'],
    ['an internal domain', { recipient: 'a@own.example' }, 'none'],
    ['a granted opt-out', { grant: { by: 'subject-tag' } }, 'none'],
    ['local delivery', { route: { kind: 'local' } }, 'none'],
    ['a smart host', { route: { kind: 'static', host: 'relay.example' } }, 'enforced'],
    ['a TLS report', { kind: 'tlsrpt' }, 'none'],
    ['monitor mode', { mode: 'monitor' }, 'recorded'],
    ['REQUIRETLS in monitor mode', { mode: 'monitor', requiretls: true }, 'enforced'],
    ['REQUIRETLS under a row', { requiretls: true, map: mapOf(row({ level: 'verify' })) }, 'enforced'],
  ]
  for (const [what, given, effect] of TABLE) {
    it(`${what}: ${effect}`, () => assert.equal(stsEffect(inputs(given)), effect))
  }

  it('where it says "none", no policy whatever changes the requirement', () => {
    const states: MtaStsState[] = [
      STS,
      { ...STS, mode: 'testing' },
      { ...STS, mode: 'none' },
      { ...STS, mx: ['*.x.example'] },
    ]
    fc.assert(
      fc.property(
        fc.record({
          defaultLevel: fc.constantFrom(...LEVELS),
          map: fc
            .constantFrom(undefined, ...LEVELS)
            .map((level) => mapOf(level === undefined ? undefined : row({ level }))),
          mode: fc.constantFrom('enforce' as const, 'monitor' as const),
          grant: fc.constantFrom(null, { by: 'subject-tag' as const }),
          requiretls: fc.boolean(),
          dane: fc.boolean(),
          kind: fc.constantFrom('mail' as const, 'report' as const, 'tlsrpt' as const),
        }),
        fc.constantFrom(...states),
        (given, mtaSts) => {
          if (stsEffect(inputs(given)) === 'enforced') return
          const without = decide(inputs(given))
          assert.equal(requirementDigest(decide(inputs({ ...given, mtaSts }))), requirementDigest(without))
        },
      ),
    )
  })
})

describe('MTA-STS: how policy hosts are reached', () => {
  const settings = (localMxOk: boolean) => {
    const tls = { minVersion: 'TLSv1.2', dane: true, mtaSts: true, caFile: '/ca.pem' } as const
    return { tls, delivery: { inetPrefer: 'v4', localMxOk } } as unknown as Parameters<typeof stsFetchOptions>[0]
  }

  it('roots and families as configured; not to this machine', () => {
    const options = stsFetchOptions(settings(false))
    assert.deepEqual([options.caFile, options.inetPrefer, options.port], ['/ca.pem', 'v4', undefined])
    assert.deepEqual(
      ['127.0.0.1', '::1', '192.0.2.1'].map((address) => options.mayConnect(address)),
      [false, false, true],
    )
    assert.equal(stsFetchOptions(settings(true)).mayConnect('127.0.0.1'), true)
  })

  for (const [text, port] of [
    ['8443', 8443],
    ['0', undefined],
    ['65536', undefined],
    ['-1', undefined],
    ['443x', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const) {
    it(`SECURE_MAIL_STS_PORT=${text}: ${port ?? 443}`, () => {
      assert.equal(stsFetchOptions(settings(false), text).port, port)
    })
  }
})
