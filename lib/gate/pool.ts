/**
 * Worker threads that read messages. A worker that crashes, runs out of memory or takes too long is ended and replaced;
 * the mail it was reading is told so (`cannot-inspect-now`), never taken for clean.
 */
import os from 'node:os'
import path from 'node:path'
import { Piscina } from 'piscina'
import { createLedger, POOL_BYTES, type MemoryLedger } from './memory'
import type { ContentReader, Found, ReadingRules } from './reading'

export interface ReaderPool {
  read: ContentReader
  /** Ends the workers; what is being read is rejected. */
  close(): Promise<void>
}

export interface ReaderPoolOptions {
  /** Number of workers as configured now, asked for each message; 0 = one less than there are processors. */
  workers: () => number
  /** Told why a message could not be read; never with its content. */
  onFailure?: (error: Error) => void
  /** Program of a worker; the default reads messages. */
  workerFile?: string
}

/** What a worker is sent. */
export interface ReadingTask {
  raw: Uint8Array
  rules: ReadingRules
  /** Milliseconds since the epoch when the message was handed over. */
  now: number
  /** Where what the message holds is noted. */
  memory: { shared: SharedArrayBuffer; entry: number }
}

/** JavaScript heap of all workers together and of one, in MiB: so many of them are started unless told otherwise. */
const POOL_HEAP = 176
const WORKER_HEAP = 88
/** What a worker's newest objects may take beside that, in MiB; Node 24 would allow four times as much as Node 20. */
const YOUNG_HEAP = 12
/** All messages that are read or wait, as they were sent, beside what they are decoded to. Bytes. */
const RAW_BYTES = POOL_BYTES / 2
/** Messages that wait per worker; more are turned away. */
const WAITING = 8
/** A worker's own deadline comes first; one that does not answer then is ended. Milliseconds. */
const GRACE = 2_000
/** Longest that a message waits and is read, whatever is configured: the hook has its own deadline. Milliseconds. */
const LONGEST = 45_000
/** A worker without work ends, in milliseconds. */
const IDLE = 60_000

/** The threads of one configuration. */
interface Pool {
  readonly piscina: Piscina<ReadingTask, Found>
  readonly threads: number
  readonly ledger: MemoryLedger
  /** Messages that are read or wait, and their bytes. */
  messages: number
  bytes: number
  /** Another one takes the new messages. */
  retired: boolean
}

/** Opens no thread before the first message. */
export function createReaderPool(options: ReaderPoolOptions): ReaderPool {
  const pools = new Set<Pool>()
  let newest: Pool | null = null
  let closed = false

  /** The pool in force; another number of workers makes a new one, and the old one finishes what it has. */
  const current = (): Pool => {
    const threads = threadsFor(options.workers())
    if (newest?.threads === threads) return newest
    if (newest !== null) retire(newest)
    const piscina = startPool(threads, options.workerFile ?? path.join(__dirname, 'worker.js'))
    // a worker that breaks between two messages is replaced like any other
    piscina.on('error', (error: Error) => options.onFailure?.(error))
    newest = { piscina, threads, ledger: createLedger(threads * (1 + WAITING)), messages: 0, bytes: 0, retired: false }
    pools.add(newest)
    return newest
  }
  const retire = (pool: Pool) => {
    pool.retired = true
    if (pool.messages > 0) return
    pools.delete(pool)
    pool.piscina.destroy().catch((error: unknown) => options.onFailure?.(asError(error)))
  }

  const readIn = async (pool: Pool, raw: Buffer, rules: ReadingRules, now: number): Promise<Found> => {
    const size = raw.length
    if (pool.messages > 0 && pool.bytes + size > RAW_BYTES) throw new Error('too many bytes wait to be read')
    const entry = pool.ledger.open()
    if (entry === null) throw new Error('too many messages wait to be read')
    pool.messages++
    pool.bytes += size
    const own = ownBytes(raw)
    const signal = AbortSignal.timeout(Math.min(LONGEST, 2 * rules.content.maxMillis + GRACE))
    const task: ReadingTask = { raw: own, rules, now, memory: { shared: pool.ledger.shared, entry } }
    try {
      return await pool.piscina.run(task, { transferList: [own.buffer], signal })
    } finally {
      pool.ledger.close(entry)
      pool.messages--
      pool.bytes -= size
      if (pool.retired) retire(pool)
    }
  }

  return {
    async read(raw, rules, clock) {
      try {
        if (closed) throw new Error('the readers are closed')
        return await readIn(current(), raw, onlyRules(rules), clock.now())
      } catch (error) {
        options.onFailure?.(asError(error))
        throw error
      }
    },
    async close() {
      closed = true
      await Promise.all([...pools].map(({ piscina }) => piscina.destroy()))
      pools.clear()
    },
  }
}

/** Settings hold more than what a worker needs, and functions, which do not travel. */
function onlyRules({ content, public: marks, category3 }: ReadingRules): ReadingRules {
  return { content, public: marks, category3 }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** 0 = one processor is left for everything else, and all heaps fit into what the pool may have. */
function threadsFor(configured: number): number {
  if (configured > 0) return configured
  return Math.max(1, Math.min(os.availableParallelism() - 1, Math.floor(POOL_HEAP / WORKER_HEAP)))
}

function startPool(threads: number, filename: string): Piscina<ReadingTask, Found> {
  return new Piscina<ReadingTask, Found>({
    filename,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: IDLE,
    // what this process was started with (a debugger, a test runner) is not for the workers
    execArgv: [],
    recordTiming: false,
    resourceLimits: {
      maxOldGenerationSizeMb: Math.max(WORKER_HEAP, Math.floor(POOL_HEAP / threads)),
      maxYoungGenerationSizeMb: YOUNG_HEAP,
    },
  })
}

/** Bytes that can be handed over without a copy, or a copy where they share their memory with something else. */
function ownBytes(raw: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = raw
  return buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength
    ? new Uint8Array(buffer)
    : new Uint8Array(raw)
}
