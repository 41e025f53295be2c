/**
 * The daily notice to support: facts are gathered from the audit events of every process, and after the day has ended one
 * process of all sends one mail.
 */
import type { AuditEvent } from '../lib/audit/types'
import { utcDay } from '../lib/audit/retention'
import { maskCpr } from '../lib/classify/cpr'
import type { Clock } from '../lib/clock'
import { formatProblem } from '../lib/config'
import type { Settings } from '../lib/config/settings'
import {
  addFacts,
  composeDigest,
  DIGEST_TEXTS,
  factsOf,
  factsOfDay,
  failingNow,
  merged,
  recovered,
} from '../lib/digest'
import type { PartnerFacts } from '../lib/digest'
import { caseId } from '../lib/notify/case-id'
import { loadTemplates, type Templates } from '../lib/notify/templates'
import { LETTER_TEXTS } from '../lib/probe'
import { onceDone } from '../lib/store/turns'
import type { Store } from '../lib/store/types'
import { addressParts } from '../lib/util/address'
import { background } from './guard'
import type { HarakaModules } from './haraka'
import { queueOwnMail } from './own-mail'

/** Facts are gathered for so long before they go to the store, in milliseconds. */
const GATHER = 3000
/** How often it is looked whether a day has ended, in milliseconds. */
const LOOK = 300_000
const DAY = 24 * 3_600_000
/** For composing and queueing; a process that dies meanwhile is followed by another. Milliseconds. */
const CLAIM = 15 * 60_000
/** Partners that are gathered at once. */
const MOST_GATHERED = 2000

export interface SupportDigest {
  told(event: AuditEvent): void
  close(): Promise<void>
}

export interface DigestOptions {
  haraka: HarakaModules
  settings: () => Settings
  store: Store
  clock: Clock
  instanceDir: string
  hostname: string
  tell: (event: AuditEvent) => void
  reportError: (what: string, error: unknown) => void
}

export function createSupportDigest(options: DigestOptions): SupportDigest {
  const { settings, store, clock, reportError } = options
  let gathered = new Map<string, { day: string; facts: PartnerFacts }>()
  /** Partners that fail, as far as this process knows. */
  const failing = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const wanted = () => settings().support.digest === 'daily' && settings().support.address !== ''

  async function flush(): Promise<void> {
    timer = undefined
    const all = [...gathered.values()]
    gathered = new Map()
    for (const { day, facts } of all) {
      await addFacts(store, day, facts)
      failing.add(facts.domain)
    }
  }

  function gather(event: AuditEvent): void {
    const now = clock.now()
    if (event.action === 'delivery-succeeded') {
      const { domain } = addressParts(event.recipients?.[0] ?? '')
      if (!failing.delete(domain)) return
      background('digest', reportError, () => recovered(store, domain))
      return
    }
    const facts = factsOf(event, now, maskCpr)
    if (facts === undefined) return
    const day = utcDay(now)
    const key = `${day} ${facts.domain}`
    if (gathered.size >= MOST_GATHERED && !gathered.has(key)) return
    gathered.set(key, { day, facts: merged(gathered.get(key)?.facts, facts) })
    timer ??= setTimeout(() => {
      background('digest', reportError, flush)
    }, GATHER).unref()
  }

  async function look(): Promise<void> {
    if (!wanted() || closed) return
    for (const domain of await failingNow(store)) failing.add(domain)
    const day = utcDay(clock.now() - DAY)
    const partners = await factsOfDay(store, day)
    if (partners.length === 0) return
    await onceDone(store, `digest ${day}`, { claim: CLAIM, kept: 10 * DAY }, () => send(day, partners))
  }

  async function send(day: string, partners: readonly PartnerFacts[]): Promise<void> {
    const { address } = settings().support
    const message = await composeDigest(
      { day, partners, settings: settings(), hostname: options.hostname, now: clock.now() },
      { digest: read(DIGEST_TEXTS), letter: read(LETTER_TEXTS) },
    )
    const about = caseId(`digest ${day} ${options.hostname}`)
    await queueOwnMail(options.haraka, address, message, { kind: 'report', caseId: about, requiretls: false })
    options.tell({
      action: 'support-digest-sent',
      message: `support is told of ${partners.length} partners that failed on ${day}`,
      caseId: about,
      extra: { day, partners: partners.length, report_to: address },
    })
  }

  /** Read when needed, once a day; what an instance changed is in it. */
  function read(format: typeof DIGEST_TEXTS): Templates {
    const loaded = loadTemplates(options.instanceDir, format)
    if (loaded.ok) return loaded.templates
    throw new Error(loaded.problems.map(formatProblem).join('; '))
  }

  const looking = setInterval(() => {
    background('digest', reportError, look)
  }, LOOK).unref()
  // a gateway that was stopped over midnight has something to tell
  const first = setTimeout(() => {
    background('digest', reportError, look)
  }, GATHER).unref()

  return {
    told(event) {
      if (wanted() && !closed) gather(event)
    },
    async close() {
      closed = true
      clearInterval(looking)
      clearTimeout(first)
      clearTimeout(timer)
      await flush().catch((error: unknown) => {
        reportError('digest', error)
      })
    },
  }
}
