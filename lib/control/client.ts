/** The asking end: one request to one process. */
import net from 'node:net'
import { encodeLine, FramingError, lineReader, MAX_REPLY, MAX_REQUEST } from './framing'
import { parseReply, requestLine, type Reply, type Request } from './protocol'
import { withSocketPath, type ControlSocket } from './run-directory'

/** A process that works says so every few seconds; this long (milliseconds) without a word, and it hangs. */
const SILENCE = 20_000

/** Why there was no answer. `gone`: nobody listens there, the process has ended. */
export class ControlFailure extends Error {
  constructor(
    readonly reason: 'gone' | 'forbidden' | 'silent' | 'refused' | 'broken',
    message: string,
  ) {
    super(message)
  }
}

type Answer = Exclude<Reply, { kind: 'working' } | { kind: 'end' } | { kind: 'error' }>

/**
 * Ask one process.
 *
 * @param onReply told of every line of the answer, in order
 * @returns when the answer is complete
 * @throws ControlFailure (rejects)
 */
export function ask(
  dir: string,
  { name, pid }: ControlSocket,
  request: Request,
  onReply: (reply: Answer) => void,
  silence = SILENCE,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const read = lineReader(MAX_REPLY)
    const socket = withSocketPath(dir, name, (file) => net.connect(file))
    let settled = false
    const settle = (failure?: ControlFailure) => {
      if (settled) return
      settled = true
      socket.destroy()
      if (failure === undefined) resolve()
      else reject(failure)
    }
    const take = (reply: Reply) => {
      switch (reply.kind) {
        case 'working':
          return
        case 'end':
          settle()
          return
        case 'error':
          settle(new ControlFailure('refused', `process ${pid} refused: ${reply.message}`))
          return
        default:
          onReply(reply)
      }
    }
    socket.setTimeout(silence, () => {
      settle(new ControlFailure('silent', `process ${pid} does not answer (waited ${silence / 1000} s)`))
    })
    socket.on('connect', () => socket.write(encodeLine(requestLine(request), MAX_REQUEST)))
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const value of read(chunk)) if (!settled) take(parseReply(value))
      } catch (error) {
        const what = error instanceof FramingError ? error.message : `a wrong field: ${(error as Error).message}`
        settle(new ControlFailure('broken', `the answer of process ${pid} cannot be understood: ${what}`))
      }
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      settle(failureOf(error, pid))
    })
    socket.on('close', () => {
      settle(new ControlFailure('broken', `process ${pid} ended the connection in the middle of its answer`))
    })
  })
}

function failureOf(error: NodeJS.ErrnoException, pid: number): ControlFailure {
  switch (error.code) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return new ControlFailure('gone', `process ${pid} has ended`)
    case 'EACCES':
    case 'EPERM':
      return new ControlFailure('forbidden', `process ${pid} may not be asked by this user`)
    default:
      return new ControlFailure('broken', `process ${pid} cannot be asked: ${error.message}`)
  }
}
