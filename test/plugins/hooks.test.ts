import assert from 'node:assert/strict'
import sinon from 'sinon'
import { CODE, type HarakaModules, type HMailItem } from '../../plugins/haraka'
import { HOOK_CHAIN_DEADLINE, responder, runHooks } from '../../plugins/hooks'

/** A queued mail with the property that Haraka's `run_hooks` keeps and the answers' methods. */
function newItem() {
  const cancelled = sinon.spy()
  const logerror = sinon.spy()
  const item = {
    hooks_to_run: ['another'] as unknown[],
    current_hook: [{}, 'hook', cancelled],
    logerror,
    get_mx_respond: responder('get_mx'),
    deferred_respond: responder('deferred'),
  }
  return { item: item as unknown as HMailItem & typeof item, cancelled, logerror }
}

const haraka = (run: (hook: string, item: unknown, params: unknown) => void) =>
  ({
    plugins: { run_hooks: run, registered_hooks: { get_mx: [{}], deferred: [{}] } },
  }) as unknown as Pick<HarakaModules, 'plugins'>

describe('other plugins’ delivery hooks', () => {
  let clock: sinon.SinonFakeTimers
  beforeEach(() => {
    clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    clock.restore()
  })

  it('the answer of the chain is the answer', async () => {
    const { item } = newItem()
    const run = sinon.stub<[string, unknown, unknown], undefined>().callsFake(() => {
      item.get_mx_respond(CODE.ok, 'mx.example')
      return undefined
    })
    assert.deepEqual(await runHooks(haraka(run), item, 'get_mx', 'example'), {
      code: CODE.ok,
      message: 'mx.example',
      timedOut: false,
    })
    sinon.assert.calledOnceWithExactly(run, 'get_mx', item, 'example')
    assert.equal(clock.countTimers(), 0)
  })

  it('no answer in words is "go on"', async () => {
    const { item } = newItem()
    const answer = await runHooks(
      haraka(() => item.get_mx_respond()),
      item,
      'get_mx',
    )
    assert.equal(answer.code, CODE.cont)
  })

  it('where no plugin has that hook, the answer is "go on"', async () => {
    const { item } = newItem()
    const run = sinon.spy(() => item.get_mx_respond())
    const plugins = { run_hooks: run, registered_hooks: {} } as unknown as HarakaModules['plugins']
    assert.equal((await runHooks({ plugins }, item, 'get_mx')).code, CODE.cont)
  })

  it('a chain that never answers is given up, and what still runs is cancelled', async () => {
    const { item, logerror } = newItem()
    const running = sinon.spy()
    const waiting = runHooks(
      haraka(() => {
        item.hooks_to_run = ['next one']
        item.current_hook = [{}, 'hook', running]
      }),
      item,
      'get_mx',
    )
    clock.tick(HOOK_CHAIN_DEADLINE - 1)
    sinon.assert.notCalled(running)
    clock.tick(1)
    const answer = await waiting
    assert.deepEqual([answer.code, answer.timedOut], [CODE.denysoft, true])
    sinon.assert.calledOnce(running)
    assert.deepEqual(item.hooks_to_run, [])
    sinon.assert.calledOnce(logerror)
  })

  it('hooks left over from before are forgotten first: Haraka would throw', async () => {
    const { item, cancelled } = newItem()
    let left: unknown[] | undefined
    await runHooks(
      haraka(() => {
        left = item.hooks_to_run
        item.get_mx_respond()
      }),
      item,
      'get_mx',
    )
    assert.deepEqual(left, [])
    sinon.assert.calledOnce(cancelled)
  })

  it('a late answer, a second one, and one to another question are dropped', async () => {
    const { item } = newItem()
    const first = await runHooks(
      haraka(() => {
        item.deferred_respond(CODE.deny, 'to a question nobody asked')
        item.get_mx_respond(CODE.cont)
        item.get_mx_respond(CODE.ok, 'a second answer')
      }),
      item,
      'get_mx',
    )
    assert.equal(first.code, CODE.cont)
    item.get_mx_respond(CODE.ok, 'late')
    const second = await runHooks(
      haraka(() => {
        item.get_mx_respond(CODE.ok, 'of the wrong chain')
        item.deferred_respond(CODE.denysoft, 5)
      }),
      item,
      'deferred',
    )
    assert.deepEqual([second.code, second.message], [CODE.denysoft, 5])
  })

  it('a chain that cannot even be run is "go on", with a line in the log', async () => {
    const { item, logerror } = newItem()
    const answer = await runHooks(
      haraka(() => {
        throw new Error('We are already running hooks! Fatal error!')
      }),
      item,
      'get_mx',
    )
    assert.deepEqual([answer.code, answer.timedOut], [CODE.cont, false])
    sinon.assert.calledOnce(logerror)
    assert.equal(clock.countTimers(), 0)
  })
})
