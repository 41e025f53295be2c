import assert from 'node:assert/strict'
import { certificateBook, type CertificateBook } from '../../../lib/encrypt/certificates/book'
import { certificateDirectory } from '../../../lib/encrypt/certificates/directory'
import type { StoredCertificate, Trust } from '../../../lib/encrypt/certificates/types'
import { openMemoryStore } from '../../../lib/store/memory'
import { createPki, type Authority, type Issued, type Pki } from '../pki'

const DAY = 86_400_000
const now = Date.now()

/** Everything that this trust is asked about has this answer. */
const always = (result: 'valid' | 'no-roots' | 'revoked'): Trust => ({
  chainOf: () => ({ result, why: result, issuers: [] }),
})

function stored({ fingerprint, der }: Issued, more: Partial<StoredCertificate> = {}): StoredCertificate {
  return {
    fingerprint,
    certificate: der.toString('base64'),
    issuers: [],
    source: 'imported',
    rejected: false,
    firstSeen: now,
    lastSeen: now,
    ...more,
  }
}

describe('certificates: directory', () => {
  let pki: Pki
  let root: Authority
  let old: Issued
  let recent: Issued
  let expired: Issued
  let gateway: Issued
  before(() => {
    pki = createPki()
    root = pki.authority('/CN=Mail Root')
    const names = 'email:anna@partner.test'
    old = root.issue({ names, notBefore: now - 300 * DAY })
    recent = root.issue({ names, notBefore: now - 2 * DAY })
    expired = root.issue({ names, notBefore: now - 9 * DAY, notAfter: now - DAY })
    gateway = root.issue({ names: 'email:post@partner.test' })
  })
  after(() => {
    pki.remove()
  })

  const bookWith = async (...anna: StoredCertificate[]): Promise<CertificateBook> => {
    const book = certificateBook(openMemoryStore({ clock: { now: () => now } }))
    if (anna.length > 0) await book.change('address', 'anna@partner.test', () => anna)
    return book
  }
  const found = async (book: CertificateBook, address: string, trust = always('no-roots'), at = now) =>
    await certificateDirectory(book, () => trust).certificateFor(address, at)

  it('of several the one that was issued last, however the address is written', async () => {
    const book = await bookWith(stored(old), stored(recent), stored(expired))
    for (const address of ['anna@partner.test', 'Anna@Partner.Test', 'anna@partner.test.']) {
      const answer = await found(book, address)
      assert.equal(answer?.fingerprint, recent.fingerprint, address)
      assert.deepEqual(Buffer.from(answer.certificate), recent.der)
      assert.equal(answer.scope, 'address')
      assert.equal(answer.source, 'imported')
    }
    assert.equal(await found(book, 'anne@partner.test'), undefined)
    assert.equal(await found(book, 'anna@other.test'), undefined)
    assert.equal(await found(book, 'no address'), undefined)
  })

  it('the time is the one that is asked for', async () => {
    const book = await bookWith(stored(old), stored(recent))
    assert.equal((await found(book, 'anna@partner.test', undefined, now - 100 * DAY))?.fingerprint, old.fingerprint)
    assert.equal(await found(book, 'anna@partner.test', undefined, now + 3650 * DAY), undefined)
  })

  it('a harvested one counts with a chain or with a postmaster’s word', async () => {
    const book = await bookWith(stored(recent, { source: 'harvested' }))
    assert.equal(await found(book, 'anna@partner.test'), undefined)
    assert.equal((await found(book, 'anna@partner.test', always('valid')))?.source, 'harvested')
    const confirmed = await bookWith(stored(recent, { source: 'confirmed' }))
    assert.equal((await found(confirmed, 'anna@partner.test'))?.source, 'confirmed')
  })

  it('rejected and revoked ones never count, nor does what cannot be read', async () => {
    const rejected = await bookWith(stored(recent, { rejected: true }), stored(old))
    assert.equal((await found(rejected, 'anna@partner.test', always('valid')))?.fingerprint, old.fingerprint)
    assert.equal(await found(await bookWith(stored(recent)), 'anna@partner.test', always('revoked')), undefined)
    const damaged = await bookWith(stored(recent, { certificate: 'MAAA' }), stored(old))
    assert.equal((await found(damaged, 'anna@partner.test'))?.fingerprint, old.fingerprint)
  })

  it('a person’s own certificate comes before the one of the gateway in front', async () => {
    const book = await bookWith(stored(recent))
    await book.change('domain', 'partner.test', () => [stored(gateway)])
    assert.equal((await found(book, 'anna@partner.test'))?.fingerprint, recent.fingerprint)
    const other = await found(book, 'bent@partner.test')
    assert.deepEqual([other?.fingerprint, other?.scope], [gateway.fingerprint, 'domain'])
    assert.equal(await found(book, 'bent@sub.partner.test'), undefined)
  })

  it('a store that cannot be read is no empty one', async () => {
    const store = openMemoryStore({ clock: { now: () => now } })
    const directory = certificateDirectory(certificateBook(store), () => always('valid'))
    await store.close()
    await assert.rejects(directory.certificateFor('anna@partner.test', now), /closed/)
  })
})
