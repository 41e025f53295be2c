/** The sink as its parent process sees it. */
import { fork } from 'node:child_process'
import path from 'node:path'
import { once } from 'node:events'
import type { SinkCounters, SinkListener, SinkReply, SinkRequest } from './counters'

export interface SinkProcess {
  counters(name: string): Promise<SinkCounters>
  /** Of all listeners, by name. */
  allCounters(): Promise<Record<string, SinkCounters>>
  reset(): Promise<void>
  /** CPU used by the sink so far, in milliseconds. */
  cpuMillis(): Promise<number>
  stop(): void
}

const ANSWER_LIMIT = 5000

/**
 * Starts the sink in a process of its own, on whatever core this one may use.
 *
 * @throws Error when an address cannot be bound
 */
export async function startSink(listeners: readonly SinkListener[]): Promise<SinkProcess> {
  const child = fork(path.join(__dirname, 'main.js'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ask = async (request: SinkRequest) => {
    const answer = once(child, 'message', { signal: AbortSignal.timeout(ANSWER_LIMIT) })
    child.send(request)
    const [reply] = (await answer) as [SinkReply]
    if (!reply.ok) throw new Error(`sink: ${reply.error}`)
    return reply
  }
  try {
    await ask({ ask: 'listen', listeners })
  } catch (error) {
    child.kill()
    throw error
  }
  return {
    allCounters: async () => (await ask({ ask: 'stats' })).counters,
    counters: async (name) => (await ask({ ask: 'stats' })).counters[name]!,
    reset: async () => {
      await ask({ ask: 'reset' })
    },
    cpuMillis: async () => (await ask({ ask: 'stats' })).cpuMillis,
    stop: () => child.disconnect(),
  }
}
