import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { startWorld, type World } from './world'
import { ran } from '../bin/run'
import { createPki, type Authority, type Issued, type Pki } from '../encrypt/pki'
import { openMail, openOffice, type Office } from '../encrypt/office'
import { signedMail } from '../encrypt/signed'
import { sendWithSwaks } from '../internet/clients'
import { prepareGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

/** Who comes from here may not relay: the outside. */
const OUTSIDE = '127.0.0.9'

/** What an organisation has for its inbound mail: a list of own recipients and somewhere to put it. */
const INBOUND = `
const fs = require('node:fs')
exports.hook_rcpt = (next, connection, [recipient]) => next(recipient.host === 'uni.test' ? OK : undefined)
exports.hook_queue = (next, connection) => {
  const file = fs.createWriteStream(process.env.HARAKA + '/inbound-' + connection.transaction.uuid)
  file.on('finish', () => next(OK))
  connection.transaction.message_stream.pipe(file)
}
`

interface Listed {
  fingerprint: string
  state: string
  usable: boolean
  source: string
}

describe('certificates of correspondents, from signed mail that comes in', function () {
  this.timeout(60_000)
  const keep = keeper()
  let world: World
  let gateway: Gateway
  let pki: Pki
  let root: Authority
  let stranger: Authority
  let files: Office
  let count = 0

  before(async function () {
    await requirePackages(this)
    pki = createPki()
    files = openOffice()
    root = pki.authority('/CN=Mail Root')
    stranger = pki.authority('/CN=Root of a stranger')
    world = await keep(startWorld())
    gateway = await keep(
      prepareGateway({
        nodes: 0,
        settings: `${world.settings()}\n[category3]\nsmime_roots=${root.certFile}\naction=encrypt\n`,
        plugins: [{ name: 'inbound', source: INBOUND, place: 'after' }],
      }),
    )
    writeFileSync(path.join(gateway.dir, 'config', 'relay_acl_allow'), '127.0.0.1/32\n')
    await gateway.start()
  })
  after(async () => {
    await keep.stop()
    pki.remove()
    files.stop()
  })

  const list = async (whose: string): Promise<Listed[]> => {
    const { out, err, exitCode } = await ran(['certs', 'list', whose, '--json', '--config', gateway.dir])
    assert.equal(exitCode, 0, err)
    return (JSON.parse(out) as { certificates: Listed[] }).certificates
  }
  const states = async (whose: string) =>
    (await list(whose)).map(({ state, source, usable }) => `${state} ${source} ${usable ? 'in use' : 'not used'}`)
  const comesIn = async (data: Buffer, from: string): Promise<string> => {
    const sent = await sendWithSwaks({
      server: gateway.server,
      from,
      to: ['bo@uni.test'],
      data,
      localAddress: OUTSIDE,
      helo: 'mx.partner.test',
    })
    assert.match(sent.reply, /^250 /, sent.transcript)
    return sent.transcript
  }
  const inbound = () =>
    readdirSync(gateway.dir)
      .filter((name) => name.startsWith('inbound-'))
      .map((name) => readFileSync(path.join(gateway.dir, name), 'latin1'))
  /** A mail that asks for full encryption, from inside. */
  const post = async (to: string): Promise<string> => {
    const token = `har${process.pid}x${++count}y`
    const head = `From: Bo <bo@uni.test>\r\nTo: ${to}\r\nSubject: [secure] About\r\nMessage-ID: <${token}@uni.test>\r\n`
    const data = `${head}\r\nOnly for ${to.split('@')[0] ?? ''}: ${token}\r\n`
    const sent = await sendWithSwaks({ server: gateway.server, from: 'bo@uni.test', to: [to], data })
    assert.match(sent.reply, /^250 /, sent.transcript)
    return token
  }
  const mailsTo = (address: string): Buffer[] =>
    world.postfix.mails('good.test').flatMap(({ recipient, message }) => (recipient === address ? [message] : []))
  const reportsAbout = (token: string): string[] =>
    world.postfix
      .mails('uni.test')
      .filter(({ sender, message }) => sender === '' && message.includes(`<${token}@uni.test>`))
      .map(({ message }) => message.toString('utf8'))
  const signedBy = (signer: Issued, address: string, opaque = false) =>
    signedMail(pki, { signer, from: `From: ${address}\r\n`, opaque })

  it('a stranger cannot relay: the mails below are inbound ones', async () => {
    const sent = await sendWithSwaks({
      server: gateway.server,
      from: 'anna@good.test',
      to: ['x@good.test'],
      localAddress: OUTSIDE,
    })
    assert.match(sent.transcript, /550 .*(?:relay|deliver mail)/i)
  })

  for (const opaque of [false, true]) {
    it(`a root that is trusted: in use at once (${opaque ? 'opaque' : 'clear'}), and the mail is as it was`, async () => {
      const address = `anna.${opaque ? 'opaque' : 'clear'}@good.test`
      const anna = root.issue({ names: `email:${address}`, key: 'rsa2048' })
      const mail = signedBy(anna, address, opaque)
      await comesIn(mail, address)
      await until('it is there', async () => (await list(address)).length === 1)
      assert.deepEqual(await states(address), ['trusted harvested in use'])
      assert.equal((await list(address))[0]?.fingerprint, anna.fingerprint)
      const body = mail.toString('latin1').split('\r\n\r\n').slice(1).join('\r\n\r\n')
      assert.ok(inbound().some((text) => text.includes(body)))
      const events = gateway.events('certificate-harvested').map((line) => JSON.stringify(line))
      const event = events.find((line) => line.includes(anna.fingerprint)) ?? ''
      assert.match(event, /a certificate of good\.test is trusted: a chain leads to CN=Mail Root/)
      assert.ok(!event.includes(address), 'addresses stand in the log as the settings say')
    })
  }

  it('a root that nobody knows: it waits until a postmaster approves it, while the gateway runs', async () => {
    const bent = stranger.issue({ names: 'email:bent@good.test', key: 'rsa2048' })
    await comesIn(signedBy(bent, 'bent@good.test'), 'bent@good.test')
    await until('it is there', async () => (await list('bent@good.test')).length === 1)
    assert.deepEqual(await states('bent@good.test'), ['candidate harvested not used'])
    const approved = await ran(['certs', 'trust', bent.fingerprint, '--config', gateway.dir])
    assert.equal(approved.exitCode, 0, approved.err)
    assert.equal(approved.err, '', 'the gateway was told')
    assert.deepEqual(await states('bent@good.test'), ['trusted confirmed in use'])
    const removed = await ran(['certs', 'remove', '--reject', bent.fingerprint, '--config', gateway.dir])
    assert.deepEqual([removed.exitCode, removed.err], [0, ''])
    const imported = await ran(['certs', 'import', bent.certFile, '--config', gateway.dir])
    assert.deepEqual([imported.exitCode, imported.err], [0, ''])
    const events = gateway.events('certificate-changed')
    const about = events.map(({ securemail, event }) => {
      const { certificate_change, fingerprint, origin, state, not_after, operator } = securemail as Record<
        string,
        unknown
      >
      assert.deepEqual([fingerprint, not_after], [bent.fingerprint, new Date(bent.x509.validTo).toISOString()])
      assert.ok(typeof operator === 'string' && operator !== '')
      return [certificate_change, origin, state, (event as { outcome: string }).outcome]
    })
    assert.deepEqual(about, [
      ['trust', 'harvested', 'trusted', 'success'],
      ['reject', 'confirmed', 'rejected', 'success'],
      ['import', 'PEM', 'trusted', 'success'],
    ])
    assert.ok(!JSON.stringify(events).includes('bent@good.test'), 'addresses stand in the log as the settings say')
  })

  it('what is refused is accepted as a mail all the same, and the log says why', async () => {
    const carl = root.issue({ names: 'email:carl@good.test' })
    const forged = signedBy(carl, 'dora@good.test')
    await comesIn(forged, 'dora@good.test')
    const broken = Buffer.from(
      signedBy(carl, 'carl@good.test').toString('latin1').replace('Hilsen', 'hilsen'),
      'latin1',
    )
    await comesIn(broken, 'carl@good.test')
    const refusals = () =>
      gateway.events('certificate-harvested').map(({ securemail }) => (securemail as { refusal?: string }).refusal)
    await until('both are told', () => ['wrong-address', 'changed'].every((one) => refusals().includes(one)))
    assert.deepEqual([await list('carl@good.test'), await list('dora@good.test')], [[], []])
  })

  it('huge and malformed: accepted, nothing is taken, the gateway goes on', async () => {
    const head = 'From: eve@good.test\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n'
    const type = 'Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n\r\n'
    const deep = Buffer.alloc(300_000, 0x30)
    const indefinite = Buffer.from('3080'.repeat(100_000), 'hex')
    for (const bytes of [deep, indefinite, Buffer.alloc(3_000_000), Buffer.from('junk')]) {
      const text = bytes.toString('base64').replace(/.{76}/g, '$&\r\n')
      await comesIn(Buffer.from(`${head}${type}${text}\r\n`), 'eve@good.test')
    }
    const faults = () =>
      gateway.events('certificate-harvested').filter((line) => JSON.stringify(line).includes('malformed'))
    await until('they are told', () => faults().length >= 4)
    assert.deepEqual(await list('eve@good.test'), [])
    const fine = root.issue({ names: 'email:fine@good.test' })
    await comesIn(signedBy(fine, 'fine@good.test'), 'fine@good.test')
    await until('it is there', async () => (await list('fine@good.test')).length === 1)
  })

  it('the correspondent abroad: a mail to them is held back, they send a signed one, from then on it leaves encrypted', async () => {
    const gerd = root.issue({ names: 'email:gerd@good.test', key: 'rsa2048' })
    const early = await post('gerd@good.test')
    await until('the sender is told', () => reportsAbout(early).length > 0)
    assert.match(reportsAbout(early)[0] ?? '', /S\/MIME/)
    await comesIn(signedBy(gerd, 'gerd@good.test'), 'gerd@good.test')
    await until('it is there', async () => (await list('gerd@good.test')).length === 1)
    const token = await post('gerd@good.test')
    await until('it is there', () => mailsTo('gerd@good.test').length > 0)
    const [mail, ...more] = mailsTo('gerd@good.test')
    assert.ok(mail !== undefined && more.length === 0, 'the one that was held back never left')
    assert.ok(!mail.includes(`Only for gerd: ${token}`))
    assert.match(mail.toString('latin1'), /^Content-Type: application\/pkcs7-mime; .*enveloped-data/m)
    assert.ok(openMail(files, mail, gerd).entity.includes(`Only for gerd: ${token}`))
    assert.deepEqual(reportsAbout(token), [])
  })

  it('the same with a root that nobody knows: only once a postmaster has approved the certificate', async () => {
    const hana = stranger.issue({ names: 'email:hana@good.test', key: 'rsa2048' })
    await comesIn(signedBy(hana, 'hana@good.test'), 'hana@good.test')
    await until('it is there', async () => (await list('hana@good.test')).length === 1)
    const early = await post('hana@good.test')
    await until('the sender is told', () => reportsAbout(early).length > 0)
    const approved = await ran(['certs', 'trust', hana.fingerprint, '--config', gateway.dir])
    assert.equal(approved.exitCode, 0, approved.err)
    const token = await post('hana@good.test')
    await until('it is there', () => mailsTo('hana@good.test').length > 0)
    const [mail, ...more] = mailsTo('hana@good.test')
    assert.ok(mail !== undefined && more.length === 0, 'the one that was held back never left')
    assert.ok(openMail(files, mail, hana).entity.includes(`Only for hana: ${token}`))
  })

  it('what is there survives a restart', async () => {
    assert.ok(existsSync(path.join(gateway.dir, 'store', 'data.mdb')))
    await gateway.restart()
    assert.deepEqual(await states('bent@good.test'), ['trusted imported in use'])
  })
})
