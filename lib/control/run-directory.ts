/**
 * The folder that the control sockets stand in: closed to everybody but the gateway's user, swept of what ended
 * processes left, and reached also where its path is longer than a socket's address can be.
 */
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { isRunning } from '../util/running'

/** Name of the folder in an instance. */
const RUN = 'run'
const NAME = /^control\.(\d{1,10})\.sock$/
/** Bytes of a socket's path with its final zero: 108 on Linux, 104 on BSD and macOS (unix(7), unix(4)). */
const MAX_PATH = 100
/** A socket that refuses may be between bind(2) and listen(2) when it is this young, in milliseconds. */
const YOUNG = 10_000

/** Where the sockets of an instance stand. */
export function runDirectory(instance: string): string {
  return path.join(instance, RUN)
}

export function socketName(pid: number): string {
  return `control.${pid}.sock`
}

/** A socket that stands in the folder. */
export interface ControlSocket {
  pid: number
  name: string
}

/**
 * The sockets of a folder, lowest process id first.
 *
 * @returns none when there is no folder
 * @throws Error of the file system, EACCES above all
 */
export function controlSockets(dir: string): ControlSocket[] {
  try {
    return readdirSync(dir)
      .flatMap((name) => {
        const pid = NAME.exec(name)?.[1]
        return pid === undefined ? [] : [{ pid: Number(pid), name }]
      })
      .sort((a, b) => a.pid - b.pid)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/**
 * Make the folder (0700) where it is missing, and close it to others where it is not.
 *
 * @throws Error in plain words when it cannot be used: whoever could put a socket there could pose as the gateway
 */
export function prepareRunDirectory(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const stats = statSync(dir)
    const user = process.geteuid?.()
    if (user !== undefined && stats.uid !== user) {
      throw new Error(`it belongs to user ${stats.uid}, the gateway runs as user ${user}; give it the folder (chown)`)
    }
    if ((stats.mode & 0o777) !== 0o700) chmodSync(dir, 0o700)
  } catch (error) {
    throw new Error(`the folder ${dir} for the control socket cannot be used: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** Remove the sockets of processes that have ended. Never rejects. */
export async function removeStale(dir: string, ownPid: number, now: number): Promise<void> {
  for (const { pid, name } of controlSockets(dir)) {
    if (pid === ownPid) remove(path.join(dir, name))
    else if ((await refuses(dir, name)) && (!isRunning(pid) || isOld(path.join(dir, name), now)))
      remove(path.join(dir, name))
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file)
  } catch {
    // another process was quicker
  }
}

/** Does nobody listen there any more? */
async function refuses(dir: string, name: string): Promise<boolean> {
  return withSocketPath(dir, name, (file) => {
    const socket = net.connect(file)
    return new Promise<boolean>((resolve) => {
      socket.once('connect', () => {
        socket.destroy()
        resolve(false)
      })
      socket.once('error', (error: NodeJS.ErrnoException) => {
        resolve(error.code === 'ECONNREFUSED')
      })
    })
  })
}

function isOld(file: string, now: number): boolean {
  try {
    return now - lstatSync(file).mtimeMs > YOUNG
  } catch {
    return false
  }
}

/**
 * Hand out a path of the socket that fits into a socket's address: the plain one, or, where that is too long, one
 * through a descriptor of its folder (Linux; elsewhere the system's own error follows).
 *
 * @param use must have given the path to the system when it returns (or when its promise is made)
 */
export function withSocketPath<T>(dir: string, name: string, use: (file: string) => T): T {
  const plain = path.join(dir, name)
  if (Buffer.byteLength(plain) <= MAX_PATH || process.platform !== 'linux') return use(plain)
  const folder = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    return use(`/proc/self/fd/${folder}/${name}`)
  } finally {
    // bind(2) and connect(2) on a unix socket have been called by now
    closeSync(folder)
  }
}
