import assert from 'node:assert/strict'
import sinon from 'sinon'
import { gate, seal } from '../../plugins/gate-hook'
import { keepMailParameters, keepRcptParameters } from '../../plugins/envelope-hooks'
import { guard, type HookResult } from '../../plugins/guard'
import { CODE, type Connection, type HarakaAddress, type HarakaPlugin, type Transaction } from '../../plugins/haraka'
import * as plugin from '../../plugins/index'
import type { Runtime } from '../../plugins/runtime'

const self = { name: 'secure-mail' } as HarakaPlugin
const settle = () => new Promise((resolve) => setImmediate(resolve))

/** Whatever is asked of it, it throws. */
const broken = (): never =>
  new Proxy({} as never, {
    get() {
      throw new Error('broken')
    },
    has() {
      throw new Error('broken')
    },
  })

describe('our hooks when nothing works', () => {
  // not registered, not started: the state that every hook asks for is not there
  for (const [name, args, answer] of [
    ['gate', [broken()], CODE.denysoft],
    ['seal', [broken()], undefined],
    ['init_master', [broken()], CODE.deny],
    ['init_child', [broken()], CODE.deny],
    // what it asked for is not known: REQUIRETLS could be lost
    ['mail_parameters', [broken(), broken()], CODE.denysoft],
    ['capabilities', [broken()], undefined],
    ['inbound', [broken()], CODE.denysoft],
    ['rcpt_parameters', [broken(), broken()], undefined],
  ] as const) {
    it(`${name}: answers ${answer ?? 'nothing'}, and throws nothing`, async () => {
      const next = sinon.spy()
      const hook = plugin[name] as (this: HarakaPlugin, next: sinon.SinonSpy, ...args: unknown[]) => void
      hook.call(self, next, ...args)
      await settle()
      sinon.assert.calledOnce(next)
      assert.equal(next.firstCall.args[0], answer)
    })
  }

  it('shutdown: throws nothing', () => {
    assert.doesNotThrow(() => {
      plugin.shutdown()
    })
  })

  // the real hooks on a runtime, a connection and a transaction that are broken in turn
  const transaction = (): Transaction =>
    ({
      uuid: 'U',
      notes: {},
      rcpt_to: [{ user: 'a', host: 'example.dk', isNull: () => false }],
      mail_from: { user: 'b', host: 'example.dk', isNull: () => false },
      header: { header_list: ['Subject: [unsecure] x\n'] },
      message_stream: broken(),
    }) as unknown as Transaction
  const connection = (more: object = {}): Connection =>
    ({
      transaction: transaction(),
      notes: {},
      remote: { ip: '::1', port: 1 },
      results: broken(),
      ...more,
    }) as unknown as Connection
  const params = [broken(), broken()] as [HarakaAddress, Record<string, string>]
  const never = new Promise<never>(() => undefined)
  const denysoft: HookResult = [CODE.denysoft, 'later']

  for (const [what, hook, onFailure] of [
    ['gate, broken runtime', () => gate(broken(), broken(), connection()), denysoft],
    [
      'gate, broken settings',
      () => gate(broken(), { settings: () => broken() } as unknown as Runtime, connection()),
      denysoft,
    ],
    ['gate, broken transaction', () => gate(broken(), broken(), connection({ transaction: broken() })), denysoft],
    ['seal, broken runtime', () => seal(broken(), transaction()), []],
    ['seal, broken transaction', () => seal(broken(), broken()), []],
    ['MAIL parameters', () => keepMailParameters(broken(), connection(), params), denysoft],
    ['RCPT parameters', () => keepRcptParameters(broken(), connection(), params), []],
  ] as [string, () => Promise<HookResult> | HookResult, HookResult][]) {
    it(`${what}: the answer of a failure, once`, async () => {
      const next = sinon.spy()
      const report = sinon.spy()
      guard({ hook: 'x', deadline: 1000, onFailure, report }, hook).call(self, next)
      await settle()
      sinon.assert.calledOnceWithExactly(next, ...onFailure)
      sinon.assert.calledOnce(report)
    })
  }

  it('a gate that hangs is answered 451 in time', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const next = sinon.spy()
      guard({ hook: 'x', deadline: 60_000, onFailure: denysoft, report: sinon.spy() }, () => never).call(self, next)
      await clock.tickAsync(60_000)
      sinon.assert.calledOnceWithExactly(next, ...denysoft)
    } finally {
      clock.restore()
    }
  })

  it('a hook whose failure cannot even be reported still answers', async () => {
    const next = sinon.spy()
    const report = sinon.stub().throws(new Error('the log is broken, too'))
    guard({ hook: 'x', deadline: 1000, onFailure: denysoft, report }, () => Promise.reject(new Error('broken'))).call(
      self,
      next,
    )
    await settle()
    sinon.assert.calledOnceWithExactly(next, ...denysoft)
  })
})
