import assert from 'node:assert/strict'
import { createAuthority } from '../../demo/certificates'
import { assertNothingInClear, clearPart, clearTextDeliveries, startCapture, type Capture } from './capture'
import { sendWithPython, sendWithSwaks } from './clients'
import { keeper } from './keeper'
import { requirePackages } from './packages'
import { freePort } from '../../demo/processes'
import { startBadServer, startMailServer, type MailServer } from './servers'

describe('internet: byte capture', function () {
  this.timeout(30_000)
  const keep = keeper()
  const ca = createAuthority('capture test root')
  let secure: MailServer
  let plain: MailServer
  let capture: Capture
  const secret = 'the secret of mail 17'
  const data = `From: <anna@uni.test>\r\nTo: <b@good.test>\r\nSubject: x\r\n\r\n${secret}\r\n`

  before(async function () {
    await requirePackages(this)
    this.timeout(20_000)
    const port = await freePort(['127.0.0.31', '127.0.0.32', '127.0.0.33'])
    const certificate = ca.issue({ names: ['mx.good.test'] })
    secure = await keep(startMailServer({ address: '127.0.0.31', port, hostname: 'mx.good.test', certificate }))
    plain = await keep(startMailServer({ address: '127.0.0.32', port, hostname: 'mx.plain.test' }))
    await keep(startBadServer('handshakeNotTls', { address: '127.0.0.33', port, hostname: 'mx.bad.test', certificate }))
  })
  beforeEach(async () => {
    capture = await keep(startCapture([secure.port]))
  })
  after(() => keep.stop())

  const send = async (address: string, tls: 'no' | 'starttls', text = data) => {
    const mail = { from: 'anna@uni.test', to: ['b@good.test'], tls, data: text }
    return sendWithSwaks({ ...mail, server: `${address}:${secure.port}` })
  }

  it('a mail over TLS: nothing in clear', async () => {
    assert.equal((await send('127.0.0.31', 'starttls')).code, 0)
    const connections = await capture.connections()
    assert.equal(connections.length, 1)
    assert.deepEqual(clearPart(connections[0]!).lines, ['EHLO client.uni.test', 'STARTTLS'])
    assert.equal(clearPart(connections[0]!).encrypted, true)
    assertNothingInClear(connections, [secret, 'anna@uni.test', 'b@good.test', 'MAIL FROM'])
    assert.equal(secure.mails.at(-1)!.message.toString(), data)
  })

  it('100 KB over TLS from Python: nothing in clear, every byte accounted for', async () => {
    const long = `${data}${'0123456789abcdef'.repeat(4).concat('\r\n').repeat(1600)}`
    const server = `127.0.0.31:${secure.port}`
    await sendWithPython({ server, from: 'a@uni.test', to: ['b@good.test'], tls: 'starttls', data: long })
    const connections = await capture.connections()
    assert.equal(connections.length, 1)
    assert.ok(connections[0]!.toServer.length > long.length)
    assertNothingInClear(connections, [secret, '0123456789abcdef'])
  })

  it('a planted mail in clear text is found, by envelope and by content', async () => {
    assert.equal((await send('127.0.0.32', 'no')).code, 0)
    const connections = await capture.connections()
    assert.equal(plain.mails.length, 1)
    assert.equal(clearTextDeliveries(connections).length, 1)
    assert.throws(() => assertNothingInClear(connections, []), /in clear text: .*MAIL FROM:<anna@uni\.test>/)
    const [one] = connections
    assert.ok(one!.toServer.includes(secret))
  })

  it('is not satisfied by an empty capture', async () => {
    assert.throws(() => assertNothingInClear([], []), /nothing was captured/)
    assert.deepEqual(await capture.connections(), [])
  })

  it('sees words that stand outside TLS in either direction', async () => {
    await send('127.0.0.33', 'starttls')
    const connections = await capture.connections()
    assert.throws(() => assertNothingInClear(connections, ['GO ON IN clear']), /“GO ON IN clear” in clear text/)
    assertNothingInClear(connections, [secret])
  })

  it('tells TLS records from other bytes after STARTTLS', () => {
    const record = Buffer.from([22, 3, 1, 0, 2, 1, 1])
    const stream = (...parts: (string | Buffer)[]) => ({
      toServer: Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))),
    })
    assert.equal(clearPart(stream('EHLO x\r\nSTARTTLS\r\n', record, record)).encrypted, true)
    assert.equal(
      clearPart(stream('STARTTLS\r\n', record, 'MAIL FROM:<a@b>\r\n')).stray.toString(),
      'MAIL FROM:<a@b>\r\n',
    )
    assert.deepEqual(clearPart(stream('STARTTLS\r\n', 'MAIL FROM:<a@b>\r\n')).lines, ['STARTTLS', 'MAIL FROM:<a@b>'])
    assert.deepEqual(clearPart(stream('EHLO x\r\nMAIL FROM:<a@b')).lines, ['EHLO x', 'MAIL FROM:<a@b'])
  })
})
