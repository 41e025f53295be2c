import assert from 'node:assert/strict'
import { isAlive, planMails, planPartners } from '../../bench/queue/plan'
import { figuresOf, renderQueue, type QueueRun } from '../../bench/queue/result'
import { zeroCounters, type SinkCounters } from '../../bench/sink/counters'

describe('bench: a big queue', () => {
  const partners = planPartners(500, 20_000)

  it('has all mails, a fifth of the destinations dead, in each way as many', () => {
    assert.equal(
      partners.reduce((sum, { mails }) => sum + mails, 0),
      20_000,
    )
    assert.ok(partners.every(({ mails }) => mails > 0))
    assert.equal(new Set(partners.map(({ address }) => address)).size, 500)
    const count = (kind: string) => partners.filter((partner) => partner.kind === kind).length
    for (const kind of ['refused', 'black hole', 'silent', 'no STARTTLS', 'handshake hangs'])
      assert.equal(count(kind), 20)
    assert.equal(partners.filter(isAlive).length, 400)
    assert.ok(count('slow') > 5)
  })

  it('is the same in every run, mixed, and mostly small mails', () => {
    const mails = planMails(partners)
    assert.deepEqual(planMails(partners).slice(0, 50), mails.slice(0, 50))
    assert.equal(mails.length, 20_000)
    assert.ok(new Set(mails.slice(0, 100).map(({ domain }) => domain)).size > 30)
    const sizes = mails.map(({ bytes }) => bytes).sort((a, b) => a - b)
    assert.ok(sizes[10_000]! < 10_000 && sizes.at(-1)! > 100_000)
  })

  const few = planPartners(10, 100)
  const dead = few.filter((one) => !isAlive(one)).reduce((sum, { mails }) => sum + mails, 0)
  const run = (change: (counters: Record<string, SinkCounters>) => void = () => undefined): QueueRun => {
    const counters = Object.fromEntries(
      few.map(({ domain, mails, kind }) => {
        const messages = isAlive({ kind }) ? mails : 0
        return [domain, { ...zeroCounters(), messages, tlsMessages: messages, firstArrival: 2_000, lastArrival: 5_000 }]
      }),
    )
    change(counters)
    return {
      ...{ partners: few, counters, atHalf: counters, startedAt: 1_000, left: dead, acceptSeconds: 1, cpu: 100 },
      ...{ foreign: 0, memory: { empty: 1, accepting: 2, draining: 3 } },
    }
  }

  it('tells how long partners had to wait', () => {
    const figures = figuresOf(run((counters) => (counters['p1.queue.test']!.lastArrival = 9_000)))
    assert.deepEqual([figures.first.longest, figures.all.median, figures.all.longest], [1, 4, 8])
    assert.deepEqual(figures.problems, [])
  })

  it('says what makes a run worthless', () => {
    const bad: ((counters: Record<string, SinkCounters>) => void)[] = [
      (counters) => (counters['p0.queue.test']!.messages += 1),
      (counters) => (counters['p0.queue.test']!.messages -= 1),
      (counters) => (counters['p4.queue.test']!.clearEnvelopes = 1),
      (counters) => (counters['p0.queue.test']!.clearMessages = 1),
    ]
    for (const change of bad) {
      assert.equal(figuresOf(run(change)).problems.length, 1)
      assert.match(renderQueue(run(change)), /^FAILED: /m)
    }
    assert.match(renderQueue({ ...run(), left: dead - 1 }), /FAILED: \d+ mails are in the queue/)
    assert.doesNotMatch(renderQueue(run()), /FAILED/)
  })
})
