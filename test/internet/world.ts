/**
 * A whole little Internet for end-to-end tests: signed zones, Postfix recipients of every kind, a mailbox for the
 * senders' reports, a capture of every byte towards recipients, and the gateway's settings that fit all of it.
 *
 * | domain             | mail servers                                                    |
 * |--------------------|-----------------------------------------------------------------|
 * | good.test          | Postfix, good certificate                                       |
 * | rsa.test           | Postfix, good certificate, RSA-2048, TLS 1.2 only               |
 * | plain.test         | Postfix, no TLS                                                 |
 * | self.test          | Postfix, self-signed certificate                                |
 * | expired.test       | Postfix, expired certificate                                    |
 * | wrong.test         | Postfix, certificate of another name                            |
 * | tls10.test         | Postfix, TLS 1.0 only                                           |
 * | second.test        | first a server that cuts the handshake, second Postfix, good    |
 * | stripped.test      | Postfix without TLS first, second Postfix, good                 |
 * | unreachable.test   | nobody listens                                                  |
 * | nullmx.test        | null MX (RFC 7505)                                              |
 * | insecure.test      | Postfix, good certificate; zone without DNSSEC                  |
 * | bogus.test         | broken signatures in DNS                                        |
 * | servfail.test      | DNS answers SERVFAIL                                            |
 * | nowhere.test       | does not exist                                                  |
 * | uni.test           | the senders' own: reports arrive here                           |
 */
import { createTestCa, type TestCa } from './ca'
import { startCapture, type Capture } from './capture'
import { parseWithPython, type ParsedPart } from './clients'
import { startDns, type Dns, type Zone } from './dns'
import { keeper } from './keeper'
import { startPostfix, type Listener, type Postfix, type Profile } from './postfix'
import { freePort, until } from '../../demo/processes'
import { startBadServer, startMailServer, type FaultName, type MailServer, type ReceivedMail } from './servers'

/** The senders' own domain. */
export const INTERNAL = 'uni.test'

export interface World {
  ca: TestCa
  dns: Dns
  postfix: Postfix
  /** Every byte between gateway and recipients (not: senders and gateway, reports' way home). */
  capture: Capture
  /** Mail server of `uni.test`; on the same port as all others, so its traffic is captured too. */
  home: MailServer
  /** The server that second.test lists first. */
  cutting: MailServer
  /** The one port of all mail servers. */
  port: number
  /** `secure-mail.ini` for this world; `more` is added section by section: `{ ndr: 'tls_failure_after=5s' }`. */
  settings(more?: Readonly<Record<string, string>>): string
  /** Start one more bad server for a domain of its own, known to DNS when this resolves. */
  addBadServer(domain: string, fault: FaultName): Promise<MailServer>
  /** Reports that reached the senders, parsed by Python, oldest first. */
  reports(): Promise<Report[]>
  /** Wait for that many reports. */
  waitForReports(count: number, limit?: number): Promise<Report[]>
  stop(): Promise<void>
}

/** A report as the sender's server received it. */
export interface Report {
  received: ReceivedMail
  parsed: ParsedPart
}

interface Host {
  domain: string
  /** Label of the host name below the domain. */
  label: string
  profile: Profile
  certificate: 'good' | 'goodRsa' | 'selfSigned' | 'expired' | 'wrongName' | 'none'
}

const HOSTS: readonly Host[] = [
  { domain: 'good.test', label: 'mx', profile: 'tls', certificate: 'good' },
  { domain: 'rsa.test', label: 'mx', profile: 'tls12only', certificate: 'goodRsa' },
  { domain: 'plain.test', label: 'mx', profile: 'noTls', certificate: 'none' },
  { domain: 'self.test', label: 'mx', profile: 'tls', certificate: 'selfSigned' },
  { domain: 'expired.test', label: 'mx', profile: 'tls', certificate: 'expired' },
  { domain: 'wrong.test', label: 'mx', profile: 'tls', certificate: 'wrongName' },
  { domain: 'tls10.test', label: 'mx', profile: 'tls10only', certificate: 'good' },
  { domain: 'second.test', label: 'mx2', profile: 'tls', certificate: 'good' },
  { domain: 'stripped.test', label: 'mx1', profile: 'noTls', certificate: 'none' },
  { domain: 'stripped.test', label: 'mx2', profile: 'tls', certificate: 'good' },
  { domain: 'insecure.test', label: 'mx', profile: 'tls', certificate: 'good' },
]

const HOME_ADDRESS = '127.0.0.60'
const CUTTING_ADDRESS = '127.0.0.61'
const NOBODY_ADDRESS = '127.0.0.62'
/** Postfix' listeners and servers added later are counted up from these. */
const FIRST_POSTFIX = 70
const FIRST_ADDED = 100
const MOST_ADDED = 50

/** Start it all. Whatever fails, nothing stays running. */
export async function startWorld(options: { zones?: readonly Zone[] } = {}): Promise<World> {
  const keep = keeper()
  try {
    const addresses = HOSTS.map((_, n) => `127.0.0.${FIRST_POSTFIX + n}`)
    const port = await freePort([HOME_ADDRESS, CUTTING_ADDRESS, NOBODY_ADDRESS, ...addresses])
    const ca = await keep(createTestCa())
    const listeners = HOSTS.map((host, n) => listener(host, addresses[n] ?? '', ca))
    const [postfix, dns, capture, home, cutting] = await Promise.all([
      keep(startPostfix({ port, listeners })),
      keep(startDns({ zones: [...zones(addresses), ...(options.zones ?? [])] })),
      keep(startCapture([port])),
      keep(
        startMailServer({
          address: HOME_ADDRESS,
          port,
          hostname: `mail.${INTERNAL}`,
          certificate: ca.good(`mail.${INTERNAL}`),
        }),
      ),
      keep(
        startBadServer('handshakeCut', {
          address: CUTTING_ADDRESS,
          port,
          hostname: 'mx1.second.test',
          certificate: ca.good('mx1.second.test'),
        }),
      ),
    ])
    /** Records of the domains added later; they stand in the zone `test` itself. */
    const pool: string[] = []
    let added = 0
    const reports = () => readReports(home)
    return {
      ca,
      dns,
      postfix,
      capture,
      home,
      cutting,
      port,
      settings: (more = {}) => settings({ port, dns: dns.server, caFile: ca.file }, more),
      async addBadServer(domain, fault) {
        const n = added++
        if (n >= MOST_ADDED) throw new Error('no addresses are left')
        const address = `127.0.0.${FIRST_ADDED + n}`
        const hostname = `mx.${domain}`
        const server = await keep(startBadServer(fault, { address, port, hostname, certificate: ca.good(hostname) }))
        pool.push(`${domain}. MX 10 ${hostname}.`, `${hostname}. A ${address}`)
        await dns.setRecords('test', pool)
        return server
      },
      reports,
      waitForReports: (count, limit = 30_000) =>
        until(
          `${count} report(s)`,
          async () => {
            const found = await reports()
            return found.length >= count && found
          },
          { limit, every: 250 },
        ),
      stop: () => keep.stop(),
    }
  } catch (error) {
    await keep.stop()
    throw error
  }
}

function listener({ domain, label, profile, certificate }: Host, address: string, ca: TestCa): Listener {
  const hostname = `${label}.${domain}`
  const common = { address, hostname, profile, domains: [domain] }
  const refusing = { unknown: [`unknown@${domain}`], busy: [`busy@${domain}`] }
  switch (certificate) {
    case 'none':
      return { ...common, ...refusing }
    case 'wrongName':
      return { ...common, ...refusing, certificate: ca.wrongName() }
    default:
      return { ...common, ...refusing, certificate: ca[certificate](hostname) }
  }
}

function zones(addresses: readonly string[]): Zone[] {
  const records = new Map<string, string[]>()
  const add = (domain: string, label: string, address: string) => {
    const lines = records.get(domain) ?? []
    const preference = 10 * (lines.length / 2 + 1)
    records.set(domain, [...lines, `@ MX ${preference} ${label}`, `${label} A ${address}`])
  }
  add('second.test', 'mx1', CUTTING_ADDRESS)
  HOSTS.forEach(({ domain, label }, n) => add(domain, label, addresses[n] ?? ''))
  add('unreachable.test', 'mx', NOBODY_ADDRESS)
  add(INTERNAL, 'mail', HOME_ADDRESS)
  return [
    ...[...records].map(([name, lines]): Zone => ({
      name,
      records: lines,
      state: name === 'insecure.test' ? 'insecure' : 'secure',
    })),
    { name: 'nullmx.test', records: ['@ MX 0 .'] },
    { name: 'bogus.test', state: 'bogus', records: ['@ MX 10 mx', `mx A ${NOBODY_ADDRESS}`] },
    { name: 'servfail.test', state: 'servfail', records: [] },
  ]
}

/** Deadlines that a test can wait for; everything else as it is by default. */
const DEFAULTS: Readonly<Record<string, string>> = {
  main: `internal_domains[]=${INTERNAL}`,
  ndr: 'tls_failure_after=4s\nundeliverable_after=6s\ndelay_notice_after=6s\ncoalesce=1s',
  support: 'name=IT Support\naddress=it-support@uni.test\nphone=99 40 20 20',
}

function settings(
  place: { port: number; dns: string; caFile: string },
  more: Readonly<Record<string, string>>,
): string {
  const fixed: Readonly<Record<string, string>> = {
    tls: `ca_file=${place.caFile}`,
    dns: `servers[]=${place.dns}`,
    delivery: `port=${place.port}\nlocal_mx_ok=true\nretry=1s`,
  }
  const names = new Set([...Object.keys(DEFAULTS), ...Object.keys(fixed), ...Object.keys(more)])
  // What a test says about a section replaces the deadlines above, and stands beside what the world needs.
  return [...names]
    .map((name) => `[${name}]\n${[fixed[name], more[name] ?? DEFAULTS[name]].filter(Boolean).join('\n')}\n`)
    .join('\n')
}

async function readReports(home: MailServer): Promise<Report[]> {
  const mails = home.mails.filter(({ sender }) => sender === '')
  return Promise.all(mails.map(async (received) => ({ received, parsed: await parseWithPython(received.message) })))
}
