import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { selfSigned } from '../../demo/certificates'
import { createTestCa, type TestCa } from '../internet/ca'
import { keeper } from '../internet/keeper'
import {
  startBadServer,
  startMailServer,
  startOldTlsServer,
  type FaultName,
  type MailServer,
} from '../internet/servers'
import { probeWorld, type ProbeTestWorld } from './world'

const HOST = 'mx.partner.test'
const SERVER = { address: '127.0.0.1', port: 0, hostname: HOST }

describe('secure-mail probe', function () {
  this.timeout(10_000)
  const keep = keeper()
  let ca: TestCa
  let world: ProbeTestWorld

  before(() => {
    ca = createTestCa()
  })
  beforeEach(() => {
    world = probeWorld(ca.file)
  })
  afterEach(async () => {
    world.remove()
    await keep.stop()
  })
  after(() => ca.stop())

  /** Good for longer than the month in which an end is a risk. */
  const YEAR = new Date(Date.now() + 365 * 86_400_000)
  const lasting = (...names: string[]) => ca.issue({ names, notAfter: YEAR })

  /** One MX host, served by that. */
  async function only(server: Promise<MailServer>): Promise<MailServer> {
    const started = await keep(server)
    world.serve(HOST, started.port)
    world.mx(HOST)
    return started
  }

  it('a good server: every step in its order, verdict ok, exit code 0, and no envelope', async () => {
    const server = await only(startMailServer({ ...SERVER, certificate: lasting(HOST) }))
    const { report, exitCode } = await world.report()
    assert.equal(exitCode, 0)
    assert.equal(report.verdict, 'ok')
    assert.equal(report.fix, '')
    const [mx] = report.mx
    assert.ok(mx)
    assert.deepEqual(
      mx.steps.map(({ step, ok }) => [step, ok]),
      [
        'addresses',
        'tlsa',
        'policy',
        'connect',
        'greeting',
        'ehlo',
        'starttls',
        'handshake',
        'verify',
        'ehlo-in-tls',
      ].map((step) => [step, true]),
    )
    assert.equal(mx.tls?.version, 'TLSv1.3')
    assert.equal(mx.tls.verified, true)
    assert.deepEqual(mx.tls.certificate?.names, [HOST])
    assert.ok(mx.tls.certificate.daysLeft >= 30)
    assert.deepEqual(
      server.commands.map(({ line }) => line.split(' ')[0]),
      ['EHLO', 'STARTTLS', 'EHLO', 'QUIT'],
    )
    assert.ok(server.commands[0]?.line.endsWith('gateway.own.test'))
  })

  it('people see each step, the requirement and the verdict', async () => {
    await only(startMailServer({ ...SERVER, certificate: lasting(HOST) }))
    const { out, err, exitCode } = await world.call('partner.test')
    assert.equal(err, '')
    assert.equal(exitCode, 0)
    for (const words of [/ok +mx +\d+ ms +mx\.partner\.test \(10\)/, /ok +mta-sts/, /ok +verify/, /verdict +ok: /]) {
      assert.match(out, words)
    }
    assert.ok(out.indexOf('connect') < out.indexOf('handshake'))
  })

  const FAULTS: [FaultName, string, string][] = [
    ['strippedStarttls', 'starttls-not-supported', 'starttls'],
    ['starttls454', 'starttls-not-supported', 'starttls'],
    ['starttlsGarbage', 'starttls-not-supported', 'starttls'],
    ['starttlsSilent', 'starttls-not-supported', 'starttls'],
    ['injected', 'starttls-injection', 'starttls'],
    ['handshakeCut', 'validation-failure', 'handshake'],
    ['handshakeSilent', 'validation-failure', 'handshake'],
    ['handshakeNotTls', 'starttls-injection', 'handshake'],
    ['silent', 'connection-failed', 'greeting'],
    ['greeting421', 'smtp-deferred', 'greeting'],
    ['greeting554', 'smtp-rejected', 'greeting'],
    ['greetingGarbage', 'protocol-error', 'greeting'],
    ['ehlo550', 'smtp-rejected', 'ehlo'],
  ]
  for (const [fault, resultType, step] of FAULTS) {
    it(`${fault}: ${resultType} at ${step}, with a fix and letters in both languages`, async () => {
      const server = await only(startBadServer(fault, { ...SERVER, certificate: lasting(HOST) }))
      const { report, exitCode } = await world.report('--letter', 'da')
      assert.equal(exitCode, 1)
      assert.equal(report.verdict, 'fails')
      assert.equal(report.resultType, resultType)
      const [mx] = report.mx
      assert.equal(mx?.resultType, resultType)
      assert.deepEqual(
        mx.steps.filter(({ ok }) => !ok).map((one) => one.step),
        [step],
      )
      assert.ok(mx.fix.length > 20)
      assert.doesNotMatch(mx.fix, /[{}]/)
      assert.match(report.letter ?? '', /^Emne: .*partner\.test[^]*Sådan rettes det[^]*IT support/)
      assert.ok(!server.commands.some(({ line }) => /^(MAIL|RCPT|DATA)/i.test(line)))
    })
  }

  it('nobody listens: connection-failed, with the address in the fix', async () => {
    world.serve(HOST, 1)
    world.mx(HOST)
    const { report } = await world.report()
    assert.equal(report.resultType, 'connection-failed')
    assert.match(report.fix, /port 25 of 192\.0\.2\.1/)
    assert.equal(report.mx[0]?.fault, 'partner')
  })

  const CERTIFICATES: [string, (ca: TestCa) => ReturnType<TestCa['good']>, string][] = [
    ['expired', (one) => one.expired(HOST), 'certificate-expired'],
    ['for another name', (one) => one.wrongName(), 'certificate-host-mismatch'],
    ['self-signed', (one) => one.selfSigned(HOST), 'certificate-not-trusted'],
    ['of an unknown authority', (one) => one.otherCa(HOST), 'certificate-not-trusted'],
  ]
  for (const [name, make, resultType] of CERTIFICATES) {
    it(`a certificate ${name}: at risk under encrypt, fails under verify`, async () => {
      await only(startMailServer({ ...SERVER, certificate: make(ca) }))
      const { report: encrypt, exitCode } = await world.report()
      assert.equal(exitCode, 1)
      assert.equal(encrypt.verdict, 'at-risk')
      assert.equal(encrypt.resultType, null)
      assert.equal(encrypt.mx[0]?.tls?.verified, false)
      const risk = encrypt.mx[0].risks.find(({ code }) => code === 'not-verifiable')
      assert.equal(risk?.resultType, resultType)

      world.write('secure-mail.tls_policy', 'partner.test verify note="agreed"\n')
      const { report: verify } = await world.report('--letter', 'en')
      assert.equal(verify.verdict, 'fails')
      assert.equal(verify.resultType, resultType)
      assert.deepEqual(
        verify.mx[0]?.steps.filter(({ ok }) => !ok).map(({ step }) => step),
        ['verify'],
      )
      assert.match(
        verify.letter ?? '',
        /openssl s_client -starttls smtp -connect 192\.0\.2\.1:25 -servername mx\.partner\.test -verify_return_error -verify_hostname mx\.partner\.test/,
      )
      assert.match(verify.letter ?? '', /cannot be delivered[^]*verify: FAILED[^]*support@own\.test/)
    })
  }

  it('only TLS 1.1: too low, and a second look says what it speaks', async () => {
    await only(startOldTlsServer({ ...SERVER, certificate: ca.goodRsa(HOST) }))
    const { report } = await world.report('--letter', 'en')
    assert.equal(report.resultType, 'tls-version-too-low')
    const older = report.mx[0]?.steps.find(({ step }) => step === 'older-tls')
    assert.equal(older?.detail, 'the server speaks TLSv1.1')
    assert.match(report.letter ?? '', /The\s+newest\s+that\s+it\s+speaks\s+is\s+TLSv1\.1/)
  })

  it('a certificate that ends within 30 days: at risk, with the days in the fix', async () => {
    const notAfter = new Date(Date.now() + 5.5 * 86_400_000)
    await only(startMailServer({ ...SERVER, certificate: ca.issue({ names: [HOST], notAfter }) }))
    const { report } = await world.report('--letter', 'da')
    assert.equal(report.verdict, 'at-risk')
    assert.deepEqual(
      report.mx[0]?.risks.map(({ code }) => code),
      ['certificate-expires-soon'],
    )
    assert.equal(report.mx[0].tls?.certificate?.daysLeft, 5)
    assert.match(report.mx[0].risks[0]?.fix ?? '', /5 days are left/)
    assert.match(report.letter ?? '', /bliver leveret i øjeblikket[^]*udløber snart/)
  })

  it('only TLS 1.2, the oldest that is allowed: at risk', async () => {
    await only(startMailServer({ ...SERVER, certificate: lasting(HOST), tls: { maxVersion: 'TLSv1.2' } }))
    const { report } = await world.report()
    assert.equal(report.verdict, 'at-risk')
    assert.deepEqual(
      report.mx[0]?.risks.map(({ code }) => code),
      ['only-oldest-tls'],
    )
  })

  it('one of two servers fails: at risk; with --mx only the other is looked at', async () => {
    const good = await keep(startMailServer({ ...SERVER, certificate: lasting('mx2.partner.test') }))
    const bad = await keep(startBadServer('strippedStarttls', { ...SERVER, certificate: lasting(HOST) }))
    world.serve(HOST, bad.port)
    world.serve('mx2.partner.test', good.port)
    world.mx(HOST, 'mx2.partner.test')
    const { report } = await world.report()
    assert.equal(report.verdict, 'at-risk')
    assert.deepEqual(
      report.mx.map(({ host, verdict }) => [host, verdict]),
      [
        [HOST, 'fails'],
        ['mx2.partner.test', 'ok'],
      ],
    )
    assert.deepEqual(
      report.risks.map(({ code, resultType }) => [code, resultType]),
      [['server-fails', 'starttls-not-supported']],
    )
    const { report: one, exitCode } = await world.report('--mx', 'MX2.partner.test')
    assert.equal(exitCode, 0)
    assert.deepEqual(
      one.mx.map(({ host, preference }) => [host, preference]),
      [['mx2.partner.test', 20]],
    )
  })

  it('--mx with a host that DNS does not name yet: looked at, without preference', async () => {
    const server = await keep(startMailServer({ ...SERVER, certificate: lasting('new.partner.test') }))
    world.serve('new.partner.test', server.port)
    const { report } = await world.report('--mx', 'new.partner.test')
    assert.equal(report.verdict, 'ok')
    assert.equal(report.mx[0]?.preference, null)
  })

  it('TLSA records count: a match is verified by DANE, a mismatch fails', async () => {
    world.dns.secure = true
    const certificate = selfSigned({ names: [HOST], notAfter: YEAR })
    await only(startMailServer({ ...SERVER, certificate }))
    const data = createHash('sha256')
      .update(new X509Certificate(certificate.cert).publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex')
    const usable = (hex: string) => ({
      state: 'usable' as const,
      base: HOST,
      records: [{ usage: 3, selector: 1, matchingType: 1, data: hex }],
    })
    world.dns.tlsa.set(HOST, usable(data))
    const { report } = await world.report()
    assert.equal(report.verdict, 'ok')
    assert.equal(report.mx[0]?.tls?.auth, 'dane')
    assert.equal(report.mx[0].tls.verified, true)

    world.dns.tlsa.set(HOST, usable('00'.repeat(32)))
    const { report: mismatch } = await world.report('--letter', 'en')
    assert.equal(mismatch.verdict, 'fails')
    assert.equal(mismatch.resultType, 'tlsa-invalid')
    assert.match(mismatch.letter ?? '', /delv TLSA _25\._tcp\.mx\.partner\.test/)
  })

  it('an MTA-STS policy that does not name the host: fails, and the facts are there all the same', async () => {
    await only(startMailServer({ ...SERVER, certificate: lasting(HOST) }))
    world.dns.sts = { state: 'policy', mode: 'enforce', id: '1', mx: ['other.partner.test'], maxAge: 86_400 }
    const { report } = await world.report()
    assert.equal(report.verdict, 'fails')
    assert.equal(report.resultType, 'validation-failure')
    assert.deepEqual(
      report.mx[0]?.steps.filter(({ ok }) => !ok).map(({ step }) => step),
      ['policy'],
    )
    assert.equal(report.mx[0].tls?.version, 'TLSv1.3')
  })

  it('an MTA-STS policy that cannot be fetched: at risk', async () => {
    await only(startMailServer({ ...SERVER, certificate: lasting(HOST) }))
    world.dns.sts = { state: 'error', resultType: 'sts-policy-fetch-error', detail: 'status 404' }
    const { report } = await world.report('--letter', 'en')
    assert.equal(report.verdict, 'at-risk')
    assert.deepEqual(
      report.risks.map(({ code }) => code),
      ['mta-sts-unusable'],
    )
    assert.match(report.letter ?? '', /curl -sSv https:\/\/mta-sts\.partner\.test/)
  })

  it('a row that allows clear text: no TLS is a risk, not a failure', async () => {
    world.write('secure-mail.tls_policy', 'partner.test may note="test" expires=2099-12-31\n')
    await only(startMailServer(SERVER))
    const { report } = await world.report()
    assert.equal(report.verdict, 'at-risk')
    assert.deepEqual(
      report.mx[0]?.risks.map(({ code, resultType }) => [code, resultType]),
      [['clear-text', 'starttls-not-supported']],
    )
  })

  it('monitor mode is probed as if it enforced', async () => {
    world.write('secure-mail.ini', '[main]\nmode=monitor\ninternal_domains[]=own.test\n')
    await only(startMailServer(SERVER))
    const { report } = await world.report()
    assert.equal(report.verdict, 'fails')
    assert.equal(report.required.level, 'encrypt')
  })

  const NAMES: [string, NonNullable<ProbeTestWorld['dns']['mx']>, string][] = [
    ['no such domain', { kind: 'no-domain', detail: 'NXDOMAIN' }, 'domain-not-found'],
    ['null MX (RFC 7505)', { kind: 'null-mx', secure: false }, 'null-mx'],
    ['DNS fails', { kind: 'error', error: 'servfail', detail: 'SERVFAIL' }, 'dns-error'],
  ]
  for (const [name, answer, resultType] of NAMES) {
    it(`${name}: ${resultType}, and a letter`, async () => {
      world.dns.mx = answer
      const { report, exitCode } = await world.report('--letter', 'da')
      assert.equal(exitCode, 1)
      assert.equal(report.verdict, 'fails')
      assert.equal(report.resultType, resultType)
      assert.deepEqual(report.mx, [])
      assert.match(report.letter ?? '', /Hvad der er galt/)
    })
  }

  it('an MX host without an address', async () => {
    world.mx(HOST)
    const { report } = await world.report()
    assert.equal(report.resultType, 'no-address')
    assert.equal(report.mx[0]?.address, null)
  })

  it('--letter: the letter alone on standard output, the steps beside it', async () => {
    await only(startMailServer(SERVER))
    const { out, err, exitCode } = await world.call('partner.test', '--letter', 'en')
    assert.equal(exitCode, 1)
    assert.match(out, /^Subject: The mail servers of partner\.test/)
    assert.match(err, /FAILED starttls/)
    for (const line of out.split('\n')) if (!line.includes('openssl')) assert.ok(line.length <= 78, line)
  })

  it('--letter with nothing to complain about: none', async () => {
    await only(startMailServer({ ...SERVER, certificate: lasting(HOST) }))
    const { out, err, exitCode } = await world.call('partner.test', '--letter', 'en')
    assert.equal(exitCode, 0)
    assert.equal(out, '')
    assert.match(err, /no letter/)
  })

  it('an instance can change a section of the letter; a mistake in it is told with its line', async () => {
    await only(startMailServer(SERVER))
    world.write('secure-mail.letter/en.txt', '[letter.greeting]\nDear colleagues at {domain}\n')
    assert.match((await world.call('partner.test', '--letter', 'en')).out, /Dear colleagues at partner\.test/)
    world.write('secure-mail.letter/en.txt', '[letter.greting]\nDear\n')
    const { err, exitCode } = await world.call('partner.test')
    assert.equal(exitCode, 2)
    assert.match(err, /secure-mail\.letter\/en\.txt:1.*letter\.greeting/)
  })

  const WRONG: string[][] = [
    ['two words'],
    ['partner.test', '--mx', 'a@b.test'],
    ['partner.test', '--letter', 'fr'],
    [],
  ]
  for (const args of WRONG) {
    it(`wrong call (${args.join(' ')}): exit code 2`, async () => {
      const { out, err, exitCode } = await world.call(...args)
      assert.equal(exitCode, 2)
      assert.equal(out, '')
      assert.notEqual(err, '')
    })
  }
})
