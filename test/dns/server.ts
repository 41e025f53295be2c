/** A DNS server that does what a script says, over UDP and TCP on one port of 127.0.0.1. Replies are built by dns-packet. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import * as packet from 'dns-packet'
import { createResolver, type ResolverOptions } from '../../lib/dns/resolver'
import type { Resolver } from '../../lib/dns/types'

export interface Asked {
  id: number
  name: string
  type: string
  transport: 'udp' | 'tcp'
  bytes: Buffer
  /** Send bytes as they are; over TCP with their length before them. */
  send(bytes: Buffer): void
  /** Client's address and port. */
  from: { address: string; port: number }
  /** TCP only: write without any framing, and end. */
  socket?: Socket
}

export type Script = (asked: Asked) => void

export interface ScriptedServer {
  port: number
  /** `name type transport` of each query, in order. */
  seen: string[]
  queries: Asked[]
  script: Script
  close(): Promise<void>
}

export async function scriptedServer(script: Script): Promise<ScriptedServer> {
  const sockets = new Set<Socket>()
  const { udp, tcp, port } = await bothOnOnePort()
  const server: ScriptedServer = {
    port,
    seen: [],
    queries: [],
    script,
    async close() {
      for (const socket of sockets) socket.destroy()
      await Promise.all([closed(udp), closed(tcp)])
    },
  }
  const take = (asked: Asked) => {
    server.seen.push(`${asked.name} ${asked.type} ${asked.transport}`)
    server.queries.push(asked)
    server.script(asked)
  }
  udp.on('message', (bytes: Buffer, from: RemoteInfo) => {
    take(read(bytes, 'udp', from, (reply) => udp.send(reply, from.port, from.address)))
  })
  tcp.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.once('data', (bytes) => {
      const from = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
      take({ ...read(bytes.subarray(2), 'tcp', from, (reply) => socket.write(framed(reply))), socket })
    })
  })
  return server
}

/** A UDP and a TCP socket on one free port; another program may have the TCP one, then the next is tried. */
async function bothOnOnePort(): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (;;) {
    const udp = createSocket('udp4')
    udp.bind(0, '127.0.0.1')
    await once(udp, 'listening')
    const port = udp.address().port
    const tcp = createServer()
    try {
      tcp.listen(port, '127.0.0.1')
      await once(tcp, 'listening')
      return { udp, tcp, port }
    } catch (error) {
      udp.close()
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

function closed(socket: UdpSocket | Server): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()))
}

function read(
  bytes: Buffer,
  transport: 'udp' | 'tcp',
  from: { address: string; port: number },
  send: (bytes: Buffer) => void,
): Asked {
  const decoded = packet.decode(bytes)
  const question = decoded.questions![0]!
  return { id: decoded.id!, name: question.name, type: question.type, transport, bytes, send, from }
}

/** RFC 1035 section 4.2.2: length before the message. */
export function framed(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

export interface ReplyOptions {
  /** AD */
  ad?: boolean
  tc?: boolean
  aa?: boolean
  rcode?: number
  id?: number
  /** Question instead of the one asked. */
  question?: { name: string; type: packet.RecordType }
  authorities?: packet.Answer[]
}

/** A reply to what was asked. */
export function replyTo(asked: Asked, answers: packet.Answer[], options: ReplyOptions = {}): Buffer {
  const flags =
    packet.RECURSION_DESIRED |
    packet.RECURSION_AVAILABLE |
    (options.ad ? packet.AUTHENTIC_DATA : 0) |
    (options.tc ? packet.TRUNCATED_RESPONSE : 0) |
    (options.aa ? packet.AUTHORITATIVE_ANSWER : 0) |
    (options.rcode ?? 0)
  return packet.encode({
    type: 'response',
    id: options.id ?? asked.id,
    flags,
    questions: [options.question ?? { name: asked.name, type: asked.type as packet.RecordType }],
    answers,
    authorities: options.authorities ?? [],
  })
}

/** A zone in a few lines: `name TYPE` -> records; anything else under a known name is NODATA, an unknown name NXDOMAIN. */
export function zone(data: Record<string, packet.Answer[]>, secure: (name: string) => boolean = () => false): Script {
  const names = new Set(Object.keys(data).map((key) => key.split(' ')[0]!))
  return (asked) => {
    const found = data[`${asked.name} ${asked.type}`] ?? data[`${asked.name} CNAME`]
    const ad = secure(asked.name)
    if (found !== undefined) asked.send(replyTo(asked, found, { ad }))
    else asked.send(replyTo(asked, [], { ad, rcode: names.has(asked.name) ? 0 : 3, authorities: [soa('example.org')] }))
  }
}

export function soa(name: string, ttl = 600, minimum = 300): packet.Answer {
  return { type: 'SOA', name, ttl, data: { mname: 'ns.example.org', rname: 'root.example.org', minimum } }
}

export const a = (name: string, data: string, ttl = 300): packet.Answer => ({ type: 'A', name, ttl, data })
export const aaaa = (name: string, data: string, ttl = 300): packet.Answer => ({ type: 'AAAA', name, ttl, data })
export const cname = (name: string, data: string, ttl = 300): packet.Answer => ({ type: 'CNAME', name, ttl, data })
export const mx = (name: string, preference: number, exchange: string, ttl = 300): packet.Answer => ({
  type: 'MX',
  name,
  ttl,
  data: { preference, exchange },
})

/** Servers and resolvers of one test; `close` ends them all. */
export interface Bench {
  server: (script: Script) => Promise<ScriptedServer>
  resolver: (servers: readonly ScriptedServer[], options?: Partial<ResolverOptions>) => Resolver
  close: () => Promise<void>
}

export function bench(): Bench {
  const servers: ScriptedServer[] = []
  const resolvers: Resolver[] = []
  return {
    async server(script) {
      const server = await scriptedServer(script)
      servers.push(server)
      return server
    },
    resolver(asked, options = {}) {
      const resolver = createResolver({
        servers: asked.map((server) => `127.0.0.1:${server.port}`),
        trustAd: 'loopback',
        timeout: 2000,
        ...options,
      })
      resolvers.push(resolver)
      return resolver
    },
    async close() {
      await Promise.all(resolvers.splice(0).map((resolver) => resolver.close()))
      await Promise.all(servers.splice(0).map((server) => server.close()))
    },
  }
}
