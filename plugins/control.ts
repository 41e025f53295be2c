/**
 * What this process answers on its control socket: which mails it holds, and what an operator has it do with them. Every
 * order goes through the waiting room and the lifecycle, so that a mail under delivery is left alone and there is never
 * a second item of a queue file.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { MAX_MAILS, MAX_REPORTS, openControl, runDirectory } from '../lib/control'
import type {
  Bounced,
  ControlServer,
  DescribedMail,
  HeldState,
  Operator,
  Request,
  Retried,
  Send,
  ToldProbe,
} from '../lib/control'
import { envelopeOf } from '../lib/queue/envelope'
import type { SendResult } from '../lib/report/tlsrpt'
import { asciiDomain } from '../lib/util/address'
import { tellCertificates } from './certificate-events'
import { nameOf, operatorFields } from './ending'
import type { HarakaModules } from './haraka'
import { endMail, workedOn } from './lifecycle'
import { wireSize } from './queued-mail'
import type { Runtime } from './runtime'
import { envelopeRead } from './takeover'
import { callNow, dueMails, isDue, takeOut, waitingMails, type WaitingMail } from './waiting-room'

/** How long an order to end a mail waits for the attempt that is under way, and how often it looks, in milliseconds. */
const PATIENCE = 10_000
const LOOK = 100
/** Mails that are called between two turns of the event loop. */
const AT_ONCE = 100

export interface ControlProcess {
  instanceDir: string
  /** `main`, or `w1`, `w2` ... of a cluster. */
  label: string
  version: string
}

/**
 * Open the socket of this process, after privileges are dropped.
 *
 * @throws Error (rejects) in plain words when it cannot be opened; delivery does not need it
 */
export async function openControlSocket(
  haraka: HarakaModules,
  runtime: Runtime,
  { instanceDir, label, version }: ControlProcess,
): Promise<ControlServer> {
  return await openControl({
    dir: runDirectory(instanceDir),
    pid: process.pid,
    report: (error) => {
      runtime.reportError('control', error)
    },
    async serve(request, send) {
      if (request.op === 'state') {
        const { paused } = runtime.settings().delivery
        await send({ kind: 'process', pid: process.pid, label, version, paused })
      }
      await serve(haraka, runtime, request, send)
    },
  })
}

async function serve(haraka: HarakaModules, runtime: Runtime, request: Request, send: Send): Promise<void> {
  switch (request.op) {
    case 'state':
      await sendHeld('waiting', waitingMails(), send)
      await sendHeld('due', dueMails(haraka), send)
      await sendHeld('delivering', workedOnMails(), send)
      return
    case 'describe':
      for (const mail of describe(haraka, new Set(request.mails))) await send({ kind: 'mail', mail })
      return
    case 'retry':
      await send({ kind: 'retried', ...(await retry(haraka, runtime, request.mails, request.operator)) })
      return
    case 'bounce':
      await send({ kind: 'bounced', bounced: await bounce(haraka, runtime, request) })
      return
    case 'probed':
      tellProbe(runtime, request.probe, request.operator)
      return
    case 'certs':
      await tellCertificates(runtime.audit, request.changes, request.operator)
      return
    case 'tlsrpt':
      await sendTlsReports(runtime, request, send)
      return
    case 'metrics':
      await send({ kind: 'metrics', json: await runtime.metrics.own() })
      return
  }
}

async function sendTlsReports(
  runtime: Runtime,
  { day, domain }: Extract<Request, { op: 'tlsrpt' }>,
  send: Send,
): Promise<void> {
  let reports: SendResult[]
  try {
    reports = await runtime.tlsReports.send(day, domain ?? undefined)
  } catch (error) {
    const refused = (error instanceof Error ? error.message : String(error)).slice(0, 1000)
    await send({ kind: 'tlsrpt', refused, reports: [] })
    return
  }
  for (let from = 0; from < reports.length; from += MAX_REPORTS) {
    await send({ kind: 'tlsrpt', refused: null, reports: reports.slice(from, from + MAX_REPORTS) })
  }
}

const PROBED = { ok: 'success', 'at-risk': 'unknown', fails: 'failure' } as const

function tellProbe(runtime: Runtime, { domain, mx, verdict, resultType }: ToldProbe, operator: Operator): void {
  runtime.audit.tell({
    action: 'probe-run',
    message: `${nameOf(operator)} tested ${domain}: ${verdict}`,
    outcome: PROBED[verdict],
    recipients: [`@${domain}`],
    ...(mx === '' ? {} : { destination: { host: mx } }),
    ...(resultType === '' ? {} : { resultType }),
    extra: { ...operatorFields(operator), verdict },
  })
}

function workedOnMails(): WaitingMail[] {
  return [...workedOn()].map(([identity, item]) => ({ identity, nextTry: item.next_process, item }))
}

async function sendHeld(state: HeldState, mails: readonly WaitingMail[], send: Send): Promise<void> {
  for (let from = 0; from < mails.length; from += MAX_MAILS) {
    const part = mails.slice(from, from + MAX_MAILS)
    await send({ kind: 'held', state, mails: part.map(({ identity, nextTry }) => [identity, Math.round(nextTry)]) })
  }
}

/** Mails that are in memory; of the others there is a file to read. */
function describe(haraka: HarakaModules, meant: ReadonlySet<string>): DescribedMail[] {
  return [...workedOnMails(), ...dueMails(haraka), ...waitingMails()].flatMap(({ identity, nextTry, item }) => {
    if (!meant.has(identity) || item?.todo == null) return []
    const { uuid, domain, sender, recipients, queuedAt, kind } = envelopeOf(item.todo)
    const { num_failures: tries } = item
    return [{ identity, uuid, domain, sender, recipients, queuedAt, kind, size: wireSize(item), tries, nextTry }]
  })
}

async function retry(
  haraka: HarakaModules,
  runtime: Runtime,
  mails: readonly string[],
  operator: Operator,
): Promise<Retried> {
  const done: Retried = { started: [], due: [], delivering: [], unknown: [] }
  for (const [n, identity] of mails.entries()) {
    const called = callNow(identity)
    if (called !== undefined) {
      // what was corrected is to be seen: neither old answers of DNS nor bad experience keep these mails back
      if (done.started.length === 0) {
        runtime.forgetDns()
        runtime.deliverer.forgetFailures()
      }
      done.started.push(identity)
      if (called.domain !== undefined) runtime.deliverer.ease(asciiDomain(called.domain))
    } else if (workedOn().has(identity)) done.delivering.push(identity)
    else if (isDue(haraka, identity)) done.due.push(identity)
    else done.unknown.push(identity)
    if (n % AT_ONCE === AT_ONCE - 1) await wait(0)
  }
  if (done.started.length > 0) {
    const count = done.started.length
    runtime.audit.tell({
      action: 'queue-retried',
      message: `${nameOf(operator)} had ${count} waiting mail${count === 1 ? '' : 's'} tried at once`,
      outcome: 'success',
      extra: { ...operatorFields(operator), mails: count },
    })
  }
  return done
}

async function bounce(
  haraka: HarakaModules,
  runtime: Runtime,
  { mail, recipients, reason, operator }: Extract<Request, { op: 'bounce' }>,
): Promise<Bounced> {
  const until = performance.now() + PATIENCE
  for (;;) {
    if (runtime.signal.aborted) return { result: 'failed', why: 'the gateway is shutting down' }
    const item = takeOut(haraka, mail)
    if (item !== undefined) {
      // a file that cannot be read is dealt with where it is read
      if (!(await envelopeRead(item))) return { result: 'unknown' }
      const ended = await endMail(haraka, runtime, item, { recipients, reason, operator })
      return answerOf(ended)
    }
    if (!workedOn().has(mail)) return { result: 'unknown' }
    if (performance.now() > until) return { result: 'delivering' }
    await wait(LOOK)
  }
}

function answerOf(ended: Awaited<ReturnType<typeof endMail>>): Bounced {
  switch (ended.kind) {
    case 'ended': {
      const { recipients, left, nextTry } = ended
      return { result: 'ended', recipients, left, nextTry: nextTry === null ? null : Math.round(nextTry) }
    }
    case 'gone':
      return { result: 'unknown' }
    case 'nothing-open':
      return { result: 'nothing-open' }
    case 'unreported':
    case 'failed':
      return { result: ended.kind, why: ended.why.slice(0, 2000) }
  }
}
