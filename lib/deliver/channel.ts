/**
 * One SMTP conversation's wire: commands out, replies in, every wait with a wall-clock deadline. Deadlines count from
 * the moment of waiting and no arriving byte extends them, so a server that drips a byte a minute gains nothing.
 */
import type { Socket } from 'node:net'
import { createReplyParser, ReplySyntaxError, type Reply } from './reply'
import type { StopSignal } from './stop'

/** Why a conversation cannot go on. */
export type ChannelErrorKind =
  /** The peer closed, or the network broke. */
  | 'closed'
  /** A deadline passed. */
  | 'timeout'
  /** The peer does not speak SMTP. */
  | 'protocol'
  /** We were told to stop. */
  | 'aborted'

export class ChannelError extends Error {
  constructor(
    readonly kind: ChannelErrorKind,
    message: string,
  ) {
    super(message)
  }
}

export interface Channel {
  readonly socket: Socket
  /** @throws ChannelError when the connection is gone */
  write(data: string | Buffer): void
  /** Several pieces in one write to the network. @throws ChannelError */
  writeAll(pieces: readonly Buffer[]): void
  /** What is written from now on waits for `letGo`, and leaves in one write. */
  hold(): void
  /** Twice does no harm. */
  letGo(): void
  /**
   * Wait until what was written has left our buffers.
   * @param ms deadline in milliseconds
   * @throws ChannelError (rejects)
   */
  flush(ms: number): Promise<void>
  /**
   * The next reply.
   * @param ms deadline in milliseconds
   * @throws ChannelError (rejects); the connection is destroyed then
   */
  reply(ms: number): Promise<Reply>
  /** Take a reply that is there although nothing is being waited for. */
  early(): Reply | undefined
  /** Has the peer said anything, even half a line, that nobody has read? */
  unread(): boolean
  /** Called once when the connection is lost, at once if it already is. Gives a function that takes the call back. */
  onLost(listener: (error: ChannelError) => void): () => void
  /** From now on an abort waits this many milliseconds before it cuts (after the final dot). */
  setGrace(ms: number): void
  /** Why it is gone; undefined while it stands. */
  fault(): ChannelError | undefined
  /**
   * The conversation pauses: no signal cuts it, the socket keeps no process alive, and whatever the peer says ends it,
   * since nothing was asked (RFC 5321 section 3.8: 421 and the end).
   *
   * @param onEnd called once when the connection is lost
   * @returns takes `onEnd` back
   */
  rest(onEnd: () => void): () => void
  /** The conversation goes on, under this signal. */
  wake(signal: StopSignal): void
  /** Stop listening, leave the socket open (for the TLS handshake). */
  detach(): Socket
  /** Cut the connection; whoever waits is told `error`. */
  destroy(error: ChannelError): void
}

/**
 * @param socket a connected socket, plain or TLS
 * @param signal aborting it cuts the connection
 */
export function createChannel(socket: Socket, signal: StopSignal): Channel {
  const parser = createReplyParser()
  const replies: Reply[] = []
  const lostListeners = new Set<(error: ChannelError) => void>()
  let waiter: ((result: Reply | ChannelError) => void) | undefined
  let lost: ChannelError | undefined
  let following = signal
  let resting = false
  let held = false
  let grace = 0
  let graceTimer: NodeJS.Timeout | undefined

  function lose(error: ChannelError): void {
    if (lost) return
    lost = error
    unlisten()
    socket.destroy()
    waiter?.(error)
    for (const listener of lostListeners) listener(error)
    lostListeners.clear()
  }

  const onData = (chunk: Buffer): void => {
    if (resting) {
      lose(new ChannelError('closed', 'the server ended the idle connection'))
      return
    }
    try {
      replies.push(...parser.push(chunk))
    } catch (error) {
      lose(new ChannelError('protocol', error instanceof ReplySyntaxError ? error.message : String(error)))
      return
    }
    // A peer that talks without being asked must not fill our memory.
    if (replies.length > 10_000) lose(new ChannelError('protocol', 'unsolicited replies without end'))
    else if (waiter && replies[0]) waiter(replies[0])
  }
  const onError = (error: NodeJS.ErrnoException): void =>
    lose(new ChannelError('closed', error.code ? `${error.code}: ${error.message}` : error.message))
  const onClose = (): void => lose(new ChannelError('closed', 'the server closed the connection'))
  const onAbort = (): void => {
    const stop = (): void => lose(new ChannelError('aborted', 'delivery was stopped'))
    if (grace > 0) graceTimer = setTimeout(stop, grace)
    else stop()
  }

  function unlisten(): void {
    socket.off('data', onData).off('error', onError).off('close', onClose).off('end', onClose)
    following.removeEventListener('abort', onAbort)
    clearTimeout(graceTimer)
    // What still comes out of a dying socket has nobody to go to, but must not become an uncaught exception.
    socket.on('error', () => undefined)
  }

  function follow(next: StopSignal): void {
    following.removeEventListener('abort', onAbort)
    following = next
    next.addEventListener('abort', onAbort)
    if (next.aborted) onAbort()
  }

  socket.on('data', onData).on('error', onError).on('close', onClose).on('end', onClose)
  follow(signal)
  if (socket.destroyed) onClose()

  function wait<T>(ms: number, what: string, start: (done: (value: T | ChannelError) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => lose(new ChannelError('timeout', `no ${what} within ${ms / 1000} s`)), ms)
      start((value) => {
        clearTimeout(timer)
        if (value instanceof ChannelError) reject(value)
        else resolve(value)
      })
    })
  }

  const channel: Channel = {
    socket,
    write(data) {
      if (lost) throw lost
      socket.write(data)
    },
    writeAll(pieces) {
      if (lost) throw lost
      socket.cork()
      for (const piece of pieces) socket.write(piece)
      socket.uncork()
    },
    hold() {
      if (held) return
      held = true
      socket.cork()
    },
    letGo() {
      if (!held) return
      held = false
      socket.uncork()
    },
    async flush(ms) {
      if (lost) throw lost
      if (!socket.writableNeedDrain) return
      await wait<true>(ms, 'progress in sending', (done) => {
        const onDrain = (): void => {
          offLost()
          done(true)
        }
        const offLost = channel.onLost((error) => {
          socket.off('drain', onDrain)
          done(error)
        })
        socket.once('drain', onDrain)
      })
    },
    async reply(ms) {
      const ready = replies.shift()
      if (ready) return ready
      if (lost) throw lost
      try {
        await wait<Reply>(ms, 'reply', (done) => (waiter = done))
      } finally {
        waiter = undefined
      }
      const reply = replies.shift()
      if (!reply) throw new ChannelError('protocol', 'reply vanished')
      return reply
    },
    early: () => replies.shift(),
    unread: () => replies.length > 0 || parser.pending() || socket.readableLength > 0,
    onLost(listener) {
      if (lost) listener(lost)
      else lostListeners.add(listener)
      return () => lostListeners.delete(listener)
    },
    setGrace: (ms) => void (grace = ms),
    fault: () => lost,
    rest(onEnd) {
      following.removeEventListener('abort', onAbort)
      clearTimeout(graceTimer)
      grace = 0
      resting = true
      socket.unref()
      return channel.onLost(onEnd)
    },
    wake(next) {
      resting = false
      if (lost) return
      socket.ref()
      follow(next)
    },
    detach() {
      if (lost) throw lost
      unlisten()
      return socket
    },
    destroy: lose,
  }
  return channel
}
