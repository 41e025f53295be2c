/** A real redis-server of a test's own, on a socket in a directory of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { connectRedis, type RedisConnection } from '../../lib/store/redis-connection'
import { parseRedisUrl } from '../../lib/store/redis-url'
import { watchGroup, killGroup, until } from '../../demo/processes'
import { tempDir } from './temp'

export interface RedisServer {
  readonly url: string
  /** The path of its socket. */
  readonly socket: string
  readonly dir: string
  /** Start (again), with the data of before where it was written. */
  start(): Promise<void>
  kill9(): Promise<void>
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  /** A connection of the test's own. */
  connect(): Promise<RedisConnection>
}

/** As docs/store.md asks for: what is acknowledged is on the disk. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']

/**
 * Start one; `stopRedisServers` ends all.
 *
 * @param options.args more command-line arguments of redis-server
 * @param options.port listen on that TCP port of loopback as well
 */
export async function startRedis(options: { args?: readonly string[]; port?: number } = {}): Promise<RedisServer> {
  const dir = tempDir()
  const socket = path.join(dir, 's')
  let child: ChildProcess | undefined
  let forget: () => void = () => undefined
  const url = `unix://${socket}`
  const kill9 = async () => {
    const { pid } = child ?? {}
    if (child === undefined || pid === undefined) return
    const exit = child.exitCode !== null || child.signalCode !== null ? undefined : once(child, 'exit')
    killGroup(pid)
    await exit
    forget()
    child = undefined
  }
  const connect = () => {
    const target = parseRedisUrl(url)
    if ('why' in target) throw new Error(target.why)
    return connectRedis(target, 5_000)
  }
  const server: RedisServer = {
    url,
    socket,
    dir,
    kill9,
    connect,
    async start() {
      const args = ['--port', String(options.port ?? 0), '--bind', '127.0.0.1', '--unixsocket', socket, '--dir', dir]
      child = spawn('/usr/bin/redis-server', [...args, '--save', '', ...DURABLE, ...(options.args ?? [])], {
        stdio: 'ignore',
        detached: true,
      })
      if (child.pid !== undefined) forget = watchGroup(child.pid)
      await until('redis-server answers', async () => {
        const connection = await connect().catch(() => undefined)
        const reply = await connection?.send(['PING']).catch((error: unknown) => error)
        connection?.destroy()
        // one that wants a password is there, too
        return reply === 'PONG' || (reply instanceof Error && reply.message.startsWith('NOAUTH'))
      })
    },
    signal(name) {
      child?.kill(name)
    },
  }
  servers.add(server)
  await server.start()
  return server
}

const servers = new Set<RedisServer>()

export async function stopRedisServers(): Promise<void> {
  for (const server of servers) await server.kill9()
  servers.clear()
}
