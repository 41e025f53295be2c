/** Submitting a report by HTTPS (RFC 8460 section 5.4): one POST on a connection of its own, nothing followed. */
import http from 'node:http'
import { BlockList, isIP } from 'node:net'
import type tls from 'node:tls'
import { lookupAddresses } from '../../dns/addresses'
import { isLocalAddress } from '../../dns/local-address'
import type { Resolver } from '../../dns/types'
import { connectHttps, reasonOf, textOf } from '../../util/https-connection'

/** How report hosts are reached. */
export interface PostOptions {
  /** PEM file of the roots to trust; absent = Node's own list. */
  caFile?: string
  inetPrefer: 'v4' | 'v6' | 'default'
  /** May this address be connected to? A stranger's record must not point us at services in here. */
  mayConnect(address: string): boolean
  /** Milliseconds for everything. */
  deadline: number
}

/** Milliseconds that a submission may take. */
export const POST_DEADLINE = 60_000
/** What a server says to a report is thrown away; beyond this it is not even read. */
const MOST_ANSWER = 65_536

/**
 * @param url of the record: https, a host name, no user name
 * @returns was the server's certificate what it should be? RFC 8460 section 3: a report goes out in any case, for a broken
 *   certificate may be what it is about
 * @throws Error (rejects) in one clause: it is not known to have been taken
 */
export async function postReport(
  url: string,
  body: Buffer,
  resolver: Resolver,
  options: PostOptions,
  signal?: AbortSignal,
): Promise<{ verified: boolean }> {
  const { hostname, port, pathname, search } = new URL(url)
  const stop = AbortSignal.any([AbortSignal.timeout(options.deadline), ...(signal === undefined ? [] : [signal])])
  const found = await lookupAddresses(resolver, hostname, { inetPrefer: options.inetPrefer })
  if (found.kind !== 'addresses') throw new Error(`${hostname}: ${found.detail}`)
  const addresses = found.addresses.filter((address) => options.mayConnect(address))
  if (addresses.length === 0) throw new Error(`${hostname} has only addresses that reports do not go to`)
  const socket = await connectHttps({
    host: hostname,
    addresses,
    port: port === '' ? 443 : Number(port),
    ...(options.caFile === undefined ? {} : { caFile: options.caFile }),
    certificate: 'ignored',
    signal: stop,
  })
  const onAbort = (): void => void socket.destroy(new Error(reasonOf(stop)))
  stop.addEventListener('abort', onAbort, { once: true })
  try {
    if (stop.aborted) onAbort()
    await post(socket, { host: hostname, port, path: `${pathname}${search}`, body })
    return { verified: socket.authorized }
  } catch (error) {
    throw new Error(`${hostname}: ${textOf(error)}`, { cause: error })
  } finally {
    stop.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}

function post(
  socket: tls.TLSSocket,
  { host, port, path, body }: { host: string; port: string; path: string; body: Buffer },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = http.request({
      createConnection: () => socket,
      path,
      method: 'POST',
      headers: {
        Host: port === '' ? host : `${host}:${port}`,
        'Content-Type': 'application/tlsrpt+gzip',
        'Content-Length': body.length,
        Connection: 'close',
      },
    })
    asked.on('response', (response) => {
      const { statusCode = 0 } = response
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MOST_ANSWER) socket.destroy()
      })
      response.on('error', () => undefined)
      // RFC 8460 section 5.4: any 2xx says that it was taken; a redirect is not followed
      if (statusCode >= 200 && statusCode < 300) resolve()
      else reject(new Error(`the answer has status ${statusCode}`))
    })
    asked.on('error', reject)
    asked.on('close', () => reject(new Error('the connection ended without an answer')))
    asked.end(body)
  })
}

const PRIVATE = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  PRIVATE.addSubnet(net, prefix, 'ipv4')
}
for (const [net, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  PRIVATE.addSubnet(net, prefix, 'ipv6')
}

/** An address out in the world: neither one of this machine nor one of a private network (RFC 1918, 4193, 6598). */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 0 || isLocalAddress(address)) return false
  return !PRIVATE.check(address, family === 4 ? 'ipv4' : 'ipv6')
}
