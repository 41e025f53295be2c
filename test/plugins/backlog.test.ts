/** Mails that are only names: read a few at a time, in turn, and never behind a partner that takes none. */
import assert from 'node:assert/strict'
import sinon from 'sinon'
import {
  begin,
  end,
  isNameDue,
  lineUp,
  namesDue,
  openBacklog,
  READ_AT_ONCE,
  takeName,
  UNDER_WAY,
} from '../../plugins/backlog'
import type { HarakaModules, HMailItem } from '../../plugins/haraka'
import { dueMails, isDue, takeOut, watchWaiting } from '../../plugins/waiting-room'

/** A process whose files are read when the test says so, and whose deliveries begin and end when it says so. */
function gateway(places: (domain: string) => number = () => 5) {
  const clock = sinon.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const files = new Set<HMailItem>()
  const forgotten: HMailItem[] = []
  const opened: (() => void)[] = []
  const tasks: HMailItem[] = []
  let paused = false
  const domains = new Map<string, string>()
  const haraka = {
    queueFile: {
      parts: (name: string) => {
        const [arrival, next, , , uid] = name.split('_')
        return uid === undefined ? null : { arrival: Number(arrival), next_attempt: Number(next), uid }
      },
    },
    queue: {
      queue_dir: '/queue',
      delivery_queue: { tasks, push: (item: HMailItem) => tasks.push(item) },
      temp_fail_queue: { add: () => assert.fail('its time has come') },
      _add_file: () => assert.fail('Haraka would read all files at once'),
    },
    HMailItem: class {
      next_process = 0
      todo: { domain: string | undefined }
      constructor(readonly filename: string) {
        this.todo = { domain: domains.get(filename) }
      }
    },
  } as unknown as HarakaModules
  openBacklog(haraka, {
    opened: () => new Promise((resolve) => opened.push(() => resolve(true))),
    isPaused: () => paused,
    places,
    canBeRead: (item) => files.has(item),
    forget: (item) => void forgotten.push(item),
  })
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  return {
    haraka,
    tasks,
    /** Items that have a file by now, and those that were given up for their file. */
    files,
    forgotten,
    tick: (milliseconds: number): void => void clock.tick(milliseconds),
    arrive: (domain: string, count = 1): string[] =>
      Array.from({ length: count }, () => {
        const filename = `1_2_0_9_back${++made}_1_h`
        domains.set(filename, domain)
        lineUp(haraka, filename)
        return filename
      }),
    /** All files that are being read are. */
    read: async (): Promise<void> => {
      for (const done of opened.splice(0)) done()
      await settled()
    },
    /** Who has been read goes on. @returns the domains of those that are under way now */
    go: (): string[] => tasks.splice(0).flatMap((item) => (begin(haraka, item, true) ? [item.todo?.domain ?? ''] : [])),
    pause: (on: boolean): void => {
      paused = on
    },
  }
}

let made = 0

describe('mails that are only names', () => {
  /** Nothing is left for the next test: the backlog is one for the process. */
  afterEach(() => {
    for (const { identity } of [...namesDue()]) takeName(identity)
    sinon.restore()
  })

  it('are read a few at a time, in their order', async () => {
    const { tasks, arrive, read } = gateway()
    const names = arrive('order.test', READ_AT_ONCE + 10)
    assert.deepEqual(
      tasks.map(({ filename }) => filename),
      names.slice(0, READ_AT_ONCE),
    )
    await read()
    assert.deepEqual(
      tasks.map(({ filename }) => filename),
      names,
    )
    await read()
  })

  it('not while delivery is paused', async () => {
    const { haraka, tasks, arrive, read, pause } = gateway()
    pause(true)
    arrive('paused.test', 3)
    assert.equal(tasks.length, 0)
    pause(false)
    lineUp(haraka, '1_2_0_9_last_1_h')
    assert.equal(tasks.length, 4)
    await read()
  })

  it('of one domain only so many are under way, the others stand aside and others pass', async () => {
    const { haraka, arrive, read, go } = gateway((domain) => (domain === 'well.test' ? 20 : 5))
    arrive('dead.test', 200)
    arrive('well.test', 80)
    let begun: string[] = []
    for (let turn = 0; turn < 10; turn += 1) {
      await read()
      begun = [...begun, ...go()]
    }
    const of = (domain: string) => begun.filter((one) => one === domain).length
    assert.equal(of('dead.test'), 5)
    assert.equal(of('well.test'), 60, 'three for each connection')
    assert.equal([...namesDue()].length, 195 + 20)
    // one ends, one follows
    end(haraka, 'dead.test', true)
    await read()
    assert.deepEqual(go(), ['dead.test'])
    for (let n = 0; n < 5; n += 1) end(haraka, 'dead.test', true)
    for (let n = 0; n < 60; n += 1) end(haraka, 'well.test', true)
    for (const { identity } of [...namesDue()]) takeName(identity)
    await read()
    for (const domain of go()) end(haraka, domain, true)
  })

  it('all of them go their way in the end, whatever destinations can take', async () => {
    const { haraka, tasks, arrive, read, go } = gateway((domain) => 1 + (domain.length % 9))
    const expected = ['a.test', 'bb.test', 'ccc.test', 'dddd.test', 'eeeee.test'].flatMap((domain) =>
      arrive(domain, 100),
    )
    let done = 0
    for (let turn = 0; turn < 1000 && done < expected.length; turn += 1) {
      await read()
      for (const domain of go()) {
        done += 1
        end(haraka, domain, true)
      }
    }
    assert.equal(done, expected.length)
    assert.deepEqual([...namesDue()], [])
    assert.equal(tasks.length, 0)
  })

  it('hundreds of dead destinations do not keep a healthy one from its turn', async () => {
    const { haraka, arrive, read, go } = gateway()
    for (let n = 0; n < 600; n += 1) arrive(`dead${n}.test`, 10)
    arrive('healthy.test')
    const begun: string[] = []
    for (let turn = 0; turn < 300; turn += 1) {
      await read()
      begun.push(...go())
    }
    assert.ok(begun.includes('healthy.test'))
    assert.ok(begun.length < UNDER_WAY)
    for (const domain of begun) end(haraka, domain, true)
    for (const { identity } of [...namesDue()]) takeName(identity)
    for (let turn = 0; turn < 3; turn += 1) {
      await read()
      for (const domain of go()) end(haraka, domain, true)
    }
  })

  it('mail that has no file of its own stands aside as it is, and comes again as the same item', () => {
    const { haraka, arrive, tasks } = gateway(() => 1)
    watchWaiting(haraka)
    const names = arrive('journal.test', 3)
    const items = tasks.splice(0)
    assert.deepEqual(
      items.map((item) => begin(haraka, item, false)),
      [true, false, false],
    )
    assert.deepEqual(tasks, [])
    assert.deepEqual(
      dueMails(haraka).map(({ item }) => item),
      items.slice(1),
    )
    end(haraka, 'journal.test', false)
    assert.deepEqual(tasks.splice(0), [items[1]])
    assert.equal(begin(haraka, items[1]!, false), true)
    assert.equal(takeOut(haraka, `1_${names[2]!.split('_')[4]!}`), items[2])
    end(haraka, 'journal.test', false)
    assert.deepEqual(tasks, [])
  })

  it('and becomes a name when it has got a file meanwhile', async () => {
    const { haraka, arrive, tasks, files, forgotten, read, tick } = gateway(() => 1)
    arrive('filed.test', 3)
    const items = tasks.splice(0)
    for (const item of items) begin(haraka, item, false)
    files.add(items[1]!)
    tick(1000)
    assert.deepEqual(forgotten, [items[1]])
    assert.deepEqual(
      [...namesDue()].map(({ item }) => item),
      [undefined, items[2]],
    )
    end(haraka, 'filed.test', false)
    await read()
    const [again] = tasks.splice(0)
    assert.equal(again?.filename, items[1]!.filename)
    assert.notEqual(again, items[1])
  })

  it('are seen by `queue list`, and taken out by `queue bounce`', async () => {
    const { haraka, arrive, read, go } = gateway(() => 1)
    watchWaiting(haraka)
    const names = arrive('seen.test', 2)
    await read()
    assert.deepEqual(go(), ['seen.test'])
    const identity = `1_${names[1]!.split('_')[4]!}`
    assert.ok(isNameDue(identity) && isDue(haraka, identity))
    assert.ok(dueMails(haraka).some((mail) => mail.identity === identity && mail.item === undefined))
    assert.equal(takeOut(haraka, identity)?.filename, names[1])
    assert.equal(takeOut(haraka, identity), undefined)
    assert.ok(!isDue(haraka, identity))
    end(haraka, 'seen.test', true)
  })
})
