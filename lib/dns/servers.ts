/** Which resolvers are asked, and whose AD bit is believed. */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { isLoopback } from './local-address'

export interface Server {
  address: string
  port: number
  /** Its AD bit counts (RFC 7672 section 2.1.3). */
  trusted: boolean
}

export type TrustAd = 'loopback' | 'always' | 'never'

/**
 * @param servers `address`, `address:port`, `[v6]:port`; empty = the system's
 * @param trustAd `loopback`: AD crosses no network, so nobody can set it on the way
 * @param systemConfig text of resolv.conf(5); read from the system when absent
 * @throws Error on an entry that is no address
 */
export function serverList(servers: readonly string[], trustAd: TrustAd, systemConfig?: string): Server[] {
  const listed = servers.length > 0 ? servers : systemServers(systemConfig ?? readSystemConfig())
  const usable = listed.length > 0 ? listed : ['127.0.0.1']
  return usable.map((entry) => {
    const parsed = parseServer(entry)
    if (parsed === null) throw new Error(`dns.servers: ${entry} is neither address, address:port nor [v6]:port`)
    return { ...parsed, trusted: trustAd === 'always' || (trustAd === 'loopback' && isLoopback(parsed.address)) }
  })
}

/** @returns null when the entry is no address with an optional port */
export function parseServer(entry: string): { address: string; port: number } | null {
  if (isIP(entry) !== 0) return { address: entry, port: 53 }
  const match = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(entry) ?? /^([^:]+):(\d{1,5})$/.exec(entry)
  const address = match?.[1] ?? ''
  const port = Number(match?.[2] ?? 53)
  return isIP(address) !== 0 && port > 0 && port < 65536 ? { address, port } : null
}

/** The `nameserver` lines of resolv.conf(5) that hold an address. */
export function systemServers(text: string): string[] {
  return text
    .split('\n')
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? '')
    .filter((address) => isIP(address) !== 0)
}

function readSystemConfig(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8')
  } catch {
    // resolv.conf(5): without the file, the resolver of this machine is asked
    return ''
  }
}

/** `address#port` without ambiguity for IPv6, as dig writes it. */
export function serverText(server: Pick<Server, 'address' | 'port'>): string {
  return `${server.address}#${server.port}`
}
