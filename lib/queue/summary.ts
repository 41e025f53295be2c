/** What waits, per destination: memory grows with the destinations, never with the mails. */
import type { DestinationSummary, QueueMail } from './types'

interface Counting extends DestinationSummary {
  causes: Map<string, number>
}

export interface Summary {
  add(mail: QueueMail): void
  /** Most mails first. */
  destinations(): DestinationSummary[]
  mails(): number
  bytes(): number
}

export function createSummary(): Summary {
  const byDomain = new Map<string, Counting>()
  let mails = 0
  let bytes = 0
  return {
    mails: () => mails,
    bytes: () => bytes,
    add(mail) {
      mails += 1
      bytes += mail.size
      const known = byDomain.get(mail.domain) ?? empty(mail)
      byDomain.set(mail.domain, known)
      known.mails += 1
      known.bytes += mail.size
      if (mail.state === 'delivering') known.delivering += 1
      known.oldestAt = mail.queuedAt < known.oldestAt ? mail.queuedAt : known.oldestAt
      known.nextTryAt = earlier(known.nextTryAt, mail.nextTryAt)
      for (const { state, finalAt, lastFailure } of mail.recipients) {
        if (state !== 'open') continue
        known.recipients += 1
        known.finalAt = earlier(known.finalAt, finalAt)
        if (lastFailure === null) continue
        known.causes.set(lastFailure.resultType, (known.causes.get(lastFailure.resultType) ?? 0) + 1)
      }
    },
    destinations: () =>
      [...byDomain.values()]
        .sort((a, b) => b.mails - a.mails || (a.domain < b.domain ? -1 : 1))
        .map(({ causes, ...destination }) => ({ ...destination, cause: mostFrequent(causes) })),
  }
}

function empty({ domain, queuedAt }: QueueMail): Counting {
  return {
    domain,
    mails: 0,
    delivering: 0,
    recipients: 0,
    bytes: 0,
    oldestAt: queuedAt,
    nextTryAt: null,
    finalAt: null,
    cause: null,
    causes: new Map(),
  }
}

/** ISO 8601 in UTC is in the order of time. */
function earlier(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b
  return a < b ? a : b
}

function mostFrequent(causes: ReadonlyMap<string, number>): string | null {
  let best: string | null = null
  for (const [cause, count] of causes) if (best === null || count > (causes.get(best) ?? 0)) best = cause
  return best
}
