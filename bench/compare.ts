/** The relay comparison itself: starts every relay once, then goes round and round through all rows. */
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { makeCertificates } from './certificates'
import { DESTINATIONS, domainOf, instanceKey, type Case, type Group, type InstanceSpec } from './cases'
import { createMeter } from './cpu'
import { startDns } from './dns/client'
import { DNS_ADDRESS } from './isolate'
import { measure, type Load } from './measure'
import { until } from './process'
import { startRelay } from './relays'
import { Unavailable, type Relay } from './relays/relay'
import type { GroupResult } from './report'
import { startSink, type SinkProcess } from './sink/client'

/** Sessions that the load source keeps open at once. */
export const SESSIONS = 20
/** Milliseconds that a relay may answer "later" after its start. */
const READY_LIMIT = 20_000
const SINK_ADDRESSES = { plain: '127.0.1.1', ec: '127.0.1.2', rsa: '127.0.1.3' } as const
const RELAY_PORT = 2525

export interface ComparisonSetup {
  workDir: string
  /** Beginning of the names of all control groups of this run. */
  meterPrefix: string
  /** The relay's own core first, the one of load and sink second; empty with fewer than two cores. */
  relayCores: readonly number[]
  profileDir: string | undefined
  groups: readonly Group[]
  rounds: number
  messages: number
  /** Messages that go through an instance before the first one that counts. */
  warmUp: number
  /** No further round is begun when it would, by the longest so far, end after this many seconds from now. */
  seconds: number
  progress: (text: string) => void
}

export interface Comparison {
  results: GroupResult[]
  versions: string[]
  meter: string
  /** Rounds that were run: fewer than asked for when the time was up. */
  rounds: number
}

/** An instance that runs, or why it does not. */
type Instance = { ok: true; relay: Relay } | { ok: false; reason: string; failed: boolean }

/** A result with no rounds in it yet. */
export function emptyResults(groups: readonly Group[]): GroupResult[] {
  return groups.map((group) => ({ group, rows: group.cases.map((item) => ({ case: item, rounds: [] })) }))
}

const loadOf = (group: Group, item: Case, messages: number): Load => ({
  kind: group.kind,
  destination: item.destination,
  messages,
  size: group.size,
  sessions: SESSIONS,
})

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

function lastLines(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(-5).join('\n') : ''
}

/** Sends one message, again and again as long as the relay says "later": it may greet before its stores are open. */
async function firstMessage(relay: Relay, sink: SinkProcess, load: Load): Promise<void> {
  await until(`${relay.setup.id}: first message accepted`, READY_LIMIT, 250, async () => {
    try {
      await measure(relay, sink, load)
      return true
    } catch (error) {
      if (/rejected: 4\d\d /.test(reasonOf(error))) return false
      throw error
    }
  })
}

/** Starts everything that the groups need and sends the warm-up through it, one instance after the other. */
async function startInstances(
  setup: ComparisonSetup,
  sink: SinkProcess,
  start: (spec: InstanceSpec, index: number) => Promise<Relay>,
): Promise<Map<string, Instance>> {
  const instances = new Map<string, Instance>()
  for (const group of setup.groups)
    for (const item of group.cases) {
      const key = instanceKey(item.instance)
      if (instances.has(key)) continue
      let relay: Relay | undefined
      try {
        relay = await start(item.instance, instances.size)
        await firstMessage(relay, sink, loadOf({ ...group, size: 5120 }, item, 1))
        await measure(relay, sink, loadOf({ ...group, size: 5120 }, item, setup.warmUp))
        instances.set(key, { ok: true, relay })
        setup.progress(`  ready: ${key} (${relay.version})`)
      } catch (error) {
        setup.progress(`  NOT AVAILABLE: ${key}: ${reasonOf(error)}${relay ? `\n${lastLines(relay.logFile)}` : ''}`)
        instances.set(key, { ok: false, reason: reasonOf(error), failed: !(error instanceof Unavailable) })
        await relay?.stop()
      }
    }
  return instances
}

/** Every row of every group once. A relay that fails is stopped: its queue is no longer empty. */
async function runRound(
  setup: ComparisonSetup,
  results: readonly GroupResult[],
  instances: Map<string, Instance>,
  sink: SinkProcess,
): Promise<void> {
  for (const { group, rows } of results) {
    const messages = Math.max(SESSIONS, Math.round(setup.messages * group.share))
    for (const row of rows) {
      const key = instanceKey(row.case.instance)
      const instance = instances.get(key)!
      if (!instance.ok) {
        row.rounds.push({ ok: false, reason: instance.reason, failed: instance.failed })
        continue
      }
      const name = `${group.id}  ${row.case.label}`
      try {
        const measurement = await measure(instance.relay, sink, loadOf(group, row.case, messages))
        row.rounds.push({ ok: true, measurement })
        setup.progress(`  ${name}: ${measurement.rate.toFixed(0)}/s, ${measurement.cpu.toFixed(2)} ms CPU/message`)
      } catch (error) {
        const reason = reasonOf(error)
        row.rounds.push({ ok: false, reason, failed: true })
        setup.progress(`  ${name}: FAILED: ${reason}\n${lastLines(instance.relay.logFile)}`)
        await instance.relay.stop()
        instances.set(key, { ok: false, reason: `stopped after: ${reason}`, failed: true })
      }
    }
  }
}

/**
 * Runs the comparison. Must be called inside the private network.
 *
 * @throws Error when the benchmark's own parts (DNS, sink, certificates) do not work; a relay that does not is a row
 */
export async function compare(setup: ComparisonSetup): Promise<Comparison> {
  const { workDir, groups, progress } = setup
  const domains = DESTINATIONS.map((name) => ({ domain: domainOf(name), address: SINK_ADDRESSES[name] }))
  const certificates = await makeCertificates(
    workDir,
    domains.map(({ domain }) => `mx.${domain}`),
  )
  const dns = await startDns({ address: DNS_ADDRESS, port: 53, domains })
  const sink = await startSink(
    DESTINATIONS.map((name) => ({
      name,
      address: SINK_ADDRESSES[name],
      port: 25,
      ...(name !== 'plain' && { tls: certificates[name] }),
    })),
  )
  const meters = new Set<string>()
  const start = async (spec: InstanceSpec, index: number) => {
    const key = instanceKey(spec)
    const dir = path.join(workDir, key)
    mkdirSync(dir)
    chmodSync(dir, 0o755)
    const meter = createMeter(`${setup.meterPrefix}-${key}`)
    meters.add(meter.kind)
    try {
      return await startRelay({
        id: spec.relay,
        dir,
        address: `127.0.2.${index + 1}`,
        port: RELAY_PORT,
        hold: spec.hold,
        cores: spec.cores === 1 ? setup.relayCores.slice(0, 1) : setup.relayCores,
        nodes: spec.cores === 1 ? 0 : 2,
        meter,
        profileDir: setup.profileDir,
        certificates,
        tlsDomains: DESTINATIONS.filter((name) => name !== 'plain').map(domainOf),
      })
    } catch (error) {
      meter.close()
      throw error
    }
  }

  const began = performance.now()
  const elapsed = () => (performance.now() - began) / 1000
  progress('starting relays')
  const instances = await startInstances(setup, sink, start)
  const results = emptyResults(groups)
  let rounds = 0
  try {
    for (let longest = 0; rounds < setup.rounds && elapsed() + longest < setup.seconds; rounds++) {
      progress(`round ${rounds + 1} of ${setup.rounds}`)
      const from = elapsed()
      await runRound(setup, results, instances, sink)
      longest = Math.max(longest, elapsed() - from)
    }
    if (rounds < setup.rounds) progress(`STOPPED after ${rounds} of ${setup.rounds} rounds: the time is up`)
  } finally {
    for (const instance of instances.values()) if (instance.ok) await instance.relay.stop()
    sink.stop()
    dns.stop()
  }
  const versions = [...instances.values()].flatMap((instance) => (instance.ok ? [instance.relay.version] : []))
  return { results, versions: [...new Set(versions)], meter: [...meters].join(', '), rounds }
}
