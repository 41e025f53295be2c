import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { PasswordNeeded, readCertificateFile } from '../../../lib/encrypt/certificates/files'
import { createPki, openssl, type Authority, type Issued, type Pki } from '../pki'

describe('certificates: files', () => {
  let pki: Pki
  let root: Authority
  let rsa: Issued
  let ec: Issued
  before(() => {
    pki = createPki()
    root = pki.authority('/CN=Mail Root')
    rsa = root.issue({ names: 'email:anna@partner.test', key: 'rsa2048', subject: '/O=Universitetet i Ærø/CN=Anna' })
    ec = root.issue({ names: 'email:bent@partner.test', key: 'P-384' })
  })
  after(() => {
    pki.remove()
  })

  const file = (name: string) => path.join(pki.dir, name)
  const pkcs12 = (one: Issued, password: string, ...more: string[]) =>
    openssl([
      ...['pkcs12', '-export', '-in', one.certFile, '-inkey', one.keyFile, '-certfile', root.certFile],
      ...['-passout', `pass:${password}`, ...more],
    ])
  const ders = (found: { certificates: Buffer[] }) => found.certificates.map((der) => der.toString('hex')).sort()
  const wanted = (...some: Issued[]) => some.map(({ der }) => der.toString('hex')).sort()

  it('PEM and DER, with text around and several in one', () => {
    const found = readCertificateFile(Buffer.from(`Bag Attributes\n${rsa.cert}\nsubject=...\n${ec.cert}`))
    assert.deepEqual([found.form, ders(found)], ['PEM', wanted(rsa, ec)])
    const one = readCertificateFile(ec.der)
    assert.deepEqual([one.form, ders(one)], ['DER', wanted(ec)])
  })

  it('PKCS #7: certificates only, of a signature, PEM and DER', () => {
    writeFileSync(file('both.pem'), rsa.cert + ec.cert)
    for (const form of ['PEM', 'DER']) {
      const bytes = openssl(['crl2pkcs7', '-nocrl', '-certfile', file('both.pem'), '-outform', form])
      const found = readCertificateFile(bytes)
      assert.deepEqual([found.form, ders(found)], ['PKCS #7', wanted(rsa, ec)], form)
    }
    const signature = openssl(
      ['cms', '-sign', '-signer', rsa.certFile, '-inkey', rsa.keyFile, '-outform', 'DER'],
      Buffer.from('text'),
    )
    assert.deepEqual(ders(readCertificateFile(signature)), wanted(rsa))
  })

  for (const [what, more] of [
    ['as OpenSSL 3 writes it', []],
    ['as Windows wrote it', ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
  ] as const) {
    it(`PKCS #12 ${what}: the certificates byte for byte, the key is counted and not kept`, () => {
      for (const one of [rsa, ec]) {
        const bytes = pkcs12(one, 'hemmelig', ...more)
        const found = readCertificateFile(bytes, 'hemmelig')
        assert.deepEqual([found.form, found.privateKeys, ders(found)], ['PKCS #12', 1, wanted(one, root)])
        assert.throws(() => readCertificateFile(bytes), PasswordNeeded)
        assert.throws(() => readCertificateFile(bytes, 'wrong'), PasswordNeeded)
      }
      assert.equal(readCertificateFile(pkcs12(rsa, '', ...more)).certificates.length, 2)
    })
  }

  it('LDIF', () => {
    const value = rsa.der.toString('base64').match(/.{1,60}/g)!
    const ldif = `dn: cn=Anna\r\nmail: anna@partner.test\r\nuserCertificate;binary:: ${value.join('\r\n ')}\r\n`
    const found = readCertificateFile(Buffer.from(ldif))
    assert.deepEqual([found.form, ders(found)], ['LDIF', wanted(rsa)])
  })

  it('what holds none says so', () => {
    for (const [bytes, why] of [
      [readFileSync(rsa.keyFile), /a private key and no certificate/],
      [openssl(['pkey', '-in', ec.keyFile, '-outform', 'DER']), /a private key and no certificate/],
      [Buffer.from('hello'), /none of PEM, DER/],
      [Buffer.alloc(0), /none of PEM, DER/],
      [Buffer.from('-----BEGIN CERTIFICATE REQUEST-----\nMAAA\n-----END CERTIFICATE REQUEST-----\n'), /no certificate/],
      [Buffer.from('3003020103', 'hex'), /cannot be read as PKCS #12|no certificate/],
      [Buffer.alloc(5 * 1024 * 1024), /too large/],
      [rsa.der.subarray(0, 100), /can be read/],
    ] as const) {
      assert.throws(
        () => readCertificateFile(bytes),
        (error: Error) => error instanceof RangeError && why.test(error.message),
        String(why),
      )
    }
  })
})
