/**
 * secure-mail for Haraka: the one entry that `config/plugins` names.
 *
 * `register()` runs as root and in the cluster master as well, so it only checks, takes over the delivery class and
 * registers hooks. Files are opened in the process that delivers, after privileges are dropped.
 */
import type { ControlServer } from '../lib/control'
import { loadConfig, formatProblem } from '../lib/config'
import { packageVersion } from '../lib/package-root'
import { asciiDomain } from '../lib/util/address'
import { lineUp, openBacklog } from './backlog'
import { keepMailParameters, keepRcptParameters, offerDsn } from './envelope-hooks'
import { gate, seal } from './gate-hook'
import { openControlSocket } from './control'
import { background, guard, withDeadline, type HookResult } from './guard'
import {
  CODE,
  harakaModules,
  type Connection,
  type HarakaAddress,
  type HarakaModules,
  type HarakaPlugin,
  type HMailItem,
  type Server,
  type Transaction,
} from './haraka'
import { holdMessage } from './intake'
import { harvestFrom } from './harvest'
import { canBeRead, idle, live, TROUBLE_RETRY } from './lifecycle'
import { applyListen } from './listen'
import { keepRequiretlsHere, offerRequiretls } from './requiretls'
import { instanceDirectory, openRuntime, type Runtime } from './runtime'
import { forgetMessage } from './queue-writer'
import { closeSpool, giveFile, isInJournal, recoverSpool } from './spool'
import { checkHaraka, checkInstance, checkNeighbours } from './startup-check'
import { queueOutboundResponder } from './submission'
import { envelopeRead, takeOver, type Takeover } from './takeover'
import { comeBack, isPauseCrowded, whilePaused } from './waiting-room'

/** Answers of our own hooks must come within these, in milliseconds. */
const GATE_DEADLINE = 60_000
const HOOK_DEADLINE = 20_000
/** How long a mail waits for a process that is starting, in milliseconds. */
const START_WAIT = 5_000
/** Opening what delivery needs holds Haraka's start up for that long; a Redis server that is away takes longer. */
const START_PATIENCE = 10_000
/** How often the dead-man's switch is looked at, in milliseconds. */
const WATCH_INTERVAL = 5_000

/** State of this process; one plugin instance per process. */
interface State {
  haraka: HarakaModules
  plugin: HarakaPlugin
  takeover: Takeover
  runtime: Runtime | null
  /** Where an operator's command reaches this process; null = it could not be opened, or is closed. */
  control: ControlServer | null
  /** Resolves when the process may deliver. */
  ready: Promise<Runtime>
  becomeReady: (runtime: Runtime) => void
}

let state: State | undefined

function current(): State {
  if (state === undefined) throw new Error('secure-mail is not registered')
  return state
}

function report(what: string, error: unknown): void {
  try {
    if (state?.runtime != null) {
      state.runtime.reportError(what, error)
      return
    }
    state?.plugin.logerror(`secure-mail: ${what}: ${error instanceof Error ? error.message : String(error)}`)
    // a worker reads its queue before the audit log is open: the event follows when it is
    void state?.ready.then((runtime) => {
      runtime.reportError(what, error)
    })
  } catch (second) {
    process.stderr.write(`secure-mail: ${what}: ${String(error)} (and it could not be logged: ${String(second)})\n`)
  }
}

/** Say why, and start nothing. */
function refuseToStart(lines: readonly string[]): never {
  for (const line of lines) process.stderr.write(`secure-mail: ${line}\n`)
  process.stderr.write('secure-mail: refusing to start; no mail is accepted or delivered\n')
  process.exit(1)
}

/** Called by Haraka once per process. */
export function register(this: HarakaPlugin): void {
  if (state !== undefined) refuseToStart(['the plugin is loaded twice: remove one of the lines in config/plugins'])
  const haraka = harakaModules(this)
  applyListen(this, process.env.SECURE_MAIL_LISTEN)
  const instanceDir = instanceDirectory()
  const config = loadConfig(instanceDir)
  const instance = checkInstance(instanceDir, config.ok ? config.settings.main.mode : 'enforce')
  const problems = [
    ...checkHaraka(haraka),
    ...(config.ok ? [] : config.problems.filter((problem) => problem.severity === 'error').map(formatProblem)),
    ...instance.errors,
  ]
  if (problems.length > 0) refuseToStart(problems)
  for (const warning of instance.warnings) this.logwarn(`secure-mail: ${warning}`)

  let becomeReady: State['becomeReady'] = () => undefined
  const ready = new Promise<Runtime>((resolve) => {
    becomeReady = resolve
  })
  const isPaused = () => state?.runtime?.settings().delivery.paused ?? true
  openBacklog(haraka, {
    opened: envelopeRead,
    // a process that ends begins with no other mail
    isPaused: () => isPaused() || state?.runtime?.signal.aborted === true,
    places: (domain) => state?.runtime?.deliverer.places(asciiDomain(domain)) ?? 1,
    canBeRead,
    forget: forgetMessage,
  })
  const takeover = takeOver(haraka, {
    deliver,
    queueOutboundRespond: queueOutboundResponder(haraka, () => state?.runtime ?? null, report),
    report,
    isPaused,
  })
  state = { haraka, plugin: this, takeover, runtime: null, control: null, ready, becomeReady }

  // our own guards answer in time, with words that say why; Haraka's timer for each hook of each mail would never fire
  this.timeout = 0
  this.register_hook('init_master', 'init_master')
  this.register_hook('init_child', 'init_child')
  this.register_hook('capabilities', 'capabilities', 100)
  this.register_hook('mail', 'mail_parameters', -100)
  this.register_hook('rcpt', 'rcpt_parameters', -100)
  this.register_hook('data_post', 'harvest_certificates', 100)
  this.register_hook('queue', 'inbound', -100)
  this.register_hook('queue_outbound', 'gate', -100)
  this.register_hook('pre_send_trans_email', 'seal', 100)

  // Plugins are loaded one after the other in this very turn; the next tick is before any listener is opened.
  process.nextTick(() => {
    const neighbours = checkNeighbours(haraka)
    if (neighbours.length > 0) refuseToStart(neighbours)
  })
}

/** Deliver one mail once the process is ready; never rejects. */
async function deliver(item: HMailItem): Promise<void> {
  const { haraka, ready } = current()
  try {
    const runtime = await ready
    if (!(await envelopeRead(item))) {
      item.next_cb()
      return
    }
    // what waits for people waits where people look for it
    if (runtime.settings().delivery.paused) {
      await giveFile(item).catch((error: unknown) => report('journal', error))
      if (isPauseCrowded() && !isInJournal(item)) {
        forgetMessage(item)
        lineUp(haraka, item.filename)
        item.next_cb()
        return
      }
    }
    const giveBack = item.next_cb
    if (!(await whilePaused(haraka, item, () => runtime.settings().delivery.paused))) {
      giveBack()
      return
    }
    await live(haraka, runtime, item)
  } catch (error) {
    report('delivery', error)
    // each apart: what broke may be the mail's own object, and the one must not keep the other from happening
    background('queue-slot', report, () => {
      item.next_cb()
    })
    background('requeue', report, () => {
      comeBack(haraka, item, TROUBLE_RETRY)
    })
  }
}

/** The single process of `nodes=0` delivers; the master of a cluster opens nothing. */
async function initMaster(server: Server): Promise<HookResult> {
  const clustered = server.cluster !== undefined && server.cfg.main.nodes !== 0
  return clustered ? [] : await begin('main')
}

async function initChild(server: Server): Promise<HookResult> {
  return await begin(`w${server.cluster?.worker?.id ?? process.pid}`)
}

/** Answers Haraka when all is open, or while that goes on: until it is, mail gets 451 and deliveries wait. */
async function begin(label: string): Promise<HookResult> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, START_PATIENCE)
  })
  await Promise.race([open(label), patience])
  clearTimeout(timer)
  return []
}

/** Open what delivery needs; a failure here ends the process with one clear line. */
async function open(label: string): Promise<void> {
  const { haraka, plugin, takeover, becomeReady } = current()
  try {
    const runtime = await openRuntime(haraka, plugin, {
      instanceDir: instanceDirectory(),
      label,
      version: packageVersion(),
      onReload: () => {
        switchDeliveryOn()
      },
    })
    const gone = takeover.missing()
    if (gone.length > 0) refuseToStart([`delivery is not ours any more: ${gone.join(', ')}`])
    await takeUpJournals(runtime)
    setInterval(() => {
      background('journal', report, () => takeUpJournals(runtime))
    }, JOURNAL_INTERVAL).unref()
    current().runtime = runtime
    switchDeliveryOn()
    setInterval(switchDeliveryOn, WATCH_INTERVAL).unref()
    becomeReady(runtime)
    await openForOperators(runtime, label)
  } catch (error) {
    refuseToStart([error instanceof Error ? error.message : String(error)])
  }
}

/** Delivery does not depend on it: without the socket only `secure-mail queue` has nobody to talk to. */
async function openForOperators(runtime: Runtime, label: string): Promise<void> {
  const { haraka } = current()
  try {
    const process = { instanceDir: instanceDirectory(), label, version: packageVersion() }
    current().control = await openControlSocket(haraka, runtime, process)
  } catch (error) {
    runtime.reportError('control', error)
  }
}

/** How often journals of ended processes are looked for, in milliseconds: a process may end while this one starts. */
const JOURNAL_INTERVAL = 10_000

/** Mails that a process which ended without warning had accepted. */
async function takeUpJournals(runtime: Runtime): Promise<void> {
  const { haraka, plugin } = current()
  try {
    const mails = await recoverSpool(haraka, (text) => plugin.logcrit(`secure-mail: ${text}`))
    if (mails > 0) plugin.lognotice(`secure-mail: ${mails} mails of a process that ended without warning are taken up`)
  } catch (error) {
    runtime.reportError('journal', error)
  }
}

/**
 * The dead-man's switch. The instance ships with `outbound.ini disabled=true`, so an instance without this plugin
 * delivers nothing; only a take-over that is verified to be in place switches delivery on, in memory, and again after
 * each reload of outbound.ini.
 */
function switchDeliveryOn(): void {
  const { haraka, plugin, takeover } = current()
  const gone = takeover.missing()
  const { cfg } = haraka.outboundConfig
  if (gone.length > 0) {
    cfg.disabled = true
    plugin.logcrit(`secure-mail: delivery is not ours any more (${gone.join(', ')}); it is switched off`)
    return
  }
  if (cfg.disabled !== false) cfg.disabled = false
}

export const init_master = guard(
  { hook: 'init_master', deadline: GATE_DEADLINE, onFailure: [CODE.deny, 'secure-mail could not start'], report },
  (server: Server) => initMaster(server),
)

export const init_child = guard(
  { hook: 'init_child', deadline: GATE_DEADLINE, onFailure: [CODE.deny, 'secure-mail could not start'], report },
  (server: Server) => initChild(server),
)

export const mail_parameters = guard(
  {
    hook: 'mail',
    deadline: HOOK_DEADLINE,
    onFailure: [CODE.denysoft, '4.3.0 the command cannot be looked at now, try again later'],
    report,
  },
  (connection: Connection, params: [HarakaAddress, Record<string, string | null>?]) => {
    if (connection.transaction !== null) holdMessage(connection.transaction)
    return keepMailParameters(current().haraka, connection, params)
  },
)

export const capabilities = guard(
  { hook: 'capabilities', deadline: HOOK_DEADLINE, onFailure: [], report },
  (connection: Connection) => {
    offerDsn(connection, current().runtime?.settings().ndr.dsn)
    return offerRequiretls(connection)
  },
)

export const inbound = guard(
  { hook: 'queue', deadline: HOOK_DEADLINE, onFailure: [CODE.denysoft, '4.3.0 try again later'], report },
  (connection: Connection) => keepRequiretlsHere(current().haraka, connection),
)

export const harvest_certificates = guard(
  { hook: 'data_post', deadline: HOOK_DEADLINE, onFailure: [], report },
  (connection: Connection): Promise<HookResult> | HookResult => {
    const { runtime } = current()
    return runtime === null ? [] : harvestFrom(runtime, connection)
  },
)

export const rcpt_parameters = guard(
  { hook: 'rcpt', deadline: HOOK_DEADLINE, onFailure: [], report },
  (connection: Connection, params: [HarakaAddress, Record<string, string | null>?]) =>
    keepRcptParameters(current().haraka, connection, params),
)

const gateHook = guard(
  {
    hook: 'queue_outbound',
    deadline: GATE_DEADLINE,
    onFailure: [CODE.denysoft, '4.3.0 the mail cannot be inspected now, try again later'],
    report,
  },
  async (connection: Connection): Promise<HookResult> => {
    // the port greets a moment before the store is open; a mail that comes then waits instead of being put off
    const { runtime: open, ready } = current()
    const runtime = open ?? (await withDeadline(ready, START_WAIT, 'the store').catch(() => null))
    if (runtime === null) return [CODE.denysoft, '4.3.2 starting, try again in a moment']
    return await gate(current().haraka, runtime, connection)
  },
)
export { gateHook as gate }

const sealHook = guard(
  { hook: 'pre_send_trans_email', deadline: HOOK_DEADLINE, onFailure: [], report },
  ({ transaction }: { transaction: Transaction }): Promise<HookResult> | HookResult => {
    const { runtime, ready } = current()
    if (runtime !== null) return seal(runtime, transaction)
    return withDeadline(ready, HOOK_DEADLINE, 'the store').then((opened) => seal(opened, transaction))
  },
)
export { sealHook as seal }

/** How long a shutdown waits for attempts under way, in milliseconds; what is then unfinished is tried after the restart. */
const DRAIN_DEADLINE = 15_000

/** Called by Haraka when it shuts down gracefully: attempts under way are put off, outcomes recorded, files closed. */
export function shutdown(): void {
  const runtime = state?.runtime
  if (runtime == null) return
  runtime.stop()
  background('control', report, async () => {
    await state?.control?.close()
  })
  background('shutdown', report, async () => {
    await withDeadline(idle(), DRAIN_DEADLINE, 'deliveries under way').catch((error: unknown) => {
      report('shutdown', error)
    })
    await closeSpool().catch((error: unknown) => {
      report('journal', error)
    })
    await runtime.close()
  })
}
