/** What the queue commands begin with: the instance, its gateway, the records of its recipients. */
import { existsSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Clock } from '../../lib/clock'
import type { Settings } from '../../lib/config/settings'
import { ControlFailure, gatewayState, runDirectory, type GatewayState, type Operator } from '../../lib/control'
import type { QueueSources } from '../../lib/queue/mails'
import { queueDirectory } from '../../lib/report'
import { recipientRecords, type RecipientRecords } from '../../lib/store/recipients'
import type { CommonOptions } from '../io'
import { openStoreInTime } from '../open-store'
import { readyInstance } from '../ready'

/** An open room; `close` it. */
export interface QueueRoom {
  instance: string
  settings: Settings
  /** The queue directory. */
  queueDir: string
  /** The folder of the control sockets. */
  runDir: string
  /** Null = it does not run. */
  gateway: GatewayState | null
  /** Why what is known of recipients cannot be read; null = it can, or nothing was ever recorded. */
  storeProblem: string | null
  sources: QueueSources
  close: () => Promise<void>
}

export type Entered = { ok: true; room: QueueRoom } | { ok: false; problems: string[] }

/** Find the instance, ask its gateway, open its store. */
export async function enterQueue(options: CommonOptions, clock: Clock): Promise<Entered> {
  const ready = readyInstance(options, clock)
  if (!ready.ok) return ready
  const { instance, settings } = ready
  const runDir = runDirectory(instance)
  const queueDir = queueDirectory(instance)
  let gateway: GatewayState | null
  try {
    gateway = await gatewayState(runDir)
  } catch (error) {
    if (!(error instanceof ControlFailure)) throw error
    return { ok: false, problems: [`${error.message}; run this as the user of the gateway or as root`] }
  }
  const { records, problem, close } = await openRecords(settings, clock)
  const silent = new Set(gateway?.silent.map(({ pid }) => pid))
  return {
    ok: true,
    room: {
      instance,
      settings,
      queueDir,
      runDir,
      gateway,
      storeProblem: problem,
      sources: { dir: queueDir, records, settings, clock, held: gateway?.held ?? null, silent },
      close,
    },
  }
}

interface OpenedRecords {
  records: RecipientRecords | null
  problem: string | null
  close: () => Promise<void>
}

async function openRecords({ store: settings }: Settings, clock: Clock): Promise<OpenedRecords> {
  const none = (problem: string | null): OpenedRecords => ({ records: null, problem, close: () => Promise.resolve() })
  // the command makes no store of its own
  if (settings.engine === 'lmdb' && !existsSync(path.join(settings.path, 'data.mdb'))) return none(null)
  try {
    const store = await openStoreInTime(settings, clock)
    return { records: recipientRecords(store), problem: null, close: () => store.close() }
  } catch (error) {
    return none(error instanceof Error ? error.message : String(error))
  }
}

/** Who runs this command, for the audit log; behind sudo, who called it. */
export function thisOperator(): Operator {
  const caller = process.env.SUDO_USER
  const named = caller !== undefined && /^[\w.@$-]{1,64}$/.test(caller) ? caller : userName()
  const behind = Number(process.env.SUDO_UID)
  const uid = caller !== undefined && Number.isSafeInteger(behind) && behind >= 0 ? behind : process.getuid?.()
  return { uid: uid ?? null, name: named }
}

function userName(): string {
  try {
    const { username } = os.userInfo()
    return /^[\w.@$-]{1,64}$/.test(username) ? username : ''
  } catch {
    // a user id without an entry in passwd
    return ''
  }
}
