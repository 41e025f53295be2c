/**
 * A scripted SMTP server on loopback. It behaves well unless its script says otherwise, and keeps every byte that a
 * client wrote to the raw socket, before and under TLS.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { createSecureContext, TLSSocket, type SecureContextOptions } from 'node:tls'

/** One client connection, as the server saw it. */
export interface Seen {
  /** Every byte from the raw socket. */
  raw: Buffer[]
  /** Commands in clear text, in order. */
  clear: string[]
  /** Commands inside TLS. */
  inTls: string[]
  /** Bytes of DATA phases, with the final dot line. */
  data: string[]
  /** Server name of the client's hello. */
  servername: string | null
  closed: Promise<void>
  /** Was a final dot seen? */
  dots: number
}

/** What a script can do in a conversation. */
export interface Conversation {
  seen: Seen
  secure: boolean
  say: (text: string) => void
  /** Bytes to the raw socket, whatever TLS does. */
  rawSay: (bytes: string | Buffer) => void
  startTls: () => void
  /** Read nothing more. */
  pause: () => void
  /** Cut the raw socket. */
  cut: () => void
}

/** `true` = dealt with; anything else = the default behaviour. */
type Handler = (conversation: Conversation, line: string) => boolean | undefined | Promise<boolean | undefined>

export interface Script {
  /** null = says nothing. Default `220 test ESMTP`. */
  greeting?: string | null
  /** EHLO keywords besides STARTTLS. Default PIPELINING, 8BITMIME, SIZE. */
  offers?: readonly string[]
  /** Is STARTTLS offered? Default: when there is an identity. */
  starttls?: boolean
  /** TLS key, certificate and options. */
  tls?: SecureContextOptions
  /** Sees each command first. */
  on?: Handler
  /** The answer to the final dot. */
  dot?: string | readonly string[]
  /** What came along with the end of a message is thrown away, as a server does that empties its buffer there. */
  deaf?: boolean
}

/** Counts connections that are open at one time: each from its first EHLO until it is closed. */
export function openAtOnce(): { see: (conversation: Conversation, line: string) => void; most: () => number } {
  let open = 0
  let most = 0
  return {
    see(conversation, line) {
      if (!line.startsWith('EHLO') || conversation.secure) return
      most = Math.max(most, (open += 1))
      void conversation.seen.closed.then(() => (open -= 1))
    },
    most: () => most,
  }
}

export interface TestServer {
  port: number
  seen: Seen[]
  /** All clear text of all clients, for the question "did anything leak?". */
  clear(): string[]
  close(): Promise<void>
}

export async function startServer(script: Script = {}, path?: string): Promise<TestServer> {
  const seen: Seen[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    serve(socket, script, seen)
  })
  await new Promise<void>((resolve) =>
    server.listen(...((path === undefined ? [0, '127.0.0.1'] : [path]) as [number, string]), resolve),
  )
  const address = server.address()
  return {
    port: typeof address === 'string' ? 0 : (address as AddressInfo).port,
    seen,
    clear: () => seen.flatMap((one) => one.clear),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function serve(socket: Socket, script: Script, all: Seen[]): void {
  const seen: Seen = {
    raw: [],
    clear: [],
    inTls: [],
    data: [],
    servername: null,
    dots: 0,
    closed: new Promise((resolve) => socket.on('close', () => resolve())),
  }
  all.push(seen)
  let secure: TLSSocket | undefined
  let tunnel: Duplex | undefined
  let buffer = ''
  let inData = false
  let accepted: string[] = []
  let queue = Promise.resolve()

  const conversation: Conversation = {
    seen,
    get secure() {
      return secure !== undefined
    },
    say: (text) => void (secure ?? socket).write(`${text}\r\n`),
    rawSay: (bytes) => void socket.write(bytes),
    startTls: () => {
      tunnel = new Duplex({
        read: () => undefined,
        write: (chunk: Buffer, _encoding, done) => socket.write(chunk, () => done()),
        final: (done) => {
          socket.end()
          done()
        },
      })
      tunnel.on('error', () => undefined)
      buffer = ''
      const wrapped = new TLSSocket(tunnel, { isServer: true, secureContext: createSecureContext(script.tls) })
      wrapped.on('error', () => socket.destroy())
      wrapped.on('secure', () => {
        const { servername } = wrapped as { servername?: string | false }
        seen.servername = servername === undefined || servername === false ? null : servername
      })
      wrapped.on('data', feed)
      wrapped.on('end', () => wrapped.end())
      secure = wrapped
    },
    pause: () => socket.pause(),
    cut: () => socket.destroy(),
  }

  const feed = (chunk: Buffer): void => {
    buffer += chunk.toString('latin1')
    for (;;) {
      if (inData) {
        const end = buffer.startsWith('.\r\n') ? 3 : buffer.indexOf('\r\n.\r\n') + 5
        if (end < 5 && !buffer.startsWith('.\r\n')) return
        seen.data.push(buffer.slice(0, end))
        seen.dots += 1
        buffer = script.deaf === true ? '' : buffer.slice(end)
        inData = false
        line('.')
        continue
      }
      const end = buffer.indexOf('\r\n')
      if (end < 0) return
      const text = buffer.slice(0, end)
      buffer = buffer.slice(end + 2)
      line(text)
      // Whether DATA begins is known only after the answer: stop here, go on when it is there.
      if (/^DATA$/i.test(text)) return
    }
  }

  const line = (text: string): void => {
    if (text !== '.') (secure ? seen.inTls : seen.clear).push(text)
    queue = queue.then(async () => {
      if ((await script.on?.(conversation, text)) !== true) respond(text)
      if (/^DATA$/i.test(text)) feed(Buffer.alloc(0))
    })
  }

  const respond = (text: string): void => {
    const { say } = conversation
    const verb = text.toUpperCase().split(' ')[0]
    switch (verb) {
      case 'EHLO':
      case 'LHLO': {
        const starttls = (script.starttls ?? script.tls !== undefined) && !secure
        const lines = [
          'test',
          ...(script.offers ?? ['PIPELINING', '8BITMIME', 'SIZE 10000000']),
          ...(starttls ? ['STARTTLS'] : []),
        ]
        say(lines.map((word, index) => `250${index === lines.length - 1 ? ' ' : '-'}${word}`).join('\r\n'))
        return
      }
      case 'STARTTLS':
        say('220 2.0.0 go')
        conversation.startTls()
        return
      case 'MAIL':
        accepted = []
        say('250 2.1.0 ok')
        return
      case 'RCPT':
        accepted.push(text)
        say('250 2.1.5 ok')
        return
      case 'DATA':
        inData = true
        say('354 go')
        return
      case '.': {
        const answers = typeof script.dot === 'string' ? [script.dot] : script.dot
        for (const answer of answers ?? ['250 2.0.0 Ok: queued']) say(answer)
        return
      }
      case 'QUIT':
        say('221 2.0.0 bye')
        ;(secure ?? socket).end()
        return
      default:
        say('250 ok')
    }
  }

  socket.on('data', (chunk) => {
    seen.raw.push(chunk)
    if (tunnel) tunnel.push(chunk)
    else feed(chunk)
  })
  socket.on('end', () => tunnel?.push(null))
  if (script.greeting !== null) conversation.say(script.greeting ?? '220 test ESMTP')
}
