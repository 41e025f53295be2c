import assert from 'node:assert/strict'
import sinon from 'sinon'
import { background, guard, withDeadline, type HookResult } from '../../plugins/guard'
import type { HarakaPlugin } from '../../plugins/haraka'

const plugin = {} as HarakaPlugin

function guarded(hook: () => Promise<HookResult> | HookResult, deadline = 1000) {
  const report = sinon.spy()
  return { report, run: guard({ hook: 'test', deadline, onFailure: [903, 'failed'], report }, hook) }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('guard', () => {
  it('passes on the answer of the hook', async () => {
    const next = sinon.spy()
    guarded(() => Promise.resolve([906, 'fine'])).run.call(plugin, next)
    await settle()
    sinon.assert.calledOnceWithExactly(next, 906, 'fine')
  })

  for (const [what, hook] of [
    [
      'throws',
      () => {
        throw new Error('boom')
      },
    ],
    ['rejects', () => Promise.reject(new Error('boom'))],
    ['rejects without words', () => Promise.reject(new Error())],
  ] as [string, () => Promise<HookResult>][]) {
    it(`answers the failure when the hook ${what}, and reports it`, async () => {
      const next = sinon.spy()
      const { run, report } = guarded(hook)
      run.call(plugin, next)
      await settle()
      sinon.assert.calledOnceWithExactly(next, 903, 'failed')
      sinon.assert.calledOnce(report)
    })
  }

  it('answers the failure when the hook takes too long, and ignores the late answer', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const next = sinon.spy()
      let late: (result: HookResult) => void = () => undefined
      const { run } = guarded(() => new Promise((resolve) => (late = resolve)), 60_000)
      run.call(plugin, next)
      clock.tick(59_999)
      sinon.assert.notCalled(next)
      clock.tick(2)
      sinon.assert.calledOnceWithExactly(next, 903, 'failed')
      late([906])
      await settle()
      sinon.assert.calledOnce(next)
    } finally {
      clock.restore()
    }
  })
})

describe('background', () => {
  it('never lets a rejection or an exception out', async () => {
    const report = sinon.spy()
    background('a', report, () => Promise.reject(new Error('later')))
    background('b', report, () => {
      throw new Error('now')
    })
    await settle()
    assert.deepEqual(report.args.map(([what]) => String(what)).sort(), ['a', 'b'])
  })
})

describe('withDeadline', () => {
  it('gives what the promise gives', async () => {
    assert.equal(await withDeadline(Promise.resolve(1), 1000, 'x'), 1)
  })
  it('rejects when the time is up, saying what was waited for', async () => {
    await assert.rejects(withDeadline(new Promise(() => undefined), 5, 'the store'), /the store: no answer/)
  })
})
