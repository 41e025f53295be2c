import assert from 'node:assert/strict'
import { createTestCa, type TestCa } from './ca'
import { sendWithPython, sendWithSwaks } from './clients'
import { keeper } from './keeper'
import { requirePackages } from './packages'
import { startPostfix, type Postfix } from './postfix'
import { freePort, run } from '../../demo/processes'

describe('internet: Postfix as recipients, judged by OpenSSL; swaks and Python as senders', function () {
  this.timeout(30_000)
  const at = (n: number) => `127.0.0.${20 + n}`
  const keep = keeper()
  let ca: TestCa
  let postfix: Postfix
  let port: number

  before(async function () {
    await requirePackages(this)
    this.timeout(40_000)
    ca = await keep(createTestCa())
    port = await freePort([1, 2, 3, 4, 5, 6, 7].map(at))
    postfix = await keep(
      startPostfix({
        port,
        listeners: [
          {
            address: at(1),
            hostname: 'mx.good.test',
            profile: 'tls',
            certificate: ca.good('mx.good.test'),
            domains: ['good.test'],
            unknown: ['nobody@good.test'],
            busy: ['busy@good.test'],
          },
          {
            address: at(2),
            hostname: 'mx.self.test',
            profile: 'tls',
            certificate: ca.selfSigned('mx.self.test'),
            domains: ['self.test'],
          },
          {
            address: at(3),
            hostname: 'mx.old.test',
            profile: 'tls',
            certificate: ca.expired('mx.old.test'),
            domains: ['old.test'],
          },
          {
            address: at(4),
            hostname: 'mx.wrong.test',
            profile: 'tls',
            certificate: ca.wrongName(),
            domains: ['wrong.test'],
          },
          {
            address: at(5),
            hostname: 'mx.tls10.test',
            profile: 'tls10only',
            certificate: ca.good('mx.tls10.test'),
            domains: ['tls10.test'],
          },
          { address: at(6), hostname: 'mx.plain.test', profile: 'noTls', domains: ['plain.test'] },
          {
            address: at(7),
            hostname: 'mx.strict.test',
            profile: 'tlsRequired',
            certificate: ca.good('mx.strict.test'),
            domains: ['strict.test'],
          },
        ],
      }),
    )
  })
  after(() => keep.stop())

  const connect = async (n: number, name: string, ...more: string[]) => {
    const args = ['s_client', '-starttls', 'smtp', '-connect', `${at(n)}:${port}`, '-CAfile', ca.file, '-brief']
    const { stdout, stderr } = await run(
      'openssl',
      [...args, '-no-CApath', '-no-CAstore', '-verify_hostname', name, '-servername', name, ...more],
      { input: 'QUIT\r\n', limit: 10_000, env: { SSL_CERT_FILE: undefined } },
    )
    return stdout + stderr
  }

  const table: readonly (readonly [string, number, string, readonly RegExp[], readonly string[]])[] = [
    ['good', 1, 'mx.good.test', [/Protocol version: TLSv1\.3/, /Verification: OK/], []],
    ['self-signed', 2, 'mx.self.test', [/CONNECTION ESTABLISHED/, /Verification error: self-signed certificate/], []],
    ['expired', 3, 'mx.old.test', [/CONNECTION ESTABLISHED/, /Verification error: certificate has expired/], []],
    ['wrong name', 4, 'mx.wrong.test', [/CONNECTION ESTABLISHED/, /Verification error: hostname mismatch/], []],
    ['TLS 1.0 only, modern client', 5, 'mx.tls10.test', [/protocol version|unsupported/i], ['-tls1_2']],
    [
      'TLS 1.0 only, old client',
      5,
      'mx.tls10.test',
      [/Protocol version: TLSv1\n/],
      ['-tls1', '-cipher', 'ALL:@SECLEVEL=0'],
    ],
    ['no TLS', 6, 'mx.plain.test', [/Didn't find STARTTLS/], []],
    ['TLS required', 7, 'mx.strict.test', [/Verification: OK/], []],
  ]
  for (const [what, n, name, expected, more] of table) {
    it(`${what}: ${expected.map(String).join(' ')}`, async () => {
      const seen = await connect(n, name, ...more)
      for (const pattern of expected) assert.match(seen, pattern)
      if (what === 'TLS 1.0 only, modern client') assert.doesNotMatch(seen, /ESTABLISHED/)
    })
  }

  const message = [
    'From: <anna@uni.test>',
    'To: <b@good.test>',
    'Subject: dots',
    'Message-ID: <1@uni.test>',
    'Date: Mon, 06 Jul 2026 10:00:00 +0200',
    '',
    '.',
    '..',
    '.x',
    'æøå — end  ',
    '',
  ].join('\r\n')

  it('swaks over TLS: arrives byte for byte', async () => {
    const sent = await sendWithSwaks({
      server: `${at(1)}:${port}`,
      from: 'anna@uni.test',
      to: ['b@good.test'],
      tls: 'starttls',
      data: message,
    })
    assert.equal(sent.code, 0, sent.transcript)
    assert.match(sent.reply, /^250 2\.0\.0 Ok/)
    const [mail] = await postfix.waitFor('good.test', 1)
    assert.equal(mail!.message.toString(), message)
    assert.deepEqual(
      { sender: mail!.sender, recipient: mail!.recipient, tls: mail!.tls, by: mail!.by },
      { sender: 'anna@uni.test', recipient: 'b@good.test', tls: 'TLSv1.3', by: 'mx.good.test' },
    )
  })

  it('Python in clear: arrives byte for byte, and the absence of TLS is seen', async () => {
    const sent = await sendWithPython({
      server: `${at(6)}:${port}`,
      from: '',
      to: ['a@plain.test', 'b@plain.test'],
      data: message,
    })
    assert.equal(sent.code, 0, sent.transcript)
    const mails = await postfix.waitFor('plain.test', 2)
    assert.deepEqual(
      mails
        .map(({ sender, recipient, tls }) => ({ sender, recipient, tls }))
        .sort((a, b) => (a.recipient < b.recipient ? -1 : 1)),
      [
        { sender: '', recipient: 'a@plain.test', tls: undefined },
        { sender: '', recipient: 'b@plain.test', tls: undefined },
      ],
    )
    assert.equal(mails[0]!.message.toString(), message)
  })

  it('RCPT is refused and deferred by address, and a foreign domain is not relayed', async () => {
    const sent = await sendWithPython({
      server: `${at(1)}:${port}`,
      from: 'anna@uni.test',
      to: ['nobody@good.test', 'busy@good.test', 'x@elsewhere.test', 'c@good.test'],
      tls: 'starttls',
    })
    assert.equal(sent.code, 0, sent.transcript)
    assert.match(sent.refused['nobody@good.test']!, /^550 5\.1\.1 .*no such mailbox/)
    assert.match(sent.refused['busy@good.test']!, /^450 4\.2\.0 .*busy/)
    assert.match(sent.refused['x@elsewhere.test']!, /^[45]54 /)
    assert.equal(Object.keys(sent.refused).length, 3)
  })

  it('swaks tells by its exit code that nothing was accepted, and that there is no TLS', async () => {
    const server = `${at(1)}:${port}`
    assert.equal((await sendWithSwaks({ server, from: 'a@uni.test', to: ['nobody@good.test'] })).code, 24)
    const plain = `${at(6)}:${port}`
    assert.equal(
      (await sendWithSwaks({ server: plain, from: 'a@uni.test', to: ['a@plain.test'], tls: 'starttls' })).code,
      29,
    )
  })

  it('TLS required: nothing is taken in clear', async () => {
    const sent = await sendWithPython({ server: `${at(7)}:${port}`, from: 'a@uni.test', to: ['a@strict.test'] })
    assert.match(sent.reply, /^530 5\.7\.0 /)
    assert.deepEqual(postfix.mails('strict.test'), [])
  })
})
