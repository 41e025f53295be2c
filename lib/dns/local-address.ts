import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** Loopback and unspecified addresses; a rule for IPv4 holds for its IPv4-mapped IPv6 form as well. */
const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

const UNSPECIFIED = new BlockList()
// connecting to any of 0/8 reaches this machine on Linux (RFC 1122 section 3.2.1.3: "this host on this network")
UNSPECIFIED.addSubnet('0.0.0.0', 8, 'ipv4')
UNSPECIFIED.addAddress('::', 'ipv6')

/** Does the address never leave this machine? */
export function isLoopback(address: string): boolean {
  return contains(LOOPBACK, address)
}

/**
 * Is this one of our own addresses: loopback, unspecified, or on an interface of this machine? An MX in DNS that points
 * here would be a mail loop, or somebody's way to reach what only listens locally.
 *
 * @param interfaces as `os.networkInterfaces()` gives them; absent = those of this machine, asked once a second at most
 */
export function isLocalAddress(address: string, interfaces?: Interfaces): boolean {
  if (contains(LOOPBACK, address) || contains(UNSPECIFIED, address)) return true
  return contains(interfaces === undefined ? ownAddresses() : listOf(interfaces), address)
}

type Interfaces = Readonly<Record<string, readonly { address: string }[] | undefined>>

/** Asking the system costs 0.04 to 0.1 ms (measured), and every mail asks: an address that is new counts this much later. */
const FRESH_MILLIS = 1_000
let own: { list: BlockList; until: number } | undefined

function ownAddresses(): BlockList {
  const now = performance.now()
  if (own === undefined || now >= own.until) own = { list: listOf(networkInterfaces()), until: now + FRESH_MILLIS }
  return own.list
}

function listOf(interfaces: Interfaces): BlockList {
  const list = new BlockList()
  for (const entry of Object.values(interfaces).flatMap((addresses) => addresses ?? [])) {
    list.addAddress(withoutScope(entry.address), family(entry.address))
  }
  return list
}

function contains(list: BlockList, address: string): boolean {
  return isIP(address) !== 0 && list.check(withoutScope(address), family(address))
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}

/** `fe80::1%eth0` is fe80::1 on eth0. */
function withoutScope(address: string): string {
  return address.split('%', 1)[0] ?? address
}
