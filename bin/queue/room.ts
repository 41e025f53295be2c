/** What the queue commands begin with: the instance, its gateway, the records of its recipients. */
import os from 'node:os'
import type { Clock } from '../../lib/clock'
import type { Settings } from '../../lib/config/settings'
import { ControlFailure, gatewayState, runDirectory, type GatewayState, type Operator } from '../../lib/control'
import type { QueueSources } from '../../lib/queue/mails'
import { queueDirectory } from '../../lib/report'
import { recipientRecords } from '../../lib/store/recipients'
import type { CommonOptions } from '../io'
import { openExistingStore } from '../open-store'
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
  const { store, problem, close } = await openExistingStore(settings, clock)
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
      sources: {
        dir: queueDir,
        records: store && recipientRecords(store),
        settings,
        clock,
        held: gateway?.held ?? null,
        silent,
      },
      close,
    },
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
