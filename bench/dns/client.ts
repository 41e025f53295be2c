/** The benchmark's DNS server as its parent process sees it. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { DnsStart } from './main'

/**
 * Starts the server in a process of its own.
 *
 * @returns the port it is bound to, and how to end it
 * @throws Error when it does not start in time, e.g. because the address is taken
 */
export async function startDns(config: DnsStart): Promise<{ port: number; stop(): void }> {
  const child = fork(path.join(__dirname, 'main.js'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const answer = once(child, 'message', { signal: AbortSignal.timeout(5000) })
  child.send(config)
  try {
    const [{ port }] = (await answer) as [{ port: number }]
    return { port, stop: () => child.disconnect() }
  } catch (error) {
    child.kill()
    throw new Error('the DNS server of the benchmark did not start', { cause: error })
  }
}
