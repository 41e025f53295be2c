/**
 * A name server for a world that fits on a page: it knows some domains, nothing else exists, and it sets AD as a
 * validating resolver does for signed zones (here: for those that are declared secure). UDP and TCP.
 */
import dgram from 'node:dgram'
import net from 'node:net'
import dnsPacket, { type Answer, type DecodedPacket, type Packet } from 'dns-packet'

export interface DemoRecords {
  mx?: readonly { preference: number; exchange: string }[]
  a?: readonly string[]
  txt?: readonly string[]
  /** Answers for this name carry no AD. */
  insecure?: boolean
}

export interface DnsServer {
  readonly address: string
  readonly port: number
  /** `address:port`, as `[dns] servers[]` takes it. */
  readonly server: string
  /** `name type` of every question, in order. */
  readonly questions: readonly string[]
  stop(): Promise<void>
}

const TTL = 60
/** Bytes of a UDP answer; what everybody's resolver and network can take. */
const PAYLOAD = 1232
const NOERROR = 0
const NXDOMAIN = 3
const NOTIMP = 4

/**
 * @param names records by owner name, lower case, without final dot
 * @throws when no port is free for both UDP and TCP
 */
export async function startDnsServer(names: Readonly<Record<string, DemoRecords>>): Promise<DnsServer> {
  const address = '127.0.0.1'
  const questions: string[] = []
  const answerTo = (query: Buffer, overUdp: boolean): Buffer | undefined => {
    const packet = decoded(query)
    if (!packet) return undefined
    for (const { name, type } of packet.questions ?? []) questions.push(`${name.toLowerCase()} ${type}`)
    const reply = answer(packet, names)
    const bytes = dnsPacket.encode(reply)
    if (!overUdp || bytes.length <= PAYLOAD) return bytes
    // RFC 2181 section 9: what does not fit is said to be truncated, and asked for again over TCP.
    const flags = (reply.flags ?? 0) | dnsPacket.TRUNCATED_RESPONSE
    return dnsPacket.encode({ ...reply, flags, answers: [], authorities: [] })
  }
  const udp = dgram.createSocket('udp4')
  const sockets = new Set<net.Socket>()
  const tcp = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    serveStream(socket, (query) => answerTo(query, false))
  })
  udp.on('message', (query, from) => {
    const reply = answerTo(query, true)
    if (reply) udp.send(reply, from.port, from.address)
  })
  const port = await bindBoth(udp, tcp, address)
  return {
    address,
    port,
    server: `${address}:${port}`,
    questions,
    async stop() {
      for (const socket of sockets) socket.destroy()
      udp.close()
      await new Promise((resolve) => tcp.close(resolve))
    },
  }
}

function decoded(query: Buffer): DecodedPacket | undefined {
  try {
    const packet = dnsPacket.decode(query)
    return packet.type === 'query' ? packet : undefined
  } catch {
    return undefined // not DNS: no answer
  }
}

function answer(query: DecodedPacket, names: Readonly<Record<string, DemoRecords>>): Packet {
  const question = query.questions?.[0]
  const name = question?.name.toLowerCase() ?? ''
  const records = names[name]
  const answers = records && question ? answersOf(name, question.type, records) : []
  // RFC 8020: a name with something below it exists.
  const exists = records !== undefined || Object.keys(names).some((other) => other.endsWith(`.${name}`))
  const rcode = question ? (exists ? NOERROR : NXDOMAIN) : NOTIMP
  const edns = query.additionals?.find((record) => record.type === 'OPT')
  // RFC 6840 section 5.7: AD may be set when the question carries AD, or DO.
  const wanted =
    (query.flags ?? 0) & dnsPacket.AUTHENTIC_DATA || (edns?.type === 'OPT' && edns.flags & dnsPacket.DNSSEC_OK)
  const secure = wanted && records?.insecure !== true
  return {
    type: 'response',
    id: query.id,
    flags:
      dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE | (secure ? dnsPacket.AUTHENTIC_DATA : 0) | rcode,
    questions: query.questions,
    answers,
    // RFC 2308 section 2: what is not there is told with the zone's SOA.
    authorities: answers.length > 0 ? [] : [soa()],
    additionals: edns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: PAYLOAD,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  }
}

function answersOf(name: string, type: string, records: DemoRecords): Answer[] {
  switch (type) {
    case 'MX':
      return (records.mx ?? []).map((data) => ({ type, name, ttl: TTL, data }))
    case 'A':
      return (records.a ?? []).map((data) => ({ type, name, ttl: TTL, data }))
    case 'TXT':
      return (records.txt ?? []).map((data) => ({ type, name, ttl: TTL, data }))
    default:
      return []
  }
}

function soa(): Answer {
  const data = { mname: 'ns.example', rname: 'hostmaster.example', serial: 1, refresh: 3600, retry: 600, expire: 86400 }
  return { type: 'SOA', name: 'example', ttl: TTL, data: { ...data, minimum: TTL } }
}

/** RFC 1035 section 4.2.2: two bytes of length before each message. */
function serveStream(socket: net.Socket, answerTo: (query: Buffer) => Buffer | undefined): void {
  let buffer: Buffer = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk])
    while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
      const end = 2 + buffer.readUInt16BE(0)
      const reply = answerTo(buffer.subarray(2, end))
      buffer = buffer.subarray(end)
      if (!reply) continue
      const length = Buffer.alloc(2)
      length.writeUInt16BE(reply.length)
      socket.write(Buffer.concat([length, reply]))
    }
  })
}

/** The same port for both; TCP chooses it, and another one is tried when UDP has it taken. */
async function bindBoth(udp: dgram.Socket, tcp: net.Server, address: string): Promise<number> {
  for (let tries = 0; tries < 20; tries++) {
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject)
      tcp.listen(0, address, resolve)
    })
    const bound = tcp.address()
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0
    const free = await new Promise<boolean>((resolve) => {
      const taken = () => resolve(false)
      udp.once('error', taken)
      udp.bind(port, address, () => {
        udp.off('error', taken)
        resolve(true)
      })
    })
    if (free) return port
    await new Promise((resolve) => tcp.close(resolve))
  }
  throw new Error('no port is free for both UDP and TCP')
}
