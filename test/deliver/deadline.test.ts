import assert from 'node:assert/strict'
import fc from 'fast-check'
import { delayNoticeDue, nextStep, recordAttempt } from '../../lib/deliver/deadline'
import type { HostAttempt, RecipientOutcome } from '../../lib/deliver/types'
import type { Failure } from '../../lib/failure'
import type { RecipientRecord } from '../../lib/store/types'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const START = Date.UTC(2026, 10, 23, 20, 0, 0)

const settings = {
  ndr: { tlsFailureAfter: 4 * HOUR, undeliverableAfter: 23 * HOUR, delayNoticeAfter: 2 * HOUR },
  delivery: { retry: [1, 2, 5, 10, 20, 30].map((minutes) => minutes * MINUTE) },
}

const fresh: RecipientRecord = {
  queuedAt: START,
  state: 'pending',
  reported: false,
  delayNoticeSent: false,
  attempts: 0,
  tlsFailingSince: null,
  history: [],
}

function failure(resultType: Failure['resultType'], enhancedCode: string): Failure {
  return { resultType, enhancedCode, publicText: `text of ${resultType}` }
}

const noTls = failure('starttls-not-supported', '4.7.4')
const badCertificate = failure('certificate-expired', '4.7.5')
const away = failure('connection-failed', '4.4.1')
const greylisted = failure('smtp-deferred', '4.2.0')
const noUser = failure('smtp-rejected', '5.1.1')

function outcome(of: Failure, onEveryHost?: boolean): RecipientOutcome {
  return {
    recipient: 'a@b.test',
    result: of.enhancedCode.startsWith('5') ? 'failed' : 'deferred',
    failure: of,
    ...(onEveryHost === undefined ? {} : { onEveryHost }),
  }
}

const delivered: RecipientOutcome = {
  recipient: 'a@b.test',
  result: 'delivered',
  host: 'mx',
  address: '192.0.2.1',
  port: 25,
  response: '250 ok',
  tls: null,
  authenticated: false,
  lmtp: false,
  offersDsn: false,
}

const attempt: HostAttempt = { host: 'mx', at: new Date(START).toISOString(), ok: false }

/** Plays a mail's life: an attempt whenever one is due. */
function play(
  meet: (elapsed: number, attempt: number) => Failure,
  from: RecipientRecord = fresh,
): { attempts: number[]; reportedAt: number; failure: Failure; record: RecipientRecord } {
  let record = from
  let now = from.queuedAt
  const attempts: number[] = []
  for (let turn = 0; turn < 5_000; turn += 1) {
    attempts.push(now - from.queuedAt)
    record = recordAttempt(record, outcome(meet(now - from.queuedAt, turn)), [attempt], now)
    // A restart between any two steps changes nothing.
    record = JSON.parse(JSON.stringify(record)) as RecipientRecord
    const step = nextStep(record, now, settings)
    if (step.step === 'report') return { attempts, reportedAt: now - from.queuedAt, failure: step.failure, record }
    assert.ok(step.at > now, 'time goes on')
    now = step.at
  }
  throw new Error('never reported')
}

describe('deliver: deadlines', () => {
  it('24 hours of a server that is away: 1, 2, 5, 10, 20, 30 min, then every 30, one at 2 h and the last exactly at 23 h', () => {
    const { attempts, reportedAt, failure: final } = play(() => away)
    assert.deepEqual(
      attempts.slice(0, 9).map((time) => time / MINUTE),
      [0, 1, 3, 8, 18, 38, 68, 98, 120],
    )
    assert.equal(reportedAt, 23 * HOUR)
    assert.equal(attempts.at(-1), 23 * HOUR)
    assert.equal(final.resultType, 'connection-failed')
    assert.equal(final.enhancedCode, '5.4.7')
    assert.match(final.privateDetail ?? '', /connection-failed 4\.4\.1/)
  })

  const lives: { name: string; meet: (elapsed: number) => Failure; at: number; resultType: string; code: string }[] = [
    { name: 'no TLS, always', meet: () => noTls, at: 4 * HOUR, resultType: 'starttls-not-supported', code: '5.7.4' },
    {
      name: 'expired certificate, always',
      meet: () => badCertificate,
      at: 4 * HOUR,
      resultType: 'certificate-expired',
      code: '5.7.5',
    },
    { name: 'greylisted for ever', meet: () => greylisted, at: 23 * HOUR, resultType: 'smtp-deferred', code: '5.4.7' },
    { name: 'no such user at once', meet: () => noUser, at: 0, resultType: 'smtp-rejected', code: '5.1.1' },
    {
      name: 'away, then no such user',
      meet: (t) => (t < HOUR ? away : noUser),
      at: 68 * MINUTE,
      resultType: 'smtp-rejected',
      code: '5.1.1',
    },
    {
      name: 'away for 10 h, then no TLS: 4 h from the first',
      meet: (t) => (t < 10 * HOUR ? away : noTls),
      at: 10 * HOUR + 4 * HOUR,
      resultType: 'starttls-not-supported',
      code: '5.7.4',
    },
    {
      name: 'away for 21 h, then no TLS: the whole time is up first',
      meet: (t) => (t < 21 * HOUR ? away : noTls),
      at: 23 * HOUR,
      resultType: 'starttls-not-supported',
      code: '5.7.4',
    },
    {
      name: 'two causes of TLS failure are one row',
      meet: (t) => (t < HOUR ? noTls : badCertificate),
      at: 4 * HOUR,
      resultType: 'certificate-expired',
      code: '5.7.5',
    },
    {
      name: 'no TLS, with one greylisting in between: the row starts again',
      meet: (t) => (t >= 2 * HOUR && t < 2 * HOUR + 10 * MINUTE ? greylisted : noTls),
      at: 2 * HOUR + 30 * MINUTE + 4 * HOUR,
      resultType: 'starttls-not-supported',
      code: '5.7.4',
    },
    {
      name: 'our own disk, always',
      meet: () => failure('local-error', '4.3.0'),
      at: 23 * HOUR,
      resultType: 'local-error',
      code: '5.4.7',
    },
  ]
  for (const life of lives) {
    it(`${life.name}: reported after ${life.at / MINUTE} min as ${life.code} ${life.resultType}`, () => {
      const played = play(life.meet)
      assert.equal(played.reportedAt, life.at)
      assert.equal(played.attempts.at(-1), life.at, 'one attempt exactly at the deadline')
      assert.equal(played.failure.resultType, life.resultType)
      assert.equal(played.failure.enhancedCode, life.code)
    })
  }

  it('a TLS failure beside another cause on another MX waits the whole time', () => {
    const record = recordAttempt(fresh, outcome(noTls, false), [], START)
    assert.equal(record.tlsFailingSince, null)
    assert.equal(nextStep(record, START + 22 * HOUR, settings).step, 'retry')
    const last = nextStep(record, START + 23 * HOUR, settings)
    assert.equal(last.step === 'report' && last.failure.enhancedCode, '5.7.4')
  })

  it('after a long stop: one attempt, then the report', () => {
    const record = { ...fresh, attempts: 3, lastFailure: away }
    const after = recordAttempt(record, outcome(away), [], START + 72 * HOUR)
    assert.equal(nextStep(after, START + 72 * HOUR, settings).step, 'report')
  })

  it('nothing tried yet: now', () => {
    assert.deepEqual(nextStep(fresh, START + 5, settings), { step: 'retry', at: START + 5 })
    assert.equal(delayNoticeDue(fresh, START + 3 * HOUR, settings), false)
  })

  it('one delay notice, after two hours, not beside the report', () => {
    const tried = recordAttempt(fresh, outcome(away), [], START)
    assert.equal(delayNoticeDue(tried, START + 2 * HOUR - 1, settings), false)
    assert.equal(delayNoticeDue(tried, START + 2 * HOUR, settings), true)
    assert.equal(delayNoticeDue({ ...tried, delayNoticeSent: true }, START + 3 * HOUR, settings), false)
    assert.equal(delayNoticeDue(tried, START + 23 * HOUR, settings), false)
    assert.equal(delayNoticeDue({ ...tried, state: 'delivered' }, START + 3 * HOUR, settings), false)
  })

  it('however long the waits are, one attempt comes when the notice is due', () => {
    const patient = { ...settings, delivery: { retry: [12 * HOUR] } }
    const tried = recordAttempt(fresh, outcome(away), [], START)
    assert.deepEqual(nextStep(tried, START, patient), { step: 'retry', at: START + 2 * HOUR })
    const again = recordAttempt(tried, outcome(away), [], START + 2 * HOUR)
    assert.deepEqual(nextStep(again, START + 2 * HOUR, patient), { step: 'retry', at: START + 14 * HOUR })
  })

  it('final states are never left again, history is bounded', () => {
    const done = recordAttempt(fresh, delivered, [attempt], START)
    assert.equal(done.state, 'delivered')
    assert.equal(recordAttempt(done, outcome(away), [attempt], START + HOUR), done)
    assert.throws(() => nextStep(done, START, settings), RangeError)
    const failed = recordAttempt(fresh, outcome(noUser), [], START)
    assert.equal(failed.state, 'failed')
    assert.equal(recordAttempt(failed, delivered, [], START), failed)
    let record = fresh
    for (let n = 0; n < 60; n += 1)
      record = recordAttempt(record, outcome(away), [{ ...attempt, host: `mx${n}` }], START + n)
    assert.deepEqual(
      [record.history.length, record.history[0]?.host, record.history.at(-1)?.host],
      [20, 'mx40', 'mx59'],
    )
    assert.equal(fresh.history.length, 0)
  })

  it('a clock set back below the time of queueing: the day still ends', () => {
    let record = fresh
    let now = START
    let lived = 0
    for (let turn = 0; turn < 1_000; turn += 1) {
      record = recordAttempt(record, outcome(away), [], now)
      const step = nextStep(record, now, settings)
      if (step.step === 'report') {
        assert.equal(step.failure.enhancedCode, '5.4.7')
        assert.ok(lived >= 22 * HOUR && lived <= 24 * HOUR, `${lived / HOUR} h`)
        return
      }
      lived += step.at - now
      now = turn === 4 ? step.at - 1_000 * HOUR : step.at
    }
    assert.fail('never reported')
  })

  it('nonsense in the list of waits is neither a busy loop nor for ever', () => {
    const tried = recordAttempt(fresh, outcome(away), [], START)
    for (const retry of [[], [0], [-5], [NaN], [Infinity]]) {
      const step = nextStep(tried, START, { ...settings, delivery: { retry } })
      assert.ok(
        step.step === 'retry' && step.at >= START + 1_000 && step.at <= START + 23 * HOUR,
        JSON.stringify(retry),
      )
    }
  })

  it('undeliverableAfter beyond a day is a day', () => {
    const tried = recordAttempt(fresh, outcome(away), [], START)
    const lax = { ...settings, ndr: { ...settings.ndr, undeliverableAfter: 99 * HOUR } }
    assert.equal(nextStep(tried, START + 24 * HOUR - 1, lax).step, 'retry')
    assert.equal(nextStep(tried, START + 24 * HOUR, lax).step, 'report')
  })

  it('whatever happens: reported in time, not before a permanent failure or a deadline, never later than a day', () => {
    const any = fc.constantFrom(noTls, badCertificate, away, greylisted, noUser)
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 80 }), (failures) => {
        const met: { at: number; failure: Failure }[] = []
        const played = play((elapsed, turn) => {
          const one = failures[turn % failures.length]!
          met.push({ at: elapsed, failure: one })
          return one
        })
        const last = met.at(-1)!
        assert.ok(played.reportedAt <= settings.ndr.undeliverableAfter)
        assert.ok(played.failure.enhancedCode.startsWith('5.'))
        assert.ok(met.slice(0, -1).every((one) => one.failure !== noUser))
        if (last.failure === noUser) return
        const lastOther = met.findLastIndex((one) => one.failure !== noTls && one.failure !== badCertificate)
        const row = met[lastOther + 1]
        const tlsUp = row !== undefined && played.reportedAt - row.at >= settings.ndr.tlsFailureAfter
        assert.ok(tlsUp || played.reportedAt === settings.ndr.undeliverableAfter)
        assert.equal(played.failure.enhancedCode === '5.4.7', lastOther === met.length - 1)
      }),
    )
  })
})
