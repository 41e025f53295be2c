import assert from 'node:assert/strict'
import { groupedSync } from '../../plugins/queue-writer'

/** A sync that ends when it is told to. */
function heldSync() {
  const under: { end: () => void; fail: (error: Error) => void }[] = []
  const sync = () =>
    new Promise<void>((resolve, reject) => {
      under.push({ end: resolve, fail: reject })
    })
  return { under, sync }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('one sync of the queue folder for many mails', () => {
  it('a sync that had begun before a rename never counts for it', async () => {
    const { under, sync } = heldSync()
    const grouped = groupedSync('queue', sync)
    const done: string[] = []
    const first = grouped().then(() => done.push('first'))
    await turn()
    assert.equal(under.length, 1)
    // these come while the first is under way: they share the next one
    const later = [grouped().then(() => done.push('second')), grouped().then(() => done.push('third'))]
    under[0]!.end()
    await first
    await turn()
    assert.deepEqual(done, ['first'])
    assert.equal(under.length, 2)
    under[1]!.end()
    await Promise.all(later)
    assert.deepEqual(done.sort(), ['first', 'second', 'third'])
  })

  it('a sync that fails fails for all who share it, and for nobody else', async () => {
    const { under, sync } = heldSync()
    const grouped = groupedSync('queue', sync)
    const first = grouped()
    await turn()
    const second = grouped()
    under[0]!.fail(new Error('disk gone'))
    await assert.rejects(first, /disk gone/)
    await turn()
    under[1]!.end()
    await second
    const third = grouped()
    const fourth = grouped()
    await turn()
    assert.equal(under.length, 3)
    under[2]!.fail(new Error('again'))
    await assert.rejects(third, /again/)
    await assert.rejects(fourth, /again/)
  })
})
