/**
 * From an address to a session in which the envelope may be sent: connect, greeting, EHLO, STARTTLS, verification,
 * EHLO again, AUTH. Before TLS stands, nothing but EHLO, STARTTLS and QUIT is ever written under `must`.
 */
import type { Clock } from '../clock'
import type { Settings } from '../config/settings'
import { isTlsFailure, type Failure, type TlsFacts } from '../failure'
import type { HostRequirement } from '../policy/types'
import { authenticate } from './auth'
import { ChannelError, createChannel, type Channel } from './channel'
import type { Contexts } from './contexts'
import { NO_CAPABILITIES, parseCapabilities, type Capabilities } from './ehlo'
import {
  channelFailure,
  connectFailure,
  HostTrouble,
  localFailure,
  replyFailure,
  tlsFailure,
  unexpectedReply,
} from './failures'
import { connectionKey } from './pool-key'
import { injection, handshake } from './starttls'
import type { Reply } from './reply'
import type { Target } from './route'
import { openSocket, type SocketFactory } from './socket'
import type { StopSignal } from './stop'
import { resumable, type TlsSessions } from './tls-sessions'
import type { Presented } from './verify'

export interface SessionDeps {
  settings: Settings
  heloName: string
  contexts: Contexts
  clock: Clock
  signal: StopSignal
  connect?: SocketFactory
  /** Where sessions are kept; absent = every handshake is a full one. */
  sessions?: TlsSessions
  /** Takes a conversation that is over and can be ended with QUIT; nobody waits for that. */
  part(channel: Channel): void
  /** Told of each step of the opening as soon as it has succeeded; what failed is in the rejection. */
  onStep?(step: SessionStep): void
}

/** What the opening of a session has got to. */
export type SessionStep =
  /** `from`: IP address of this end; absent for a unix socket. */
  | { step: 'connect'; from?: string }
  | { step: 'greeting'; reply: Reply }
  /** `inTls`: the second time, inside TLS. */
  | { step: 'ehlo'; inTls: boolean; capabilities: Capabilities }
  /** The server agreed to start TLS. */
  | { step: 'starttls' }
  /** The handshake is done; its certificates are not judged yet. */
  | { step: 'handshake'; facts: TlsFacts; presented: Presented }
  /** They meet the requirement, whatever it asks. */
  | { step: 'verify'; facts: TlsFacts }

/** An open conversation that meets its requirement. */
export interface Session {
  target: Target
  channel: Channel
  capabilities: Capabilities
  /** null = clear text. */
  tls: TlsFacts | null
  /** What the handshake showed, where it is to be judged beside the delivery; else null. */
  presented: Presented | null
  authenticated: boolean
  /** Of the connection; shared by all sessions over it, one after the other. */
  use: ConnectionUse
}

/** What happened on a connection so far. */
export interface ConnectionUse {
  /** See `connectionKey`. */
  readonly key: string
  /** Settings under which it was opened: a connection does not outlive a reload. */
  readonly settings: Settings
  /** Milliseconds since the epoch. */
  readonly openedAt: number
  /** Transactions begun. */
  served: number
  /** A transaction was left without a final reply: RSET comes before the next one (RFC 5321 section 4.1.4). */
  unfinished: boolean
  /** The end of the last message was answered soon: see `handover.ts`. */
  prompt: boolean
}

/** Where a session stands when the conversation may begin. */
type Opened = Omit<Session, 'use'>

/**
 * An open connection that was made for an equal target, for one more message. Its requirement was verified when it was
 * opened; that the two are the same is what the key says, and that clear text is not taken for TLS is looked at again.
 *
 * @param key `connectionKey` of the target
 * @returns null when it must not serve this target
 */
export function continueSession(session: Session, target: Target, key: string, deps: SessionDeps): Session | null {
  const { use, tls } = session
  if (use.key !== key || use.settings !== deps.settings) return null
  if (tls === null && tlsMode(target.need) === 'must') return null
  // nobody kept what monitor mode is to look at
  if (tls !== null && target.enforced !== undefined && session.presented === null) return null
  return { ...session, target }
}

/**
 * A handshake that fails where a session was offered says nothing about a full one: there is a second connection then,
 * with nothing offered.
 *
 * @throws HostTrouble (rejects); the connection is closed then
 */
export async function openSession(target: Target, deps: SessionDeps): Promise<Session> {
  const first = await openOnce(target, deps, deps.sessions)
  if (first !== 'not resumed') return first
  const second = await openOnce(target, deps, undefined)
  if (second === 'not resumed') throw new Error('a session was offered although there are none')
  return second
}

/**
 * @returns `not resumed`: the handshake failed after a session had been offered; that session is gone
 * @throws HostTrouble (rejects)
 */
async function openOnce(
  target: Target,
  deps: SessionDeps,
  sessions: TlsSessions | undefined,
): Promise<Session | 'not resumed'> {
  const { connect: ms } = deps.settings.delivery.timeouts
  const options =
    target.path === undefined
      ? {
          host: target.address,
          port: target.port,
          ...(target.bind === undefined ? {} : { localAddress: target.bind }),
        }
      : { path: target.path }
  let socket
  try {
    socket = await openSocket(options, ms, deps.signal, deps.connect)
  } catch (error) {
    throw new HostTrouble(connectFailure(error))
  }
  const { localAddress: from } = socket
  deps.onStep?.({ step: 'connect', ...(from === undefined ? {} : { from }) })
  const channel = createChannel(socket, deps.signal)
  const opening: Opening = { channel, polite: true, sessions, offered: false }
  try {
    const opened = await converse(target, deps, opening)
    const use: ConnectionUse = {
      key: connectionKey(target, deps.heloName),
      settings: deps.settings,
      openedAt: deps.clock.now(),
      served: 0,
      unfinished: false,
      prompt: false,
    }
    return { use, ...opened }
  } catch (error) {
    if (opening.offered) sessions?.drop(connectionKey(target, deps.heloName))
    if (error instanceof ChannelError) {
      opening.channel.destroy(error)
      throw new HostTrouble(channelFailure(error, 'start of the session'))
    }
    // Where the conversation still stands, it is ended politely.
    if (opening.polite) deps.part(opening.channel)
    else opening.channel.destroy(new ChannelError('closed', 'given up'))
    if (opening.offered && !deps.signal.aborted) return 'not resumed'
    throw error
  }
}

/** The channel that is current while a session opens: STARTTLS replaces it. */
interface Opening {
  channel: Channel
  /** May QUIT be said when it ends here? */
  polite: boolean
  /** Where a session may come from; undefined = the handshake is a full one. */
  readonly sessions: TlsSessions | undefined
  /** A handshake is under way in which a session was offered. */
  offered: boolean
}

async function converse(target: Target, deps: SessionDeps, opening: Opening): Promise<Opened> {
  const { timeouts } = deps.settings.delivery
  const mode = tlsMode(target.need)
  const greeting = await opening.channel.reply(timeouts.greeting)
  // RFC 5321 section 3.1: 554 in place of 220 is "no SMTP service here", 421 "not now": the next host is tried.
  if (greeting.code !== 220) {
    throw new HostTrouble(
      greeting.code < 400
        ? unexpectedReply(greeting, 'greeting')
        : { ...replyFailure(greeting, 'greeting', true), enhancedCode: '4.3.2' },
    )
  }
  deps.onStep?.({ step: 'greeting', reply: greeting })
  const clear = await hello(target, deps, opening.channel, mode !== 'must')
  deps.onStep?.({ step: 'ehlo', inTls: false, capabilities: clear })
  const inClear = (): Opened => ({
    ...{ target, channel: opening.channel, capabilities: clear },
    ...{ tls: null, presented: null, authenticated: false },
  })
  if (mode === 'none') return inClear()

  if (!clear.has('STARTTLS')) {
    if (mode === 'may') return inClear()
    throw new HostTrouble(tlsFailure('starttls-not-supported', 'The server does not offer TLS (STARTTLS).'))
  }
  const refusal = await startTls(opening, timeouts.starttls)
  if (refusal) {
    // RFC 3207 section 4: after a refusal the conversation goes on in clear, if that is good enough.
    if (mode === 'may') return inClear()
    throw new HostTrouble(
      tlsFailure('starttls-not-supported', 'The server offers TLS (STARTTLS) but refused to start it.', {
        reply: refusal,
      }),
    )
  }
  deps.onStep?.({ step: 'starttls' })
  const { facts: tls, presented } = await secure(target, deps, opening)
  deps.onStep?.({ step: 'verify', facts: tls })
  // RFC 3207 section 4.2: whatever the server said before TLS is forgotten; it is asked again.
  const capabilities = await hello(target, deps, opening.channel, false)
  deps.onStep?.({ step: 'ehlo', inTls: true, capabilities })
  requireTlsOffered(target.need, capabilities, tls)
  if (target.auth) await authenticate(opening.channel, capabilities, target.auth, timeouts.mail)
  return {
    ...{ target, channel: opening.channel, capabilities, tls },
    presented: target.enforced === undefined && target.published === undefined ? null : presented,
    authenticated: target.auth !== undefined,
  }
}

/** A requirement that asks for verification cannot be met without TLS, whatever its other half says. */
function tlsMode(need: HostRequirement): HostRequirement['tls'] {
  return need.auth === 'none' && !need.requiretls ? need.tls : 'must'
}

/** EHLO (LHLO); HELO where the server does not know EHLO and clear text will do. */
async function hello(target: Target, deps: SessionDeps, channel: Channel, helo: boolean): Promise<Capabilities> {
  const { helo: ms } = deps.settings.delivery.timeouts
  const name = target.bindHelo ?? deps.heloName
  // It comes from configuration; a line break in it would be a command of its own.
  if (!/^[\x21-\x7e]{1,255}$/u.test(name))
    throw new HostTrouble(localFailure('The name of this gateway is not usable.'))
  quiet(channel)
  channel.write(`${target.lmtp ? 'LHLO' : 'EHLO'} ${name}\r\n`)
  const reply = await channel.reply(ms)
  if (reply.code === 250) return parseCapabilities(reply)
  // RFC 5321 section 3.2: 5xx to EHLO may mean an old server. There is no TLS after HELO, so not under `must`.
  if (reply.code >= 500 && helo && !target.lmtp) {
    channel.write(`HELO ${name}\r\n`)
    const second = await channel.reply(ms)
    if (second.code === 250) return NO_CAPABILITIES
    throw new HostTrouble(helloFailure(second))
  }
  throw new HostTrouble(helloFailure(reply))
}

function helloFailure(reply: Reply): Failure {
  return reply.code < 400 ? unexpectedReply(reply, 'EHLO') : replyFailure(reply, 'EHLO', true)
}

/** @returns the refusal; undefined when the handshake is to begin */
async function startTls(opening: Opening, ms: number): Promise<Reply | undefined> {
  const { channel } = opening
  quiet(channel)
  channel.write('STARTTLS\r\n')
  let reply: Reply
  try {
    reply = await channel.reply(ms)
  } catch (error) {
    if (!(error instanceof ChannelError) || error.kind === 'aborted') throw error
    opening.polite = false
    throw new HostTrouble(
      tlsFailure('starttls-not-supported', 'The server offers TLS (STARTTLS) but does not answer it properly.', {
        privateDetail: error.message,
      }),
    )
  }
  if (reply.code !== 220) return reply
  // RFC 3207 section 6: bytes that came along with 220, be it half a line, are not the server's TLS. Whoever put them
  // there wants them to be taken for its first answer inside TLS.
  if (channel.unread()) {
    opening.polite = false
    throw new HostTrouble(injection('data in the same segment as the answer to STARTTLS'))
  }
  return undefined
}

async function secure(
  target: Target,
  deps: SessionDeps,
  opening: Opening,
): Promise<{ facts: TlsFacts; presented: Presented }> {
  const { settings } = deps
  const caFile = target.need.ca ?? settings.tls.caFile
  let context
  try {
    context = await deps.contexts.get({
      minVersion: target.need.minVersion,
      ...(caFile === undefined ? {} : { caFile }),
      ...(settings.tls.ciphers === undefined ? {} : { ciphers: settings.tls.ciphers }),
    })
  } catch (error) {
    opening.polite = false
    throw new HostTrouble(localFailure('The TLS settings of this gateway cannot be used.', error))
  }
  opening.polite = false
  if (opening.channel.unread()) throw new HostTrouble(injection('data before the TLS handshake'))
  const key = connectionKey(target, deps.heloName)
  const { sessions } = opening
  const resume = sessions && resumable(sessions, key, context, target.need, deps.clock.now())
  opening.offered = resume !== undefined
  const { socket, facts, presented } = await handshake(opening.channel.detach(), {
    need: target.need,
    host: target.host,
    context,
    deadline: settings.delivery.timeouts.starttls,
    now: deps.clock.now(),
    signal: deps.signal,
    ...(resume === undefined ? {} : { resume }),
    ...(sessions === undefined ? {} : { onSession: (one) => sessions.keep(key, context, one) }),
    onHandshake: (done, presented) => deps.onStep?.({ step: 'handshake', facts: done, presented }),
  })
  opening.offered = false
  opening.channel = createChannel(socket, deps.signal)
  opening.polite = true
  return { facts, presented }
}

/** RFC 8689 section 4.2.1: REQUIRETLS must be offered in the EHLO after STARTTLS, on a verified connection. */
function requireTlsOffered(need: HostRequirement, capabilities: Capabilities, tls: TlsFacts): void {
  if (!need.requiretls || (capabilities.has('REQUIRETLS') && tls.verified)) return
  throw new HostTrouble(
    tlsFailure('requiretls-not-supported', 'The server does not support REQUIRETLS, which the sender asked for.', {
      tls,
    }),
  )
}

/** Nothing may have been said that was not asked for: an answer that waits already is not the answer to what comes. */
export function quiet(channel: Channel): void {
  if (!channel.unread()) return
  const reply = channel.early()
  // RFC 5321 section 3.8: 421 may come at any time.
  if (reply?.code === 421) throw new HostTrouble(replyFailure(reply, 'before the next command'))
  throw new ChannelError('protocol', 'the server answered without being asked')
}

/** How long a goodbye may take; nobody waits for it. */
const QUIT_DEADLINE = 5_000
const CLOSE_DEADLINE = 1_000

/** QUIT, the answer to it, and the end (RFC 5321 section 4.1.1.10). Never rejects; the connection is closed after it. */
export async function quit(channel: Channel): Promise<void> {
  try {
    // A shutdown lets goodbyes be said, but not for long.
    channel.setGrace(CLOSE_DEADLINE)
    channel.write('QUIT\r\n')
    await channel.reply(QUIT_DEADLINE)
  } catch (error) {
    if (!(error instanceof ChannelError)) throw error
  }
  channel.socket.end()
  // The server closes after 221; who does not is not waited for.
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => channel.destroy(new ChannelError('closed', 'done')), CLOSE_DEADLINE)
    channel.onLost(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** May the same address be tried once more without TLS? Only under `may`, and only because TLS itself failed. */
export function clearTextRetry(target: Target, trouble: HostTrouble): Target | undefined {
  if (tlsMode(target.need) !== 'may' || !isTlsFailure(trouble.failure)) return undefined
  return { ...target, need: { ...target.need, tls: 'none' } }
}
