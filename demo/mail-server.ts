/**
 * A recipient's mail server, small enough to be read in one go: SMTP (RFC 5321) with STARTTLS (RFC 3207) and
 * PIPELINING (RFC 2920), which remembers every command, how it was protected and every mail. Each step can be made to
 * go wrong on purpose. For the demo and for tests; it is never a real mail server.
 */
import net from 'node:net'
import tls from 'node:tls'
import type { Identity } from './certificates'
import { converse } from './smtp-conversation'

/** How one command's answer goes wrong; a string is the reply that is given instead, without CRLF. */
export type FaultyReply =
  | string
  /** Never answer. */
  | { fault: 'silent' }
  /** Close the connection instead of answering. */
  | { fault: 'cut' }
  /** Answer as usual, after so many milliseconds. */
  | { fault: 'slow'; milliseconds: number }

export type StarttlsFault =
  | FaultyReply
  /** `220`, and in the same packet this clear text (CRLF at its end), before the handshake (RFC 3207 section 6). */
  | { fault: 'inject'; text: string }
  /** The same in a packet of its own. */
  | { fault: 'inject-apart'; text: string }
  /** `220`, then the connection ends when the client's hello arrives. */
  | { fault: 'cut-handshake' }
  /** `220`, then silence. */
  | { fault: 'silent-handshake' }
  /** `220`, then clear text where the server's hello should be. */
  | { fault: 'not-tls'; text: string }

export interface Faults {
  greeting?: FaultyReply
  ehlo?: FaultyReply
  /** EHLO does not list STARTTLS although there is a certificate (what a man in the middle does), and 502 is given. */
  stripStarttls?: boolean
  starttls?: StarttlsFault
  mail?: FaultyReply
  /** Asked for each recipient; undefined = 250. */
  rcpt?(address: string): FaultyReply | undefined
  data?: FaultyReply
  /** After the final dot. `cut` and `silent`: the mail has been stored all the same. */
  final?: FaultyReply
}

export interface MailServerOptions {
  address: string
  /** 0 = any free one. */
  port: number
  /** Its name in greeting and EHLO. */
  hostname: string
  /** Absent = STARTTLS is neither offered nor known. */
  certificate?: Identity
  /** More for the secure context, e.g. `{ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }`. */
  tls?: tls.SecureContextOptions
  /** EHLO keywords besides STARTTLS; default PIPELINING, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, SIZE. */
  extensions?: readonly string[]
  faults?: Faults
  /** Told of every mail when it has come whole. */
  onMail?(mail: ReceivedMail): void
}

export interface ReceivedMail {
  /** Envelope sender, '' = null sender. */
  sender: string
  recipients: string[]
  /** Parameters of MAIL FROM, e.g. `SIZE=100 BODY=8BITMIME`. */
  parameters: string
  /** Byte for byte, dots un-stuffed, without the final dot. */
  message: Buffer
  /** TLS version, undefined = clear text. */
  tls?: string
  /** Number of the connection that brought it, from 1. */
  connection: number
}

export interface SeenCommand {
  /** Number of the connection, from 1. */
  connection: number
  line: string
  /** TLS version, undefined = clear text. */
  tls?: string
}

export interface MailServer {
  readonly address: string
  readonly port: number
  readonly mails: readonly ReceivedMail[]
  readonly commands: readonly SeenCommand[]
  /** Connections accepted so far. */
  connections(): number
  /** The greatest number of connections that were open at one moment. */
  mostAtOnce(): number
  /** SNI of each handshake that was begun; '' = none sent. */
  readonly servernames: readonly string[]
  stop(): Promise<void>
}

/** Start one. @throws when the address is taken */
export async function startMailServer(options: MailServerOptions): Promise<MailServer> {
  const mails: ReceivedMail[] = []
  const commands: SeenCommand[] = []
  const servernames: string[] = []
  const sockets = new Set<net.Socket>()
  let count = 0
  let most = 0
  const secureContext = options.certificate
    ? tls.createSecureContext({ key: options.certificate.key, cert: options.certificate.cert, ...options.tls })
    : undefined
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    most = Math.max(most, sockets.size)
    socket.on('close', () => sockets.delete(socket))
    const connection = ++count
    converse(socket, {
      options,
      secureContext,
      connection,
      command: (line, version) => commands.push({ connection, line, tls: version }),
      mail(mail) {
        mails.push(mail)
        options.onMail?.(mail)
      },
      servername: (name) => servernames.push(name),
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.address, resolve)
  })
  const bound = server.address()
  return {
    address: options.address,
    port: bound !== null && typeof bound === 'object' ? bound.port : options.port,
    mails,
    commands,
    servernames,
    connections: () => count,
    mostAtOnce: () => most,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
