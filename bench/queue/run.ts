/**
 * `--only queue`: a queue of 20,000 mails for 500 destinations, a fifth of them dead. It is filled by submitting while
 * delivery is paused; then the gateway is started on it, and what becomes of the mail that can be delivered is measured.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeCertificates } from '../certificates'
import { createMeter } from '../cpu'
import { startDns } from '../dns/client'
import { DNS_ADDRESS } from '../isolate'
import { busyMillis, coreCount, ownTreeMillis } from '../measure'
import type { Options } from '../options'
import { must, until, wallNow } from '../process'
import { change, prepareGateway, withLine } from '../relays/gateway'
import { runHaraka, type HarakaRelay } from '../relays/haraka'
import type { RelaySetup } from '../relays/relay'
import { startSink, type SinkProcess } from '../sink/client'
import type { SinkCounters, SinkListener } from '../sink/counters'
import { submitAll } from './load'
import { BLACK_HOLE, isAlive, planMails, planPartners, SLOW_REPLY, type Partner } from './plan'
import { figuresOf, renderQueue, type QueueRun } from './result'

/** What `--only` is given. */
export const QUEUE_TITLE = 'queue'

/** Destinations and mails; seconds for filling the queue and for draining it. */
const FULL = { destinations: 500, mails: 20_000, fill: 150, drain: 180 }
const QUICK = { destinations: 50, mails: 2_000, fill: 40, drain: 60 }

/** How often the sink is asked, in milliseconds. */
const LOOK = 250

export interface QueueSetup {
  workDir: string
  meterPrefix: string
  /** The relay's own core first; empty = not pinned. */
  relayCores: readonly number[]
  profileDir: string | undefined
  progress: (text: string) => void
}

/**
 * Runs inside the private network.
 *
 * @returns the report, and the exit code: 1 when a mail was lost, doubled or sent in clear
 * @throws Error (rejects) when a part of the benchmark does not work or takes too long
 */
export async function runQueue(options: Options, setup: QueueSetup): Promise<{ text: string; code: number }> {
  const size = options.quick ? QUICK : FULL
  const partners = planPartners(size.destinations, size.mails)
  const certificates = await makeCertificates(setup.workDir, ['mx.queue.test'])
  await must('ip', ['route', 'add', BLACK_HOLE, 'dev', 'lo'])
  const dns = await startDns({ address: DNS_ADDRESS, port: 53, domains: partners })
  const sink = await startSink(partners.flatMap((partner) => listenerOf(partner, certificates.ec) ?? []))
  const dir = path.join(setup.workDir, 'gateway')
  mkdirSync(dir)
  const relaySetup = (name: string): RelaySetup => ({
    ...{ id: 'gateway', dir, address: '127.0.2.1', port: 2525, hold: false, nodes: 0 },
    cores: setup.relayCores.slice(0, 1),
    meter: createMeter(`${setup.meterPrefix}-${name}`),
    profileDir: setup.profileDir,
    certificates,
    tlsDomains: [],
  })
  try {
    const run = await measureQueue(relaySetup, partners, sink, size, setup.progress)
    const figures = figuresOf(run)
    const { memory, acceptSeconds, left, foreign } = run
    const json = () => `${JSON.stringify({ ...figures, memory, acceptSeconds, left, foreign }, null, 1)}\n`
    return { text: options.json ? json() : renderQueue(run), code: figures.problems.length > 0 ? 1 : 0 }
  } finally {
    sink.stop()
    dns.stop()
  }
}

/** The partner's mail server; undefined where there is none. */
function listenerOf(
  { domain, kind, address }: Partner,
  tls: NonNullable<SinkListener['tls']>,
): SinkListener | undefined {
  const at = { name: domain, address, port: 25 }
  switch (kind) {
    case 'healthy':
      return { ...at, tls }
    case 'slow':
      return { ...at, tls, delay: SLOW_REPLY }
    case 'silent':
      return { ...at, silentAt: 'greeting' }
    case 'no STARTTLS':
      return at
    case 'handshake hangs':
      return { ...at, tls, silentAt: 'handshake' }
    case 'refused':
    case 'black hole':
      return undefined
  }
}

async function measureQueue(
  setupOf: (name: string) => RelaySetup,
  partners: readonly Partner[],
  sink: SinkProcess,
  size: typeof FULL,
  progress: QueueSetup['progress'],
): Promise<QueueRun> {
  const setup = setupOf('fill')
  const version = await prepareGateway(setup)
  change(setup.dir, 'secure-mail.ini', (ini) => withLine(ini, 'delivery', 'paused=true'))
  const filling = await runHaraka(setup, version, {})
  await sleep(1000) // its stores are open, its queue is read
  const empty = peakMegabytes(filling.pid)
  progress(`filling the queue: ${size.mails} mails for ${partners.length} destinations`)
  const began = performance.now()
  await submitAll(setup, planMails(partners), size.fill)
  const acceptSeconds = (performance.now() - began) / 1000
  await until('all mails in the queue', 10_000, 100, () => filling.queued() === size.mails)
  const accepting = peakMegabytes(filling.pid)
  await filling.stop()

  change(setup.dir, 'secure-mail.ini', (ini) => ini.replace(/^paused=true$/m, 'paused=false'))
  progress('starting on the full queue')
  const startedAt = wallNow()
  const before = { busy: busyMillis(), own: ownTreeMillis() }
  const draining = await runHaraka(setupOf('drain'), version, {})
  try {
    const { counters, atHalf } = await drained(partners, sink, size.drain, progress)
    const elapsed = wallNow() - startedAt
    const foreign = Math.max(0, busyMillis() - before.busy - (ownTreeMillis() - before.own)) / elapsed / coreCount()
    return {
      ...{ partners, counters, atHalf, startedAt, acceptSeconds, foreign },
      left: await settledQueue(draining),
      memory: { empty, accepting, draining: peakMegabytes(draining.pid) },
      cpu: draining.cpuMillis(),
    }
  } finally {
    await draining.stop()
  }
}

/** Until everybody who can be served is. @throws Error (rejects) when it takes too long */
async function drained(
  partners: readonly Partner[],
  sink: SinkProcess,
  seconds: number,
  progress: QueueSetup['progress'],
): Promise<Pick<QueueRun, 'counters' | 'atHalf'>> {
  const alive = partners.filter(isAlive)
  const expected = alive.reduce((sum, { mails }) => sum + mails, 0)
  let counters: Record<string, SinkCounters> = {}
  let atHalf: Record<string, SinkCounters> | undefined
  let told = 0
  await until(`${expected} mails at the partners`, seconds * 1000, LOOK, async () => {
    counters = await sink.allCounters()
    const arrived = alive.reduce((sum, { domain }) => sum + (counters[domain]?.messages ?? 0), 0)
    if (arrived >= expected / 2) atHalf ??= counters
    if (arrived - told >= expected / 10) {
      told = arrived
      progress(`  ${arrived} of ${expected} delivered`)
    }
    return arrived >= expected
  })
  return { counters, atHalf: atHalf ?? counters }
}

/** Files of what was just delivered are removed a moment later. */
async function settledQueue(relay: HarakaRelay): Promise<number> {
  let left = relay.queued()
  for (let same = 0; same < 4;) {
    await sleep(LOOK)
    const now = relay.queued()
    same = now === left ? same + 1 : 0
    left = now
  }
  return left
}

/** The most memory that a process has had resident so far. @throws Error when there is no such process */
function peakMegabytes(pid: number): number {
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (peak === undefined) throw new Error('the kernel does not tell the peak of memory')
  return Number(peak) / 1024
}
