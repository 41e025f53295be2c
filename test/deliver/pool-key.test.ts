/** Properties of reuse: an open connection never serves a target that it was not made for. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import type { Socket } from 'node:net'
import fc from 'fast-check'
import { createChannel } from '../../lib/deliver/channel'
import { createPool } from '../../lib/deliver/pool'
import { connectionKey } from '../../lib/deliver/pool-key'
import type { Target } from '../../lib/deliver/route'
import type { Session } from '../../lib/deliver/session'
import type { HostRequirement } from '../../lib/policy/types'
import { settings } from './support/world'

/** Few values each, so that equal targets come up as well. */
const need: fc.Arbitrary<HostRequirement> = fc.record(
  {
    tls: fc.constantFrom('none', 'may', 'must'),
    auth: fc.constantFrom('none', 'pkix', 'dane', 'fingerprint'),
    minVersion: fc.constantFrom('TLSv1.2', 'TLSv1.3'),
    sni: fc.constantFrom('mx1.test', 'mx2.test'),
    refNames: fc.constantFrom([], ['mx1.test'], ['mx1.test', '.test']),
    fingerprints: fc.constantFrom([], ['aa'], ['bb']),
    tlsa: fc.constantFrom([], [{ usage: 3, selector: 1, matchingType: 1, data: 'aa' }]),
    ca: fc.constantFrom('/a.pem', '/b.pem'),
    requiretls: fc.boolean(),
    usable: fc.constant(true),
    why: fc.string(),
  },
  { requiredKeys: ['tls', 'auth', 'minVersion', 'refNames', 'fingerprints', 'tlsa', 'requiretls', 'usable', 'why'] },
)

const target: fc.Arbitrary<Target> = fc.record(
  {
    host: fc.constantFrom('mx1.test', 'mx2.test'),
    address: fc.constantFrom('192.0.2.1', '192.0.2.2'),
    port: fc.constantFrom(25, 26),
    lmtp: fc.boolean(),
    bind: fc.constantFrom('192.0.2.9'),
    bindHelo: fc.constantFrom('a.test', 'b.test'),
    auth: fc.constantFrom({ user: 'u', pass: 'p' }, { user: 'u', pass: 'q' }, { user: 'u', pass: 'p', type: 'LOGIN' }),
    need,
  },
  { requiredKeys: ['host', 'address', 'port', 'lmtp', 'need'] },
)

/** Everything that a connection proves, without the words for it; written down independently of the key. */
function proven({ address, port, lmtp, bind, bindHelo, auth, need: all }: Target): unknown {
  const { tls, auth: how, minVersion, sni, refNames, fingerprints, tlsa, ca, requiretls } = all
  return {
    ...{ address, port, lmtp, bind, bindHelo, auth },
    ...{ tls, how, minVersion, sni, refNames, fingerprints, tlsa, ca, requiretls },
  }
}

function isEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepStrictEqual(a, b)
    return true
  } catch {
    return false
  }
}

function sessionFor(made: Target, helo: string): Session {
  const socket = Object.assign(new PassThrough(), { ref: () => socket, unref: () => socket }) as unknown as Socket
  return {
    target: made,
    channel: createChannel(socket, new AbortController().signal),
    capabilities: new Map(),
    tls: null,
    presented: null,
    authenticated: false,
    use: {
      key: connectionKey(made, helo),
      settings: settings(),
      openedAt: 0,
      served: 1,
      unfinished: false,
      prompt: true,
    },
  }
}

describe('deliver: which connection serves which target', () => {
  it('equal keys if and only if everything that the connection proves is equal', () => {
    fc.assert(
      fc.property(target, target, (a, b) => {
        assert.equal(connectionKey(a, 'h.test') === connectionKey(b, 'h.test'), isEqual(proven(a), proven(b)))
      }),
      { numRuns: 3000 },
    )
  })

  it('each single part that differs makes another key', () => {
    fc.assert(
      fc.property(target, need, (one, other) => {
        for (const name of Object.keys(other) as (keyof HostRequirement)[]) {
          const changed = { ...one, need: { ...one.need, [name]: other[name] } }
          const same = isEqual(proven(changed), proven(one))
          assert.equal(connectionKey(changed, 'h.test') === connectionKey(one, 'h.test'), same, name)
        }
      }),
    )
  })

  it('a field that a later version adds to a requirement counts, without being named here', () => {
    fc.assert(
      fc.property(target, (one) => {
        const later = { ...one, need: { ...one.need, somethingNew: true } as HostRequirement }
        assert.notEqual(connectionKey(later, 'h.test'), connectionKey(one, 'h.test'))
      }),
    )
  })

  it('the HELO name is part of the identity', () => {
    fc.assert(
      fc.property(target, (one) => {
        const same = one.bindHelo !== undefined
        assert.equal(connectionKey(one, 'a.test') === connectionKey(one, 'b.test'), same)
      }),
    )
  })

  it('whatever is given and taken in whatever order: what comes out was made for the same', async () => {
    const step = fc.record({ give: fc.boolean(), handOn: fc.boolean(), target })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const pool = createPool(
          () => ({ idle: 1000, messages: 100 }),
          () => 0,
        )
        let hits = 0
        for (const { give, handOn, target: wanted } of steps) {
          if (give) {
            if (handOn) pool.offer(sessionFor(wanted, 'h.test'))
            else pool.give(sessionFor(wanted, 'h.test'), 'dest.test')
            continue
          }
          const taken = pool.take(connectionKey(wanted, 'h.test'), new AbortController().signal)
          if (taken === undefined) continue
          hits += 1
          assert.deepEqual(proven(taken.session.target), proven(wanted))
          taken.session.channel.socket.destroy()
        }
        for (const { target: left } of steps) pool.drop(connectionKey(left, 'h.test'))
        assert.ok(hits <= steps.length)
        await pool.close()
      }),
      { numRuns: 300 },
    )
  })
})
