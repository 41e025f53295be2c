import assert from 'node:assert/strict'
import { openMemoryStore } from '../../lib/store/memory'
import { freshRecord } from '../../lib/store/recipient-record'
import { recipientRecords, type RecipientRecords } from '../../lib/store/recipients'
import { savedAgain } from '../../lib/store/recipients-again'
import { until } from '../../demo/processes'

describe('store: outcomes that could not be recorded', () => {
  const [mail, rcpt] = ['ID', 'anne@example.dk']
  const delivered = { ...freshRecord(1), state: 'delivered' as const, attempts: 1 }
  const deferred = { ...freshRecord(1), attempts: 1 }

  function setUp(every = 5) {
    const inner = recipientRecords(openMemoryStore({ clock: { now: () => 1_000 } }))
    const store = { away: false, saves: 0 }
    const flaky: RecipientRecords = {
      ...inner,
      save(...args) {
        store.saves++
        return store.away ? Promise.reject(new Error('away')) : inner.save(...args)
      },
    }
    return { inner, store, records: savedAgain(flaky, every) }
  }

  it('are written when the store is back, and the caller is told all the same', async () => {
    const { inner, store, records } = setUp()
    store.away = true
    await assert.rejects(records.save(mail, rcpt, delivered), /away/)
    assert.equal((await records.load(mail, 'anne@EXAMPLE.dk', 1)).state, 'delivered', 'known here meanwhile')
    assert.equal(await inner.load(mail, rcpt), undefined)
    await until('it was tried again', () => store.saves >= 3)
    store.away = false
    await until('it is there', async () => (await inner.load(mail, rcpt))?.state === 'delivered')
    const { saves } = store
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.equal(store.saves, saves, 'and not written again')
    await records.stop()
  })

  it('are joined with what is recorded next, and never undo it', async () => {
    const { inner, store, records } = setUp(60_000)
    store.away = true
    await assert.rejects(records.save(mail, rcpt, deferred))
    store.away = false
    await records.save(mail, rcpt, delivered)
    await records.stop()
    assert.equal((await inner.load(mail, rcpt))?.state, 'delivered')
    assert.equal(store.saves, 2, 'nothing was left')
  })

  it('are joined with what another machine has recorded meanwhile', async () => {
    const { inner, store, records } = setUp(60_000)
    store.away = true
    await assert.rejects(records.save(mail, rcpt, deferred))
    await inner.save(mail, rcpt, { ...delivered, reported: true })
    assert.equal((await records.load(mail, rcpt))?.state, 'delivered')
    store.away = false
    await records.stop()
    const found = await inner.load(mail, rcpt)
    assert.equal(found?.state, 'delivered')
    assert.equal(found.reported, true)
  })

  it('are forgotten with the mail', async () => {
    const { inner, store, records } = setUp(60_000)
    store.away = true
    await assert.rejects(records.save(mail, rcpt, deferred))
    await records.forget(mail, rcpt)
    store.away = false
    await records.stop()
    assert.equal(await inner.load(mail, rcpt), undefined)
  })

  it('stop tries once more, and gives up without an error', async () => {
    const { store, records } = setUp(60_000)
    store.away = true
    await assert.rejects(records.save(mail, rcpt, deferred))
    await records.stop()
    assert.equal(store.saves, 2)
  })
})
