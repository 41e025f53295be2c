import assert from 'node:assert/strict'
import type { HarakaModules, HMailItem } from '../../plugins/haraka'
import {
  callNow,
  comeBack,
  dueMails,
  isDue,
  takeOut,
  waitingMails,
  watchWaiting,
  whilePaused,
} from '../../plugins/waiting-room'

/** Haraka's queues as far as they matter, with timers that fire when the test says so. */
function queues() {
  const timers: (() => void)[] = []
  const made: string[] = []
  const tasks: HMailItem[] = []
  const haraka = {
    queueFile: {
      parts: (name: string) => {
        const [arrival, , , , uid] = name.split('_')
        return uid === undefined ? null : { arrival: Number(arrival), uid }
      },
    },
    queue: {
      queue_dir: '/queue',
      delivery_queue: { tasks, push: (item: HMailItem) => tasks.push(item) },
      temp_fail_queue: { add: (_id: string, _milliseconds: number, due: () => void) => timers.push(due) },
      _add_file: () => assert.fail('Haraka would read all files at once, and let some of them wait twice'),
    },
    HMailItem: class {
      filename: string
      next_process = 0
      constructor(filename: string) {
        this.filename = filename
        made.push(filename)
      }
    },
  } as unknown as HarakaModules
  watchWaiting(haraka)
  const fire = () => {
    for (const due of timers.splice(0)) due()
  }
  return { haraka, tasks, made, fire }
}

let count = 0
/** Every test has mails of its own: the room is one for the process. */
const mail = () => {
  const uid = `mail${++count}`
  const item = (tries = 0) =>
    ({ filename: `1_2_${tries}_9_${uid}_1_h`, next_process: 2, todo: { domain: 'x.test' } }) as unknown as HMailItem
  return { identity: `1_${uid}`, item }
}

describe('mails that wait', () => {
  it('come back when their time has come, once', () => {
    const { haraka, tasks, fire } = queues()
    const { identity, item } = mail()
    const one = item()
    comeBack(haraka, one, 5000)
    assert.ok(waitingMails().some((waiting) => waiting.identity === identity && waiting.item === one))
    assert.deepEqual(tasks, [])
    fire()
    assert.deepEqual(tasks, [one])
    assert.ok(!waitingMails().some((waiting) => waiting.identity === identity))
    assert.ok(isDue(haraka, identity))
  })

  it('called early: at once, and not again when the time comes', () => {
    const { haraka, tasks, fire } = queues()
    const { identity, item } = mail()
    const one = item()
    comeBack(haraka, one, 5000)
    assert.deepEqual(callNow(identity), { domain: 'x.test' })
    assert.equal(callNow(identity), undefined)
    fire()
    assert.deepEqual(tasks, [one])
  })

  it('waits anew: the old time does nothing, the new one counts', () => {
    const { haraka, tasks, fire } = queues()
    const { item } = mail()
    const [one, second] = [item(), item(1)]
    comeBack(haraka, one, 5000)
    comeBack(haraka, second, 9000)
    fire()
    assert.deepEqual(tasks, [second], 'one item of a file')
  })

  it('a file of the start waits as a name; it is read when called, and taken out as an item', () => {
    const { haraka, made, fire } = queues()
    const [called, taken] = [mail(), mail()]
    const read: string[] = []
    for (const { item } of [called, taken]) {
      const { filename } = item()
      haraka.queue.temp_fail_queue.add(filename, 5000, () => read.push(filename))
    }
    assert.deepEqual(callNow(called.identity), {})
    assert.deepEqual(read, [called.item().filename])
    assert.equal(takeOut(haraka, taken.identity)?.filename, taken.item().filename)
    assert.deepEqual(made, [taken.item().filename])
    fire()
    assert.equal(read.length, 1)
  })

  it('taken out of the delivery queue: nobody else gets it', () => {
    const { haraka, tasks } = queues()
    const { identity, item } = mail()
    const [one, other] = [item(), mail().item()]
    tasks.push(other, one)
    assert.deepEqual(
      dueMails(haraka).map((due) => due.item),
      [other, one],
    )
    assert.equal(takeOut(haraka, identity), one)
    assert.deepEqual(tasks, [other])
    assert.equal(takeOut(haraka, identity), undefined)
  })

  it('held by a pause: taken out at once, or goes on when the pause ends', async () => {
    const { haraka } = queues()
    const { identity, item } = mail()
    const one = item()
    const held = whilePaused(haraka, one, () => true)
    assert.ok(isDue(haraka, identity))
    assert.equal(takeOut(haraka, identity), one)
    assert.equal(await held, false)
    assert.ok(!isDue(haraka, identity))
    assert.equal(await whilePaused(haraka, one, () => false), true)
  })
})
