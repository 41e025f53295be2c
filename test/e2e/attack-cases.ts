/**
 * A little Internet in which every domain is under one attack (design: transport, "Attacks it must stand"), and what must
 * become of mail to it. Servers are scripted; DNS is signed and validated for real.
 */
import type http from 'node:http'
import { settingsFor, SOON } from './settings'
import { freePort } from '../../demo/processes'
import { make, association } from '../deliver/support/x509'
import { createTestCa, type CertificateFiles, type TestCa } from '../internet/ca'
import { startCapture, type Capture } from '../internet/capture'
import { startDns, type Dns, type Zone } from '../internet/dns'
import { keeper } from '../internet/keeper'
import { policyText, sendPolicy, startPolicyHosts, type PolicyHosts } from '../internet/policy-hosts'
import { startBadServer, startOldTlsServer, type FaultName, type MailServer } from '../internet/servers'

export interface Attack {
  /** Of the domain, without `.test`. */
  name: string
  what: string
  /** Level in the map; absent = the default, `encrypt`. */
  row?: string
  /** What the MX hosts do, in the order of preference; default one good one. */
  hosts?: readonly (FaultName | 'old')[]
  /** Of the first host; default a good one. */
  certificate?: (ca: TestCa, host: string) => CertificateFiles
  /** TLSA record of the host. */
  tlsa?: 'other key' | 'servfail'
  /** An unsigned zone, in which the attacker names his own host, with a good certificate for its own name. */
  spoofed?: true
  ends:
    | { reported: string; resultType: string }
    /** Number of the host that gets it, from 1. */
    | { deliveredBy: number }
}

const noTls = { reported: '5.7.4', resultType: 'starttls-not-supported' }
const injected = { reported: '5.7.5', resultType: 'starttls-injection' }
const failed = (resultType: string) => ({ reported: '5.7.5', resultType })

export const ATTACKS: readonly Attack[] = [
  { name: 'stripped', what: 'STARTTLS stripped from EHLO', hosts: ['strippedStarttls'], ends: noTls },
  { name: 's454', what: '454 to STARTTLS', hosts: ['starttls454'], ends: noTls },
  { name: 's501', what: '501 to STARTTLS', hosts: ['starttls501'], ends: noTls },
  { name: 's502', what: '502 to STARTTLS', hosts: ['starttls502'], ends: noTls },
  { name: 's554', what: '554 to STARTTLS', hosts: ['starttls554'], ends: noTls },
  { name: 'garbage', what: 'garbage to STARTTLS', hosts: ['starttlsGarbage'], ends: noTls },
  { name: 'silent', what: 'nothing to STARTTLS', hosts: ['starttlsSilent'], ends: noTls },
  { name: 'cut', what: 'connection cut at STARTTLS', hosts: ['starttlsCut'], ends: noTls },
  { name: 'inject-lines', what: '5a: whole lines behind 220', hosts: ['injected'], ends: injected },
  { name: 'inject-part', what: '5b: half a line behind 220', hosts: ['injectedPart'], ends: injected },
  { name: 'inject-apart', what: '5c: a line in a packet of its own', hosts: ['injectedApart'], ends: injected },
  { name: 'inject-reject', what: '5d: a rejection behind 220', hosts: ['injectedRejection'], ends: injected },
  { name: 'hs-cut', what: 'handshake cut', hosts: ['handshakeCut'], ends: failed('validation-failure') },
  {
    name: 'hs-silent',
    what: 'handshake never answered',
    hosts: ['handshakeSilent'],
    ends: failed('validation-failure'),
  },
  { name: 'hs-plain', what: 'clear text in the handshake', hosts: ['handshakeNotTls'], ends: injected },
  { name: 'old', what: 'TLS 1.0 and 1.1 alone', hosts: ['old'], ends: failed('tls-version-too-low') },
  {
    name: 'expired',
    what: 'expired certificate under verify',
    row: 'verify',
    certificate: (ca, host) => ca.expired(host),
    ends: failed('certificate-expired'),
  },
  {
    name: 'selfsigned',
    what: 'self-signed certificate under verify',
    row: 'verify',
    certificate: (ca, host) => ca.selfSigned(host),
    ends: failed('certificate-not-trusted'),
  },
  {
    name: 'wrongname',
    what: 'certificate for another name under verify',
    row: 'verify',
    certificate: (ca) => ca.wrongName(),
    ends: failed('certificate-host-mismatch'),
  },
  {
    name: 'wrongtlsa',
    what: 'a certificate that no TLSA record names',
    tlsa: 'other key',
    ends: failed('tlsa-invalid'),
  },
  { name: 'tlsafail', what: 'SERVFAIL on TLSA', tlsa: 'servfail', ends: failed('dnssec-invalid') },
  {
    name: 'spoofed',
    what: 'a forged MX record in insecure DNS, under secure',
    row: 'secure',
    spoofed: true,
    ends: failed('certificate-host-mismatch'),
  },
  {
    name: 'firstonly',
    what: 'TLS on the first MX only, which is kept busy',
    hosts: ['greeting421', 'strippedStarttls'],
    // at the deadline of anything else, because not every host fails by TLS
    ends: noTls,
  },
  {
    name: 'next',
    what: 'injection on the first MX, nothing on the second',
    hosts: ['injected', 'none'],
    ends: { deliveredBy: 2 },
  },
]

/** What the policy host does once a policy of its domain is cached; the attacker has the MX record as well. */
export const STS_ATTACKS = ['404', 'redirect', '500', 'drip', 'oversized', 'flip'] as const
export type StsAttack = (typeof STS_ATTACKS)[number]
const STS_ZONE = 'sts.test'
export const stsDomain = (attack: StsAttack): string => `s${attack}.${STS_ZONE}`

export interface AttackWorld {
  ca: TestCa
  dns: Dns
  port: number
  capture: Capture
  policyHosts: PolicyHosts
  /** By host name. */
  servers: ReadonlyMap<string, MailServer>
  server(host: string): MailServer
  /** From now on the domains with a policy are under attack. @param id what their TXT records say */
  attackPolicies(id: string): Promise<void>
  settings: string
  tlsPolicy: string
  stop(): Promise<void>
}

const POLICY_HOST = '127.0.1.9'
/** Where forged MX records lead. */
export const ATTACKER = 'mx.attacker.test'
/** Senders; reports come here. */
export const HOME = 'mx.uni.test'
/** A server that does everything right until the map changes; its certificate is its own. */
export const REUSED = 'mx.reuse.test'
const STS_HOST = `mx.${STS_ZONE}`

/** Start everything. Whatever fails, nothing stays running. */
export async function startAttackWorld(): Promise<AttackWorld> {
  const keep = keeper()
  try {
    const ca = createTestCa()
    await keep(ca)
    const names = [HOME, ATTACKER, REUSED, STS_HOST, ...ATTACKS.flatMap(hostsOf)]
    const addresses = new Map(names.map((name, index) => [name, `127.0.1.${10 + index}`]))
    const port = await freePort([...addresses.values()])
    const capture = await keep(startCapture([port]))
    const servers = new Map<string, MailServer>()
    const serve = async (hostname: string, fault: FaultName | 'old', certificate = ca.good(hostname)) => {
      const options = { address: addresses.get(hostname) ?? '', port, hostname, certificate }
      servers.set(hostname, await keep(fault === 'old' ? startOldTlsServer(options) : startBadServer(fault, options)))
    }
    for (const name of [HOME, ATTACKER, STS_HOST]) await serve(name, 'none')
    await serve(REUSED, 'none', ca.selfSigned(REUSED))
    for (const attack of ATTACKS) {
      for (const [index, host] of hostsOf(attack).entries()) {
        const certificate = index === 0 ? attack.certificate?.(ca, host) : undefined
        await serve(host, attack.hosts?.[index] ?? 'none', certificate)
      }
    }
    const under = { attacked: false }
    const policyHosts = await keep(
      startPolicyHosts({
        ca,
        address: POLICY_HOST,
        domains: [...STS_ATTACKS.map(stsDomain), 'elsewhere.test'],
        answer(domain, response, port) {
          const attack = STS_ATTACKS.find((one) => stsDomain(one) === domain)
          if (attack !== undefined && under.attacked) answerAttack(attack, response, port)
          else sendPolicy(response, policyText('enforce', attack === undefined ? ATTACKER : STS_HOST))
        },
      }),
    )
    const at = (host: string) => addresses.get(host) ?? ''
    const dns = await keep(startDns({ zones: zones(port, at) }))
    return {
      ...{ ca, dns, port, capture, policyHosts, servers },
      server(host) {
        const found = servers.get(host)
        if (found === undefined) throw new Error(`no server ${host}`)
        return found
      },
      async attackPolicies(id) {
        under.attacked = true
        await dns.setRecords(STS_ZONE, stsRecords(at, id, `${ATTACKER}.`))
      },
      settings: settings(ca, dns, port),
      tlsPolicy: [...rows(), 'reuse.test encrypt', ''].join('\n'),
      stop: keep.stop,
    }
  } catch (error) {
    await keep.stop()
    throw error
  }
}

/** Rows of the map that do not change. */
export const rows = (): string[] =>
  ATTACKS.flatMap(({ name, row }) => (row === undefined ? [] : [`${name}.test ${row}`]))

/** Names of the domain's own servers, as the DNS has them; of a spoofed domain there is none. */
export function hostsOf({ name, hosts = ['none'], spoofed }: Attack): string[] {
  return spoofed ? [] : hosts.map((_, index) => `mx${index + 1}.${name}.test`)
}

function answerAttack(attack: StsAttack, response: http.ServerResponse, port: number): void {
  const forged = policyText('enforce', ATTACKER)
  const plain = { 'content-type': 'text/plain' }
  switch (attack) {
    case '404':
      response.writeHead(404, plain).end(forged)
      return
    case 'redirect':
      response
        .writeHead(302, { ...plain, location: `https://mta-sts.elsewhere.test:${port}/.well-known/mta-sts.txt` })
        .end(forged)
      return
    case '500':
    case 'flip':
      response.writeHead(500, plain).end(forged)
      return
    case 'oversized':
      response.writeHead(200, plain).end(forged + `padding: ${'x'.repeat(1_000)}\r\n`.repeat(100))
      return
    case 'drip': {
      response.writeHead(200, plain)
      let sent = 0
      const drip = setInterval(() => response.write(forged[sent++ % forged.length] ?? ''), 250)
      response.on('close', () => clearInterval(drip))
    }
  }
}

/** Every domain with a policy, in one zone: one change of it attacks them all. The short TTL is over when it counts. */
function stsRecords(address: (host: string) => string, id: string, mx: string): string[] {
  return [
    `mx A ${address(STS_HOST)}`,
    ...STS_ATTACKS.flatMap((attack) => [
      `s${attack} 1 MX 10 ${mx}`,
      `_mta-sts.s${attack} 1 TXT "v=STSv1; id=${id};"`,
      `mta-sts.s${attack} A ${POLICY_HOST}`,
    ]),
  ]
}

function zones(port: number, address: (host: string) => string): Zone[] {
  const stranger = make({ name: 'stranger', ca: false })
  const plain = (name: string): Zone => ({
    name: `${name}.test`,
    records: ['@ MX 10 mx', `mx A ${address(`mx.${name}.test`)}`],
  })
  return [
    ...['uni', 'attacker', 'reuse'].map(plain),
    { name: STS_ZONE, records: stsRecords(address, 'one', `${STS_HOST}.`) },
    { name: 'elsewhere.test', records: [`mta-sts A ${POLICY_HOST}`] },
    ...ATTACKS.flatMap((attack): Zone[] => {
      const name = `${attack.name}.test`
      if (attack.spoofed) return [{ name, state: 'insecure', records: [`@ MX 10 ${ATTACKER}.`] }]
      const records = hostsOf(attack).flatMap((host, index) => [
        `@ MX ${10 * (index + 1)} mx${index + 1}`,
        `mx${index + 1} A ${address(host)}`,
      ])
      switch (attack.tlsa) {
        case 'other key':
          return [{ name, records: [...records, `_${port}._tcp.mx1 TLSA 3 1 1 ${association(stranger, 1, 1)}`] }]
        case 'servfail':
          return [
            { name, records },
            { name: `_tcp.mx1.${name}`, state: 'servfail', records: [] },
          ]
        case undefined:
          return [{ name, records }]
      }
    }),
  ]
}

/** Deadlines and time-outs are shortened so that every mail has come to its end within seconds. */
function settings(ca: TestCa, dns: Dns, port: number): string {
  return settingsFor({ ca, dns, port }, { delivery: { timeout_starttls: '2s' }, ndr: SOON })
}
