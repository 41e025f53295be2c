/**
 * What is kept for the notice to support: per day and partner what failed, and how many mails and senders that hit. Read
 * from the audit events where they are told, gathered for a few seconds, then added to the store, where all processes
 * and machines meet. Bounded: a partner with thousands of failing mails has one entry.
 */
import { createHash } from 'node:crypto'
import type { AuditEvent } from '../audit/types'
import { isTlsFailure, type Failure } from '../failure'
import type { Store } from '../store/types'
import { addressParts } from '../util/address'

/** What failed last, enough for a letter. */
export interface LastFailure extends Pick<
  Failure,
  'resultType' | 'publicText' | 'mx' | 'address' | 'port' | 'tls' | 'smtp'
> {
  /** Milliseconds. */
  at: number
  level: string
}

/** One partner on one day. */
export interface PartnerFacts {
  domain: string
  /** Milliseconds: failing since then; a delivery in between begins it anew. */
  since: number
  /** Short digests of mail ids and of senders: counted, each once. */
  mails: string[]
  senders: string[]
  /** Mails that were given up. */
  givenUp: number
  last: LastFailure
}

/** Beyond these nothing is counted: "at least so many" is enough for support. */
export const MOST_COUNTED = 500
/** Partners of one day. */
export const MOST_PARTNERS = 1000

/** How long facts are kept, in milliseconds: until the digest of their day, and a while for who looks later. */
const KEPT = 15 * 24 * 3_600_000

/** Failures of reaching the partner at all; only once a mail was given up for them. */
const UNREACHABLE: ReadonlySet<string> = new Set(['connection-failed', 'dns-error', 'no-address', 'protocol-error'])

export function factsKey(day: string, domain?: string): readonly string[] {
  return domain === undefined ? ['digest', day] : ['digest', day, domain]
}

/**
 * What an event adds; undefined = it is none of a partner's failures. Pure.
 *
 * @param mask takes CPR numbers out of what a server said
 */
export function factsOf(event: AuditEvent, now: number, mask: (text: string) => string): PartnerFacts | undefined {
  const { action, failure, recipients = [], mailId = '', sender = '' } = event
  const failed = action === 'delivery-failed'
  if (failure === undefined || (!failed && action !== 'delivery-deferred')) return undefined
  if (!isTlsFailure(failure) && !(failed && UNREACHABLE.has(failure.resultType))) return undefined
  const { domain } = addressParts(recipients[0] ?? '')
  if (domain === '') return undefined
  const { resultType, publicText, mx, address, port, tls, smtp } = failure
  return {
    domain,
    since: now,
    mails: [shortDigest(mailId)],
    senders: sender === '' ? [] : [shortDigest(sender.toLowerCase())],
    givenUp: failed ? 1 : 0,
    last: {
      resultType,
      publicText: mask(publicText),
      at: now,
      level: event.policy?.level ?? 'encrypt',
      ...(mx === undefined ? {} : { mx }),
      ...(address === undefined ? {} : { address }),
      ...(port === undefined ? {} : { port }),
      ...(tls === undefined ? {} : { tls }),
      // the recipient's address may stand in it, and a letter goes to others
      ...(smtp === undefined ? {} : { smtp: { ...smtp, text: mask(withoutAddresses(smtp.text)) } }),
    },
  }
}

function withoutAddresses(text: string): string {
  return text.replace(/[^\s<>"'(),;:]+@([^\s<>"'(),;:]+)/g, '...@$1')
}

function shortDigest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 8)
}

/** Two sets of facts about one partner as one. Pure. */
export function merged(old: PartnerFacts | undefined, more: PartnerFacts): PartnerFacts {
  if (old === undefined) return more
  const both = (a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])].slice(0, MOST_COUNTED)
  return {
    domain: more.domain,
    since: Math.min(old.since, more.since),
    mails: both(old.mails, more.mails),
    senders: both(old.senders, more.senders),
    givenUp: old.givenUp + more.givenUp,
    last: old.last.at > more.last.at ? old.last : more.last,
  }
}

/** When a partner began to fail. */
const sinceKey = (domain: string) => ['digest-since', domain] as const

/**
 * Add to the store.
 *
 * @throws Error (rejects) of the store
 */
export async function addFacts(store: Store, day: string, facts: PartnerFacts): Promise<void> {
  const since = await store.update<number>(sinceKey(facts.domain), (old) => old ?? facts.since, { ttl: KEPT })
  const known = { ...facts, since: since ?? facts.since }
  await store.update<PartnerFacts>(factsKey(day, facts.domain), (old) => merged(old, known), { ttl: KEPT })
}

/** Mail was delivered: what fails from now on begins anew. */
export async function recovered(store: Store, domain: string): Promise<void> {
  await store.remove(sinceKey(domain))
}

/** Partners that are failing. */
export async function failingNow(store: Store): Promise<string[]> {
  const entries = await store.list<number>(['digest-since'], MOST_PARTNERS)
  return entries.map(({ key }) => String(key[1]))
}

/** The partners of a day, most mails first. */
export async function factsOfDay(store: Store, day: string): Promise<PartnerFacts[]> {
  const entries = await store.list<PartnerFacts>(factsKey(day), MOST_PARTNERS)
  return entries
    .map(({ value }) => value)
    .sort((a, b) => b.mails.length - a.mails.length || (a.domain < b.domain ? -1 : 1))
}
