/**
 * 24 hours of partners that fail, through the functions that live a queued mail's life, with a queue directory and a
 * store on disk, and a clock that is turned. The process is replaced by a new one twice.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { useFakeTimers, type SinonFakeTimers } from 'sinon'
import type { DeliveryRequest, RecipientOutcome } from '../../lib/deliver/types'
import type { Settings } from '../../lib/config/settings'
import type { Failure } from '../../lib/failure'
import { caseId } from '../../lib/notify/case-id'
import { openLmdbStore } from '../../lib/store/lmdb'
import { mailIdOf, recipientRecords } from '../../lib/store/recipients'
import { savedAgain } from '../../lib/store/recipients-again'
import { sealNotes } from '../../lib/store/seal'
import type { Store } from '../../lib/store/types'
import { CODE, type HarakaModules, type HMailItem, type QueueFileModule, type Todo } from '../../plugins/haraka'
import { live } from '../../plugins/lifecycle'
import { NOTES_KEY } from '../../plugins/notes-key'
import { createReporter } from '../../plugins/reporter'
import type { Runtime } from '../../plugins/runtime'
import { settingsOf, removeInstances } from '../config/instance'
import { packageTemplates } from '../notify/fixtures'
import { removeTempDirs, tempDir } from '../store/temp'

/** Haraka's own names of queue files. */
const queueFile = createRequire(__filename)('haraka/outbound/qfile') as QueueFileModule

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const START = Date.UTC(2026, 10, 23, 20)
/** When the process is replaced: before the notice of delay, and between it and the first report. */
const RESTARTS = [70 * MINUTE, 225 * MINUTE]

const NO_TLS: Failure = { resultType: 'starttls-not-supported', enhancedCode: '4.7.4', publicText: 'No TLS.' }
const AWAY: Failure = { resultType: 'connection-failed', enhancedCode: '4.4.1', publicText: 'No connection.' }

/** What a recipient's server does, by the local part; `elapsed` since the mail was queued. */
const SERVERS: Readonly<Record<string, (elapsed: number) => Failure | 'takes it'>> = {
  notls: () => NO_TLS,
  away: () => AWAY,
  back: (elapsed) => (elapsed < 5 * HOUR ? AWAY : 'takes it'),
  soon: (elapsed) => (elapsed < 10 * MINUTE ? NO_TLS : 'takes it'),
  changing: (elapsed) => (elapsed < 10 * HOUR ? AWAY : NO_TLS),
  good: () => 'takes it',
}

/** Partners that are away for a while, then without TLS for a while, then well: no two alike. */
const MIXED = Array.from({ length: 14 }, (_, n) => {
  const away = ((n * 7) % 25) * HOUR
  const noTls = ((n * 11) % 9) * HOUR
  const serve = (elapsed: number) => (elapsed < away ? AWAY : elapsed < away + noTls ? NO_TLS : 'takes it')
  return { name: `mixed${n}`, serve }
})

/** Minutes after queueing at which the documented waits lead to an attempt: 1, 2, 5, 10, 20, 30 ..., and at 2 h. */
const upTo = (last: number): number[] => {
  const times = [0, 1, 3, 8, 18, 38, 68, 98, 120]
  while ((times.at(-1) ?? 0) + 30 < last) times.push((times.at(-1) ?? 0) + 30)
  return [...times, last]
}

interface Told {
  minute: number
  action: 'delayed' | 'failed'
  status: string
  recipients: string[]
}

describe('24 hours of a partner’s failure, played', function () {
  this.timeout(60_000)
  const settings = settingsOf('[main]\ninternal_domains[]=uni.test\n[ndr]\ncoalesce=0s\n')
  const sealKey = randomBytes(32)
  let clock: SinonFakeTimers
  let dir: string
  let running: Process
  /** Attempts at a recipient, and what its sender was told: minutes after queueing. */
  const attempts = new Map<string, number[]>()
  const told: Told[] = []
  const problems: string[] = []
  const minute = () => (Date.now() - START) / MINUTE

  before(async () => {
    dir = tempDir()
    mkdirSync(path.join(dir, 'queue'))
    clock = useFakeTimers({ now: START, toFake: ['Date', 'setTimeout', 'clearTimeout'] })
    try {
      queue('M-notls.1.1', ['notls@partner.test'])
      queue('M-away.1.1', ['away@partner.test'])
      queue('M-back.1.1', ['back@partner.test'])
      queue('M-soon.1.1', ['soon@partner.test'])
      queue('M-changing.1.1', ['changing@partner.test'])
      queue('M-two.1.1', ['good@partner.test', 'notls@partner.test'])
      for (const { name } of MIXED) queue(`M-${name}.1.1`, [`${name}@partner.test`])
      running = await begin()
      for (const end of [...RESTARTS, 25 * HOUR]) {
        await running.playUntil(START + end)
        await running.end()
        if (end < 25 * HOUR) running = await begin()
      }
    } finally {
      clock.restore()
    }
  })
  after(() => {
    removeTempDirs()
    removeInstances()
  })

  /** A file in Haraka's queue: four bytes of length, the envelope, the message. */
  function queue(uuid: string, recipients: readonly string[]): void {
    const mailId = mailIdOf(uuid)
    const notes = sealNotes(
      {
        ...{ v: 1, mailId, sender: 'anne@uni.test', recipients, kind: 'mail', caseId: caseId(mailId), category: null },
        ...{ grant: null, requiretls: false, digest: null, acceptedAt: START },
        optOut: { requested: false, refusals: [] },
      },
      sealKey,
    )
    const address = (text: string) => ({ user: text.split('@')[0], host: text.split('@')[1], original: `<${text}>` })
    const todo = {
      ...{ queue_time: START, domain: 'partner.test', uuid, notes: { [NOTES_KEY]: notes } },
      rcpt_to: recipients.map(address),
      mail_from: address('anne@uni.test'),
    }
    const envelope = Buffer.from(JSON.stringify(todo))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(envelope.length)
    const message = 'From: <anne@uni.test>\r\nSubject: Hi\r\nMessage-ID: <m@uni.test>\r\n\r\nthe body\r\n'
    const name = queueFile.name({ uid: mailId.replace(/[^a-z]/gi, '') })
    writeFileSync(path.join(dir, 'queue', name), Buffer.concat([length, envelope, Buffer.from(message)]))
  }

  interface Process {
    playUntil(end: number): Promise<void>
    /** As a crash leaves it: nothing is told to anybody, only the disk stays. */
    end(): Promise<void>
  }

  /** A process that starts on what is on the disk. */
  async function begin(): Promise<Process> {
    const store = await openLmdbStore({ path: path.join(dir, 'store'), clock: { now: () => Date.now() } })
    const waiting: { at: number; item: HMailItem }[] = []
    const haraka = modules(waiting)
    const runtime = runtimeOn(haraka, store, settings)
    for (const name of readdirSync(path.join(dir, 'queue'))) {
      const item = itemOf(name)
      waiting.push({ at: Math.max(item.next_process, Date.now()), item })
    }
    return {
      async playUntil(end) {
        for (;;) {
          const next = waiting.sort((a, b) => a.at - b.at)[0]
          if (next === undefined || next.at > end) break
          waiting.shift()
          clock.tick(next.at - Date.now())
          await settled(live(haraka, runtime, next.item))
        }
        clock.tick(end - Date.now())
      },
      end: () => store.close(),
    }
  }

  /** Timers that are due while something is awaited have their turn; real input and output as well. */
  async function settled(work: Promise<void>): Promise<void> {
    const state = { done: false }
    const watched = work.finally(() => {
      state.done = true
    })
    while (!state.done) {
      await new Promise(setImmediate)
      clock.tick(0)
    }
    await watched
  }

  function itemOf(filename: string): HMailItem {
    const file = path.join(dir, 'queue', filename)
    const bytes = readFileSync(file)
    const data_start = 4 + bytes.readUInt32BE(0)
    const todo = JSON.parse(bytes.subarray(4, data_start).toString()) as Todo
    for (const address of [todo.mail_from, ...todo.rcpt_to]) address.isNull = () => false
    const parts = queueFile.parts(filename)
    const nothing = () => undefined
    return {
      ...{ path: file, filename, todo, notes: todo.notes, file_size: bytes.length, data_start },
      ...{ next_process: parts?.next_attempt ?? 0, num_failures: parts?.attempts ?? 0, next_cb: nothing },
      ...{ logdebug: nothing, loginfo: nothing, lognotice: nothing, logwarn: nothing },
      logerror: (...data: unknown[]) => problems.push(data.join(' ')),
    } as unknown as HMailItem
  }

  function modules(waiting: { at: number; item: HMailItem }[]): HarakaModules {
    const pushed: HMailItem[] = []
    return {
      Notes: function notes(this: object, given: object) {
        Object.assign(this, given)
      },
      plugins: { registered_hooks: {} },
      queueFile,
      queue: {
        queue_dir: path.join(dir, 'queue'),
        delivery_queue: { push: (item: HMailItem) => pushed.push(item) },
        temp_fail_queue: {
          add(_id: string, milliseconds: number, due: () => void) {
            due()
            for (const item of pushed.splice(0)) waiting.push({ at: Date.now() + milliseconds, item })
          },
        },
      },
      outbound: {
        send_email(_from: string, _to: string, text: string, done: (code: number) => void) {
          const all = (name: string) =>
            [...text.matchAll(new RegExp(`^${name}: (.*)\r$`, 'gm'))].map(([, one]) => one ?? '')
          told.push({
            minute: minute(),
            action: all('Action')[0] as Told['action'],
            status: all('Status')[0] ?? '',
            recipients: all('Final-Recipient').map((one) => one.replace('rfc822; ', '')),
          })
          done(CODE.ok)
        },
      },
    } as unknown as HarakaModules
  }

  function runtimeOn(haraka: HarakaModules, store: Store, current: Settings): Runtime {
    const partial = {
      clock: { now: () => Date.now() },
      settings: () => current,
      templates: packageTemplates,
      store,
      recipients: savedAgain(recipientRecords(store)),
      sealKey,
      audit: { tell: () => undefined, written: () => Promise.resolve() },
      deliverer: { deliver },
      sts: { lookup: () => Promise.resolve({ state: 'absent' }), recheck: () => Promise.resolve(false) },
      hostname: 'gateway.uni.test',
      signal: new AbortController().signal,
      reportError: (what: string, error: unknown) => problems.push(`${what}: ${String(error)}`),
    } as unknown as Omit<Runtime, 'reporter'>
    return { ...partial, reporter: createReporter(haraka, partial) }
  }

  async function deliver(request: DeliveryRequest) {
    const outcomes: RecipientOutcome[] = []
    for (const recipient of request.recipients) {
      const name = `${request.mailId} ${recipient}`
      attempts.set(name, [...(attempts.get(name) ?? []), minute()])
      const local = recipient.split('@')[0] ?? ''
      const server = SERVERS[local] ?? MIXED.find(({ name }) => name === local)?.serve
      const answer = server?.(Date.now() - START) ?? AWAY
      const at = { host: 'mx.partner.test', address: '192.0.2.1', port: 25 }
      const outcome: RecipientOutcome =
        answer === 'takes it'
          ? {
              recipient,
              result: 'delivered',
              ...at,
              response: '250 ok',
              tls: null,
              authenticated: false,
              lmtp: false,
              offersDsn: false,
            }
          : { recipient, result: 'deferred', failure: { ...answer, mx: at.host } }
      await request.onOutcome(outcome)
      outcomes.push(outcome)
    }
    return { outcomes, attempts: [] }
  }

  const attemptsAt = (name: string) => attempts.get(name)
  const toldAbout = (recipient: string, among = told) =>
    among
      .filter(({ recipients }) => recipients.includes(recipient))
      .map(({ minute: when, action, status }) => [when, action, status])

  it('no TLS: tried at the documented times, one notice at 2 h, the report at 4 h', () => {
    assert.deepEqual(attemptsAt('M-notls.1 notls@partner.test'), upTo(240))
    assert.deepEqual(attemptsAt('M-two.1 notls@partner.test'), upTo(240))
    // two mails
    assert.deepEqual(toldAbout('notls@partner.test'), [
      [120, 'delayed', '4.7.4'],
      [120, 'delayed', '4.7.4'],
      [240, 'failed', '5.7.4'],
      [240, 'failed', '5.7.4'],
    ])
  })

  it('away: the same, and the report at 23 h', () => {
    assert.deepEqual(attemptsAt('M-away.1 away@partner.test'), upTo(23 * 60))
    assert.deepEqual(toldAbout('away@partner.test'), [
      [120, 'delayed', '4.4.1'],
      [23 * 60, 'failed', '5.4.7'],
    ])
  })

  it('away for 10 h, then back without TLS: 4 h from then', () => {
    assert.deepEqual(attemptsAt('M-changing.1 changing@partner.test'), upTo(14 * 60))
    assert.deepEqual(toldAbout('changing@partner.test'), [
      [120, 'delayed', '4.4.1'],
      [14 * 60, 'failed', '5.7.4'],
    ])
  })

  it('back after 5 h: delivered once, one notice, no report', () => {
    assert.deepEqual(attemptsAt('M-back.1 back@partner.test'), upTo(300))
    assert.deepEqual(toldAbout('back@partner.test'), [[120, 'delayed', '4.4.1']])
  })

  it('back after 10 minutes: delivered once, and nobody hears of it', () => {
    assert.deepEqual(attemptsAt('M-soon.1 soon@partner.test'), [0, 1, 3, 8, 18])
    assert.deepEqual(toldAbout('soon@partner.test'), [])
  })

  it('who was served is never tried again, and not reported, whatever becomes of the others in the mail', () => {
    assert.deepEqual(attemptsAt('M-two.1 good@partner.test'), [0])
    assert.deepEqual(toldAbout('good@partner.test'), [])
  })

  it('from acceptance to the final report: p50, p95 and the latest, none after 23 h; of each mail one end', () => {
    const ends = MIXED.map(({ name, serve }) => {
      const about = toldAbout(`${name}@partner.test`).filter(([, action]) => action === 'failed')
      const last = attempts.get(`M-${name}.1 ${name}@partner.test`)?.at(-1) ?? 0
      return { reports: about.length, delivered: serve(last * MINUTE) === 'takes it' ? 1 : 0 }
    })
    assert.ok(ends.every(({ reports, delivered }) => reports + delivered === 1))
    const minutes = told.filter(({ action }) => action === 'failed').map(({ minute: when }) => when)
    minutes.sort((a, b) => a - b)
    const quantile = (share: number) => minutes[Math.ceil(share * minutes.length) - 1]
    assert.deepEqual(
      { count: minutes.length, p50: quantile(0.5), p95: quantile(0.95), max: quantile(1) },
      { count: 10, p50: 13 * 60, p95: 23 * 60, max: 23 * 60 },
    )
  })

  it('after a day nothing is left, and nothing went wrong on the way', () => {
    assert.deepEqual(readdirSync(path.join(dir, 'queue')), [])
    assert.deepEqual(problems, [])
    assert.ok(told.every(({ minute: when }) => when <= 24 * 60))
  })
})
