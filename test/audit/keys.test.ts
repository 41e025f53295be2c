import assert from 'node:assert/strict'
import { allKeys, currentKey, digestsOf, keyInUse, rotateKey } from '../../lib/audit/keys'
import { RECIPIENT_HMAC, recipientHmac } from '../../lib/audit/identity'
import { maskCpr } from '../../lib/classify/cpr'
import { secretKey } from '../../lib/store/keys'
import { openMemoryStore } from '../../lib/store/memory'

const DAY = 24 * 3_600_000

describe('keys of the recipients in the audit log', () => {
  let now: number
  const clock = { now: () => now }
  beforeEach(() => {
    now = Date.UTC(2026, 10, 23)
  })

  it('begin with the key that there was before they had numbers', async () => {
    const store = openMemoryStore({ clock })
    const { id, key } = await currentKey(store, clock)
    assert.equal(id, 'k1')
    assert.deepEqual(key, await secretKey(store, 'audit'))
  })

  it('are followed by the next one when they are old enough, and kept', async () => {
    const store = openMemoryStore({ clock })
    const first = await currentKey(store, clock)
    now += 364 * DAY
    assert.equal((await rotateKey(store, clock, 365 * DAY)).number, 1)
    now += DAY
    assert.deepEqual(await rotateKey(store, clock, 365 * DAY), { number: 2, since: now })
    assert.equal((await rotateKey(store, clock, 365 * DAY)).number, 2)
    assert.equal((await rotateKey(store, clock, 0)).number, 3)
    const keys = await allKeys(store, clock)
    assert.deepEqual(
      keys.map(({ id }) => id),
      ['k1', 'k2', 'k3'],
    )
    assert.deepEqual(keys[0], first)
    assert.deepEqual(keys[2], await currentKey(store, clock))
    assert.equal(new Set(keys.map(({ key }) => key.toString('hex'))).size, 3)
  })

  it('change once, however many processes ask at the same time', async () => {
    const store = openMemoryStore({ clock })
    await keyInUse(store, clock)
    now += 400 * DAY
    const all = await Promise.all(Array.from({ length: 5 }, () => rotateKey(store, clock, 365 * DAY)))
    assert.deepEqual(new Set(all.map(({ number }) => number)), new Set([2]))
  })

  it('find a recipient under every key, a CPR number in the address masked first', async () => {
    const store = openMemoryStore({ clock })
    await rotateKey(store, clock, 0)
    const keys = await allKeys(store, clock)
    const digests = digestsOf('Bo@Partner.example', keys, maskCpr)
    assert.deepEqual(digests, [
      recipientHmac('bo@partner.example', keys[0]!),
      recipientHmac('bo@partner.example', keys[1]!),
    ])
    for (const digest of digests) assert.match(digest, RECIPIENT_HMAC)
    assert.notEqual(digests[0]!.slice(3), digests[1]!.slice(3))
    assert.notDeepEqual(
      digestsOf('070761-4285@x.example', keys, maskCpr),
      digestsOf('070761-4285@x.example', keys, String),
    )
  })

  it('are not guessed at when what the store says is damaged', async () => {
    for (const damaged of [
      null,
      'x',
      {},
      { number: 0, since: 1 },
      { number: 1.5, since: 1 },
      { number: 1e9, since: 1 },
    ]) {
      const store = openMemoryStore({ clock })
      await store.put(['audit-key'], damaged)
      await assert.rejects(currentKey(store, clock), /damaged/)
    }
  })
})
