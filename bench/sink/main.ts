/** The sink as a process of its own: answers its parent's requests over IPC and ends with it. */
import type { SinkReply, SinkRequest } from './counters'
import { openSink, type Sink } from './sink'

let sink: Sink | undefined

async function answer(request: SinkRequest): Promise<SinkReply> {
  if (request.ask === 'listen') sink = await openSink(request.listeners)
  if (!sink) return { ok: false, error: 'not listening yet' }
  if (request.ask === 'reset') sink.reset()
  const { user, system } = process.cpuUsage()
  return { ok: true, counters: sink.counters(), cpuMillis: (user + system) / 1000, ports: sink.ports() }
}

process.on('message', (request: SinkRequest) => {
  answer(request)
    .catch((error: unknown): SinkReply => ({ ok: false, error: String(error) }))
    .then((reply) => process.send?.(reply))
    .catch(() => process.exit(1))
})
process.on('disconnect', () => process.exit(0))
