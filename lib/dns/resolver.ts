/**
 * The stub resolver: asks the configured validating resolvers, and keeps apart what Node's own `dns` module mixes up
 * (RFC 7672 section 2.1): "there is no such record" is an answer, any fault is an error, and whether an answer is
 * DNSSEC-secure is known for the whole chain of aliases that led to it.
 */
import { setMaxListeners } from 'node:events'
import { systemClock, type Clock } from '../clock'
import { ask, type Asked } from './ask'
import { answerCache } from './cache'
import { interpret, loopIn } from './interpret'
import { limiter } from './limit'
import { normaliseName } from './names'
import { serverList, type TrustAd } from './servers'
import type { CnameStep, DnsAnswer, RecordType, Resolver } from './types'

export interface ResolverOptions {
  /** `address`, `address:port`, `[v6]:port`; empty = /etc/resolv.conf, and without that 127.0.0.1. */
  servers: readonly string[]
  /** Whose AD bit counts: of resolvers on loopback, of all (the path to them is trusted), of none. */
  trustAd: TrustAd
  /** Milliseconds per try; a whole question takes at most four times as long, plus TCP. */
  timeout: number
  clock?: Clock
  /** Answers kept; default 10,000. */
  cacheEntries?: number
  /** Told of each question that could be in the cache; must not throw. */
  onLookUp?: (hit: boolean) => void
}

const DEFAULT_CACHE_ENTRIES = 10_000
/** Queries, and so sockets, at once. */
const MOST_AT_ONCE = 200

const NO_NAME = { kind: 'error', error: 'invalid-name', detail: 'no domain name can look like this' } as const

/** @throws Error when a server in the options is no address */
export function createResolver(options: ResolverOptions): Resolver {
  const servers = serverList(options.servers, options.trustAd)
  const cache = answerCache(options.clock ?? systemClock, options.cacheEntries ?? DEFAULT_CACHE_ENTRIES)
  const inFlight = new Map<string, Promise<DnsAnswer<RecordType>>>()
  const closing = new AbortController()
  // every query under way listens; their number is bounded by the limiter
  setMaxListeners(0, closing.signal)
  const limited = limiter(MOST_AT_ONCE)

  const askOnce = (name: string, type: RecordType): Promise<Asked> =>
    limited(() => ask(servers, name, type, options.timeout, closing.signal))

  async function lookUp<T extends RecordType>(key: string, name: string, type: T): Promise<DnsAnswer<T>> {
    try {
      const answer = frozen(await followAliases(askOnce, name, type))
      cache.put(key, answer)
      return answer
    } catch (error) {
      return { kind: 'error', error: 'unreachable', detail: error instanceof Error ? error.message : 'unknown fault' }
    } finally {
      inFlight.delete(key)
    }
  }

  /** Both maps hold under a key only answers of the type that the key begins with. */
  function kept<T extends RecordType>(key: string): DnsAnswer<T> | undefined {
    return cache.get(key) as DnsAnswer<T> | undefined
  }

  return {
    known<T extends RecordType>(name: string, type: T): DnsAnswer<T> | undefined {
      const normalised = normaliseName(name)
      if (normalised === null) return NO_NAME
      const answer = kept<T>(keyOf(normalised, type))
      // without an answer `resolve` follows, and counts
      if (answer !== undefined) options.onLookUp?.(true)
      return answer
    },
    async resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
      const normalised = normaliseName(name)
      if (normalised === null) return NO_NAME
      const key = keyOf(normalised, type)
      const answer = kept<T>(key)
      options.onLookUp?.(answer !== undefined)
      if (answer !== undefined) return answer
      const running = inFlight.get(key) as Promise<DnsAnswer<T>> | undefined
      if (running !== undefined) return running
      const started = lookUp(key, normalised, type)
      inFlight.set(key, started)
      return started
    },
    forget() {
      cache.clear()
    },
    async close() {
      closing.abort()
      await Promise.all(inFlight.values())
    },
  }
}

function keyOf(normalised: string, type: RecordType): string {
  return `${type} ${normalised}`
}

/** Everybody who asks for it has the same one, so nobody can change it. */
function frozen<T extends RecordType>(answer: DnsAnswer<T>): DnsAnswer<T> {
  if (answer.kind === 'records') Object.freeze(answer.records)
  if (answer.kind !== 'error') Object.freeze(answer.chain)
  return Object.freeze(answer)
}

/** Follow aliases through as many queries as they need; the AD of every reply is and-ed (RFC 7672 section 2.1.3). */
async function followAliases<T extends RecordType>(
  askOnce: (name: string, type: RecordType) => Promise<Asked>,
  asked: string,
  type: T,
): Promise<DnsAnswer<T>> {
  const chain: CnameStep[] = []
  let secure = true
  let ttl = Infinity
  let name = asked
  for (;;) {
    const result = await askOnce(name, type)
    if (!result.ok) return { kind: 'error', error: result.error, detail: result.detail }
    secure &&= result.reply.authentic && result.server.trusted
    const found = interpret(result.reply, name, type)
    if (found.kind === 'error') return found
    chain.push(...found.chain)
    const loop = loopIn(chain)
    if (loop !== null) return loop
    ttl = Math.min(ttl, found.ttl)
    switch (found.kind) {
      case 'records':
        return { kind: 'records', records: found.records, secure, chain, name: found.name, ttl }
      case 'nodata':
      case 'nxdomain':
        return { kind: found.kind, secure, chain, name: found.name, ttl }
      case 'follow':
        if (normaliseName(found.name) === null) {
          return { kind: 'error', error: 'invalid-name', detail: `${asked} is an alias of something that is no name` }
        }
        name = found.name
    }
  }
}
