/** What delivery is asked for and what it answers. It knows neither Haraka nor queue files. */
import type { Readable } from 'node:stream'
import type { Clock } from '../clock'
import type { Settings } from '../config/settings'
import type { AtOnce } from '../dns/at-once'
import type { TlsaQuestion } from '../dns/tlsa'
import type { HostAddresses, MxAnswer, Resolver } from '../dns/types'
import type { Failure, TlsFacts } from '../failure'
import type { Store } from '../store/types'
import type { HostInputs, HostRequirement, Requirement, TlsaState } from '../policy/types'
import type { SocketFactory } from './socket'

/** A next hop that somebody else chose (a get_mx plugin, a smart host). */
export interface StaticRoute {
  host?: string
  /** Unix socket instead of a host. */
  path?: string
  port?: number
  lmtp: boolean
  /** Local address to bind, HELO name to use with it. */
  bind?: string
  bindHelo?: string
  auth?: { user: string; pass: string; type?: string }
}

/** One delivery: recipients of one domain that share one requirement. */
export interface DeliveryRequest {
  /** Queue id without suffix; only for logs. */
  mailId: string
  /** '' = null sender. */
  sender: string
  recipients: readonly string[]
  /** Next-hop domain in A-labels. */
  domain: string
  requirement: Requirement
  /** Present = use these in order instead of MX records. */
  routes?: readonly StaticRoute[]
  /**
   * The message in wire form: CRLF line ends, dot-stuffed, without the final dot; as a stream, or in one piece. Called
   * once per DATA.
   */
  open(): Readable | Buffer | Promise<Buffer>
  /** Bytes of what `open` gives, if known (RFC 1870 SIZE). */
  size?: number
  /** Does the message hold 8-bit bytes / need SMTPUTF8? */
  eightBit: boolean
  smtpUtf8: boolean
  /** RFC 3461 parameters to hand on where the next hop offers DSN. */
  dsn?: { ret?: 'FULL' | 'HDRS'; envid?: string; rcpt: Readonly<Record<string, { notify?: string; orcpt?: string }>> }
  /**
   * Called before the first envelope byte goes out in clear text. Rejecting stops the delivery with a temporary
   * local-error: no record, no clear text.
   */
  beforePlaintext(event: { host: string; address: string; recipients: readonly string[] }): Promise<void>
  /** Called for each recipient as soon as its final reply is there, before anything else happens on the connection. */
  onOutcome(outcome: RecipientOutcome): Promise<void>
  /**
   * What the recipient's domain publishes, where that is not what is required (monitor mode, MTA-STS mode testing): found
   * out beside the delivery for `onSession`, never enforced.
   */
  published?: Requirement
  /**
   * Called for each new connection that was meant for a mail, and for each host that was ruled out before there was one.
   * A connection that is used again is none. What it throws is logged.
   */
  onSession?(session: TriedSession): void
  /** Called when the delivery has to wait for its turn because enough others to the same destination are under way. */
  onWait?(): void
  signal?: AbortSignal
}

/** One session with a host, or one that could not be had: what TLS reports (RFC 8460) count. */
export interface TriedSession {
  host: string
  /** IP address of the host; absent = there was no connection. */
  address?: string
  /** IP address of this end. */
  from?: string
  /** What was asked of the host. */
  need: HostRequirement
  /** null = clear text, or no session. */
  tls: TlsFacts | null
  /** Why it was of no use, be it TLS or not; absent = it could be used. */
  failure?: Failure
  /** With `DeliveryRequest.published`: what that asks of the host, and what it would have failed by. Never rejects. */
  published?: Promise<{ need: HostRequirement; failure?: Failure } | undefined>
}

/** What happened to one recipient in this attempt. */
export type RecipientOutcome = {
  recipient: string
  /** Under `Requirement.otherwise`: it was a report, and REQUIRETLS could not be met. */
  otherwise?: true
} & (
  | {
      result: 'delivered'
      host: string
      address: string
      port: number
      /** The server's reply to the final dot. */
      response: string
      tls: TlsFacts | null
      authenticated: boolean
      lmtp: boolean
      /** The server offers DSN (RFC 3461 section 5.2.2): from here on it answers for NOTIFY. */
      offersDsn: boolean
      /** mode=monitor: what enforcing would have held against this host; absent = nothing. */
      wouldFail?: Failure
    }
  | {
      result: 'deferred' | 'failed'
      failure: Failure
      /**
       * false: `failure` is the most telling one of several hosts, and some host failed for a reason that is not TLS.
       * A TLS failure is only final early when it is on every MX.
       */
      onEveryHost?: boolean
    }
)

/** One host that was tried, for the attempt history, the technical block of reports, and TLSRPT. JSON-safe. */
export interface HostAttempt {
  host: string
  address?: string
  port?: number
  /** ISO 8601. */
  at: string
  ok: boolean
  failure?: Failure
  tls?: TlsFacts
  /** The connection had served another message before: TLS was negotiated and verified then. */
  reused?: true
  /**
   * ISO 8601. Another mail's attempt met the failure then; this one did not connect again (`host-status.ts`). `at` is
   * when this one was put off with it.
   */
  metAt?: string
  /** As in `RecipientOutcome`. */
  otherwise?: true
}

export interface DeliveryResult {
  /** Exactly one per recipient of the request; none when `superseded`. */
  outcomes: RecipientOutcome[]
  attempts: HostAttempt[]
  /** The settings changed while the delivery waited for its turn: nothing was done, the requirement is to be decided anew. */
  superseded?: true
}

/** What delivery needs from the rest of the house. */
export interface DelivererDeps {
  /** The settings in force now; asked at the start of each delivery. */
  settings(): Settings
  /** The resolver in force now. */
  resolver(): Resolver
  /** These three wait for nothing where the resolver has the answers at hand. */
  lookupMx(resolver: Resolver, domain: string): AtOnce<MxAnswer>
  lookupAddresses(
    resolver: Resolver,
    host: string,
    options: { inetPrefer: Settings['delivery']['inetPrefer'] },
  ): AtOnce<HostAddresses>
  /** Asked only for hosts whose requirement TLSA records can change. */
  lookupTlsa(resolver: Resolver, question: TlsaQuestion): AtOnce<TlsaState>
  /** Is this IP address one of our own or loopback? */
  isLocalAddress(address: string): boolean
  forHost(requirement: Requirement, inputs: HostInputs): HostRequirement
  clock: Clock
  /** Name for EHLO: a host name or address literal. */
  heloName(): string
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void
  /** `net.connect` or a test's own. */
  connect?: SocketFactory
  /** Other processes deliver as well: the store through which they divide the connections to a destination. */
  sharedWith?: Pick<Store, 'update'>
}

/** The delivery room. */
export interface Deliverer {
  /** Never rejects; whatever goes wrong inside is a temporary `local-error` of each recipient without an outcome. */
  deliver(request: DeliveryRequest): Promise<DeliveryResult>
  /** Somebody says that this domain's servers are well again: they are not approached one by one any more. */
  ease(domain: string): void
  /** How many deliveries to a domain can run at a time, by experience and by the limit per destination. */
  places(domain: string): number
  /** Somebody has corrected something: servers that could not be talked to a moment ago are tried anew. */
  forgetFailures(): void
  /** Stop what runs (recipients without a final reply are deferred) and wait until every connection is closed. */
  close(): Promise<void>
}
