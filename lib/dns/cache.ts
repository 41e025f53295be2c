/**
 * Answers, kept as long as they may be. Positive answers live for their TTL, but at least 5 seconds (a burst of mail
 * to one domain asks once) and at most an hour (a changed MX or TLSA record is seen within the hour). Negative answers
 * live for what their SOA says (RFC 2308 section 5), between the same 5 seconds and 15 minutes; without SOA not at all.
 * Errors are never kept.
 */
import type { Clock } from '../clock'
import type { DnsAnswer, RecordType } from './types'

const MIN_SECONDS = 5
const MAX_POSITIVE_SECONDS = 3600
const MAX_NEGATIVE_SECONDS = 900

/** Any answer but an error. */
type Kept = Exclude<DnsAnswer<RecordType>, { kind: 'error' }>

export interface AnswerCache {
  /** The answer with what is left of its TTL; its arrays are those that were put in. */
  get(key: string): DnsAnswer<RecordType> | undefined
  /** @param answer nobody changes it any more */
  put(key: string, answer: DnsAnswer<RecordType>): void
  /** Keeps nothing of what there is. */
  clear(): void
}

/** @param entries more than these push out the least recently used */
export function answerCache(clock: Clock, entries: number): AnswerCache {
  const kept = new Map<string, { answer: Kept; until: number }>()
  return {
    get(key) {
      const entry = kept.get(key)
      if (entry === undefined) return undefined
      kept.delete(key)
      const left = entry.until - clock.now()
      if (left <= 0) return undefined
      // Map keeps the order of insertion: what was just used goes to the end
      kept.set(key, entry)
      return { ...entry.answer, ttl: Math.ceil(left / 1000) }
    },
    put(key, answer) {
      const seconds = secondsToKeep(answer)
      if (answer.kind === 'error' || seconds === 0) return
      kept.delete(key)
      kept.set(key, { answer, until: clock.now() + seconds * 1000 })
      for (const oldest of kept.keys()) {
        if (kept.size <= entries) break
        kept.delete(oldest)
      }
    },
    clear() {
      kept.clear()
    },
  }
}

function secondsToKeep(answer: DnsAnswer<RecordType>): number {
  switch (answer.kind) {
    case 'records':
      return Math.min(Math.max(answer.ttl, MIN_SECONDS), MAX_POSITIVE_SECONDS)
    case 'nodata':
    case 'nxdomain':
      return answer.ttl === 0 ? 0 : Math.min(Math.max(answer.ttl, MIN_SECONDS), MAX_NEGATIVE_SECONDS)
    case 'error':
      return 0
  }
}
