/**
 * What the delivering process holds open: settings, store, keys, audit log, resolver, deliverer, reporter. Opened after
 * privileges are dropped (`init_master` of a single process, `init_child` of a worker), never in the cluster master.
 * Until it is open the gate answers 451 and deliveries wait.
 */
import { setMaxListeners } from 'node:events'
import os from 'node:os'
import path from 'node:path'
import type { Audit, AuditEvent } from '../lib/audit/types'
import { systemClock, type Clock } from '../lib/clock'
import type { Settings } from '../lib/config/settings'
import { createCertificateDirectory, type CertificateDirectory } from '../lib/encrypt/certificates'
import { createReaderPool, type ReaderPool } from '../lib/gate'
import { createDeliverer, type Deliverer } from '../lib/deliver'
import { findAddresses, findMx, findTlsa, isLocalAddress } from '../lib/dns'
import type { Templates } from '../lib/notify/templates'
import { forHost } from '../lib/policy/for-host'
import type { Sts } from '../lib/policy/sts'
import type { Requirement } from '../lib/policy/types'
import { openStore } from '../lib/store'
import { sessionCounter, type SessionCounter } from '../lib/report/tlsrpt'
import { secretKey } from '../lib/store/keys'
import { storePatience } from '../lib/store/patience'
import { recipientRecords, type RecipientRecords } from '../lib/store/recipients'
import { savedAgain } from '../lib/store/recipients-again'
import { waitedFor } from '../lib/store/recipients-patient'
import { turnOf } from '../lib/store/turns'
import type { Store } from '../lib/store/types'
import { openAuditLog } from './audit-log'
import { createSupportDigest, type SupportDigest } from './digest'
import { background } from './guard'
import type { HarakaModules, HarakaPlugin } from './haraka'
import { createHarvester, type Harvester } from './harvest'
import { followConfig, summaryOf } from './live-config'
import type { MailFacts } from './mail-facts'
import { createGatewayMetrics, type GatewayMetrics } from './metrics'
import { openSts } from './mta-sts'
import { createReporter, type Reporter } from './reporter'
import { openTlsReports, type TlsReports } from './tls-reports'

export interface Runtime {
  clock: Clock
  /** The settings in force now; a bad reload never changes them. */
  settings(): Settings
  templates(): Templates
  store: Store
  recipients: RecipientRecords
  sealKey: Buffer
  audit: Audit
  metrics: GatewayMetrics
  deliverer: Deliverer
  /** Worker threads that read mails; none is started before the first mail that needs one. */
  readers: ReaderPool
  /** Takes the certificates of correspondents from signed mail. */
  harvester: Harvester
  /** S/MIME certificates of recipients. */
  certificates: CertificateDirectory
  /** What the domains of recipients publish (RFC 8461). */
  sts: Sts
  /** Counts of TLS sessions, for reports to the domains they were with (RFC 8460). */
  sessions: SessionCounter
  /** Sends them. */
  tlsReports: TlsReports
  /** Ask DNS anew: somebody has corrected something. */
  forgetDns(): void
  reporter: Reporter
  /** Name of this MTA: `me`, for HELO and Reporting-MTA. */
  hostname: string
  /** Aborted at shutdown: deliveries in flight are put off. */
  signal: AbortSignal
  /** Log and audit a failure of our own; never throws. */
  reportError(what: string, error: unknown): void
  /** Record durably that clear text is about to leave; rejects when that is not certain. */
  permitPlaintext(facts: MailFacts, requirement: Requirement, event: PlaintextEvent): Promise<void>
  /** Stop what is under way: aborts `signal`. */
  stop(): void
  close(): Promise<void>
}

interface PlaintextEvent {
  host: string
  address: string
  recipients: readonly string[]
}

export interface RuntimeOptions {
  instanceDir: string
  /** Label of this process in file names: `main`, or `w1`, `w2` ... of a cluster. */
  label: string
  version: string
  /** Called after each successful reload. */
  onReload: (settings: Settings) => void
}

/**
 * @throws Error when the configuration is bad or store or audit log cannot be opened; the caller stops Haraka
 */
export async function openRuntime(
  haraka: HarakaModules,
  plugin: HarakaPlugin,
  options: RuntimeOptions,
): Promise<Runtime> {
  const clock = systemClock
  const { instanceDir } = options
  const hostname = haraka.outbound.net_utils.get_primary_host_name() || os.hostname()
  const abort = new AbortController()
  // every mail that waits listens
  setMaxListeners(0, abort.signal)
  // told of failures before it is open, and then says nothing
  const log: { audit?: Audit; loaded?: () => void } = {}
  const tell = (event: AuditEvent) => {
    log.audit?.tell(event)
  }
  const reportError = (what: string, error: unknown) => {
    const text = error instanceof Error ? error.message : String(error)
    plugin.logerror(`secure-mail: ${what}: ${text}`)
    tell({ action: 'plugin-error', message: `${what}: ${text}`, outcome: 'failure', extra: { what } })
  }

  const reports: { tls?: TlsReports } = {}
  const config = followConfig(plugin, {
    instanceDir,
    clock,
    tell,
    onReload(loaded) {
      log.loaded?.()
      metrics.follow()
      options.onReload(loaded)
      reports.tls?.look()
    },
    onDnsLookUp: (hit) => {
      metrics.lookedUp('dns', hit)
    },
  })
  const { settings, templates } = config
  const held: { store?: Store; digest?: SupportDigest } = {}
  const metrics = createGatewayMetrics({
    haraka,
    settings,
    instanceDir,
    label: options.label,
    version: options.version,
    store: () => held.store,
    reportError,
  })

  const store = await openStore(
    settings().store,
    clock,
    (error) => {
      reportError('store', error)
    },
    (message) => plugin.logwarn(`secure-mail: ${message}`),
  )
  const [sealKey, tlsrptKey] = await Promise.all([secretKey(store, 'seal'), secretKey(store, 'tlsrpt')])
  held.store = store
  const auditLog = await openAuditLog({
    instanceDir,
    settings,
    store,
    hostname,
    version: options.version,
    label: options.label,
    clock,
    onError: (error) => {
      metrics.auditFailed()
      plugin.logcrit(`secure-mail: the audit log cannot be written: ${error.message}`)
    },
    onEvent: (event) => {
      metrics.told(event)
      held.digest?.told(event)
    },
    reportError,
  })
  const opened = auditLog.audit
  log.audit = opened
  const digest = createSupportDigest({
    haraka,
    settings,
    store,
    clock,
    instanceDir,
    hostname,
    tell,
    reportError,
  })
  held.digest = digest
  log.loaded = auditLog.configLoaded

  const sweeping = sweepNowAndThen(store, reportError)

  const deliverer = createDeliverer({
    settings,
    resolver: config.resolver,
    lookupMx: findMx,
    lookupAddresses: findAddresses,
    lookupTlsa: findTlsa,
    isLocalAddress,
    forHost,
    clock,
    heloName: () => hostname,
    // a single process with a store of its own is alone
    ...(settings().store.engine === 'lmdb' && options.label === ALONE ? {} : { sharedWith: store }),
    log: (level, message) => (level === 'error' ? plugin.logerror(message) : plugin.logdebug(message)),
  })

  const readers = createReaderPool({
    workers: () => settings().content.workers,
    onFailure: (error) => {
      reportError('inspection', error)
    },
  })

  const sessions = sessionCounter(store, clock, (error) => {
    reportError('tlsrpt', error)
  })

  const tlsReports = openTlsReports(
    haraka,
    { store, clock, settings, audit: opened, signal: abort.signal, reportError, resolver: config.resolver },
    tlsrptKey,
  )
  reports.tls = tlsReports

  const sts = openSts(plugin, {
    sessions,
    metrics,
    settings,
    resolver: config.resolver,
    store,
    clock,
    audit: opened,
  })

  const harvester = createHarvester({ settings, store, clock, audit: opened })

  const recipients = waitedFor(savedAgain(recipientRecords(store)), {
    patience: storePatience(store),
    longest: () => settings().ndr.undeliverableAfter,
    clock,
    signal: abort.signal,
  })
  const partial: Omit<Runtime, 'reporter'> = {
    clock,
    settings,
    templates,
    store,
    recipients,
    sealKey,
    audit: opened,
    metrics,
    deliverer,
    readers,
    harvester,
    certificates: createCertificateDirectory(store, settings),
    sts,
    sessions,
    tlsReports,
    forgetDns: () => config.resolver().forget?.(),
    hostname,
    signal: abort.signal,
    reportError,
    permitPlaintext: (facts, requirement, event) =>
      opened.tellDurably({
        action: 'plaintext-permitted',
        message: `clear text to ${event.host} is permitted: ${requirement.reason}`,
        outcome: 'success',
        mailId: facts.mailId,
        caseId: facts.caseId,
        sender: facts.sender,
        recipients: event.recipients,
        destination: { host: event.host, ip: event.address },
        policy: {
          source: requirement.source,
          level: requirement.level,
          reason: requirement.reason,
          ...(requirement.rule === undefined
            ? {}
            : { rule: `${requirement.rule.file}:${requirement.rule.line} ${requirement.rule.pattern}` }),
        },
        ...(facts.grant === null ? {} : { optOut: { by: facts.grant.by, granted: true, refusals: [] } }),
        ...(facts.kind === 'tlsrpt' ? { report: { kind: facts.kind, status: '' } } : {}),
      }),
    stop() {
      abort.abort()
      // a policy host that answers slowly must not hold up the end
      void sts.close()
    },
    async close() {
      clearInterval(sweeping)
      tlsReports.close()
      await metrics.close()
      await digest.close()
      await readers.close()
      await harvester.close()
      await deliverer.close()
      await sts.close()
      await config.close()
      await sessions.stop()
      await recipients.stop()
      await store.close().catch((error: unknown) => {
        reportError('store', error)
      })
      await auditLog.close()
    },
  }
  opened.tell({
    action: 'config-loaded',
    message: `started: ${summaryOf(settings())}`,
    outcome: 'success',
  })
  auditLog.configLoaded()
  metrics.follow()
  return { ...partial, reporter: createReporter(haraka, partial) }
}

/** Label of a process that has no neighbours on this machine. */
const ALONE = 'main'

/** How often expired entries are removed from the store, and how often it is looked whose turn that is, in milliseconds. */
const SWEEP_INTERVAL = 3_600_000
const SWEEP_LOOK = 600_000

/** Remove expired entries now and then: whoever of all processes comes first. */
function sweepNowAndThen(store: Store, reportError: Runtime['reportError']): NodeJS.Timeout {
  return setInterval(() => {
    background('store', reportError, async () => {
      if (await turnOf(store, 'sweep', SWEEP_INTERVAL)) await store.sweep()
    })
  }, SWEEP_LOOK).unref()
}

/** Where the instance is: Haraka sets `HARAKA` to the folder given with `-c`. */
export function instanceDirectory(): string {
  return path.resolve(process.env.HARAKA ?? '.')
}
