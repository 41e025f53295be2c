/**
 * The listening end, in each process that delivers. Whatever comes in, one connection costs one bounded line, has its
 * deadline, and ends with an answer or without one; nothing of it reaches the delivery but a request that was checked.
 */
import { chmodSync, rmSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { encodeLine, FramingError, lineReader, MAX_REPLY, MAX_REQUEST } from './framing'
import { parseRequest, RequestError, type Reply, type Request } from './protocol'
import { prepareRunDirectory, removeStale, socketName, withSocketPath } from './run-directory'

/** Connections at once; the next ones are closed. */
const MAX_CONNECTIONS = 16
/** A request must have come within these, in milliseconds. */
const REQUEST_DEADLINE = 5_000
/** A client must take what is written within these. */
const WRITE_DEADLINE = 20_000
/** While a request is at work, the client hears something at least this often. */
const WORKING_INTERVAL = 3_000

/** Sends one line; resolves when the client has room for more, rejects when it is gone. */
export type Send = (reply: Reply) => Promise<void>

export interface ControlOptions {
  /** The folder of the sockets. */
  dir: string
  pid: number
  /** Serves one checked request. What it throws is told to `report` and answered as an internal error. */
  serve: (request: Request, send: Send) => Promise<void>
  /** Told of failures of our own; must not throw. A client's mistakes are not told. */
  report: (error: unknown) => void
}

export interface ControlServer {
  /** Stops listening and ends every connection; the socket is gone then. */
  close(): Promise<void>
}

/**
 * @throws Error (rejects) in plain words when the socket cannot be opened
 */
export async function openControl(options: ControlOptions): Promise<ControlServer> {
  const { dir, pid, report } = options
  prepareRunDirectory(dir)
  await removeStale(dir, pid, Date.now())
  const connections = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    converse(socket, options).catch(report)
  })
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, dir, socketName(pid))
  server.on('error', report)
  // a process that has nothing else to do may end, and leaves nothing behind
  server.unref()
  const remove = () => {
    rmSync(path.join(dir, socketName(pid)), { force: true })
  }
  process.once('exit', remove)
  return {
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve()
        })
      })
      for (const socket of connections) socket.destroy()
      await closed
      // Node does not find a socket again that was bound by way of a descriptor
      remove()
      process.removeListener('exit', remove)
    },
  }
}

function listen(server: net.Server, dir: string, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.removeListener('error', reject)
      try {
        chmodSync(path.join(dir, name), 0o600)
        resolve()
      } catch (error) {
        server.close()
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
    // bind(2) happens in this very turn; the folder is closed to others, and the socket is never open to more than that
    const before = process.umask(0o077)
    try {
      withSocketPath(dir, name, (file) => {
        // exclusive: a worker of a cluster would otherwise ask the master, which runs as root, to open it
        server.listen({ path: file, exclusive: true })
      })
    } finally {
      process.umask(before)
    }
  })
}

/** One connection, from its first byte to its last. Rejects only for failures of our own. */
async function converse(socket: net.Socket, { serve, report }: ControlOptions): Promise<void> {
  // a client that breaks off is no failure: 'close' follows
  socket.on('error', () => undefined)
  socket.unref()
  const send = sender(socket)
  let request: Request
  try {
    request = parseRequest(await firstLine(socket))
  } catch (error) {
    if (error instanceof RequestError) await end(socket, send, error.code, error.message)
    else if (error instanceof FramingError) await end(socket, send, 'bad-request', error.message)
    else socket.destroy()
    return
  }
  const working = setInterval(() => {
    if (socket.writableLength === 0) send({ kind: 'working' }).catch(() => undefined)
  }, WORKING_INTERVAL)
  working.unref()
  try {
    await serve(request, send)
    await send({ kind: 'end' })
    socket.end()
  } catch (error) {
    if (error instanceof ClientGone) return
    report(error)
    await end(socket, send, 'internal', error instanceof Error ? error.message : String(error))
  } finally {
    clearInterval(working)
    // whoever does not read to the end has had its time
    if (!socket.destroyed) setTimeout(() => socket.destroy(), WRITE_DEADLINE).unref()
  }
}

async function end(
  socket: net.Socket,
  send: Send,
  code: Extract<Reply, { kind: 'error' }>['code'],
  message: string,
): Promise<void> {
  await send({ kind: 'error', code, message: message.slice(0, 2000) }).catch(() => undefined)
  socket.end()
}

/** The client went away, or does not read: nobody is left to be told. */
class ClientGone extends Error {}

/** @throws (rejects) FramingError, or ClientGone when none came in time */
function firstLine(socket: net.Socket): Promise<object> {
  return new Promise((resolve, reject) => {
    const read = lineReader(MAX_REQUEST)
    const timer = setTimeout(() => {
      fail(new ClientGone('no request in time'))
    }, REQUEST_DEADLINE)
    timer.unref()
    const stop = () => {
      clearTimeout(timer)
      socket.removeListener('data', onData)
      socket.removeListener('close', onClose)
      // one request per connection: the rest is read and forgotten, so that the end of the stream is seen
      socket.on('data', () => undefined)
    }
    const fail = (error: Error) => {
      stop()
      reject(error)
    }
    const onClose = () => {
      fail(new ClientGone('closed before a request'))
    }
    const onData = (chunk: Buffer) => {
      try {
        const [line] = read(chunk)
        if (line === undefined) return
        stop()
        resolve(line)
      } catch (error) {
        fail(error as Error)
      }
    }
    socket.on('data', onData)
    socket.on('close', onClose)
  })
}

function sender(socket: net.Socket): Send {
  return (reply) => {
    if (socket.destroyed || socket.writableEnded) return Promise.reject(new ClientGone('the client is gone'))
    if (socket.write(encodeLine(reply, MAX_REPLY))) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        clearTimeout(timer)
        socket.removeListener('drain', onDrain)
        socket.removeListener('close', onClose)
        if (error === undefined) resolve()
        else reject(error)
      }
      const onDrain = () => {
        settle()
      }
      const onClose = () => {
        settle(new ClientGone('the client is gone'))
      }
      const timer = setTimeout(() => {
        socket.destroy()
      }, WRITE_DEADLINE)
      timer.unref()
      socket.once('drain', onDrain)
      socket.once('close', onClose)
    })
  }
}
