import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { certificateBook } from '../../../lib/encrypt/certificates/book'
import { countExpiring, lastEnd } from '../../../lib/encrypt/certificates/expiry'
import { storedForm } from '../../../lib/encrypt/certificates/harvest'
import { trustOf, type ReadTrust } from '../../../lib/encrypt/certificates/trust'
import type { StoredCertificate } from '../../../lib/encrypt/certificates/types'
import { openMemoryStore } from '../../../lib/store/memory'
import { createPki, type Authority, type Pki } from '../pki'

const DAY = 86_400_000
const now = Math.floor(Date.now() / 1000) * 1000

describe('certificates that end soon', () => {
  let pki: Pki
  let root: Authority
  let stranger: Authority
  let trust: ReadTrust
  before(async () => {
    pki = createPki()
    root = pki.authority('/CN=Mail Root')
    stranger = pki.authority('/CN=Root of a stranger')
    const roots = path.join(pki.dir, 'roots.pem')
    writeFileSync(roots, root.cert)
    trust = await trustOf(() => ({ category3: { smimeRoots: roots } }) as never)()
  })
  after(() => {
    pki.remove()
  })

  /** @param days from now until it ends */
  const ends = (days: number, by: Authority = root, begins = -60): StoredCertificate => {
    const issued = by.issue({
      names: 'email:anna@partner.test',
      notBefore: now + begins * DAY,
      notAfter: now + days * DAY,
    })
    return storedForm(issued.der, [], trust, now)
  }

  it('the last one that mail is encrypted to counts, and nothing else', () => {
    const end = (...stored: StoredCertificate[]) => {
      const at = lastEnd(stored, trust, now)
      return at === null ? null : (at - now) / DAY
    }
    assert.equal(end(), null)
    assert.equal(end(ends(200)), null, 'far away')
    assert.equal(end(ends(5)), 5)
    assert.equal(end(ends(-0.5)), -0.5, 'it was in use until then')
    assert.equal(end(ends(5), ends(200)), 200, 'there is a later one')
    assert.equal(end(ends(5), ends(200, root, 3)), 200, 'a later one that begins in time')
    assert.equal(end(ends(5), ends(200, stranger)), 5, 'the later one waits for approval')
    assert.equal(end(ends(5), { ...ends(200, stranger), source: 'confirmed' }), 200, 'it was approved')
    assert.equal(end(ends(5), { ...ends(200), rejected: true }), 5)
    assert.equal(end(ends(5, stranger)), null, 'nothing was encrypted to it')
    assert.equal(end({ ...ends(5), certificate: 'AAAA' }), null, 'it cannot be read')
  })

  it('counts holders by what is left, whichever bucket they are in', async () => {
    const book = certificateBook(openMemoryStore({ clock: { now: () => now } }))
    const days = [-40, -0.5, 1, 6, 8, 29, 31, 300]
    for (const [n, left] of days.entries()) {
      const stored = ends(left)
      await book.change('address', `p${n}@partner.test`, () => [stored])
    }
    const gateway = ends(3)
    await book.change('domain', 'kommune.test', () => [gateway])
    assert.deepEqual(await countExpiring(book, trust, now), { expired: 1, '7d': 3, '30d': 2 })
    assert.deepEqual(await countExpiring(certificateBook(openMemoryStore({ clock: { now: () => now } })), trust, now), {
      expired: 0,
      '7d': 0,
      '30d': 0,
    })
  })
})
