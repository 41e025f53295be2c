import assert from 'node:assert/strict'
import { systemClock } from '../../lib/clock'
import { secretKey } from '../../lib/store/keys'
import { openMemoryStore } from '../../lib/store/memory'

describe('store: secret keys', () => {
  it('makes 32 bytes once and gives the same ever after', async () => {
    const store = openMemoryStore({ clock: systemClock })
    const [a, b] = await Promise.all([secretKey(store, 'seal'), secretKey(store, 'seal')])
    assert.equal(a.length, 32)
    assert.deepEqual(a, b)
    assert.deepEqual(await secretKey(store, 'seal'), a)
    assert.notDeepEqual(await secretKey(store, 'audit'), a)
  })

  const damaged: [string, unknown][] = [
    ['too short', Buffer.alloc(31, 1).toString('base64')],
    ['too long', Buffer.alloc(33, 1).toString('base64')],
    ['empty', ''],
    ['a number', 5],
    ['null', null],
    ['not base64', '!'.repeat(44)],
    ['sloppy base64', Buffer.alloc(32, 1).toString('base64').replace('=', ' ')],
  ]
  for (const [what, value] of damaged) {
    it(`refuses a key that is ${what}, and leaves it there`, async () => {
      const store = openMemoryStore({ clock: systemClock })
      await store.put(['key', 'seal'], value)
      await assert.rejects(secretKey(store, 'seal'), /damaged/)
      assert.deepEqual(await store.get(['key', 'seal']), value)
    })
  }

  for (const name of ['', 'Seal', '../x', 'a'.repeat(50), '__proto__']) {
    it(`refuses the name ${JSON.stringify(name)}`, async () => {
      await assert.rejects(secretKey(openMemoryStore({ clock: systemClock }), name), TypeError)
    })
  }
})
