/**
 * A fast SMTP sink on raw `net` and `tls`: the far end of every relay that is measured. It must never be what limits
 * them, so: TCP_NODELAY, one write per group of replies, one shared SecureContext per certificate (session tickets
 * come with it), no streams in between, and its own CPU time is reported with every figure.
 */
import { readFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import { zeroCounters, type SinkCounters, type SinkListener } from './counters'
import { wallNow } from '../process'
import { createSession, GREETING } from './session'

export interface Sink {
  /** Counters by listener name, as they are now. */
  counters(): Record<string, SinkCounters>
  /** Ports by listener name, as bound. */
  ports(): Record<string, number>
  reset(): void
  close(): Promise<void>
}

/** How a listener differs from one that answers at once. */
type Manner = Pick<SinkListener, 'delay' | 'silentAt'>

/** Speaks SMTP on one socket, clear or TLS, until the session wants something else. */
function converse(
  socket: net.Socket,
  counters: () => SinkCounters,
  secure: boolean,
  context: tls.SecureContext | undefined,
  how: Manner,
): void {
  const session = createSession(
    !secure && context !== undefined,
    (bytes) => {
      const count = counters()
      count.messages++
      count.bytes += bytes
      if (secure) count.tlsMessages++
      else count.clearMessages++
      count.lastArrival = wallNow()
      if (count.firstArrival === 0) count.firstArrival = count.lastArrival
    },
    () => {
      if (!secure) counters().clearEnvelopes++
    },
  )
  const answer = (reply: string) => {
    if (how.delay === undefined) socket.write(reply, 'latin1')
    else setTimeout(() => socket.write(reply, 'latin1'), how.delay)
  }
  const onData = (chunk: Buffer) => {
    const { reply, step } = session.feed(chunk)
    switch (step) {
      case 'continue':
        if (reply) answer(reply)
        return
      case 'close':
        socket.off('data', onData)
        socket.end(reply, 'latin1')
        return
      case 'starttls':
        socket.off('data', onData)
        // The ClientHello may arrive before the write is confirmed; paused, the socket keeps it for the TLS layer.
        socket.pause()
        socket.write(reply, 'latin1', () => {
          if (how.silentAt !== 'handshake') startTls(socket, counters, context!, how)
        })
        return
    }
  }
  socket.on('data', onData)
}

function startTls(socket: net.Socket, counters: () => SinkCounters, context: tls.SecureContext, how: Manner): void {
  const secured = new tls.TLSSocket(socket, { isServer: true, secureContext: context, requestCert: false })
  secured.on('error', () => {
    counters().errors++
    socket.destroy()
  })
  secured.once('secure', () => {
    counters().handshakes++
    if (secured.isSessionReused()) counters().resumed++
    converse(secured, counters, true, undefined, how)
  })
}

/**
 * Opens all listeners.
 *
 * @param listeners addresses, ports (0 = any free one) and certificates
 * @throws Error when an address cannot be bound or a certificate not be read
 */
export async function openSink(listeners: readonly SinkListener[]): Promise<Sink> {
  const all = new Map<string, SinkCounters>()
  const sockets = new Set<net.Socket>()
  const servers = new Map<string, net.Server>()

  for (const listener of listeners) {
    const context = listener.tls
      ? tls.createSecureContext({
          key: readFileSync(listener.tls.key),
          cert: readFileSync(listener.tls.cert),
          sessionIdContext: 'bench',
        })
      : undefined
    all.set(listener.name, zeroCounters())
    const counters = () => all.get(listener.name)!
    const server = net.createServer({ noDelay: true }, (socket) => {
      counters().connections++
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => {
        counters().errors++
      })
      if (listener.silentAt === 'greeting') {
        socket.resume()
        return
      }
      socket.write(GREETING, 'latin1')
      converse(socket, counters, false, context, listener)
    })
    servers.set(listener.name, server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: listener.address, port: listener.port, backlog: 1024 }, resolve)
    })
  }

  return {
    counters: () => Object.fromEntries(all),
    ports: () =>
      Object.fromEntries([...servers].map(([name, server]) => [name, (server.address() as net.AddressInfo).port])),
    reset: () => {
      for (const name of all.keys()) all.set(name, zeroCounters())
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all([...servers.values()].map((server) => new Promise((resolve) => server.close(resolve))))
    },
  }
}
