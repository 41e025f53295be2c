import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { createAuthority } from '../../demo/certificates'
import { keeper } from './keeper'
import {
  startBadServer,
  startBlackHole,
  startMailServer,
  startOldTlsServer,
  unreachable,
  type FaultName,
} from './servers'

/** A client that says what it is told and shows what comes back, without any idea of SMTP beyond reply lines. */
class Talk {
  private received = ''
  private closed = false
  constructor(readonly socket: net.Socket) {
    socket.on('data', (chunk: Buffer) => (this.received += chunk.toString('latin1')))
    socket.on('close', () => (this.closed = true))
    socket.on('error', () => (this.closed = true))
  }
  static async to(port: number): Promise<Talk> {
    const socket = net.connect(port, '127.0.0.1')
    const talk = new Talk(socket)
    await once(socket, 'connect')
    return talk
  }
  /** The next whole reply; `nothing` when none comes within 300 ms, `closed` when none will. */
  async reply(): Promise<string> {
    for (let waited = 0; waited < 300; waited += 5) {
      const whole = /^(?:\d{3}-.*\r\n)*(?!\d{3}-).*\r\n/.exec(this.received)?.[0]
      if (whole !== undefined) {
        this.received = this.received.slice(whole.length)
        return whole.trimEnd()
      }
      if (this.closed) return 'closed'
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return 'nothing'
  }
  async say(line: string): Promise<string> {
    this.socket.write(`${line}\r\n`)
    return this.reply()
  }
}

describe('internet: bad servers do what their names say', function () {
  this.timeout(30_000)
  const keep = keeper()
  const ca = createAuthority('bad servers')
  const certificate = ca.issue({ names: ['mx.bad.test'] })
  const where = { address: '127.0.0.1', port: 0, hostname: 'mx.bad.test', certificate }
  afterEach(() => keep.stop())

  const STARTTLS = ['EHLO c', 'STARTTLS']
  const MAIL = ['EHLO c', 'MAIL FROM:<a@uni.test>']
  const RCPT = [...MAIL, 'RCPT TO:<x@bad.test>']
  const DATA = [...RCPT, 'DATA']
  const FINAL = [...DATA, 'Subject: x\r\n\r\ntext\r\n.']
  const table: readonly (readonly [FaultName, readonly string[], RegExp | string])[] = [
    ['none', FINAL, '250 2.0.0 stored'],
    ['strippedStarttls', STARTTLS, /^502 /],
    ['starttls454', STARTTLS, /^454 4\.7\.0 /],
    ['starttls501', STARTTLS, /^501 /],
    ['starttls502', STARTTLS, /^502 /],
    ['starttls554', STARTTLS, /^554 /],
    ['starttlsGarbage', STARTTLS, /who are you/],
    ['starttlsSilent', STARTTLS, 'nothing'],
    ['starttlsCut', STARTTLS, 'closed'],
    ['handshakeCut', [...STARTTLS, 'hello'], 'closed'],
    ['handshakeSilent', [...STARTTLS, 'hello'], 'nothing'],
    ['handshakeNotTls', [...STARTTLS, 'hello'], '250 go on in clear'],
    ['silent', [], 'nothing'],
    ['greeting421', [], /^421 /],
    ['greeting554', [], /^554 /],
    ['greetingGarbage', [], /^SSH/],
    ['greetingCut', [], 'closed'],
    ['ehlo550', ['EHLO c'], /^550 /],
    ['ehlo421', ['EHLO c'], /^421 /],
    ['mail451', MAIL, /^451 /],
    ['mail550', MAIL, /^550 /],
    ['rcptAll450', RCPT, /^450 /],
    ['rcptAll550', RCPT, /^550 /],
    ['rcptByName', [...MAIL, 'RCPT TO:<4xx@bad.test>'], /^450 /],
    ['rcptByName', [...MAIL, 'RCPT TO:<5xx@bad.test>'], /^550 /],
    ['rcptByName', [...MAIL, 'RCPT TO:<other@bad.test>'], /^250 /],
    ['rcpt421', RCPT, /^421 /],
    ['data451', DATA, /^451 /],
    ['data554', DATA, /^554 /],
    ['final451', FINAL, /^451 /],
    ['final550', FINAL, /^550 /],
    ['finalLost', FINAL, 'closed'],
    ['finalSilent', FINAL, 'nothing'],
  ]
  for (const [fault, lines, expected] of table) {
    it(`${fault}: ${String(expected)}`, async () => {
      const server = await keep(startBadServer(fault, where))
      const talk = await Talk.to(server.port)
      let last = await talk.reply()
      for (const line of lines) last = await talk.say(line)
      if (typeof expected === 'string') assert.equal(last, expected)
      else assert.match(last, expected)
      if (lines === FINAL) assert.equal(server.mails.length, 1)
      talk.socket.destroy()
    })
  }

  it('a stripped STARTTLS is not in EHLO either; it is without the fault', async () => {
    for (const [fault, offered] of [
      ['strippedStarttls', false],
      ['none', true],
    ] as const) {
      const talk = await Talk.to((await keep(startBadServer(fault, where))).port)
      await talk.reply()
      assert.equal((await talk.say('EHLO c')).includes('STARTTLS'), offered)
      talk.socket.destroy()
    }
  })

  const secured = async (talk: Talk, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> => {
    talk.socket.removeAllListeners('data')
    const secure = tls.connect({ socket: talk.socket, servername: 'mx.bad.test', ca: ca.cert, ...options })
    await once(secure, 'secureConnect')
    return secure
  }

  it('injection: the clear text comes in the same packet as 220, and the handshake works', async () => {
    const server = await keep(startBadServer('injected', where))
    const talk = await Talk.to(server.port)
    await talk.reply()
    await talk.say('EHLO c')
    talk.socket.removeAllListeners('data')
    talk.socket.write('STARTTLS\r\n')
    const [chunk] = (await once(talk.socket, 'data')) as [Buffer]
    assert.match(chunk.toString(), /^220 .*\r\n250-evil\.test\r\n250 AUTH PLAIN\r\n$/)
    const secure = await secured(talk)
    assert.equal(secure.authorized, true)
    secure.destroy()
  })

  it('under TLS: commands are counted as protected, STARTTLS is offered no more, SNI is known', async () => {
    const server = await keep(startMailServer(where))
    const talk = await Talk.to(server.port)
    await talk.reply()
    await talk.say('EHLO before')
    await talk.say('STARTTLS')
    const inside = new Talk(await secured(talk))
    assert.doesNotMatch(await inside.say('EHLO after'), /STARTTLS/)
    assert.deepEqual(
      server.commands.map(({ line, tls: version }) => [line, version]),
      [
        ['EHLO before', undefined],
        ['STARTTLS', undefined],
        ['EHLO after', 'TLSv1.3'],
      ],
    )
    assert.deepEqual(server.servernames, ['mx.bad.test'])
    inside.socket.destroy()
  })

  it('TLS 1.1 at most: a modern client fails, an old one does not', async () => {
    const server = await keep(startOldTlsServer(where))
    for (const [options, works] of [
      [{ minVersion: 'TLSv1.2' }, false],
      [{ minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }, true],
    ] as const) {
      const talk = await Talk.to(server.port)
      await talk.reply()
      await talk.say('EHLO c')
      await talk.say('STARTTLS')
      const handshake = secured(talk, options)
      if (works) assert.equal((await handshake).getProtocol(), 'TLSv1.1')
      else await assert.rejects(handshake, /protocol|version/i)
      talk.socket.destroy()
    }
  })

  it('pipelined commands are answered in order, and a message comes out byte for byte', async () => {
    const server = await keep(startMailServer(where))
    const talk = await Talk.to(server.port)
    await talk.reply()
    await talk.say('EHLO c')
    talk.socket.write('MAIL FROM:<> SIZE=5\r\nRCPT TO:<a@bad.test>\r\nRCPT TO:<b@bad.test>\r\nDATA\r\n')
    assert.deepEqual(
      [await talk.reply(), await talk.reply(), await talk.reply(), await talk.reply()],
      ['250 2.1.0 ok', '250 2.1.5 ok', '250 2.1.5 ok', '354 go ahead'],
    )
    talk.socket.write('..\r\n...x\r\na.b\r\n\r\n.')
    talk.socket.write('\r\nQUIT\r\n')
    assert.deepEqual([await talk.reply(), await talk.reply()], ['250 2.0.0 stored', '221 2.0.0 bye'])
    const [mail] = server.mails
    assert.equal(mail!.message.toString(), '.\r\n..x\r\na.b\r\n\r\n')
    assert.deepEqual([mail!.sender, mail!.recipients, mail!.parameters], ['', ['a@bad.test', 'b@bad.test'], 'SIZE=5'])
  })

  it('an empty message is a message', async () => {
    const server = await keep(startMailServer(where))
    const talk = await Talk.to(server.port)
    await talk.reply()
    for (const line of DATA) await talk.say(line)
    assert.equal(await talk.say('.'), '250 2.0.0 stored')
    assert.equal(server.mails[0]!.message.length, 0)
    talk.socket.destroy()
  })

  it('nobody listens on an unreachable port', async () => {
    const port = await unreachable(['127.0.0.1'])
    await assert.rejects(Talk.to(port), /ECONNREFUSED/)
  })

  it('a black hole takes the connection and says nothing', async () => {
    const hole = await keep(startBlackHole('127.0.0.1', 0))
    const talk = await Talk.to(hole.port)
    assert.equal(await talk.say('EHLO c'), 'nothing')
    talk.socket.destroy()
  })
})
