import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import sinon from 'sinon'
import { batchedCounters } from '../../lib/store/counters'
import { serialWriter } from '../../lib/store/writer'

/** A disk whose commits end when the test says so. */
function fakeDisk() {
  const commits: { run: () => void; done: () => void; fail: (error: Error) => void }[] = []
  const commit = (work: () => void): Promise<void> =>
    new Promise((resolve, reject) => {
      commits.push({ run: work, done: resolve, fail: reject })
    })
  return { commits, commit }
}

describe('store: one transaction at a time', () => {
  let timers: sinon.SinonFakeTimers
  beforeEach(() => {
    timers = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    timers.restore()
  })
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 5; n++) await turn()
  }

  it('what arrives during a commit shares the next one, in order', async () => {
    const disk = fakeDisk()
    const writer = serialWriter({ commit: disk.commit, timeout: 1000, describe: 'test', suspect: 'the disk' })
    const ran: number[] = []
    const writes = [0, 1, 2].map((n) => writer.write(() => ran.push(n)))
    assert.equal(disk.commits.length, 1)
    disk.commits[0]!.run()
    assert.deepEqual(ran, [0])
    disk.commits[0]!.done()
    await settle()
    assert.equal(disk.commits.length, 2)
    disk.commits[1]!.run()
    assert.deepEqual(ran, [0, 1, 2])
    let resolved = false
    void writes[2]!.then(() => (resolved = true))
    await settle()
    assert.equal(resolved, false, 'resolved before the commit')
    disk.commits[1]!.done()
    assert.deepEqual(await Promise.all(writes), [1, 2, 3])
    assert.equal(await writer.stop(), true)
  })

  it('a commit that fails rejects everybody in it and nobody else', async () => {
    const disk = fakeDisk()
    const writer = serialWriter({ commit: disk.commit, timeout: 1000, describe: 'test', suspect: 'the disk' })
    const first = writer.write(() => 1)
    const second = writer.write(() => 2)
    disk.commits[0]!.run()
    disk.commits[0]!.fail(new Error('disk full'))
    await assert.rejects(first, /disk full/)
    await settle()
    disk.commits[1]!.run()
    disk.commits[1]!.done()
    assert.equal(await second, 2)
  })

  it('a write that waits too long is given up and never done', async () => {
    const disk = fakeDisk()
    const writer = serialWriter({ commit: disk.commit, timeout: 1000, describe: 'test', suspect: 'the disk' })
    const first = writer.write(() => 1)
    timers.tick(600)
    let ran = false
    const second = writer.write(() => (ran = true))
    const firstFails = assert.rejects(first, /not written within 1000 ms/)
    const secondFails = assert.rejects(second, /not written within 1000 ms/)
    timers.tick(400)
    await firstFails
    await assert.rejects(
      writer.write(() => 3),
      /hangs/,
    )
    timers.tick(600)
    await secondFails
    assert.equal(await writer.stop(), false)
    disk.commits[0]!.run()
    disk.commits[0]!.done()
    await settle()
    const third = writer.write(() => 4)
    disk.commits[1]!.run()
    disk.commits[1]!.done()
    assert.equal(await third, 4)
    assert.equal(ran, false)
    assert.equal(await writer.stop(), true)
  })

  it('a commit that ends without running its work is no success', async () => {
    const disk = fakeDisk()
    const writer = serialWriter({ commit: disk.commit, timeout: 1000, describe: 'test', suspect: 'the disk' })
    const write = writer.write(() => 1)
    disk.commits[0]!.done()
    await assert.rejects(write, /without being run/)
  })

  describe('counters', () => {
    it('keep what could not be written and add it to the next flush', async () => {
      const errors: Error[] = []
      const written: [string, number][][] = []
      let broken = true
      const counters = batchedCounters(
        (counts) => {
          if (broken) return Promise.reject(new Error('disk full'))
          written.push([...counts])
          return Promise.resolve()
        },
        (error) => errors.push(error),
      )
      counters.add('a', 1)
      timers.tick(1000)
      await settle()
      assert.match(String(errors[0]), /disk full/)
      counters.add('a', 2)
      counters.add('b', 5)
      broken = false
      timers.tick(1000)
      await settle()
      assert.deepEqual(written, [
        [
          ['a', 3],
          ['b', 5],
        ],
      ])
      await counters.stop()
      assert.equal(written.length, 1)
    })

    it('stop writes what is left, and says when it could not', async () => {
      const counters = batchedCounters(
        () => Promise.reject(new Error('disk full')),
        () => undefined,
      )
      counters.add('a', 1)
      await assert.rejects(counters.stop(), /disk full/)
    })
  })
})
