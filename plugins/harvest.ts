/**
 * Certificates from signed mail that passes, in either direction (`data_post`). The mail itself is not touched, refused
 * or kept waiting: it is read back once, when its header says that it is signed, and everything else happens behind it.
 */
import type { Audit } from '../lib/audit/types'
import type { Clock } from '../lib/clock'
import type { Settings } from '../lib/config/settings'
import { certificateBook } from '../lib/encrypt/certificates/book'
import { createExaminer } from '../lib/encrypt/certificates/examiner'
import { harvest, type Harvest } from '../lib/encrypt/certificates/harvest'
import { domainOfAddress } from '../lib/encrypt/certificates/names'
import { mayBeSigned } from '../lib/encrypt/certificates/signed-mail'
import { trustOf } from '../lib/encrypt/certificates/trust'
import { domainListed } from '../lib/gate/addresses'
import type { Store } from '../lib/store/types'
import { background, type HookResult } from './guard'
import type { Connection, Transaction } from './haraka'
import { messageOf } from './message-of'

/** Largest mail that is looked at, in bytes. */
const LARGEST = 10 * 1024 * 1024
/** How long reading it back may take, in milliseconds. */
const READ_DEADLINE = 5_000

/** Takes certificates from mails that are handed to it. */
export interface Harvester {
  /** @returns when what was found is kept; rejects when that failed */
  take(raw: Buffer, client: { ip: string; port: number }): Promise<void>
  close(): Promise<void>
}

export interface HarvesterOptions {
  settings: () => Settings
  store: Store
  clock: Clock
  audit: Pick<Audit, 'tell'>
}

/** Starts no thread before the first signed mail. */
export function createHarvester({ settings, store, clock, audit }: HarvesterOptions): Harvester {
  const examiner = createExaminer()
  const book = certificateBook(store)
  const trust = trustOf(settings)
  return {
    async take(raw, client) {
      const now = clock.now()
      const examined = await examiner.examine(raw, now)
      if (examined.kind === 'not-signed') return
      const { internalDomains } = settings().main
      const isOwn = (domain: string) => domainListed(domain, internalDomains)
      tell(audit, await harvest(examined, book, await trust(), isOwn, now), client)
    },
    close: () => examiner.close(),
  }
}

/** What was there already is not told again. */
function tell(audit: Pick<Audit, 'tell'>, found: Harvest, source: { ip: string; port: number }): void {
  if (found.kind === 'harvested') {
    const { address } = found
    for (const { fingerprint, kept, state, why } of found.certificates) {
      if (kept === 'known') continue
      const refused = kept === 'full' ? 'too many certificates are kept already' : null
      audit.tell({
        action: 'certificate-harvested',
        message: `a certificate of ${domainOfAddress(address)} is ${refused === null ? state : 'not kept'}: ${refused ?? why}`,
        outcome: refused === null && state !== 'rejected' ? 'success' : 'failure',
        recipients: [address],
        source,
        extra: { fingerprint, state: refused === null ? state : 'refused', why: refused ?? why },
      })
    }
  } else if (found.kind === 'refused') {
    const { address, fingerprint, refusal, why } = found
    audit.tell({
      action: 'certificate-harvested',
      message: `no certificate was taken from a signed mail: ${why}`,
      outcome: 'failure',
      ...(address === null ? {} : { recipients: [address] }),
      source,
      extra: { state: 'refused', refusal, why, ...(fingerprint === null ? {} : { fingerprint }) },
    })
  }
}

/** What the hook needs of the running gateway. */
export interface HarvestSurroundings {
  settings(): Settings
  harvester: Harvester
  reportError: (what: string, error: unknown) => void
}

/** `hook_data_post`: after every plugin that may refuse the mail. Always lets it go on; a promise only for signed mail. */
export function harvestFrom(runtime: HarvestSurroundings, connection: Connection): Promise<HookResult> | HookResult {
  const { transaction } = connection
  if (transaction === null || !runtime.settings().category3.harvest) return []
  const [type, ...others] = transaction.header.get_all('content-type')
  if (type === undefined || others.length > 0 || !mayBeSigned(type.replace(/\r?\n/g, '').trim())) return []
  if (transaction.data_bytes > LARGEST) return []
  return readAndHarvest(runtime, transaction, connection.remote)
}

async function readAndHarvest(
  runtime: HarvestSurroundings,
  transaction: Transaction,
  remote: Connection['remote'],
): Promise<HookResult> {
  const raw = await messageOf(transaction, READ_DEADLINE)
  background('harvest', runtime.reportError, () => runtime.harvester.take(raw, { ip: remote.ip, port: remote.port }))
  return []
}
