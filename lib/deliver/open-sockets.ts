/** How many sockets are open to each destination: those in use, those that rest and those that are being closed. */
import { connect } from 'node:net'
import type { SocketFactory } from './socket'
import type { StopSignal } from './stop'

export interface OpenSockets {
  count(key: string): number
  /** The same factory; its sockets count for `key` from the call until they are closed. */
  counted(key: string, factory?: SocketFactory): SocketFactory
  /** Resolves when a socket to the destination is closed or could be (`rests`), or the signal fires. */
  oneClosed(key: string, signal: StopSignal): Promise<void>
  /** A connection to the destination is in use no more. */
  rests(key: string): void
}

export function createOpenSockets(): OpenSockets {
  const open = new Map<string, number>()
  const waiting = new Map<string, Set<() => void>>()

  function closed(key: string): void {
    const left = (open.get(key) ?? 1) - 1
    if (left > 0) open.set(key, left)
    else open.delete(key)
    tellWaiting(key)
  }

  function tellWaiting(key: string): void {
    for (const go of waiting.get(key) ?? []) go()
  }

  return {
    count: (key) => open.get(key) ?? 0,
    rests: tellWaiting,
    counted:
      (key, factory = connect) =>
      (options) => {
        const socket = factory(options)
        open.set(key, (open.get(key) ?? 0) + 1)
        socket.once('close', () => closed(key))
        return socket
      },
    oneClosed: (key, signal) =>
      new Promise((resolve) => {
        const here = waiting.get(key) ?? new Set<() => void>()
        waiting.set(key, here)
        const go = (): void => {
          here.delete(go)
          if (here.size === 0) waiting.delete(key)
          signal.removeEventListener('abort', go)
          resolve()
        }
        here.add(go)
        signal.addEventListener('abort', go)
        if (signal.aborted) go()
      }),
  }
}
