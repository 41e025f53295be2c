import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, renameSync } from 'node:fs'
import { startWorld, type World } from './world'
import { prepareGateway, type AuditLine, type Gateway, type TestGatewayOptions } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { sendWithPython } from '../internet/clients'
import { until } from '../../demo/processes'
import { systemClock } from '../../lib/clock'
import { loadConfig } from '../../lib/config'
import { certificateBook } from '../../lib/encrypt/certificates/book'
import type { Scope } from '../../lib/encrypt/certificates/names'
import { openStore } from '../../lib/store'
import { openMail, openOffice, openWithPython, openssl, type Correspondent, type Office } from '../encrypt/office'

/** Numbers that pass modulus 11, of nobody. */
const NUMBERS = ['070761-1006', '211062-1003', '131052-1007', '290444-1018', '010270-1003', '151175-1000']
const listOf = (count: number) =>
  NUMBERS.slice(0, count)
    .map((number, n) => `Person ${n}, CPR ${number}\r\n`)
    .join('')

/** Signs what it sees: the mail as it is after us. */
const SIGNER = `exports.hook_pre_send_trans_email = function (next, { transaction }) {
  transaction.add_header('X-Signed-Type', transaction.header.get('Content-Type').split(';')[0])
  next()
}\n`

interface Post {
  token: string
  reply: string
}

describe('encryption by the gateway', function () {
  this.timeout(90_000)
  const keep = keeper()
  let world: World
  let office: Office
  let bo: Correspondent
  let cy: Correspondent
  let gateway: Correspondent
  let domain: Correspondent
  let count = 0

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
    office = openOffice()
    bo = office.issue('rsa', 'bo@good.test')
    cy = office.issue('p256', 'cy@good.test')
    domain = office.issue('rsa', 'gateway@selfsigned.test')
    gateway = office.issue('p256', 'gateway@uni.test', { usage: 'digitalSignature' })
  })
  after(async () => {
    await keep.stop()
    office.stop()
  })

  /** A gateway that knows the certificates of Bo and Cy, and of everybody's gateway at two.test. */
  async function start(category3: string, options: TestGatewayOptions = {}): Promise<Gateway> {
    const settings = `${world.settings()}\n[category3]\n${category3}\n[audit]\nrecipients=clear\n`
    const server = await keep(prepareGateway({ nodes: 0, settings, ...options }))
    await know(server.dir, [
      ['address', 'bo@good.test', bo],
      ['address', 'cy@good.test', cy],
      ['domain', 'two.test', domain],
    ])
    await server.start()
    return server
  }

  async function know(dir: string, people: readonly [Scope, string, Correspondent][]): Promise<void> {
    const config = loadConfig(dir)
    assert.ok(config.ok)
    mkdirSync(config.settings.store.path, { recursive: true, mode: 0o700 })
    const store = await openStore(config.settings.store, systemClock)
    for (const [scope, name, { certificate }] of people) {
      const fingerprint = createHash('sha256').update(certificate).digest('hex')
      const now = Date.now()
      await certificateBook(store).change(scope, name, () => [
        ...[{ fingerprint, certificate: certificate.toString('base64'), issuers: [], source: 'imported' as const }].map(
          (one) => ({ ...one, rejected: false, firstSeen: now, lastSeen: now }),
        ),
      ])
    }
    await store.close()
  }

  async function post(
    server: Gateway,
    to: readonly string[],
    options: { subject?: string; body?: string; headers?: string; visible?: string; taken?: boolean } = {},
  ): Promise<Post> {
    const token = `enc${process.pid}x${++count}y`
    const data =
      `From: Anne <anne@uni.test>\r\nTo: ${options.visible ?? to.join(', ')}\r\nSubject: ${options.subject ?? 'About'}\r\n` +
      `Message-ID: <${token}@uni.test>\r\nDate: Thu, 01 Jan 2026 12:00:00 +0000\r\n${options.headers ?? ''}\r\n` +
      (options.body ?? `Nobody else may read this: ${token}\r\n`)
    const { reply, transcript } = await sendWithPython({ server: server.server, from: 'anne@uni.test', to, data })
    if (options.taken !== false) assert.match(reply, /^250 /, transcript)
    return { token, reply }
  }

  const arrived = ({ token }: Post, recipient: string): Buffer[] =>
    world.postfix
      .mails(recipient.slice(recipient.indexOf('@') + 1))
      .filter((mail) => mail.recipient === recipient && mail.message.includes(`<${token}@uni.test>`))
      .map(({ message }) => message)
  const delivered = async (mail: Post, recipient: string): Promise<Buffer> => {
    await until(`${recipient} has the mail`, () => arrived(mail, recipient).length > 0)
    const [message = Buffer.alloc(0), ...more] = arrived(mail, recipient)
    assert.equal(more.length, 0, 'once')
    return message
  }
  /** Reports about the mail, to its sender. */
  const reports = ({ token }: Post): string[] =>
    world.postfix
      .mails('uni.test')
      .filter(({ sender, message }) => sender === '' && message.includes(`<${token}@uni.test>`))
      .map(({ message }) => message.toString('utf8'))
  const reported = async (mail: Post): Promise<string> => {
    await until('the sender is told', () => reports(mail).length > 0)
    assert.equal(reports(mail).length, 1)
    return reports(mail)[0] ?? ''
  }
  /** What the audit log says of the case of this mail, under `securemail`. */
  const events = (server: Gateway, action: string, mail: Post) => {
    const details = (line: AuditLine) => line.securemail as Readonly<Record<string, unknown>>
    const about = (one: string): Readonly<Record<string, unknown>>[] =>
      server.events(one).map((line) => ({ text: JSON.stringify(line), ...details(line) }))
    const caseOf = about('message-accepted').find(({ text }) => String(text).includes(mail.token))?.case_id
    return about(action).filter((line) => caseOf !== undefined && line.case_id === caseOf)
  }
  const named = (headers: [string, string][], name: string) =>
    headers.filter(([one]) => one.toLowerCase() === name.toLowerCase()).map(([, value]) => value)

  describe('action=encrypt, without_certificate=ndr', () => {
    let server: Gateway
    before(async () => {
      server = await start('action=encrypt')
    })

    it('a list of six persons goes out encrypted, and only Bo can read it', async () => {
      const mail = await post(server, ['bo@good.test'], { body: listOf(6), headers: 'Content-Type: text/plain\r\n' })
      const message = await delivered(mail, 'bo@good.test')
      for (const number of NUMBERS) assert.ok(!message.includes(number))
      const { parts, inner, outer } = openMail(office, message, bo)
      assert.equal(parts[0]?.content?.toString(), listOf(6))
      assert.deepEqual(named(inner, 'Subject'), ['About'])
      assert.deepEqual(named(outer, 'Subject'), ['About'])
      assert.deepEqual(reports(mail), [])
      const [event] = events(server, 'category3-encrypted', mail)
      assert.equal(event?.category, 3)
      assert.equal(event.algorithm, 'aes256-cbc')
      assert.equal(event.certificates, createHash('sha256').update(bo.certificate).digest('hex'))
      assert.equal(events(server, 'message-accepted', mail)[0]?.category, 3)
      assert.equal(events(server, 'category3-detected', mail)[0]?.category3_action, 'encrypted')
    })

    it('to somebody without a certificate nothing leaves, and the sender gets the advice', async () => {
      const mail = await post(server, ['other@good.test'], { body: listOf(6) })
      const report = await reported(mail)
      assert.match(report, /5\.7\.10/)
      assert.match(report, /Digital Post/)
      assert.match(report, /S\/MIME/)
      assert.deepEqual(arrived(mail, 'other@good.test'), [])
      for (const number of NUMBERS) assert.ok(!report.includes(number))
    })

    it('five persons go as they are, by TLS', async () => {
      const mail = await post(server, ['bo@good.test'], { body: listOf(5) })
      assert.ok((await delivered(mail, 'bo@good.test')).includes(NUMBERS[4] ?? '-'))
      assert.deepEqual(events(server, 'category3-encrypted', mail), [])
    })

    it('[secure] to two, one of them with a certificate: nobody gets it', async () => {
      const mail = await post(server, ['bo@good.test', 'other@good.test'], { subject: '[secure] Hej' })
      const report = await reported(mail)
      assert.ok(report.includes('bo@good.test') && report.includes('other@good.test'))
      assert.deepEqual([...arrived(mail, 'bo@good.test'), ...arrived(mail, 'other@good.test')], [])
    })

    it('[sikker] wins over [unsecure], the tags go, and a number in the subject is hidden', async () => {
      const mail = await post(server, ['bo@good.test'], { subject: `[sikker] [unsecure] ${NUMBERS[0] ?? ''}` })
      const message = await delivered(mail, 'bo@good.test')
      const { outer, inner } = openMail(office, message, bo)
      assert.deepEqual(named(outer, 'Subject'), ['Krypteret mail / Encrypted mail'])
      assert.deepEqual(named(inner, 'Subject'), [NUMBERS[0]])
      assert.ok(!message.includes('070761'))
    })

    it('the certificate of a domain’s gateway is for everybody there', async () => {
      const mail = await post(server, ['anybody@two.test'], { subject: '[secure] Hej' })
      const { entity } = openMail(office, await delivered(mail, 'anybody@two.test'), domain)
      assert.ok(entity.includes(mail.token))
    })

    it('recipients inside get the mail as it is, those outside the encrypted one', async () => {
      const mail = await post(server, ['bo@good.test', 'carl@uni.test'], { body: listOf(6) })
      assert.ok((await delivered(mail, 'carl@uni.test')).includes(NUMBERS[5] ?? '-'))
      const { entity } = openMail(office, await delivered(mail, 'bo@good.test'), bo)
      assert.ok(entity.includes(NUMBERS[5] ?? '-'))
    })

    it('who is not in To or Cc gets a message of their own', async () => {
      const mail = await post(server, ['bo@good.test', 'cy@good.test'], {
        subject: '[secure] Hej',
        visible: 'Bo <BO@good.test>',
      })
      for (const [person, address] of [
        [bo, 'bo@good.test'],
        [cy, 'cy@good.test'],
      ] as const) {
        const message = await delivered(mail, address)
        const cms = Buffer.from(message.subarray(message.indexOf('\r\n\r\n')).toString(), 'base64')
        const { content, structure } = openWithPython(office, cms, person)
        assert.equal(structure.recipients, 1)
        assert.ok(content.includes(mail.token))
        assert.ok(!message.includes('cy@good.test') || address === 'cy@good.test')
      }
      const lines = events(server, 'category3-encrypted', mail)
      assert.equal(lines.length, 2)
    })

    it('a mail that does not fit into a block, with dots, arrives byte for byte', async () => {
      const body = `.\r\n..\r\n${'all kinds of text, and some more to make a line\r\n'.repeat(12_000)}.end\r\n`
      const mail = await post(server, ['bo@good.test'], { subject: '[secure] Hej', body })
      const { entity } = openMail(office, await delivered(mail, 'bo@good.test'), bo)
      assert.ok(entity.subarray(entity.indexOf('\r\n\r\n') + 4).equals(Buffer.from(body)))
    })

    it('what is encrypted already passes untouched, and its subject is looked at', async () => {
      const file = office.file('content', `Content-Type: text/plain\r\n\r\n${listOf(6)}`)
      const body = openssl(['cms', '-encrypt', '-aes256', '-in', file, '-outform', 'DER', bo.certFile])
        .toString('base64')
        .replace(/(.{76})/g, '$1\r\n')
      const headers =
        'MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n' +
        'Content-Transfer-Encoding: base64\r\n'
      const mail = await post(server, ['other@good.test'], { subject: '[secure] Hej', headers, body: `${body}\r\n` })
      const message = await delivered(mail, 'other@good.test')
      assert.equal(
        message
          .subarray(message.indexOf('\r\n\r\n') + 4)
          .toString()
          .trim(),
        body.trim(),
      )
      assert.ok(message.includes('Subject: [secure] Hej'))
      assert.equal(events(server, 'message-accepted', mail)[0]?.category, 3)
      const list = await post(server, ['bo@good.test'], { subject: NUMBERS.join(' '), headers, body: `${body}\r\n` })
      await reported(list)
      assert.deepEqual(arrived(list, 'bo@good.test'), [])
    })

    it('a header that cannot be parted is a report, and nothing leaves', async () => {
      const headers = `Cc: "${NUMBERS[0] ?? ''} <c@good.test>\r\n`
      const mail = await post(server, ['bo@good.test'], { subject: '[secure] Hej', headers })
      await reported(mail)
      assert.deepEqual(arrived(mail, 'bo@good.test'), [])
    })
  })

  describe('without_certificate=split, signed, with a plugin that signs after us', () => {
    let server: Gateway
    before(async () => {
      server = await start(
        `without_certificate=split\nhide_subject=always\nhidden_subject=Hemmeligt – secret\nsign_certificate=${gateway.certFile}\nsign_key=${gateway.keyFile}`,
        { plugins: [{ name: 'signer', source: SIGNER, place: 'after' }] },
      )
    })

    it('[secure] to two, one of them with a certificate: it goes to that one, the report is about the other', async () => {
      const mail = await post(server, ['bo@good.test', 'other@good.test'], { subject: '[secure] Hej' })
      const { inner, outer, signed } = openMail(office, await delivered(mail, 'bo@good.test'), bo, gateway.certFile)
      assert.ok(signed?.includes(mail.token))
      assert.deepEqual(named(outer, 'Subject'), ['Hemmeligt – secret'])
      assert.deepEqual(named(inner, 'Subject'), ['Hej'])
      assert.deepEqual(named(outer, 'X-Signed-Type'), ['application/pkcs7-mime'], 'signed what is sent')
      const report = await reported(mail)
      assert.ok(report.includes('other@good.test') && !report.includes('bo@good.test</'))
      assert.deepEqual(arrived(mail, 'other@good.test'), [])
      assert.equal(events(server, 'category3-detected', mail)[0]?.category3_action, 'split')
    })

    it('To and Cc share one message, of which everybody can see for whom it is', async () => {
      const mail = await post(server, ['bo@good.test', 'cy@good.test'], { subject: '[secure] Hej' })
      const one = await delivered(mail, 'bo@good.test')
      const other = await delivered(mail, 'cy@good.test')
      const body = (message: Buffer) => message.subarray(message.indexOf('\r\n\r\n')).toString()
      assert.equal(body(one), body(other))
    })

    it('a key that is gone puts mail off; nothing leaves until it is back', async () => {
      renameSync(gateway.keyFile, `${gateway.keyFile}.away`)
      const mail = await post(server, ['bo@good.test'], { subject: '[secure] Hej', taken: false })
      assert.match(mail.reply, /^451 /)
      renameSync(`${gateway.keyFile}.away`, gateway.keyFile)
      await delivered(await post(server, ['bo@good.test'], { subject: '[secure] Hej' }), 'bo@good.test')
      assert.deepEqual(arrived(mail, 'bo@good.test'), [])
    })
  })

  it('monitor mode: says what would have been, and changes nothing', async () => {
    const server = await start('action=encrypt', {})
    server.write(
      'secure-mail.ini',
      `${world.settings().replace('[main]', '[main]\nmode=monitor')}\n[category3]\naction=encrypt\n`,
    )
    await until('monitor mode', () => server.events('config-loaded').length > 1)
    const mail = await post(server, ['bo@good.test'], { body: listOf(6) })
    assert.ok((await delivered(mail, 'bo@good.test')).includes(NUMBERS[5] ?? '-'))
    const [event] = events(server, 'category3-detected', mail)
    assert.deepEqual([event?.would_have, event?.category3_action], ['encrypted', 'delivered'])
  })
})
