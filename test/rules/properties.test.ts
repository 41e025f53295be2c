/** Three promises over everything that can be asked, from the queue file to the connection. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { PassThrough } from 'node:stream'
import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import fc from 'fast-check'
import { createChannel } from '../../lib/deliver/channel'
import { createContexts } from '../../lib/deliver/contexts'
import { createPool } from '../../lib/deliver/pool'
import { connectionKey } from '../../lib/deliver/pool-key'
import type { Target } from '../../lib/deliver/route'
import { continueSession, type Session, type SessionDeps } from '../../lib/deliver/session'
import { createTlsSessions, resumable, SESSION_LIFE, type KeptSession } from '../../lib/deliver/tls-sessions'
import { verifyPeer } from '../../lib/deliver/verify'
import { decide } from '../../lib/policy/decide'
import { forHost } from '../../lib/policy/for-host'
import { compareStrength } from '../../lib/policy/strength'
import type { HostRequirement, PolicyInputs, Requirement } from '../../lib/policy/types'
import { checkSeal, sealNotes } from '../../lib/store/seal'
import { issued } from '../deliver/support/certificates'
import { settings } from '../deliver/support/world'
import { anyHost, anyInputs, isException } from '../policy/arbitraries'
import { changedAt, placesIn, unsealed } from '../store/notes-arbitrary'

const KEY = Buffer.alloc(32, 7)
const VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']
const TLS = ['none', 'may', 'must']
/** Of one run all are alike but for one thing each, so that nearly equal ones meet. */
const VARIED = ['map', 'defaultLevel', 'minVersion', 'mtaSts', 'requiretls', 'dane', 'grant', 'mode'] as const

/** Map and default alone: nobody asked for anything, nothing is published. */
const floorOf = (given: PolicyInputs): Requirement =>
  decide({ ...given, mode: 'enforce', grant: null, requiretls: false, mtaSts: { state: 'absent' }, dane: false })

/** Does a connection that shows what `less` asks for perhaps not show what `more` asks for? */
function asksMore(more: HostRequirement, less: HostRequirement): boolean {
  if (!more.usable) return true
  if (TLS.indexOf(more.tls) > TLS.indexOf(less.tls)) return true
  if (more.requiretls && !less.requiretls) return true
  if (more.tls === 'none') return false
  if (VERSIONS.indexOf(more.minVersion) > VERSIONS.indexOf(less.minVersion)) return true
  if (more.auth === 'none') return false
  const proof = ({ auth, sni, refNames, fingerprints, tlsa, ca }: HostRequirement) =>
    JSON.stringify([auth, sni, refNames, fingerprints, tlsa, ca])
  return proof(more) !== proof(less)
}

describe('rules: properties', function () {
  this.timeout(30_000)

  it('nothing weakens what map and default ask for, but a grant that stands sealed in this very mail’s record', () => {
    const tampering = fc.option(fc.record({ place: fc.nat(), to: fc.jsonValue() }), { nil: undefined })
    let weakened = 0
    fc.assert(
      fc.property(anyInputs, anyHost, unsealed, tampering, (given, at, notes, change) => {
        if (isException(given) || given.mode === 'monitor') return
        const sealed = sealNotes(notes, KEY)
        const places = placesIn(sealed)
        const found: unknown =
          change === undefined ? sealed : changedAt(sealed, places[change.place % places.length] ?? [], change.to)
        const { mailId, sender, recipients, digest } = notes
        const check = checkSeal(found, KEY, { mailId, sender, recipients, digest })
        const grant = check.ok ? check.notes.grant : null

        const asked: PolicyInputs = { ...given, kind: 'mail', grant }
        const [got, floor] = [decide(asked), floorOf(asked)]
        const comparison = compareStrength(got, floor)
        if (comparison === 'weaker' || comparison === 'incomparable') {
          weakened += 1
          assert.deepEqual(JSON.parse(JSON.stringify(found)), JSON.parse(JSON.stringify(sealed)))
          assert.notEqual(notes.grant, null)
          assert.equal(got.source, 'override')
          assert.equal(asked.map.find(asked.recipient, undefined, asked.now)?.override ?? 'allow', 'allow')
          return
        }
        // and so for each host: it is asked for as much, or not used
        const [need, least] = [forHost(got, at), forHost(floor, at)]
        if (!need.usable) return
        assert.ok(least.usable, `${need.why}; ${least.why}`)
        assert.ok(TLS.indexOf(need.tls) >= TLS.indexOf(least.tls), need.why)
        assert.ok(need.auth !== 'none' || least.auth === 'none', need.why)
      }),
      { numRuns: 3_000 },
    )
    assert.ok(weakened > 0, 'grants were among the cases')
  })

  it('a connection that is open never serves a stricter requirement than the one that made it', async () => {
    const current = settings()
    const deps: SessionDeps = {
      settings: current,
      heloName: 'h.test',
      contexts: createContexts({ now: () => 0 }),
      clock: { now: () => 0 },
      signal: new AbortController().signal,
      part: () => undefined,
    }
    const step = fc.record({
      open: fc.boolean(),
      handOn: fc.boolean(),
      other: anyInputs,
      varied: fc.constantFrom(...VARIED),
    })
    const run = fc.tuple(anyInputs, anyHost, fc.array(step, { maxLength: 30 })).map(([given, at, varied]) =>
      varied.flatMap(({ open, handOn, other, varied: name }): { open: boolean; handOn: boolean; target: Target }[] => {
        const need = forHost(decide({ ...given, [name]: other[name] }), at)
        return need.usable
          ? [{ open, handOn, target: { host: at.host, address: '192.0.2.1', port: 25, lmtp: false, need } }]
          : []
      }),
    )
    let served = 0
    await fc.assert(
      fc.asyncProperty(run, async (steps) => {
        const pool = createPool(
          () => ({ idle: 1_000, messages: 100 }),
          () => 0,
        )
        for (const { open, handOn, target } of steps) {
          // a server without TLS, or with it, as the requirement lets it be
          const tls = target.need.tls === 'must' || (open && target.need.tls === 'may')
          if (open) {
            if (handOn) pool.offer(sessionOf(target, tls, deps))
            else pool.give(sessionOf(target, tls, deps), 'dest.test')
            continue
          }
          const taken = pool.take(connectionKey(target, deps.heloName), new AbortController().signal)
          const session =
            taken === undefined
              ? null
              : continueSession(taken.session, target, connectionKey(target, deps.heloName), deps)
          taken?.session.channel.socket.destroy()
          if (taken === undefined || session === null) continue
          served += 1
          const held = taken.session.target
          assert.equal(asksMore(target.need, held.need), false, `${target.need.why}; ${held.need.why}`)
          if (target.need.tls === 'must') assert.notEqual(session.tls, null)
        }
        for (const { target } of steps) pool.drop(connectionKey(target, deps.heloName))
        await pool.close()
      }),
      { numRuns: 300 },
    )
    assert.ok(served > 0, 'connections were used again')
  })

  it('a TLS session that is resumed never serves a stricter requirement than the one that made it', () => {
    const roots = [createSecureContext(), createSecureContext()]
    const trusted = presentedBy(['mx1.test'], null)
    const shown = [trusted, presentedBy(['other.test'], null), presentedBy(['mx1.test'], 'SELF_SIGNED_CERT_IN_CHAIN')]
    const step = fc.record({
      full: fc.boolean(),
      other: anyInputs,
      varied: fc.constantFrom(...VARIED),
      root: fc.constantFrom(0, 1),
      shown: fc.constantFrom(...shown),
      later: fc.integer({ min: 0, max: SESSION_LIFE }),
    })
    let resumed = 0
    fc.assert(
      fc.property(anyInputs, anyHost, fc.array(step, { maxLength: 40 }), (given, at, steps) => {
        let now = Date.now()
        const sessions = createTlsSessions({ now: () => now })
        const made = new Map<KeptSession['first'], { need: HostRequirement; root: number; at: number }>()
        for (const { full, other, varied, root, shown, later } of steps) {
          now += later
          const need = forHost(decide({ ...given, [varied]: other[varied] }), at)
          if (!need.usable) continue
          const key = connectionKey({ host: at.host, address: '192.0.2.1', port: 25, lmtp: false, need }, 'h.test')
          const context = roots[root]!
          if (full) {
            // as after a handshake: only one that met its requirement is kept
            if (!verifyPeer({ ...shown, resumed: false }, need, now).ok) continue
            const first = { ...shown }
            made.set(first, { need, root, at: now })
            sessions.keep(key, context, { ticket: Buffer.alloc(8), first })
            continue
          }
          const kept = resumable(sessions, key, context, need, now)
          if (kept === undefined) continue
          resumed += 1
          const maker = made.get(kept.first)!
          assert.equal(asksMore(need, maker.need), false, `${need.why}; ${maker.need.why}`)
          assert.equal(root, maker.root)
          assert.ok(now - maker.at < SESSION_LIFE)
          assert.ok(verifyPeer({ ...kept.first, resumed: false }, need, now).ok)
        }
      }),
      { numRuns: 500 },
    )
    assert.ok(resumed > 0, 'sessions were resumed')
  })
})

/** What a full handshake showed. */
function presentedBy(names: readonly string[], chainError: string | null): KeptSession['first'] {
  const leaf = new X509Certificate(issued(names).cert)
  return { leaf, chain: [leaf], chainError, version: 'TLSv1.3' }
}

function sessionOf(target: Target, tls: boolean, deps: SessionDeps): Session {
  const socket = Object.assign(new PassThrough(), { ref: () => socket, unref: () => socket }) as unknown as Socket
  return {
    target,
    channel: createChannel(socket, new AbortController().signal),
    capabilities: new Map(),
    tls: tls ? { version: 'TLSv1.3', cipher: 'x', verified: target.need.auth !== 'none', resumed: false } : null,
    presented: null,
    authenticated: false,
    use: {
      key: connectionKey(target, deps.heloName),
      settings: deps.settings,
      openedAt: 0,
      served: 1,
      unfinished: false,
      prompt: true,
    },
  }
}
