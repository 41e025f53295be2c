import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createTestCa, type TestCa } from './ca'
import { keeper } from './keeper'
import { requirePackages } from './packages'
import { run } from '../../demo/processes'

describe('internet: certificates, judged by OpenSSL', function () {
  this.timeout(30_000)
  const keep = keeper()
  let ca: TestCa

  before(async function () {
    await requirePackages(this)
    ca = await keep(createTestCa())
  })
  after(() => keep.stop())

  const verify = async (certFile: string, name: string) => {
    const args = ['verify', '-no-CApath', '-no-CAstore', '-CAfile', ca.file, '-purpose', 'sslserver', '-x509_strict']
    return run('openssl', [...args, '-verify_hostname', name, certFile], { env: { SSL_CERT_FILE: undefined } })
  }

  const table: readonly (readonly [string, () => string, RegExp])[] = [
    ['good', () => ca.good('mx.good.test').certFile, /OK/],
    ['good, RSA', () => ca.goodRsa('mx.good.test').certFile, /OK/],
    ['self-signed', () => ca.selfSigned('mx.good.test').certFile, /error 18 /],
    ['expired', () => ca.expired('mx.good.test').certFile, /error 10 /],
    ['not yet valid', () => ca.notYetValid('mx.good.test').certFile, /error 9 /],
    ['wrong name', () => ca.wrongName().certFile, /error 62 /],
    ['other CA', () => ca.otherCa('mx.good.test').certFile, /error 20 /],
  ]
  for (const [what, make, expected] of table) {
    it(`${what}: ${String(expected)}`, async () => {
      const { code, stdout, stderr } = await verify(make(), 'mx.good.test')
      assert.match(stdout + stderr, expected)
      assert.equal(code === 0, what.startsWith('good'))
    })
  }

  it('holds the key that belongs to the certificate', () => {
    const { cert, key } = ca.good('a.test', 'b.test')
    const parsed = new X509Certificate(cert)
    assert.equal(parsed.subjectAltName, 'DNS:a.test, DNS:b.test')
    assert.ok(parsed.checkPrivateKey(createPrivateKey(key)))
  })
})
