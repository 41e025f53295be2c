/** Runs `peer.child` beside the test and talks to it. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { StoreKey } from '../../lib/store/types'

export type Order = { id: number } & (
  | { do: 'put'; key: StoreKey; size: number }
  | { do: 'length'; key: StoreKey }
  | { do: 'secret'; name: string }
  | { do: 'count'; key: StoreKey; times: number }
  | { do: 'write for ever' }
  /** Many writers at once, so that every transaction holds several changes, counts among them. */
  | { do: 'batch for ever'; name: string }
  | { do: 'hold the lock' }
)
type Command<T = Order> = T extends Order ? Omit<T, 'id'> : never

interface Message {
  id?: number
  result?: unknown
  error?: string
  failed?: string
  ready?: true
  held?: true
  acked?: [number, number]
}

export interface Peer {
  pid: number
  /** Resolves with the answer; rejects with the text of what the store rejected with. */
  ask(command: Command): Promise<unknown>
  /** Gives an order that has no end. */
  tell(command: Command): void
  /** The next message that `wanted` accepts. */
  hear(wanted: (message: Message) => boolean): Promise<Message>
  /** Every record that the child has named so far. */
  acked: [number, number][]
  kill(): Promise<void>
}

const peers: ChildProcess[] = []

/**
 * @param fileSize limit in bytes (prlimit(1)): writing beyond fails, as it does on a full disk, and needs no privilege
 * @throws Error when the child cannot open the store
 */
export async function startPeer(store: string, fileSize?: number): Promise<Peer> {
  const limit =
    fileSize === undefined ? {} : { execPath: 'prlimit', execArgv: [`--fsize=${fileSize}:`, process.execPath] }
  const child = fork(path.join(__dirname, 'peer.child.js'), [store], {
    // lmdb writes its own errors to stderr
    stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
    ...limit,
  })
  peers.push(child)
  const acked: [number, number][] = []
  child.on('message', ({ acked: one }: Message) => {
    if (one) acked.push(one)
  })

  const hear = (wanted: (message: Message) => boolean): Promise<Message> =>
    new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        child.off('message', onMessage).off('exit', onExit)
        end()
      }
      const onMessage = (message: Message): void => {
        if (message.failed !== undefined) settle(() => reject(new Error(message.failed)))
        else if (wanted(message)) settle(() => resolve(message))
      }
      const onExit = (): void => settle(() => reject(new Error('the second process ended')))
      child.on('message', onMessage).on('exit', onExit)
    })

  let last = 0
  const tell = (command: Command): number => {
    const id = ++last
    child.send({ id, ...command })
    return id
  }

  await hear(({ ready }) => ready === true)
  return {
    pid: child.pid ?? 0,
    acked,
    hear,
    tell,
    async ask(command) {
      const id = tell(command)
      const { result, error } = await hear((message) => message.id === id)
      if (error !== undefined) throw new Error(error)
      return result
    },
    async kill() {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** Ends what is still running. */
export async function endPeers(): Promise<void> {
  for (const child of peers.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
}
