/** Signed mails are examined in a thread of their own: what strangers write must hold up nobody. */
import path from 'node:path'
import { Piscina } from 'piscina'
import type { ExamineTask } from './examine-worker'
import type { Examined } from './examine'

export interface Examiner {
  /** Rejects when it takes too long, when too many wait, or after `close`. */
  examine(raw: Buffer, now: number): Promise<Examined>
  close(): Promise<void>
}

/** Mails that wait; more are turned away. */
const WAITING = 16
/** Longest that one waits and is examined, in milliseconds. */
const LONGEST = 10_000
/** Memory of the thread, in MiB of JavaScript heap. */
const HEAP = 96
/** Without work the thread ends, in milliseconds. */
const IDLE = 60_000

/** Starts no thread before the first signed mail. */
export function createExaminer(): Examiner {
  let pool: Piscina<ExamineTask, Examined> | undefined
  let closed = false
  return {
    async examine(raw, now) {
      if (closed) throw new Error('the gateway is stopping')
      pool ??= new Piscina<ExamineTask, Examined>({
        filename: path.join(__dirname, 'examine-worker.js'),
        minThreads: 0,
        maxThreads: 1,
        maxQueue: WAITING,
        idleTimeout: IDLE,
        // what this process was started with (a debugger, a test runner) is not for the worker
        execArgv: [],
        recordTiming: false,
        resourceLimits: { maxOldGenerationSizeMb: HEAP },
      })
      const own = new Uint8Array(raw)
      return await pool.run({ raw: own, now }, { transferList: [own.buffer], signal: AbortSignal.timeout(LONGEST) })
    },
    async close() {
      closed = true
      await pool?.destroy()
    },
  }
}
