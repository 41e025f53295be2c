/** One connection to the small mail server, from greeting to QUIT. */
import type net from 'node:net'
import tls from 'node:tls'
import type { FaultyReply, MailServerOptions, ReceivedMail } from './mail-server'

/** Where one conversation tells what it sees. */
export interface Conversation {
  options: MailServerOptions
  secureContext: tls.SecureContext | undefined
  /** Number of the connection, from 1. */
  connection: number
  command(line: string, version: string | undefined): void
  mail(mail: ReceivedMail): void
  servername(name: string): void
}

interface Envelope {
  sender: string
  parameters: string
  recipients: string[]
}

const EXTENSIONS = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'SIZE 104857600']
const END = Buffer.from('\r\n.\r\n')
const NOT_KNOWN = '502 5.5.1 command not implemented'
const READY = '220 2.0.0 ready to start TLS'

/** Hold the server's side of the conversation on a new connection. */
export function converse(raw: net.Socket, talk: Conversation): void {
  const { options, secureContext } = talk
  const faults = options.faults ?? {}
  const offersTls = secureContext !== undefined && faults.stripStarttls !== true
  let socket = raw
  let version: string | undefined
  let envelope: Envelope | undefined
  /** Received and not yet used. */
  let buffer: Buffer = Buffer.alloc(0)
  let inData = false
  /** A reply is being held back: commands behind it wait (they may be pipelined). */
  let waiting = false

  const write = (text: string): void => {
    if (!socket.destroyed) socket.write(`${text}\r\n`)
  }

  /** Give the usual reply and go on, unless this step is to go wrong. */
  const reply = (fault: FaultyReply | undefined, usual: string, then?: () => void): void => {
    if (fault === undefined) {
      write(usual)
      then?.()
    } else if (typeof fault === 'string') {
      write(fault)
    } else {
      waiting = true
      if (fault.fault === 'cut') socket.destroy()
      if (fault.fault !== 'slow') return
      const resume = (): void => {
        waiting = false
        write(usual)
        then?.()
        work()
      }
      setTimeout(resume, fault.milliseconds).unref()
    }
  }

  const upgrade = (): void => {
    buffer = Buffer.alloc(0) // RFC 3207 section 4.2: forget what was sent before TLS
    envelope = undefined
    raw.removeAllListeners('data')
    const secure = new tls.TLSSocket(raw, {
      isServer: true,
      secureContext,
      SNICallback(name, done) {
        talk.servername(name)
        done(null, secureContext)
      },
    })
    secure.on('error', () => secure.destroy())
    secure.on('secure', () => {
      version = secure.getProtocol() ?? undefined
      socket = secure
    })
    secure.on('data', receive)
  }

  const starttls = (): void => {
    const fault = faults.starttls
    if (!offersTls) {
      write(NOT_KNOWN)
    } else if (fault === undefined || typeof fault === 'string') {
      reply(fault, READY, upgrade)
    } else if (fault.fault === 'inject') {
      raw.write(`${READY}\r\n${fault.text}`)
      upgrade()
    } else if (fault.fault === 'inject-apart') {
      raw.pause()
      write(READY)
      const inject = (): void => {
        if (!raw.destroyed) raw.write(fault.text)
        upgrade()
      }
      setTimeout(inject, 50).unref()
    } else if (fault.fault === 'cut-handshake' || fault.fault === 'silent-handshake' || fault.fault === 'not-tls') {
      raw.removeAllListeners('data')
      raw.once('data', () => {
        if (fault.fault === 'cut-handshake') raw.destroy()
        if (fault.fault === 'not-tls') raw.write(fault.text)
      })
      write(READY)
    } else {
      reply(fault, READY, upgrade)
    }
  }

  const hello = (keywords: readonly string[]): void => {
    envelope = undefined
    const lines = [options.hostname, ...keywords]
    const text = lines.map((line, n) => `250${n === lines.length - 1 ? ' ' : '-'}${line}`).join('\r\n')
    reply(faults.ehlo, text)
  }

  const verbs: Readonly<Record<string, (line: string) => void>> = {
    EHLO() {
      const starttlsOffer = offersTls && version === undefined ? ['STARTTLS'] : []
      hello([...starttlsOffer, ...(options.extensions ?? EXTENSIONS)])
    },
    HELO() {
      hello([])
    },
    STARTTLS: starttls,
    MAIL(line) {
      const [, sender = '', parameters = ''] = /^MAIL FROM:\s*<([^>]*)>\s*(.*)$/i.exec(line) ?? []
      reply(faults.mail, '250 2.1.0 ok', () => {
        envelope = { sender, parameters, recipients: [] }
      })
    },
    RCPT(line) {
      const address = /^RCPT TO:\s*<([^>]*)>/i.exec(line)?.[1] ?? ''
      if (!envelope) {
        write('503 5.5.1 MAIL first')
        return
      }
      const { recipients } = envelope
      reply(faults.rcpt?.(address), '250 2.1.5 ok', () => recipients.push(address))
    },
    DATA() {
      if (!envelope || envelope.recipients.length === 0) {
        write('503 5.5.1 no valid recipients')
        return
      }
      reply(faults.data, '354 go ahead', () => {
        inData = true
      })
    },
    RSET() {
      envelope = undefined
      write('250 2.0.0 ok')
    },
    NOOP() {
      write('250 2.0.0 ok')
    },
    QUIT() {
      socket.end('221 2.0.0 bye\r\n')
    },
  }

  /** Take the message off the buffer. @returns false when it is not whole yet */
  const takeMessage = (): boolean => {
    // The CRLF before the final dot is the message's own last one; of an empty message there is only the dot.
    const empty = buffer.subarray(0, 3).toString('latin1') === '.\r\n'
    const end = empty ? 0 : buffer.indexOf(END) + 2
    if (!empty && end < 2) return false
    const stuffed = buffer.subarray(0, end).toString('latin1')
    buffer = buffer.subarray(end + 3)
    inData = false
    const message = Buffer.from(stuffed.replace(/(^|\r\n)\./g, '$1'), 'latin1')
    const { sender, parameters, recipients } = envelope ?? { sender: '', parameters: '', recipients: [] }
    envelope = undefined
    talk.mail({ sender, recipients, parameters, message, tls: version, connection: talk.connection })
    reply(faults.final, '250 2.0.0 stored')
    return true
  }

  const work = (): void => {
    while (!waiting && !socket.destroyed) {
      if (inData) {
        if (!takeMessage()) return
        continue
      }
      const end = buffer.indexOf('\n')
      if (end < 0) return
      const line = buffer.subarray(0, end).toString().replace(/\r$/, '')
      buffer = buffer.subarray(end + 1)
      talk.command(line, version)
      const verb = line.split(/[ :]/, 1)[0]?.toUpperCase() ?? ''
      const handler = verbs[verb]
      if (handler) handler(line)
      else write(NOT_KNOWN)
    }
  }

  const receive = (chunk: Buffer): void => {
    buffer = Buffer.concat([buffer, chunk])
    work()
  }
  raw.on('error', () => raw.destroy())
  raw.on('data', receive)
  reply(faults.greeting, `220 ${options.hostname} ESMTP`)
}
