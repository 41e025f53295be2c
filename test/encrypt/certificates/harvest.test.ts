import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { certificateBook, type CertificateBook } from '../../../lib/encrypt/certificates/book'
import { examine } from '../../../lib/encrypt/certificates/examine'
import { harvest, type Harvest } from '../../../lib/encrypt/certificates/harvest'
import { trustOf, type ReadTrust } from '../../../lib/encrypt/certificates/trust'
import { openMemoryStore } from '../../../lib/store/memory'
import { createPki, openssl, type Authority, type Issued, type Pki } from '../pki'
import { signedMail } from '../signed'

const DAY = 86_400_000
const now = Date.now()

describe('certificates: harvest', () => {
  let pki: Pki
  let root: Authority
  let between: Authority
  let stranger: Authority
  let anna: Issued
  let signOnly: Issued
  let encryptOnly: Issued
  let revoked: Issued
  let trust: ReadTrust
  before(async () => {
    pki = createPki()
    root = pki.authority('/CN=Mail Root')
    between = root.below('/CN=Issuing CA')
    stranger = pki.authority('/CN=Root of a stranger')
    const names = 'email:anna@partner.test'
    anna = between.issue({ subject: '/CN=Anna', names, key: 'rsa2048' })
    signOnly = between.issue({ subject: '/CN=Anna', names, keyUsage: 'digitalSignature' })
    encryptOnly = between.issue({ subject: '/CN=Anna', names, key: 'rsa2048', keyUsage: 'keyEncipherment' })
    revoked = between.issue({ subject: '/CN=Anna', names })
    const [roots, lists] = [path.join(pki.dir, 'roots.pem'), path.join(pki.dir, 'crls')]
    writeFileSync(roots, root.cert)
    mkdirSync(lists)
    writeFileSync(path.join(lists, 'between.pem'), between.crl({ revoked: [revoked] }))
    trust = await trustOf(() => ({ category3: { smimeRoots: roots, smimeCrls: lists } as never }))()
  })
  after(() => {
    pki.remove()
  })

  const newBook = () => certificateBook(openMemoryStore({ clock: { now: () => now } }))
  const decide = async (mail: Buffer, book: CertificateBook = newBook(), at = now): Promise<Harvest> =>
    await harvest(examine(mail, at), book, trust, (domain) => domain === 'uni.test', at)

  /** The decision in one line: `trusted new`, `refused expired`, ... */
  const short = (found: Harvest): string => {
    switch (found.kind) {
      case 'harvested':
        return found.certificates.map(({ state, kept }) => `${state} ${kept}`).join(', ')
      case 'refused':
        return `refused ${found.refusal}`
      default:
        return found.kind
    }
  }

  const own = { names: 'email:anna@partner.test' }
  const rows: { what: string; mail: () => Buffer; wanted: string }[] = [
    { what: 'clear-signed', mail: () => signedMail(pki, { signer: anna, along: [between] }), wanted: 'trusted new' },
    {
      what: 'opaque-signed',
      mail: () => signedMail(pki, { signer: anna, along: [between], opaque: true }),
      wanted: 'trusted new',
    },
    {
      what: 'opaque-signed in indefinite lengths',
      mail: () => signedMail(pki, { signer: anna, along: [between], opaque: true, options: ['-stream'] }),
      wanted: 'trusted new',
    },
    {
      what: 'without signed attributes',
      mail: () => signedMail(pki, { signer: anna, along: [between], options: ['-noattr'] }),
      wanted: 'trusted new',
    },
    {
      what: 'the signer named by its key identifier',
      mail: () => signedMail(pki, { signer: anna, along: [between], options: ['-keyid'] }),
      wanted: 'trusted new',
    },
    {
      what: 'RSASSA-PSS',
      mail: () => signedMail(pki, { signer: anna, along: [between], options: ['-keyopt', 'rsa_padding_mode:pss'] }),
      wanted: 'trusted new',
    },
    {
      what: 'ECDSA with P-384 and SHA-384',
      mail: () =>
        signedMail(pki, {
          signer: between.issue({ ...own, key: 'P-384' }),
          along: [between],
          options: ['-md', 'sha384'],
        }),
      wanted: 'trusted new',
    },
    {
      what: 'SHA-512',
      mail: () => signedMail(pki, { signer: anna, along: [between], options: ['-md', 'sha512'] }),
      wanted: 'trusted new',
    },
    {
      what: 'SHA-1',
      mail: () => signedMail(pki, { signer: anna, along: [between], options: ['-md', 'sha1'] }),
      wanted: 'refused weak-digest',
    },
    {
      what: 'MD5',
      mail: () => signedMail(pki, { signer: anna, along: [between], options: ['-md', 'md5'] }),
      wanted: 'refused weak-digest',
    },
    {
      what: 'a root that nobody trusts',
      mail: () => signedMail(pki, { signer: stranger.issue(own) }),
      wanted: 'candidate new',
    },
    { what: 'self-signed', mail: () => signedMail(pki, { signer: pki.selfSigned(own) }), wanted: 'candidate new' },
    { what: 'the issuer did not come along', mail: () => signedMail(pki, { signer: anna }), wanted: 'candidate new' },
    {
      what: 'expired',
      mail: () =>
        signedMail(pki, {
          signer: between.issue({ ...own, notBefore: now - 9 * DAY, notAfter: now - DAY }),
          along: [between],
        }),
      wanted: 'refused expired',
    },
    {
      what: 'not valid yet',
      mail: () => signedMail(pki, { signer: between.issue({ ...own, notBefore: now + DAY }), along: [between] }),
      wanted: 'refused not-yet-valid',
    },
    { what: 'revoked', mail: () => signedMail(pki, { signer: revoked, along: [between] }), wanted: 'refused revoked' },
    {
      what: 'another address',
      mail: () => signedMail(pki, { signer: anna, along: [between], from: 'From: bent@partner.test\r\n' }),
      wanted: 'refused wrong-address',
    },
    {
      what: 'the address in another case',
      mail: () => signedMail(pki, { signer: anna, along: [between], from: 'From: <Anna@PARTNER.test>\r\n' }),
      wanted: 'trusted new',
    },
    {
      what: 'two addresses in From',
      mail: () =>
        signedMail(pki, { signer: anna, along: [between], from: 'From: anna@partner.test, bent@partner.test\r\n' }),
      wanted: 'refused no-single-sender',
    },
    {
      what: 'two From fields',
      mail: () => signedMail(pki, { signer: anna, along: [between], header: 'From: anna@partner.test\r\n' }),
      wanted: 'refused no-single-sender',
    },
    {
      what: 'one of our own people',
      mail: () =>
        signedMail(pki, {
          signer: between.issue({ names: 'email:bo@uni.test' }),
          along: [between],
          from: 'From: bo@uni.test\r\n',
        }),
      wanted: 'own-sender',
    },
    {
      what: 'two certificates, one to sign and one to encrypt',
      mail: () => signedMail(pki, { signer: signOnly, along: [between, encryptOnly] }),
      wanted: 'trusted new',
    },
    {
      what: 'two certificates that can both be encrypted to',
      mail: () => signedMail(pki, { signer: anna, along: [between, encryptOnly] }),
      wanted: 'trusted new, trusted new',
    },
    {
      what: 'only a certificate to sign with',
      mail: () => signedMail(pki, { signer: signOnly, along: [between] }),
      wanted: 'refused no-encryption-key',
    },
    {
      what: 'somebody else’s certificate along',
      mail: () =>
        signedMail(pki, { signer: anna, along: [between, between.issue({ names: 'email:bent@partner.test' })] }),
      wanted: 'trusted new',
    },
    {
      what: 'no certificate along',
      mail: () => signedMail(pki, { signer: anna, options: ['-nocerts'] }),
      wanted: 'refused no-signer-certificate',
    },
    {
      what: 'changed on the way',
      mail: () => edited(signedMail(pki, { signer: anna, along: [between] }), 'Hilsen Anna', 'Hilsen Anne'),
      wanted: 'refused changed',
    },
    {
      what: 'line ends changed on the way',
      mail: () => edited(signedMail(pki, { signer: anna, along: [between] }), '\r\n', '\n'),
      wanted: 'trusted new',
    },
    {
      what: 'a key of 1024 bits',
      mail: () => signedMail(pki, { signer: between.issue({ ...own, key: 'rsa1024' }) }),
      wanted: 'refused weak-key',
    },
    {
      what: 'a certificate for servers',
      mail: () => signedMail(pki, { signer: between.issue({ ...own, purposes: 'serverAuth' }), along: [between] }),
      wanted: 'refused no-encryption-key',
    },
    {
      what: 'encrypted',
      mail: () => {
        const encrypted = openssl(['cms', '-encrypt', '-aes256', anna.certFile], Buffer.from('secret'))
        return Buffer.concat([Buffer.from('From: anna@partner.test\r\n'), encrypted])
      },
      wanted: 'not-signed',
    },
    { what: 'not signed', mail: () => Buffer.from('From: anna@partner.test\r\n\r\nHej\r\n'), wanted: 'not-signed' },
    {
      what: 'a name that an issuer may not give',
      mail: () => {
        const limited = root.below('/CN=Limited', {
          more: ['basicConstraints=critical,CA:true', 'nameConstraints=critical,permitted;email:other.test'],
        })
        return signedMail(pki, { signer: limited.issue(own), along: [limited] })
      },
      wanted: 'candidate new',
    },
    {
      what: 'a name that an issuer may give',
      mail: () => {
        const limited = root.below('/CN=Limited too', {
          more: ['basicConstraints=critical,CA:true', 'nameConstraints=critical,permitted;email:partner.test'],
        })
        return signedMail(pki, { signer: limited.issue(own), along: [limited] })
      },
      wanted: 'trusted new',
    },
    {
      what: 'issued by somebody who may not issue',
      mail: () => {
        const person = between.issue({ names: 'email:bent@partner.test', keyUsage: '', purposes: '' })
        return signedMail(pki, { signer: pki.authorityOf(person).issue(own), along: [person, between] })
      },
      wanted: 'candidate new',
    },
  ]
  for (const { what, mail, wanted } of rows) {
    it(`${what}: ${wanted}`, async () => {
      const message = mail()
      assert.equal(short(await decide(message)), wanted)
    })
  }

  it('the judge finds the same signatures good and bad', () => {
    const good = signedMail(pki, { signer: anna, along: [between] })
    const file = path.join(pki.dir, 'judged.eml')
    const verify = ['cms', '-verify', '-in', file, '-CAfile', path.join(pki.dir, 'roots.pem'), '-out', '/dev/null']
    writeFileSync(file, good)
    openssl(verify)
    writeFileSync(file, edited(good, 'Hilsen Anna', 'Hilsen Anne'))
    assert.throws(() => openssl(verify), /digest failure|verification failure/i)
  })

  it('the certificate that the signer wants to be written to with comes first, and is the one that was asked for', async () => {
    const book = newBook()
    const found = await decide(signedMail(pki, { signer: signOnly, along: [between, encryptOnly] }), book)
    assert.equal(found.kind === 'harvested' && found.certificates[0]?.fingerprint, encryptOnly.fingerprint)
    const [kept] = await book.of('address', 'anna@partner.test')
    assert.deepEqual(Buffer.from(kept!.certificate, 'base64'), encryptOnly.der)
    // what a chain needs is kept with it, and nothing else
    assert.deepEqual(kept!.issuers, [between.der.toString('base64')])
  })

  it('seen again: nothing new; rejected: not taken again', async () => {
    const book = newBook()
    const mail = signedMail(pki, { signer: anna, along: [between] })
    assert.equal(short(await decide(mail, book)), 'trusted new')
    assert.equal(short(await decide(mail, book)), 'trusted known')
    const later = now + 3 * DAY
    assert.equal(short(await decide(mail, book, later)), 'trusted known')
    assert.equal((await book.of('address', 'anna@partner.test'))[0]?.lastSeen, later)
    await book.change('address', 'anna@partner.test', (old) => old.map((one) => ({ ...one, rejected: true })))
    assert.equal(short(await decide(mail, book)), 'rejected rejected')
  })

  it('strangers cannot push out what is trusted', async () => {
    const book = newBook()
    await decide(signedMail(pki, { signer: anna, along: [between] }), book)
    for (let n = 0; n < 12; n++) {
      const mail = signedMail(pki, { signer: stranger.issue(own) })
      assert.equal(short(await decide(mail, book, now + n)), 'candidate new')
    }
    const kept = await book.of('address', 'anna@partner.test')
    assert.equal(kept.length, 8)
    assert.ok(kept.some(({ fingerprint }) => fingerprint === anna.fingerprint))
  })
})

function edited(mail: Buffer, from: string, to: string): Buffer {
  return Buffer.from(mail.toString('latin1').replaceAll(from, to), 'latin1')
}
