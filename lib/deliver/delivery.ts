/** One delivery: address by address until every recipient has a final reply or nothing is left to try. */
import { isPermanent, isTlsFailure, type Failure, type TlsFacts } from '../failure'
import type { Requirement } from '../policy/types'
import { ChannelError } from './channel'
import { unsafeAddress, unsafeAddressFailure } from './envelope'
import {
  abortedFailure,
  at,
  channelFailure,
  countedUnder,
  DeliveryStop,
  describe,
  HostTrouble,
  localFailure,
  mostTelling,
} from './failures'
import type { Handover } from './handover'
import type { Met } from './host-status'
import type { Release } from './limiter'
import { heldAgainst, publishedVerdict } from './monitor'
import { connectionKey } from './pool-key'
import { hops, type Target } from './route'
import {
  clearTextRetry,
  continueSession,
  openSession,
  quit,
  type Session,
  type SessionDeps,
  type SessionStep,
} from './session'
import { destination, mostSockets, type Shared } from './shared'
import type { StopSignal } from './stop'
import { transact } from './transaction'
import type { DelivererDeps, DeliveryRequest, DeliveryResult, HostAttempt, RecipientOutcome } from './types'
import type { Presented } from './verify'

/** Connections tried in one attempt at a mail; the next attempt starts from the top again. */
const MAX_CONNECTIONS = 20

const NO_RESULT = 'Delivery ended without a result.'

/** The state of one delivery. */
export class Delivery {
  readonly #outcomes = new Map<string, RecipientOutcome>()
  readonly #attempts: HostAttempt[] = []
  readonly #failures: Failure[] = []
  #goodbyes: Promise<void>[] | undefined
  /** mode=monitor: hosts that took the mail, by recipient. */
  #monitored: Map<string, Promise<Failure | undefined>> | undefined
  /** What is required of the hosts that are being tried. */
  #under: Requirement
  #release: Release | undefined
  /** Connections tried, and whether one of them stood. */
  #connections = 0
  #reached = false
  #superseded = false

  constructor(
    readonly request: DeliveryRequest,
    readonly deps: DelivererDeps,
    readonly shared: Shared,
    readonly signal: StopSignal,
  ) {
    this.#under = request.requirement
  }

  /** Until every recipient has an outcome. Never rejects. */
  async run(): Promise<void> {
    let failure: Failure | undefined
    try {
      failure = await this.#everyHost()
    } catch (error) {
      failure = this.#verdictOn(error)
    }
    if (this.#superseded) return
    const rest = failure ?? localFailure(NO_RESULT)
    const onEveryHost = !isTlsFailure(rest) || tlsOnEveryHost(this.#failures)
    for (const recipient of this.#open()) {
      await this.#settle({
        recipient,
        result: isPermanent(rest) ? 'failed' : 'deferred',
        failure: rest,
        ...(onEveryHost ? {} : { onEveryHost }),
      })
    }
  }

  /** After `run`. Never rejects. */
  async result(): Promise<DeliveryResult> {
    if (this.#superseded) return { outcomes: [], attempts: [], superseded: true }
    const outcomes: RecipientOutcome[] = []
    for (const recipient of this.request.recipients) {
      const outcome = this.#outcomes.get(recipient) ?? withoutResult(recipient)
      const monitoring = this.#monitored?.get(recipient)
      const wouldFail = monitoring && (await monitoring)
      const monitored = outcome.result === 'delivered' && wouldFail !== undefined
      outcomes.push(monitored ? { ...outcome, wouldFail } : outcome)
    }
    return { outcomes, attempts: this.#attempts }
  }

  /** Resolves when the connections of this delivery are closed. */
  async parted(): Promise<void> {
    if (this.#goodbyes !== undefined) await Promise.allSettled(this.#goodbyes)
    this.#release?.(this.#reached ? 'reached' : this.#connections > 0 ? 'unreachable' : undefined)
  }

  #verdictOn(error: unknown): Failure {
    if (error instanceof DeliveryStop || error instanceof HostTrouble) return error.failure
    if (error instanceof ChannelError) return channelFailure(error, 'delivery')
    this.deps.log('error', `delivery ${this.request.mailId}: ${describe(error)}`)
    return localFailure('An unexpected error in the mail gateway; it will be tried again.', error)
  }

  #stopped(): boolean {
    return this.signal.aborted
  }

  #open(): readonly string[] {
    const { recipients } = this.request
    if (this.#outcomes.size === 0 && recipients.length === 1) return recipients
    return [...new Set(recipients)].filter((recipient) => !this.#outcomes.has(recipient))
  }

  /** Exactly one outcome per recipient: a second one is not taken. */
  async #settle(outcome: RecipientOutcome): Promise<void> {
    if (this.#outcomes.has(outcome.recipient)) return
    this.#outcomes.set(outcome.recipient, this.#marked(outcome))
    try {
      await this.request.onOutcome(outcome)
    } catch (error) {
      // The final reply stands whether or not it could be written down; sending again would be worse.
      this.deps.log('error', `delivery ${this.request.mailId}: outcome not recorded: ${describe(error)}`)
    }
  }

  /** @returns the failure of the recipients that are left, if any are */
  async #everyHost(): Promise<Failure | undefined> {
    const { request, deps, signal } = this
    if (this.#stopped()) return abortedFailure()
    if (unsafeAddress(request.sender)) return unsafeAddressFailure('sender')
    for (const recipient of this.#open().filter(unsafeAddress)) {
      await this.#settle({ recipient, result: 'failed', failure: unsafeAddressFailure('recipient') })
    }
    if (this.#open().length === 0) return undefined
    const settings = deps.settings()
    this.#release = await this.shared.limiter.acquire(
      destination(request),
      () => deps.settings().delivery.connectionsPerDestination,
      signal,
      () => request.onWait?.(),
    )
    // Connections that were opened under other settings are not used again.
    if (this.shared.settings !== deps.settings()) {
      this.shared.pool.drain()
      this.shared.sessions.clear()
      this.shared.hosts.forget()
    }
    this.shared.settings = deps.settings()
    // What was required before the wait may not be what is required now.
    if (settings !== deps.settings()) {
      this.#superseded = true
      return undefined
    }
    const sessionDeps: SessionDeps = {
      settings,
      heloName: deps.heloName(),
      contexts: this.shared.contexts,
      clock: deps.clock,
      signal,
      part: (channel) => (this.#goodbyes ??= []).push(quit(channel)),
      sessions: this.shared.sessions,
      connect: this.shared.sockets.counted(destination(request), deps.connect),
    }
    const failure = await this.#eachHost(sessionDeps)
    const { otherwise } = request.requirement
    // RFC 8689 section 5: a report is not discarded because nobody offers REQUIRETLS on its way
    if (failure === undefined || otherwise === undefined || !this.#failures.some(isTlsFailure)) return failure
    this.#under = otherwise
    this.#failures.length = 0
    return await this.#eachHost(sessionDeps)
  }

  /** Host by host under `#under`. @returns as `#everyHost` */
  async #eachHost(sessionDeps: SessionDeps): Promise<Failure | undefined> {
    const { deps } = this
    const { settings } = sessionDeps
    const request =
      this.#under === this.request.requirement ? this.request : { ...this.request, requirement: this.#under }
    let tried = 0
    for (const hop of hops(request, { ...deps, settings, resolver: deps.resolver() })) {
      if (hop instanceof Promise) {
        await hop
        continue
      }
      if (this.#stopped()) return abortedFailure()
      if (hop.kind === 'dead') {
        this.#note(hop.host === undefined ? hop.failure : at(hop.failure, { mx: hop.host }))
        if (hop.ruledOut !== undefined) this.#tell({ target: hop.ruledOut, tls: null, failure: hop.failure })
        continue
      }
      this.#connections += 1
      tried += 1
      if (tried > MAX_CONNECTIONS) break
      if (!(await this.#overAnyConnection(hop.target, sessionDeps))) await this.#oneAddress(hop.target, sessionDeps)
      if (this.#open().length === 0) return undefined
      if (this.#stopped()) return abortedFailure()
    }
    return mostTelling(this.#failures) ?? { ...localFailure('No mail server was found to try.'), enhancedCode: '4.4.4' }
  }

  /** One address; under `may` a second time in clear text when TLS fails. */
  async #oneAddress(target: Target, sessionDeps: SessionDeps): Promise<void> {
    try {
      const session = await this.#newSession(target, sessionDeps)
      if (session === undefined) return
      this.#reached = true
      await this.#converse(session, sessionDeps)
    } catch (error) {
      if (!(error instanceof HostTrouble)) throw error
      this.#note(at(error.failure, placeOf(target)))
      const retry = this.#stopped() ? undefined : clearTextRetry(target, error)
      if (retry) await this.#oneAddress(retry, sessionDeps)
    }
  }

  /** A new connection, and word of it for those who count them. @throws as `openSession` */
  async #begin(target: Target, sessionDeps: SessionDeps): Promise<Session> {
    let from: string | undefined
    let tls: TlsFacts | null = null
    const onStep = (step: SessionStep): void => {
      if (step.step === 'connect') from = step.from
      if (step.step === 'verify') tls = step.facts
    }
    try {
      const session = await openSession(target, { ...sessionDeps, onStep })
      this.#tell({ target, from, tls, presented: session.presented })
      return session
    } catch (error) {
      if (error instanceof HostTrouble) this.#tell({ target, from, tls, failure: error.failure })
      throw error
    }
  }

  #tell({ target, from, tls, failure, presented = null }: Begun): void {
    const { host, address, need } = target
    const published = target.published
    try {
      this.request.onSession?.({
        host,
        ...(from === undefined ? {} : { address, from }),
        need,
        tls,
        ...(failure === undefined ? {} : { failure }),
        ...(published === undefined
          ? {}
          : { published: publishedVerdict(published, { tls, presented, failure, at: this.deps.clock.now() }) }),
      })
    } catch (error) {
      this.deps.log('error', `delivery ${this.request.mailId}: session not counted: ${describe(error)}`)
    }
  }

  /**
   * @returns undefined when another mail's attempt failed there a moment ago: that is noted, and nothing is tried
   * @throws HostTrouble (rejects)
   */
  async #newSession(target: Target, sessionDeps: SessionDeps): Promise<Session | undefined> {
    const { hosts } = this.shared
    const approach = await hosts.approach(target, connectionKey(target, sessionDeps.heloName), this.signal)
    if (approach.kind === 'met') {
      this.#note(at(metBefore(approach.met), placeOf(target)), approach.met.at)
      return undefined
    }
    try {
      await this.#room()
      const session = await this.#begin(target, sessionDeps)
      approach.done()
      return session
    } catch (error) {
      // what stopped us says nothing about the server
      const ownTrouble = !(error instanceof HostTrouble) || this.#stopped()
      approach.done(ownTrouble ? abortedFailure() : error.failure)
      throw error
    }
  }

  /**
   * Until one more connection stays within the limit: what rests beyond it is closed, and what is being closed counts
   * until the server sees it closed.
   */
  async #room(): Promise<void> {
    const key = destination(this.request)
    const { limiter, pool, sockets } = this.shared
    for (;;) {
      const most = mostSockets(key, this.shared, this.deps)
      pool.shrink(key, most - limiter.running(key))
      if (sockets.count(key) < most || this.#stopped()) return
      await sockets.oneClosed(key, this.signal)
    }
  }

  /** Over a connection that is open, or one that comes free while no other may be opened. @returns as `#overOpenConnection` */
  async #overAnyConnection(target: Target, sessionDeps: SessionDeps): Promise<boolean> {
    const key = connectionKey(target, sessionDeps.heloName)
    do {
      if (await this.#overOpenConnection(target, key, sessionDeps)) return true
    } while (await this.#comesFree(key))
    return false
  }

  /**
   * Where the limit is reached, a connection that would do is better than a new one in its place.
   *
   * @param key `connectionKey`
   * @returns there is one; false when a new one may be opened
   */
  async #comesFree(key: string): Promise<boolean> {
    const at = destination(this.request)
    const { pool, sockets } = this.shared
    for (;;) {
      if (this.#stopped()) return false
      if (pool.has(key)) return true
      if (sockets.count(at) < mostSockets(at, this.shared, this.deps) || pool.rests(at)) return false
      await sockets.oneClosed(at, this.signal)
    }
  }

  /**
   * The message over a connection that is open already, if there is one.
   *
   * @param key `connectionKey`
   *
   * @returns false when there is none, or it turned out to be dead: no content was sent then, nothing counts as tried,
   *   and the message goes over a new connection
   */
  async #overOpenConnection(target: Target, key: string, sessionDeps: SessionDeps, rested = false): Promise<boolean> {
    const taken = this.shared.pool.take(key, this.signal, rested)
    if (taken === undefined) return false
    const { behind } = taken
    const session = continueSession(taken.session, target, key, sessionDeps)
    if (session === null) {
      if (behind?.release() !== false) sessionDeps.part(taken.session.channel)
      return false
    }
    try {
      await this.#converse(session, sessionDeps, behind)
      this.#reached = true
      return true
    } catch (error) {
      if (!(error instanceof HostTrouble) || this.#stopped()) throw error
      if (error.inStep) {
        this.#note(at(error.failure, placeOf(target)))
        return true
      }
      this.deps.log('debug', `delivery ${this.request.mailId}: ${target.host}: an open connection was dead`)
      // what happened to the message ahead says nothing about other connections
      if (behind !== undefined) return await this.#overOpenConnection(target, key, sessionDeps, true)
      this.shared.pool.drop(key)
      return false
    }
  }

  /**
   * @param behind the message before, on a connection that was handed on
   * @throws HostTrouble (rejects): the next address may be tried
   */
  async #converse(session: Session, sessionDeps: SessionDeps, behind?: Handover): Promise<void> {
    if (!session.tls) await this.#permitClearText(session, sessionDeps, behind)
    const settled: RecipientOutcome[] = []
    const reused = session.use.served > 0
    let usable = false
    let next: Handover | undefined
    try {
      usable = await transact({
        session,
        request: this.request,
        recipients: this.#open(),
        timeouts: sessionDeps.settings.delivery.timeouts,
        settle: async (outcome) => {
          settled.push(outcome)
          await this.#settle(outcome)
        },
        behind,
        handOn: () => (next = this.#handOn(session)),
      })
    } catch (error) {
      usable = error instanceof HostTrouble && error.inStep
      if (error instanceof ChannelError) {
        if (behind !== undefined && error.kind === 'timeout') this.shared.pool.strict(session.use.key)
        throw this.#located(session, channelFailure(error, 'mail transaction'))
      }
      if (error instanceof HostTrouble) throw this.#located(session, error.failure, error.inStep)
      throw error
    } finally {
      if (next !== undefined) this.shared.pool.withdraw(next)
      if (behind?.release() !== false && next?.finish(usable) !== false) this.#putAway(session, usable)
    }
    this.shared.hosts.reached(session.target, session.use.key)
    this.#attempt(session, settled, reused)
    this.#monitor(session, settled)
  }

  /** Whoever waits for the same destination has the connection next, and the place of this delivery. */
  #handOn(session: Session): Handover | undefined {
    const { limiter, pool } = this.shared
    if (this.#stopped() || !limiter.waits(destination(this.request))) return undefined
    const handover = pool.offer(session)
    if (handover === undefined) return undefined
    this.#reached = true
    this.#release?.('reached')
    return handover
  }

  #putAway(session: Session, usable: boolean): void {
    const key = destination(this.request)
    if (usable) this.shared.pool.give(session, key)
    else session.channel.destroy(new ChannelError('closed', 'given up'))
    this.shared.sockets.rests(key)
  }

  #located(session: Session, failure: Failure, inStep = false): HostTrouble {
    return new HostTrouble(session.tls && !failure.tls ? { ...failure, tls: session.tls } : failure, inStep)
  }

  /** No record, no clear text: nothing has been said but EHLO when this is asked. */
  async #permitClearText(session: Session, sessionDeps: SessionDeps, behind?: Handover): Promise<void> {
    const { host, address } = session.target
    try {
      await this.request.beforePlaintext({ host, address, recipients: this.#open() })
    } catch (error) {
      if (behind?.release() !== false) sessionDeps.part(session.channel)
      throw new DeliveryStop(
        localFailure('Sending without encryption could not be recorded, so it was not done.', error),
      )
    }
  }

  #tried(attempt: HostAttempt): void {
    this.#attempts.push(this.#marked(attempt))
  }

  /** What happens under `Requirement.otherwise` says so. */
  #marked<T extends { otherwise?: true }>(one: T): T {
    return this.#under === this.request.requirement ? one : { ...one, otherwise: true }
  }

  /**
   * A host (or address) that could not be used.
   *
   * @param metAt another attempt met it then, and this one has not tried
   */
  #note(given: Failure, metAt?: number): void {
    const failure = countedUnder(this.#under, given)
    this.#failures.push(failure)
    const { mx, address, port, tls } = failure
    this.#tried({
      host: mx ?? this.request.domain,
      ...(address === undefined ? {} : { address }),
      ...(port === undefined ? {} : { port }),
      at: new Date(this.deps.clock.now()).toISOString(),
      ok: false,
      failure,
      ...(tls === undefined ? {} : { tls }),
      ...(metAt === undefined ? {} : { metAt: new Date(metAt).toISOString() }),
    })
    this.deps.log('info', `delivery ${this.request.mailId}: ${mx ?? this.request.domain}: ${failure.resultType}`)
  }

  /** mode=monitor: begin to find out what enforcing would have held against the host that took the mail. */
  #monitor({ target, tls, presented }: Session, settled: readonly RecipientOutcome[]): void {
    if (target.enforced === undefined) return
    const tlsTrouble = this.#failures.findLast(
      (failure) => failure.mx === target.host && failure.address === target.address && isTlsFailure(failure),
    )
    const shown = { tls, presented, at: this.deps.clock.now(), ...(tlsTrouble === undefined ? {} : { tlsTrouble }) }
    const verdict = heldAgainst(target.enforced, shown)
    this.#monitored ??= new Map()
    for (const { recipient } of settled) this.#monitored.set(recipient, verdict)
  }

  /** A host that gave final replies: `ok` when it took the mail for somebody. */
  #attempt(session: Session, settled: readonly RecipientOutcome[], reused: boolean): void {
    const { host, address, port } = session.target
    const ok = settled.some((outcome) => outcome.result === 'delivered')
    const failure = settled.flatMap((outcome) => (outcome.result === 'delivered' ? [] : [outcome.failure]))[0]
    this.#tried({
      host,
      address,
      port,
      at: new Date(this.deps.clock.now()).toISOString(),
      ok,
      ...(ok || !failure ? {} : { failure }),
      ...(session.tls ? { tls: session.tls } : {}),
      ...(reused ? { reused: true as const } : {}),
    })
  }
}

function metBefore({ failure, at: metAt }: Met): Failure {
  const when = `met at ${new Date(metAt).toISOString()} by another attempt, not tried again since`
  return { ...failure, privateDetail: [failure.privateDetail, when].filter(Boolean).join('; ') }
}

function placeOf({ host, address, port }: Target): { mx: string; address: string; port: number } {
  return { mx: host, address, port }
}

/** What came of the beginning of a session. */
interface Begun {
  target: Target
  from?: string | undefined
  tls: TlsFacts | null
  failure?: Failure
  presented?: Presented | null
}

function withoutResult(recipient: string): RecipientOutcome {
  return { recipient, result: 'deferred', failure: localFailure(NO_RESULT) }
}

/** A host counts as failing by TLS when any of its addresses did: an unreachable second address changes nothing. */
function tlsOnEveryHost(failures: readonly Failure[]): boolean {
  const byHost = new Map<string, boolean>()
  for (const failure of failures) {
    const host = failure.mx ?? ''
    byHost.set(host, (byHost.get(host) ?? false) || isTlsFailure(failure))
  }
  return [...byHost.values()].every(Boolean)
}
