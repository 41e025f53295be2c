/** TCP connections out of a capture file (pcap, Ethernet framing as Linux' loopback has it), put together again. */

export interface Endpoint {
  address: string
  port: number
}

export interface CapturedConnection {
  client: Endpoint
  server: Endpoint
  /** Everything the client sent, in order. */
  toServer: Buffer
  /** Everything the server sent, in order. */
  toClient: Buffer
  /** false when bytes are missing in between, or the beginning was not seen. */
  complete: boolean
}

interface Segment {
  from: Endpoint
  to: Endpoint
  sequence: number
  syn: boolean
  ack: boolean
  payload: Buffer
}

interface Flow {
  /** Sequence number of the first byte; undefined until the SYN was seen. */
  first?: number
  segments: { offset: number; payload: Buffer }[]
}

interface Building {
  client: Endpoint
  server: Endpoint
  toServer: Flow
  toClient: Flow
}

/**
 * Read a capture.
 *
 * @throws when it is not a little-endian pcap file with Ethernet framing
 */
export function readPcap(file: Buffer): CapturedConnection[] {
  const finished: Building[] = []
  const open = new Map<string, Building>()
  for (const segment of segments(file)) {
    const { from, to, syn, ack } = segment
    const forward = `${name(from)} ${name(to)}`
    const backward = `${name(to)} ${name(from)}`
    if (syn && !ack) {
      // The same pair of ports may be used again: a SYN with another number is another connection.
      const known = open.get(forward)
      if (known?.toServer.first !== (segment.sequence + 1) >>> 0) {
        const building = { client: from, server: to, toServer: { segments: [] }, toClient: { segments: [] } }
        finished.push(building)
        open.set(forward, building)
      }
    }
    const connection = open.get(forward) ?? open.get(backward)
    if (connection) {
      add(open.has(forward) ? connection.toServer : connection.toClient, segment)
    } else if (segment.payload.length > 0) {
      const orphan = { client: from, server: to, toServer: { segments: [] }, toClient: { segments: [] } }
      add(orphan.toServer, segment)
      finished.push(orphan)
      open.set(forward, orphan)
    }
  }
  return finished.map(({ client, server, toServer, toClient }) => {
    const up = assemble(toServer)
    const down = assemble(toClient)
    return { client, server, toServer: up.bytes, toClient: down.bytes, complete: up.complete && down.complete }
  })
}

const name = ({ address, port }: Endpoint): string => `${address}:${port}`

function add(flow: Flow, { syn, sequence, payload }: Segment): void {
  if (syn) flow.first = (sequence + 1) >>> 0
  if (payload.length === 0) return
  // Without the SYN the first segment seen stands for the beginning; `assemble` then says that it is not complete.
  const base = flow.first ?? sequence
  flow.segments.push({ offset: (sequence - base) | 0, payload })
}

function assemble(flow: Flow): { bytes: Buffer; complete: boolean } {
  const chunks: Buffer[] = []
  let complete = flow.first !== undefined || flow.segments.length === 0
  let next = 0
  for (const { offset, payload } of flow.segments.sort((a, b) => a.offset - b.offset)) {
    if (offset > next) complete = false
    const fresh = offset >= next ? payload : payload.subarray(next - offset) // seen before: a retransmission
    if (fresh.length > 0) chunks.push(fresh)
    next = Math.max(next, offset + payload.length)
  }
  return { bytes: Buffer.concat(chunks), complete }
}

const GLOBAL_HEADER = 24
const RECORD_HEADER = 16
const ETHERNET_HEADER = 14

function* segments(file: Buffer): Generator<Segment> {
  if (file.length < GLOBAL_HEADER || file.readUInt32LE(0) !== 0xa1b2c3d4 || file.readUInt32LE(20) !== 1)
    throw new Error('not a little-endian pcap file with Ethernet framing')
  for (let at = GLOBAL_HEADER; at + RECORD_HEADER <= file.length;) {
    const length = file.readUInt32LE(at + 8)
    const frame = file.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length)
    at += RECORD_HEADER + length
    if (frame.length < length) return // the last record is still being written
    const segment = tcpOf(frame)
    if (segment) yield segment
  }
}

/** RFC 791 section 3.1, RFC 8200 section 3 (without extension headers), RFC 9293 section 3.1. */
function tcpOf(frame: Buffer): Segment | undefined {
  const type = frame.readUInt16BE(12)
  const ip = frame.subarray(ETHERNET_HEADER)
  let source: string
  let destination: string
  let tcp: Buffer
  if (type === 0x0800 && ip[9] === 6) {
    source = [...ip.subarray(12, 16)].join('.')
    destination = [...ip.subarray(16, 20)].join('.')
    tcp = ip.subarray(((ip[0] ?? 0) & 15) * 4, ip.readUInt16BE(2) || ip.length)
  } else if (type === 0x86dd && ip[6] === 6) {
    source = ip.subarray(8, 24).toString('hex')
    destination = ip.subarray(24, 40).toString('hex')
    tcp = ip.subarray(40)
  } else {
    return undefined
  }
  const flags = tcp[13] ?? 0
  return {
    from: { address: source, port: tcp.readUInt16BE(0) },
    to: { address: destination, port: tcp.readUInt16BE(2) },
    sequence: tcp.readUInt32BE(4),
    syn: (flags & 2) !== 0,
    ack: (flags & 16) !== 0,
    payload: tcp.subarray(((tcp[12] ?? 0) >> 4) * 4),
  }
}
