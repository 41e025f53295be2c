import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { openLmdbStore } from '../../../lib/store/lmdb'
import { ran, schemaErrors } from '../../bin/run'
import { createPki, openssl, type Authority, type Issued, type Pki } from '../pki'
import { signedMail } from '../signed'

interface Listed {
  holder: string
  scope: string
  fingerprint: string
  state: string
  usable: boolean
  why: string
  source: string
}

describe('secure-mail certs', () => {
  let pki: Pki
  let root: Authority
  let stranger: Authority
  let anna: Issued
  let gateway: Issued
  let dir: string
  let count = 0
  before(() => {
    pki = createPki()
    root = pki.authority('/CN=Mail Root')
    stranger = pki.authority('/CN=Root of a stranger')
    anna = root.issue({ names: 'email:anna@partner.test', key: 'rsa2048', subject: '/CN=Anna' })
    gateway = stranger.issue({ names: 'email:sikkerpost@kommune.test', key: 'rsa2048', subject: '/CN=Kommunen' })
  })
  after(() => {
    pki.remove()
  })
  beforeEach(() => {
    dir = path.join(pki.dir, `instance-${++count}`)
    mkdirSync(path.join(dir, 'config'), { recursive: true })
    writeFileSync(path.join(dir, 'config', 'plugins'), 'secure-mail\n')
    writeFileSync(
      path.join(dir, 'config', 'secure-mail.ini'),
      `[main]\ninternal_domains[]=uni.test\n[category3]\nsmime_roots=${root.certFile}\n[store]\npath=store\n`,
    )
  })

  const certs = (...args: string[]) => ran(['certs', ...args, '--config', dir])
  const json = async <T>(schema: string, exitCode: number, ...args: string[]): Promise<T> => {
    const done = await certs(...args, '--json')
    assert.equal(done.exitCode, exitCode, done.err)
    const value = JSON.parse(done.out) as T
    assert.deepEqual(schemaErrors(`certs-${schema}.schema.json`, value), [])
    return value
  }
  const list = async (...args: string[]) =>
    (await json<{ certificates: Listed[] }>('list', 0, 'list', ...args)).certificates
  const file = (name: string, content: string | Buffer) => {
    const made = path.join(dir, name)
    writeFileSync(made, content)
    return made
  }

  it('nothing there: an empty list, and no store is made', async () => {
    assert.deepEqual(await list(), [])
    assert.match((await certs()).out, /^0 certificates, 0 in use\n$/)
    assert.throws(() => readFileSync(path.join(dir, 'store', 'data.mdb')), /ENOENT/)
  })

  it('import, list, export, remove; nothing comes back', async () => {
    const done = await certs('import', anna.certFile)
    assert.equal(done.exitCode, 0, done.err)
    assert.match(done.out, new RegExp(`^anna@partner.test: ${anna.fingerprint.slice(0, 16)} \\(RSA 2048, until `))
    const [one] = await list('Anna@Partner.Test')
    assert.deepEqual(
      [one?.holder, one?.fingerprint, one?.state, one?.usable, one?.source],
      ['anna@partner.test', anna.fingerprint, 'trusted', true, 'imported'],
    )
    assert.match((await certs()).out, /anna@partner\.test +in use +imported +RSA 2048/)
    assert.deepEqual(await list('bent@partner.test'), [])
    assert.equal((await list('partner.test')).length, 1)
    for (const which of [anna.fingerprint, anna.x509.fingerprint256, 'anna@partner.test']) {
      const { out } = await certs('export', which)
      assert.deepEqual(openssl(['x509', '-outform', 'DER'], Buffer.from(out)), anna.der)
    }
    await json('export', 1, 'export', 'bent@partner.test')
    await json('change', 0, 'remove', anna.fingerprint.slice(0, 12))
    assert.deepEqual(await list(), [])
    await json('change', 1, 'remove', anna.fingerprint)
  })

  it('what is changed while no gateway runs is done, and said to be in no audit log', async () => {
    const words = /^secure-mail: not in the audit log: the gateway of .* does not run$/m
    assert.match((await certs('import', anna.certFile)).err, words)
    assert.match((await certs('trust', anna.fingerprint)).err, words)
    assert.doesNotMatch((await certs('remove', 'ab'.repeat(32))).err, words, 'nothing was changed')
    const removed = await certs('remove', anna.fingerprint)
    assert.match(removed.err, words)
    assert.equal(removed.exitCode, 0)
    assert.deepEqual(await list(), [])
  })

  it('PKCS #12: the password from a file or the terminal, the key stays out', async () => {
    const p12 = file(
      'anna.p12',
      openssl(['pkcs12', '-export', '-in', anna.certFile, '-inkey', anna.keyFile, '-passout', 'pass:hemmelig']),
    )
    const without = await certs('import', p12)
    assert.equal(without.exitCode, 1)
    assert.match(without.err, /wants a password; give it with --password-file FILE/)
    const wrong = await certs('import', p12, '--password-file', file('wrong', 'nej\n'))
    assert.match(wrong.err, /not the right one/)
    const done = await certs('import', p12, '--password-file', file('right', 'hemmelig\n'))
    assert.equal(done.exitCode, 0, done.err)
    assert.match(done.err, /the private key in it was not kept/)
    assert.equal((await list()).length, 1)
    const data = readFileSync(path.join(dir, 'store', 'data.mdb')).toString('latin1')
    const key = readFileSync(anna.keyFile, 'utf8').split('\n').slice(5, 10).join('')
    assert.ok(!data.includes(key) && !data.includes('PRIVATE KEY'))
  })

  it('a certificate of an organisation’s gateway stands for everybody at the domain', async () => {
    const done = await certs('import', gateway.certFile, '--domain', 'Kommune.test')
    assert.equal(done.exitCode, 0, done.err)
    const [one] = await list('kommune.test')
    assert.deepEqual([one?.scope, one?.holder, one?.usable], ['domain', 'kommune.test', true])
    assert.match((await certs()).out, /@kommune\.test +in use/)
  })

  it('a signed mail: trusted with a chain, else it waits until somebody approves it', async () => {
    const mail = file('signed.eml', signedMail(pki, { signer: anna }))
    await json('import', 0, 'import', mail)
    assert.deepEqual(
      (await list()).map(({ state, source, usable }) => [state, source, usable]),
      [['trusted', 'harvested', true]],
    )
    const bent = stranger.issue({ names: 'email:bent@partner.test' })
    const other = file('other.eml', signedMail(pki, { signer: bent, from: 'From: bent@partner.test\r\n' }))
    const done = await certs('import', other)
    assert.match(
      done.out,
      /is candidate: none of the configured roots has issued it\n {2}approve it: secure-mail certs trust/,
    )
    assert.equal((await list('--state', 'candidate'))[0]?.usable, false)
    assert.match((await certs()).out, /1 wait for approval/)
    const approved = await certs('trust', bent.fingerprint.slice(0, 16))
    assert.match(approved.out, /^approved: /)
    assert.deepEqual(
      (await list('bent@partner.test')).map(({ state, source, usable, why }) => [state, source, usable, why]),
      [['trusted', 'confirmed', true, 'a postmaster has approved it']],
    )
    await json('change', 0, 'remove', '--reject', bent.fingerprint)
    await certs('import', other)
    assert.equal((await list('bent@partner.test'))[0]?.state, 'rejected')
    const changed = file(
      'changed.eml',
      signedMail(pki, { signer: anna }).toString('latin1').replace('Hilsen', 'hilsen'),
    )
    const refused = await certs('import', changed)
    assert.deepEqual([refused.exitCode, /not what was signed/.test(refused.err)], [1, true])
  })

  it('what cannot be used is passed over, and it says why', async () => {
    const expired = root.issue({ names: 'email:a@partner.test', notBefore: 0, notAfter: 86_400_000 })
    const nameless = root.issue({ subject: '/CN=Nobody' })
    for (const [given, why] of [
      [expired.certFile, /it has expired \(1970-01-02/],
      [nameless.certFile, /say whose it is with --for ADDRESS or --domain DOMAIN/],
      [anna.keyFile, /a private key and no certificate/],
      [path.join(dir, 'nowhere.pem'), /ENOENT|no such file/],
    ] as const) {
      const done = await certs('import', given)
      assert.equal(done.exitCode, 1)
      assert.match(done.err, why)
      assert.equal((await json<{ files: { problem: string }[] }>('import', 1, 'import', given)).files.length, 1)
    }
    const done = await certs('import', nameless.certFile, '--for', 'carl@partner.test')
    assert.equal(done.exitCode, 0, done.err)
    assert.equal((await list('carl@partner.test'))[0]?.usable, true)
  })

  it('works while the gateway has the store open', async () => {
    const store = await openLmdbStore({ path: path.join(dir, 'store'), clock: { now: () => Date.now() } })
    assert.equal((await certs('import', anna.certFile)).exitCode, 0)
    assert.equal((await store.list(['cert'])).length, 1)
    await store.close()
  })

  it('revocation lists count for what was imported before, and what is wrong with them is said', async () => {
    await certs('import', anna.certFile)
    mkdirSync(path.join(dir, 'crls'))
    file('crls/root.pem', root.crl({ revoked: [anna], until: Date.now() - 1000 }))
    file('crls/notes.txt', 'nothing')
    const ini = path.join(dir, 'config', 'secure-mail.ini')
    writeFileSync(ini, readFileSync(ini, 'utf8').replace('[store]', 'smime_crls=crls\n[store]'))
    const [one] = await list()
    assert.deepEqual([one?.state, one?.usable, one?.why], ['trusted', false, 'its issuer has revoked it'])
    const { out, err } = await certs()
    assert.match(out, /not usable/)
    assert.match(err, /1 revocation list overdue/)
    assert.match(err, /notes\.txt is not used: it holds no revocation list/)
  })

  for (const [args, why] of [
    [['trust', 'xyz'], /no SHA-256 fingerprint/],
    [['trust', 'abc'], /at least its first 8 digits/],
    [['remove'], /missing required argument/],
    [['import'], /missing required argument/],
    [['import', 'f', '--for', 'a@b.test', '--domain', 'b.test'], /not both/],
    [['import', 'f', '--for', 'b.test'], /no address/],
    [['import', 'f', '--domain', 'a b'], /no domain/],
    [['import', 'f', '--password-file', '/nowhere'], /--password-file/],
    [['list', 'a b'], /neither an address nor a domain/],
    [['list', '--state', 'good'], /is none of trusted/],
  ] as const) {
    it(`certs ${args.join(' ')}: one line, exit code 2`, async () => {
      const { out, err, exitCode } = await certs(...args)
      assert.deepEqual([exitCode, out], [2, ''])
      assert.match(err, why)
      assert.equal(err.trim().split('\n').length, 1)
    })
  }
})
