import assert from 'node:assert/strict'
import type { HostAttempt } from '../../lib/deliver/types'
import type { Failure } from '../../lib/failure'
import { openMemoryStore } from '../../lib/store/memory'
import { freshRecord, HISTORY, joinRecords } from '../../lib/store/recipient-record'
import { mailIdOf, RECORD_TTL, recipientRecords, type RecipientRecords } from '../../lib/store/recipients'
import type { RecipientRecord, Store } from '../../lib/store/types'

const tls: Failure = { resultType: 'starttls-not-supported', enhancedCode: '4.7.4', publicText: 'no TLS' }
const refused: Failure = { resultType: 'smtp-rejected', enhancedCode: '5.1.1', publicText: 'no such mailbox' }
const busy: Failure = { resultType: 'connection-failed', enhancedCode: '4.4.1', publicText: 'no answer' }
const host = (n: number): HostAttempt => ({
  host: `mx${n}.example`,
  at: '2026-01-01T00:00:00Z',
  ok: false,
  failure: tls,
})

const delivered: RecipientRecord = { ...freshRecord(5), state: 'delivered', attempts: 1 }
const failed: RecipientRecord = { ...freshRecord(5), state: 'failed', attempts: 1, lastFailure: refused }

describe('recipients: what is known across attempts', () => {
  const clock = { time: 1_000_000 }
  let store: Store
  let records: RecipientRecords

  beforeEach(() => {
    clock.time = 1_000_000
    store = openMemoryStore({ clock: { now: () => clock.time } })
    records = recipientRecords(store)
  })

  it('knows nothing of a new recipient, or makes a fresh record of it without writing', async () => {
    assert.equal(await records.load('M.1', 'a@b'), undefined)
    assert.deepEqual(await records.load('M.1', 'a@b', 77), freshRecord(77))
    assert.equal(await records.load('M.1', 'a@b'), undefined)
  })

  it('gives back what was saved, under the mail and the recipient', async () => {
    const record: RecipientRecord = {
      ...freshRecord(5),
      attempts: 2,
      lastFailure: tls,
      history: [host(1)],
      tlsFailingSince: 9,
      requirement: { level: 'secure', source: 'map: config/secure-mail.tls_policy:3 b', overrideNever: true },
    }
    await records.save('M.1', 'a@b', record)
    assert.deepEqual(await records.load('M.1', 'a@b'), record)
    assert.equal(await records.load('M.2', 'a@b'), undefined)
    assert.equal(await records.load('M.1', 'c@b'), undefined)
  })

  const same: [string, string, boolean][] = [
    ['a@example.dk', 'a@EXAMPLE.dk', true],
    ['a@example.dk', 'A@example.dk', false],
    ['"x@Y"@example.dk', '"x@y"@example.dk', false],
    ['"x@Y"@example.dk', '"x@Y"@Example.DK', true],
    ['Postmaster', 'postmaster', false],
  ]
  for (const [one, other, equal] of same) {
    it(`RFC 5321 section 2.4: ${one} and ${other} are ${equal ? 'the same' : 'different'}`, async () => {
      await records.save('M.1', one, freshRecord(1))
      assert.equal((await records.load('M.1', other)) !== undefined, equal)
    })
  }

  it('never leaves a final state, whoever saves what in which order', async () => {
    const stale = await records.load('M.1', 'a@b', 5)
    await records.save('M.1', 'a@b', delivered)
    assert.equal((await records.save('M.1', 'a@b', { ...stale, attempts: 1, lastFailure: busy })).state, 'delivered')
    assert.equal((await records.save('M.1', 'a@b', failed)).state, 'delivered')
    await records.save('M.1', 'c@b', failed)
    assert.equal((await records.save('M.1', 'c@b', delivered)).state, 'failed')
  })

  it('never forgets that something was sent', () => {
    const sent = { ...freshRecord(1), reported: true, delayNoticeSent: true }
    const joined = joinRecords(sent, { ...freshRecord(2), attempts: 3 })
    assert.deepEqual(joined, { ...sent, attempts: 3 })
    const late = joinRecords({ ...freshRecord(1), state: 'failed' }, { ...freshRecord(1), reported: true })
    assert.deepEqual([late.state, late.reported], ['failed', true])
  })

  it('two that save at the same time lose nothing of each other', async () => {
    await records.save('M.1', 'a@b', freshRecord(1))
    await Promise.all([
      records.save('M.1', 'a@b', { ...freshRecord(1), delayNoticeSent: true }),
      records.save('M.1', 'a@b', delivered),
      records.save('M.1', 'a@b', { ...freshRecord(1), reported: true }),
    ])
    const record = await records.load('M.1', 'a@b', 1)
    assert.deepEqual([record.state, record.reported, record.delayNoticeSent], ['delivered', true, true])
  })

  it(`keeps the last ${HISTORY} host attempts`, async () => {
    const hosts = Array.from({ length: 50 }, (_, n) => host(n))
    const record = await records.save('M.1', 'a@b', { ...freshRecord(1), history: hosts })
    assert.deepEqual(record.history, hosts.slice(-HISTORY))
  })

  it('forgets on demand, and by itself after 30 days without change', async () => {
    await records.save('M.1', 'a@b', freshRecord(1))
    await records.save('M.1', 'c@b', freshRecord(1))
    await records.forget('M.1', 'a@b')
    assert.equal(await records.load('M.1', 'a@b'), undefined)
    clock.time += RECORD_TTL - 1
    assert.notEqual(await records.load('M.1', 'c@b'), undefined)
    clock.time += 1
    assert.equal(await records.load('M.1', 'c@b'), undefined)
    assert.equal(await store.sweep(), 1)
  })

  const good = { ...freshRecord(1), lastFailure: tls, history: [host(1)] }
  const damaged: [string, unknown][] = [
    ['null', null],
    ['a text', 'delivered'],
    ['an array', []],
    ['no state', { ...good, state: undefined }],
    ['an unknown state', { ...good, state: 'sent' }],
    ['reported as text', { ...good, reported: 'no' }],
    ['no queue time', { ...good, queuedAt: null }],
    ['negative attempts', { ...good, attempts: -1 }],
    ['a row that began at no time', { ...good, tlsFailingSince: 'yesterday' }],
    ['a failure without code', { ...good, lastFailure: { ...tls, enhancedCode: undefined } }],
    ['a failure of class 2', { ...good, lastFailure: { ...tls, enhancedCode: '2.0.0' } }],
    ['a requirement without its level', { ...good, requirement: { source: 'map', overrideNever: true } }],
    ['history that is no list', { ...good, history: {} }],
    ['an attempt at no host', { ...good, history: [{ ...host(1), host: 1 }] }],
    ['an attempt with half a failure', { ...good, history: [{ ...host(1), failure: {} }] }],
  ]
  for (const [what, value] of damaged) {
    it(`a damaged record (${what}) rejects everywhere and is left as it is`, async () => {
      await store.put(['rcpt', 'M.1', 'a@b'], value)
      const before = await store.get(['rcpt', 'M.1', 'a@b'])
      await assert.rejects(records.load('M.1', 'a@b'), /damaged/)
      await assert.rejects(records.load('M.1', 'a@b', 1), /damaged/)
      await assert.rejects(records.save('M.1', 'a@b', good), /damaged/)
      assert.deepEqual(await store.get(['rcpt', 'M.1', 'a@b']), before)
    })
  }

  it('saves no record that it could not read again', async () => {
    await assert.rejects(records.save('M.1', 'a@b', { ...freshRecord(NaN) }), /damaged at queuedAt/)
    assert.equal(await records.load('M.1', 'a@b'), undefined)
  })
})

describe('mailIdOf', () => {
  const rows: [string, string][] = [
    ['5F2C3A10-7B1E-4C55-9A0E-3D2B6F0C9E11.1.1', '5F2C3A10-7B1E-4C55-9A0E-3D2B6F0C9E11.1'],
    ['5F2C3A10-7B1E-4C55-9A0E-3D2B6F0C9E11.12.345', '5F2C3A10-7B1E-4C55-9A0E-3D2B6F0C9E11.12'],
    ['5F2C3A10.1', '5F2C3A10'],
    ['5F2C3A10', '5F2C3A10'],
    ['5F2C3A10.x', '5F2C3A10.x'],
  ]
  for (const [uuid, id] of rows) it(`${uuid} -> ${id}`, () => assert.equal(mailIdOf(uuid), id))
})
