/** The organisations that the demo's mails go to: what their mail servers are like, and what DNS says about them. */
import { createAuthority, selfSigned, type Authority, type Identity } from './certificates'
import { startDnsServer, type DemoRecords, type DnsServer } from './dns-server'
import { startMailServer, type MailServer } from './mail-server'
import { freePort } from './processes'

/** Where the senders work; reports come here. */
export const HOME = 'uni.example'

/** One mail server of a partner. */
interface ServerPlan {
  hostname: string
  /** Last number of its address 127.0.0.x. */
  host: number
  certificate: 'good' | 'expired' | 'wrong-name' | 'self-signed' | 'none'
  /** Nobody listens there. */
  down?: boolean
}

interface Partner {
  domain: string
  /** In order of preference. */
  servers: readonly ServerPlan[]
}

const PARTNERS: readonly Partner[] = [
  { domain: HOME, servers: [{ hostname: 'mail.uni.example', host: 10, certificate: 'good' }] },
  { domain: 'partner.example', servers: [{ hostname: 'mx.partner.example', host: 11, certificate: 'good' }] },
  { domain: 'clinic.example', servers: [{ hostname: 'mx.clinic.example', host: 12, certificate: 'none' }] },
  { domain: 'bank.example', servers: [{ hostname: 'mx.bank.example', host: 13, certificate: 'expired' }] },
  { domain: 'lawyer.example', servers: [{ hostname: 'mx.lawyer.example', host: 14, certificate: 'wrong-name' }] },
  { domain: 'museum.example', servers: [{ hostname: 'mx.museum.example', host: 15, certificate: 'self-signed' }] },
  {
    domain: 'region.example',
    servers: [
      { hostname: 'mx1.region.example', host: 16, certificate: 'none' },
      { hostname: 'mx2.region.example', host: 17, certificate: 'good' },
    ],
  },
  {
    domain: 'closed.example',
    servers: [{ hostname: 'mx.closed.example', host: 18, certificate: 'good', down: true }],
  },
]

/** `secure-mail.tls_policy` of the demo: two partners whose certificate has to be right. */
export const TLS_POLICY = `bank.example    verify  note="contract 17: certificate is checked"
lawyer.example  verify  note="confidential cases: certificate is checked"
`

export interface Partners {
  /** The one port on which all mail servers listen. */
  port: number
  dns: DnsServer
  /** By host name; those that are down are not in it. */
  servers: ReadonlyMap<string, MailServer>
  /** PEM of the root that the good certificates come from. */
  trustedRoot: string
  stop(): Promise<void>
}

/** Start the name server and all mail servers. Whatever fails, nothing stays running. */
export async function startPartners(): Promise<Partners> {
  const plans = PARTNERS.flatMap(({ servers }) => servers)
  const authority = createAuthority('Demo Root')
  const port = await freePort(plans.map(addressOf)).catch(() => {
    throw new Error(
      'the demo needs the loopback addresses 127.0.0.10 to 127.0.0.18; on macOS add each with: sudo ifconfig lo0 alias 127.0.0.10',
    )
  })
  const dns = await startDnsServer(zone())
  const servers = new Map<string, MailServer>()
  const stop = async () => {
    for (const server of servers.values()) await server.stop()
    await dns.stop()
  }
  try {
    for (const plan of plans) {
      if (plan.down) continue
      const { hostname } = plan
      const certificate = certificateFor(plan, authority)
      servers.set(
        hostname,
        await startMailServer({ address: addressOf(plan), port, hostname, ...(certificate ? { certificate } : {}) }),
      )
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { port, dns, servers, trustedRoot: authority.cert, stop }
}

const addressOf = ({ host }: ServerPlan): string => `127.0.0.${host}`

const DAY = 86_400_000

function certificateFor({ certificate, hostname }: ServerPlan, authority: Authority): Identity | undefined {
  const now = Date.now()
  switch (certificate) {
    case 'none':
      return undefined
    case 'good':
      return authority.issue({ names: [hostname] })
    case 'expired':
      return authority.issue({
        names: [hostname],
        notBefore: new Date(now - 90 * DAY),
        notAfter: new Date(now - 3 * DAY),
      })
    case 'wrong-name':
      return authority.issue({ names: ['mail.hosting-company.example'] })
    case 'self-signed':
      return selfSigned({ names: [hostname] })
  }
}

function zone(): Record<string, DemoRecords> {
  const names: Record<string, DemoRecords> = {}
  for (const { domain, servers } of PARTNERS) {
    names[domain] = { mx: servers.map(({ hostname }, n) => ({ preference: 10 * (n + 1), exchange: hostname })) }
    for (const plan of servers) names[plan.hostname] = { a: [addressOf(plan)] }
  }
  return names
}
