import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import tls from 'node:tls'
import { once } from 'node:events'
import fc from 'fast-check'
import { makeCertificates } from '../../bench/certificates'
import { createSession } from '../../bench/sink/session'
import { openSink, type Sink } from '../../bench/sink/sink'
import { run } from '../../bench/process'

/** Feeds pieces to a new session; gives all replies, the sizes of the messages and the last step. */
function play(pieces: readonly (string | Buffer)[], offerStartTls = false) {
  const sizes: number[] = []
  const session = createSession(offerStartTls, (bytes) => sizes.push(bytes))
  let replies = ''
  let step = 'continue'
  for (const piece of pieces) {
    const output = session.feed(Buffer.from(piece))
    replies += output.reply
    step = output.step
  }
  return { codes: replies.match(/^\d{3}(?= )/gm) ?? [], replies, sizes, step }
}

const MESSAGE = 'Subject: x\r\n\r\nline\r\n..stuffed\r\n.\r\n'
const ENVELOPE = 'MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n'

describe('bench: sink session', () => {
  it('RFC 2920 section 3.2: answers a group of commands with one reply', () => {
    const { codes, sizes } = play([`EHLO x\r\n${ENVELOPE}`, MESSAGE, 'QUIT\r\n'])
    assert.deepEqual(codes, ['250', '250', '250', '354', '250', '221'])
    assert.deepEqual(sizes, [MESSAGE.length])
  })

  it('RFC 5321 section 4.1.1.4: an empty message ends with the dot after DATA', () => {
    assert.deepEqual(play([ENVELOPE, '.\r\n']).sizes, [3])
  })

  it('takes no dot in the middle of the text for the end', () => {
    assert.deepEqual(play([ENVELOPE, 'a.\r\n', 'b\n.\r\n', '\r\n..\r\n', '.x\r\n']).sizes, [])
  })

  it('counts two messages and the command between them in one piece', () => {
    const { sizes, codes } = play([`${ENVELOPE}one\r\n.\r\n${ENVELOPE}three\r\n.\r\nNOOP\r\n`])
    assert.deepEqual(sizes, [8, 10])
    assert.deepEqual(codes, ['250', '250', '354', '250', '250', '250', '354', '250', '250'])
  })

  it('gives the same answer however the bytes are cut', () => {
    const whole = `EHLO x\r\n${ENVELOPE}${MESSAGE}${ENVELOPE}.\r\nQUIT\r\n`
    const expected = play([whole])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: whole.length - 1 }), { maxLength: 40 }), (cuts) => {
        const edges = [0, ...[...new Set(cuts)].sort((a, b) => a - b), whole.length]
        assert.deepEqual(play(edges.slice(1).map((edge, i) => whole.slice(edges[i], edge))), expected)
      }),
    )
  })

  it('RFC 3207 section 4.2: throws away what came in clear after STARTTLS', () => {
    const { codes, step } = play(['STARTTLS\r\nMAIL FROM:<a@b>\r\n'], true)
    assert.deepEqual(codes, ['220'])
    assert.equal(step, 'starttls')
  })

  it('offers STARTTLS only where it can do it', () => {
    assert.match(play(['EHLO x\r\n'], true).replies, /^250-STARTTLS\r$/m)
    assert.doesNotMatch(play(['EHLO x\r\n'], false).replies, /STARTTLS/)
    assert.deepEqual(play(['STARTTLS\r\n'], false).codes, ['502'])
  })

  it('does not collect an endless line', () => {
    assert.equal(play(['x'.repeat(10_000)]).step, 'close')
  })
})

describe('bench: sink', function () {
  this.timeout(20_000)
  let dir: string
  let sink: Sink

  before(async function () {
    try {
      await run('openssl', ['version'], 5000)
    } catch {
      process.stderr.write('\nSKIPPED: bench: sink: openssl is not installed\n')
      this.skip()
    }
    dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-sink-'))
    const { ec, rsa } = await makeCertificates(dir, ['mx.ec.bench.test', 'mx.rsa.bench.test'])
    sink = await openSink([
      { name: 'plain', address: '127.0.0.1', port: 0 },
      { name: 'ec', address: '127.0.0.1', port: 0, tls: ec },
      { name: 'rsa', address: '127.0.0.1', port: 0, tls: rsa },
    ])
  })

  after(async () => {
    await (sink as Sink | undefined)?.close()
    if ((dir as string | undefined) !== undefined) rmSync(dir, { recursive: true, force: true })
  })

  beforeEach(() => sink.reset())

  /** Waits until the peer has sent something that ends with a reply line of this code. */
  async function expect(socket: net.Socket, code: string): Promise<void> {
    for (let text = ''; !new RegExp(`(^|\\n)${code} [^\\n]*\\n$`).test(text);)
      text += String((await once(socket, 'data', { signal: AbortSignal.timeout(5000) }))[0])
  }

  async function connect(name: string): Promise<net.Socket> {
    const socket = net.connect(sink.ports()[name]!, '127.0.0.1')
    await expect(socket, '220')
    return socket
  }

  async function startTls(name: string, session?: Buffer): Promise<tls.TLSSocket> {
    const socket = await connect(name)
    socket.write('EHLO x\r\nSTARTTLS\r\n')
    await expect(socket, '220')
    const secured = tls.connect({ socket, rejectUnauthorized: false, ...(session && { session }) })
    await once(secured, 'secureConnect')
    return secured
  }

  async function deliver(socket: net.Socket): Promise<void> {
    socket.write(`EHLO x\r\n${ENVELOPE}`)
    await expect(socket, '354')
    socket.write(MESSAGE)
    await expect(socket, '250')
  }

  it('counts clear and TLS messages apart, for each address', async () => {
    const clear = await connect('ec')
    await deliver(clear)
    clear.destroy()
    for (const name of ['ec', 'rsa']) {
      const secured = await startTls(name)
      await deliver(secured)
      await deliver(secured)
      secured.destroy()
    }
    const { ec, rsa, plain } = sink.counters()
    assert.deepEqual([ec!.messages, ec!.clearMessages, ec!.tlsMessages, ec!.handshakes], [3, 1, 2, 1])
    assert.deepEqual([rsa!.messages, rsa!.clearMessages, rsa!.tlsMessages, rsa!.connections], [2, 0, 2, 1])
    assert.equal(plain!.messages, 0)
    assert.equal(ec!.bytes, 3 * MESSAGE.length)
    assert.ok(ec!.firstArrival > 0 && ec!.firstArrival <= ec!.lastArrival)
  })

  it('hands out session tickets and counts resumed handshakes', async () => {
    const first = await startTls('ec')
    const [session] = (await once(first, 'session')) as [Buffer]
    first.destroy()
    const second = await startTls('ec', session)
    await deliver(second)
    assert.equal(second.isSessionReused(), true)
    second.destroy()
    assert.deepEqual([sink.counters()['ec']!.handshakes, sink.counters()['ec']!.resumed], [2, 1])
  })

  it('survives a peer that speaks nonsense instead of TLS', async () => {
    const socket = await connect('rsa')
    socket.on('error', () => undefined)
    socket.write('STARTTLS\r\n')
    await expect(socket, '220')
    socket.write('this is no ClientHello, whatever else it may be\r\n')
    await once(socket, 'close')
    const again = await startTls('rsa')
    await deliver(again)
    again.destroy()
    const { rsa } = sink.counters()
    assert.deepEqual([rsa!.messages, rsa!.handshakes], [1, 1])
    assert.ok(rsa!.errors > 0)
  })
})
