/** One measurement: load in, sink out, CPU before and after. Every wait has a limit. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CaseKind, Destination } from './cases'
import { domainOf } from './cases'
import { parseBusyMillis, readAllStats, treeTicks } from './cpu'
import { must, until, wallNow } from './process'
import { HELD_AGAIN, type Relay } from './relays/relay'
import type { SinkCounters } from './sink/counters'
import type { SinkProcess } from './sink/client'

/** What one round of one row gave. Rates are messages per second, CPU is milliseconds per message. */
export interface Measurement {
  messages: number
  /** Submission alone: messages / time until the last one was accepted. */
  acceptRate: number
  /** `flow`: messages / time from first submission to last arrival. `split`: messages / time from their release to the last arrival. */
  rate: number
  /** All of the relay's CPU, acceptance and delivery. */
  cpu: number
  /** Only `split`. */
  acceptCpu?: number
  drainCpu?: number
  clearMessages: number
  tlsMessages: number
  connections: number
  handshakes: number
  resumed: number
  /** CPU of the sink per message; and how much of its core sink, load and DNS together were busy (0-1). */
  sinkCpu: number
  loadCore: number
  /** Share of the whole machine that programs other than this benchmark used meanwhile (0-1). */
  foreign: number
}

export interface Load {
  kind: CaseKind
  destination: Destination
  messages: number
  /** Bytes. */
  size: number
  sessions: number
}

/** CPU that the whole machine has used, in milliseconds. */
export const busyMillis = () => parseBusyMillis(readFileSync('/proc/stat', 'utf8'))
/** CPU of this process and everything below it, in milliseconds. */
export const ownTreeMillis = () => treeTicks(readAllStats(), process.pid) * 10

/** Seconds that a run may take at the very most: far below what any relay here needs. */
function limitMillis({ messages, size }: Load): number {
  return 15_000 + messages * (size > 50_000 ? 60 : 30)
}

async function submit(relay: Relay, { destination, messages, size, sessions }: Load, limit: number): Promise<void> {
  const { address, port } = relay.setup
  await must(
    'smtp-source',
    [
      // -d: keep the connection for the next message, as a submitting server does
      ...['-d', '-s', String(Math.min(sessions, messages)), '-m', String(messages), '-l', String(size)],
      ...['-f', 'sender@sender.bench.test', '-t', `recipient@${domainOf(destination)}`, '-M', 'client.bench.test'],
      `inet:${address}:${port}`,
    ],
    limit,
  )
}

/**
 * What is wrong with a finished run, if anything: a message lost, doubled or in clear where TLS was required makes its
 * figures worthless.
 *
 * @param counters of the sink, after the queue was empty
 */
export function findProblem(counters: SinkCounters, destination: Destination, messages: number): string | undefined {
  if (destination !== 'plain' && counters.clearMessages > 0)
    return `${counters.clearMessages} of ${messages} messages arrived in CLEAR TEXT`
  if (counters.messages !== messages) return `${counters.messages} messages arrived of ${messages} sent`
  return undefined
}

/**
 * Runs one load through one relay.
 *
 * @throws Error when it takes too long, or when messages were lost, doubled or sent in clear
 */
export async function measure(relay: Relay, sink: SinkProcess, load: Load): Promise<Measurement> {
  const { kind, destination, messages } = load
  const limit = limitMillis(load)
  await sink.reset()
  const before = { relay: relay.cpuMillis(), busy: busyMillis(), own: ownTreeMillis(), sink: await sink.cpuMillis() }
  const started = wallNow()
  await submit(relay, load, limit)
  const accepted = wallNow()

  let acceptCpu = 0
  let deliveryFrom = started
  if (kind === 'split') {
    await until('all messages in the queue', 5000, 100, () => relay.queued() >= messages)
    await sleep(300) // the hold hook runs after the reply
    acceptCpu = relay.cpuMillis() - before.relay
    deliveryFrom = await relay.release()
  }
  let seen = 0
  let progress = wallNow()
  await until(`${messages} messages at the sink`, limit, 50, async () => {
    const arrived = (await sink.counters(destination)).messages
    if (arrived > seen) progress = wallNow()
    else if (kind === 'split' && wallNow() - progress > 3000) {
      progress = wallNow()
      await relay.release()
    }
    seen = arrived
    return arrived >= messages
  })
  await until('empty queue', 15_000, 50, () => relay.queued() === 0)

  const counters = await sink.counters(destination)
  const problem = findProblem(counters, destination, messages)
  if (problem) throw new Error(problem)
  const elapsed = wallNow() - started
  const relayCpu = relay.cpuMillis() - before.relay
  const own = ownTreeMillis() - before.own
  const busy = busyMillis() - before.busy
  const sinkCpu = ((await sink.cpuMillis()) - before.sink) / messages
  // the next messages are to be held, so the last ones must be long enough ago
  if (kind === 'split') await sleep(2 * HELD_AGAIN)
  return {
    messages,
    acceptRate: (messages / (accepted - started)) * 1000,
    rate: (messages / (counters.lastArrival - deliveryFrom)) * 1000,
    cpu: relayCpu / messages,
    ...(kind === 'split' && { acceptCpu: acceptCpu / messages, drainCpu: (relayCpu - acceptCpu) / messages }),
    clearMessages: counters.clearMessages,
    tlsMessages: counters.tlsMessages,
    connections: counters.connections,
    handshakes: counters.handshakes,
    resumed: counters.resumed,
    sinkCpu,
    loadCore: Math.max(0, own - relayCpu) / elapsed,
    foreign: Math.max(0, busy - own) / elapsed / coreCount(),
  }
}

/** Cores of the machine, as /proc/stat counts them. */
export function coreCount(): number {
  return readFileSync('/proc/stat', 'utf8').match(/^cpu\d+/gm)?.length ?? 1
}
