/** A way to a Redis server that takes its time, or stops. */
import net from 'node:net'
import type { RedisServer } from './redis-server'

export interface RedisProxy {
  readonly url: string
  /** Milliseconds that everything takes in each direction from now on. */
  delay: number
  stop(): Promise<void>
}

/** @param delay milliseconds in each direction */
export async function startRedisProxy(redis: RedisServer, delay: number): Promise<RedisProxy> {
  const sockets = new Set<net.Socket>()
  const proxy = { delay }
  const pass = (from: net.Socket, to: net.Socket): void => {
    sockets.add(from)
    // equal delays keep the order; a shorter one that follows a longer one must not overtake it
    let last = 0
    const later = (what: () => void): void => {
      last = Math.max(last, Date.now() + proxy.delay)
      setTimeout(what, last - Date.now())
    }
    from.on('data', (data) => later(() => to.write(data)))
    from.on('error', () => undefined)
    from.on('close', () => {
      sockets.delete(from)
      later(() => to.destroy())
    })
  }
  const server = net.createServer((client) => {
    const upstream = net.connect(redis.socket)
    pass(client, upstream)
    pass(upstream, client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  return Object.assign(proxy, {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  })
}
