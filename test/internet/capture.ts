/** Every byte on the wire, by tcpdump on loopback, and the judgement whether any of it could be read by others. */
import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { readPcap, type CapturedConnection } from './pcap'
import { start, temporaryDirectory, until } from '../../demo/processes'

export interface Capture {
  /** Everything so far (whatever was sent before this call is in it). */
  connections(): Promise<CapturedConnection[]>
  /** The raw file, everything so far. */
  bytes(): Promise<Buffer>
  stop(): Promise<void>
}

/**
 * Capture all TCP traffic from and to these ports on loopback.
 *
 * @param ports usually the one port that all recipients listen on
 */
export async function startCapture(ports: readonly number[]): Promise<Capture> {
  const temporary = temporaryDirectory('capture')
  const file = path.join(temporary.path, 'wire.pcap')
  const mark = dgram.createSocket('udp4')
  await new Promise<void>((resolve) => {
    mark.bind(0, '127.0.0.1', resolve)
  })
  const markPort = mark.address().port
  const filter = [...ports.map((port) => `tcp port ${port}`), `udp port ${markPort}`].join(' or ')
  const options = ['-i', 'lo', '-n', '-s', '0', '-B', '65536', '-U', '--immediate-mode', '-Z', 'root', '-w', file]
  const tcpdump = start('/usr/bin/tcpdump', [...options, filter])
  let marks = 0
  const stop = async () => {
    mark.close()
    await tcpdump.stop()
    temporary.remove()
  }
  try {
    await until('tcpdump listens', () => {
      if (tcpdump.ended()) throw new Error(`tcpdump ended: ${tcpdump.output()}`)
      return tcpdump.output().includes('listening on lo')
    })
  } catch (error) {
    await stop()
    throw error
  }
  const bytes = async () => {
    // Packets are written in order: when this one is in the file, all earlier ones are.
    const text = `mark ${++marks} of ${markPort};`
    mark.send(text, markPort, '127.0.0.1')
    return until('the capture has caught up', () => {
      const content = readFileSync(file)
      return content.includes(text) && content
    })
  }
  return { bytes, connections: async () => readPcap(await bytes()), stop }
}

/** What of a connection's client side was readable by anybody. */
export interface ClearPart {
  /** SMTP lines in clear text, without CRLF. */
  lines: string[]
  /** Did TLS records follow, to the end? */
  encrypted: boolean
  /** Bytes after STARTTLS that are no TLS records (or, without TLS, nothing). */
  stray: Buffer
}

/** Take the client's side apart: SMTP lines up to STARTTLS, then TLS records. */
export function clearPart({ toServer }: Pick<CapturedConnection, 'toServer'>): ClearPart {
  const lines: string[] = []
  let rest = toServer
  while (rest.length > 0) {
    if (lines.at(-1)?.toUpperCase() === 'STARTTLS' && isTlsRecord(rest)) {
      const stray = afterTlsRecords(rest)
      return { lines, encrypted: stray.length === 0, stray }
    }
    const end = rest.indexOf('\r\n')
    lines.push(rest.subarray(0, end < 0 ? undefined : end).toString('latin1'))
    rest = end < 0 ? rest.subarray(rest.length) : rest.subarray(end + 2)
  }
  return { lines, encrypted: false, stray: Buffer.alloc(0) }
}

/** RFC 8446 section 5.1: content type 20 to 23, legacy version 3.x. */
const isTlsRecord = (bytes: Buffer): boolean => {
  const [type = 0, major = 0, minor = 9] = bytes
  return type >= 20 && type <= 23 && (bytes.length < 3 || (major === 3 && minor <= 4))
}

function afterTlsRecords(bytes: Buffer): Buffer {
  let at = 0
  while (at < bytes.length && isTlsRecord(bytes.subarray(at))) {
    if (bytes.length - at < 5) return Buffer.alloc(0) // cut within a record's header
    at += 5 + bytes.readUInt16BE(at + 3)
  }
  return bytes.subarray(at)
}

/** Commands that tell nothing of envelope or content. */
const HARMLESS = /^(EHLO|HELO|STARTTLS|QUIT|NOOP|RSET)\b/i

/**
 * Nothing of envelope or content may have been readable on any of these connections.
 *
 * @param needles text that must not be anywhere outside TLS: addresses, words of the content; letter case is ignored
 * @throws AssertionError that names the connection and what was seen
 */
export function assertNothingInClear(connections: readonly CapturedConnection[], needles: readonly string[]): void {
  assert.ok(connections.length > 0, 'nothing was captured, so nothing is proven')
  for (const connection of connections) {
    const where = `${connection.client.address} -> ${connection.server.address}:${connection.server.port}`
    assert.ok(connection.complete, `${where}: the capture is not whole`)
    const { lines, stray } = clearPart(connection)
    const telling = lines.filter((line) => !HARMLESS.test(line))
    assert.deepEqual(telling, [], `${where}: in clear text: ${telling.join(' | ')}`)
    assert.equal(stray.length, 0, `${where}: not TLS, after STARTTLS: ${stray.toString('latin1', 0, 200)}`)
    for (const stream of [connection.toServer, connection.toClient]) {
      const text = stream.toString('latin1').toLowerCase()
      for (const needle of needles)
        assert.ok(
          !text.includes(Buffer.from(needle.toLowerCase()).toString('latin1')),
          `${where}: “${needle}” in clear text`,
        )
    }
  }
}

/** The connections that carried envelope commands in clear text. */
export function clearTextDeliveries(connections: readonly CapturedConnection[]): CapturedConnection[] {
  return connections.filter((connection) => clearPart(connection).lines.some((line) => /^MAIL FROM:/i.test(line)))
}
