/**
 * Domains that publish TLSA records of every kind, each with a server of its own, and what becomes of mail to them. The
 * table is run through the gateway and through Postfix.
 */
import { freePort } from '../../demo/processes'
import { association, DAY, make, type Made, type Wish } from '../deliver/support/x509'
import { createTestCa, type CertificateFiles, type TestCa } from '../internet/ca'
import { startCapture, type Capture } from '../internet/capture'
import { startDns, type Dns, type Zone } from '../internet/dns'
import { keeper } from '../internet/keeper'
import { startPostfix, type Listener, type Postfix } from '../internet/postfix'

/** What becomes of a mail: by which host and how it went, or why it waits. */
export type Verdict =
  | { by: string; tls: 'verified' | 'unverified' }
  /** Result type of the gateway. */
  | { waits: string }

export interface Case {
  domain: string
  what: string
  wanted: Verdict
  /** Where Postfix does something else, and why. */
  postfix?: { verdict: Verdict; why: string }
}

/** Rows of the map, for both. */
export const ROWS = { 'row.test': 'encrypt', 'only.test': 'dane-only', 'onlyok.test': 'dane-only' } as const

const verified = (by: string): Verdict => ({ by, tls: 'verified' })
const unverified = (by: string): Verdict => ({ by, tls: 'unverified' })

export const CASES: readonly Case[] = [
  {
    domain: 'ee.test',
    what: 'DANE-EE: self-signed, expired, for another name (RFC 7672 3.1.1)',
    wanted: verified('mx.ee.test'),
  },
  {
    domain: 'eefull.test',
    what: 'DANE-EE with the full certificate (RFC 6698 2.1.3)',
    wanted: verified('mx.eefull.test'),
  },
  { domain: 'ta.test', what: 'DANE-TA over an issuer between (RFC 7672 3.1.2)', wanted: verified('mx.ta.test') },
  {
    domain: 'tafull.test',
    what: 'DANE-TA with the full anchor, which the server does not send (RFC 7671 5.2.1)',
    wanted: verified('mx.tafull.test'),
  },
  {
    domain: 'takey.test',
    what: 'DANE-TA with the bare key of an anchor that the server does not send (RFC 7671 5.2.3)',
    wanted: verified('mx.takey.test'),
  },
  {
    domain: 'tadomain.test',
    what: 'DANE-TA, the certificate is for the next-hop domain (RFC 7672 3.2.2)',
    wanted: verified('mx.tadomain.test'),
  },
  {
    domain: 'taname.test',
    what: 'DANE-TA, the certificate is for another name (RFC 7672 3.2.2)',
    wanted: { waits: 'certificate-host-mismatch' },
  },
  {
    domain: 'taexpired.test',
    what: 'DANE-TA, expired (RFC 7672 3.1.2)',
    wanted: { waits: 'certificate-expired' },
  },
  {
    domain: 'tamissing.test',
    what: 'DANE-TA by digest, and the anchor is not sent (RFC 7671 5.2.2)',
    wanted: { waits: 'tlsa-invalid' },
  },
  {
    domain: 'unusable.test',
    what: 'no usable record: TLS, not verified (RFC 7672 2.2, 3.1.3)',
    wanted: unverified('mx.unusable.test'),
  },
  {
    domain: 'unusablenotls.test',
    what: 'no usable record, no TLS (RFC 7672 2.2)',
    wanted: { waits: 'starttls-not-supported' },
  },
  { domain: 'notls.test', what: 'usable records, no TLS (RFC 7672 2.2)', wanted: { waits: 'starttls-not-supported' } },
  { domain: 'mismatch.test', what: 'no record matches (RFC 7672 3.2)', wanted: { waits: 'tlsa-invalid' } },
  {
    domain: 'next.test',
    what: 'no record of the first MX matches, one of the second does (RFC 7672 3.2)',
    wanted: verified('mx2.next.test'),
  },
  {
    domain: 'agility.test',
    what: 'the weaker digest matches, the stronger does not (RFC 7671 9)',
    wanted: { waits: 'tlsa-invalid' },
  },
  { domain: 'bogus.test', what: 'a bogus zone (RFC 7672 2.1.2)', wanted: { waits: 'dns-error' } },
  {
    domain: 'tlsafail.test',
    what: 'SERVFAIL for the TLSA records of the first MX: not connected to; the second takes it (RFC 7672 2.1.2)',
    wanted: unverified('mx2.tlsafail.test'),
  },
  { domain: 'tlsabogus.test', what: 'bogus TLSA records (RFC 7672 2.1.2)', wanted: { waits: 'dnssec-invalid' } },
  {
    domain: 'insecure.test',
    what: 'an insecure zone: its TLSA records are nothing (RFC 7672 2.2.2)',
    wanted: unverified('mx.insecure.test'),
  },
  {
    domain: 'insecuremx.test',
    what: 'an insecure MX record names a secure host (RFC 7672 2.2.1)',
    wanted: unverified('mx.outside.test'),
    postfix: {
      verdict: { waits: 'deferred' },
      why: 'smtp_tls_dane_insecure_mx_policy=dane, its default: RFC 7672 2.2.1 permits DANE here, which proves nothing about the domain',
    },
  },
  {
    domain: 'alias.test',
    what: 'the MX host is a secure alias, and _tcp too (RFC 7672 2.2.2, 2.2.3)',
    wanted: verified('mx.alias.test'),
  },
  {
    domain: 'hosted.test',
    what: 'a secure alias of an insecure host, with TLSA records of its own (RFC 7672 2.1.3)',
    wanted: verified('mx.hosted.test'),
  },
  {
    domain: 'row.test',
    what: 'a row with encrypt stands alone, whatever is published',
    wanted: unverified('mx.row.test'),
  },
  { domain: 'only.test', what: 'dane-only, and no TLSA records', wanted: { waits: 'dane-required' } },
  { domain: 'onlyok.test', what: 'dane-only with TLSA records', wanted: verified('mx.onlyok.test') },
]

export interface DaneWorld {
  ca: TestCa
  dns: Dns
  postfix: Postfix
  capture: Capture
  port: number
  stop(): Promise<void>
}

interface Server {
  host: string
  /** Its own certificate first; none = no TLS. */
  shows: readonly Made[]
  domains: readonly string[]
}

/** Start DNS and the servers. Whatever fails, nothing stays running. */
export async function startDaneWorld(): Promise<DaneWorld> {
  const keep = keeper()
  try {
    const ca = createTestCa()
    await keep(ca)
    const servers = allServers()
    const address = (host: string) => `127.0.0.${81 + servers.findIndex((server) => server.host === host)}`
    const port = await freePort(servers.map(({ host }) => address(host)))
    const capture = await keep(startCapture([port]))
    const dns = await keep(startDns({ zones: zones(port, address) }))
    const listeners = servers.map(({ host, shows, domains }): Listener => ({
      address: address(host),
      hostname: host,
      domains,
      ...(shows.length === 0 ? { profile: 'noTls' } : { profile: 'tls', certificate: files(ca, shows) }),
    }))
    const postfix = await keep(startPostfix({ port, listeners }))
    return { ca, dns, postfix, capture, port, stop: keep.stop }
  } catch (error) {
    await keep.stop()
    throw error
  }
}

function files(ca: TestCa, shows: readonly Made[]): CertificateFiles {
  const [own] = shows
  if (own === undefined) throw new Error('a server without a certificate')
  return ca.save({
    key: own.key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: shows.map(({ certificate }) => certificate.toString()).join(''),
    der: own.certificate.raw,
  })
}

const EXPIRED = { notBefore: -30 * DAY, notAfter: -DAY }
const anchor = make({ name: 'Anchor', keyUsage: 0x06 })
const between = make({ name: 'Between', issuer: anchor, ca: true, keyUsage: 0x06 })
const stranger = make({ name: 'stranger', ca: false })
const own = (more: Partial<Wish> = {}) => make({ name: 'own', ca: false, dns: ['elsewhere.test'], ...EXPIRED, ...more })
const under = (issuer: Made, ...dns: string[]) => make({ name: 'leaf', issuer, dns })

/** Servers' own certificates, by host. */
const OWN: Readonly<Record<string, Made>> = Object.fromEntries(
  [
    'mx.ee.test',
    'mx.eefull.test',
    'mx.unusable.test',
    'mx.mismatch.test',
    'mx1.next.test',
    'mx2.next.test',
    'mx.agility.test',
    'mx.bogus.test',
    'mx1.tlsafail.test',
    'mx2.tlsafail.test',
    'mx.tlsabogus.test',
    'mx.insecure.test',
    'mx.outside.test',
    'mx.alias.test',
    'mx.row.test',
    'mx.only.test',
    'mx.onlyok.test',
  ].map((host) => [host, own()]),
)

const domainOf = (host: string): string => host.slice(host.indexOf('.') + 1)

function allServers(): Server[] {
  const byAnchor: [string, Made[]][] = [
    ['mx.ta.test', [under(between, 'mx.ta.test'), between, anchor]],
    ['mx.tafull.test', [under(between, 'mx.tafull.test'), between]],
    ['mx.takey.test', [under(anchor, 'mx.takey.test')]],
    ['mx.tadomain.test', [under(anchor, 'tadomain.test'), anchor]],
    ['mx.taname.test', [under(anchor, 'elsewhere.test'), anchor]],
    ['mx.taexpired.test', [make({ name: 'leaf', issuer: anchor, dns: ['mx.taexpired.test'], ...EXPIRED }), anchor]],
    ['mx.tamissing.test', [under(between, 'mx.tamissing.test'), between]],
    ['mx.unusablenotls.test', []],
    ['mx.notls.test', []],
  ]
  const more: Readonly<Record<string, readonly string[]>> = {
    'mx.insecure.test': ['hosted.test'],
    'mx.outside.test': ['insecuremx.test'],
  }
  return [...Object.entries(OWN).map(([host, made]): [string, Made[]] => [host, [made]]), ...byAnchor].map(
    ([host, shows]) => ({ host, shows, domains: [domainOf(host), ...(more[host] ?? [])] }),
  )
}

/** A TLSA record as it stands in a zone file. */
const tlsa = (usage: number, selector: 0 | 1, matchingType: 0 | 1 | 2, made: Made): string =>
  `TLSA ${usage} ${selector} ${matchingType} ${association(made, selector, matchingType)}`

function zones(port: number, address: (host: string) => string): Zone[] {
  const at = (host: string) => `_${port}._tcp.${host}`
  const ownOf = (host: string): Made => OWN[host] ?? stranger
  /** One domain, one host `mx`. */
  const simple = (name: string, records: readonly string[], state: Zone['state'] = 'secure'): Zone => ({
    name: `${name}.test`,
    state,
    records: ['@ MX 10 mx', `mx A ${address(`mx.${name}.test`)}`, ...records.map((record) => `${at('mx')} ${record}`)],
  })
  const self = (name: string) => tlsa(3, 1, 1, ownOf(`mx.${name}.test`))
  const wrong = tlsa(3, 1, 1, stranger)
  return [
    simple('ee', [self('ee')]),
    simple('eefull', [tlsa(3, 0, 0, ownOf('mx.eefull.test'))]),
    simple('ta', [tlsa(2, 0, 1, anchor)]),
    simple('tafull', [tlsa(2, 0, 0, anchor)]),
    simple('takey', [tlsa(2, 1, 0, anchor)]),
    simple('tadomain', [tlsa(2, 1, 2, anchor)]),
    simple('taname', [tlsa(2, 0, 1, anchor)]),
    simple('taexpired', [tlsa(2, 0, 1, anchor)]),
    simple('tamissing', [tlsa(2, 0, 1, anchor)]),
    simple('unusable', [tlsa(1, 1, 1, stranger), tlsa(0, 0, 1, stranger)]),
    simple('unusablenotls', [tlsa(1, 1, 1, stranger)]),
    simple('notls', [wrong]),
    simple('mismatch', [wrong]),
    {
      name: 'next.test',
      records: [
        '@ MX 10 mx1',
        '@ MX 20 mx2',
        `mx1 A ${address('mx1.next.test')}`,
        `mx2 A ${address('mx2.next.test')}`,
        `${at('mx1')} ${wrong}`,
        `${at('mx2')} ${tlsa(3, 1, 1, ownOf('mx2.next.test'))}`,
      ],
    },
    simple('agility', [self('agility'), tlsa(3, 1, 2, stranger)]),
    simple('bogus', [self('bogus')], 'bogus'),
    {
      name: 'tlsafail.test',
      records: [
        '@ MX 10 mx1',
        '@ MX 20 mx2',
        `mx1 A ${address('mx1.tlsafail.test')}`,
        `mx2 A ${address('mx2.tlsafail.test')}`,
      ],
    },
    { name: '_tcp.mx1.tlsafail.test', state: 'servfail', records: [] },
    simple('tlsabogus', []),
    { name: '_tcp.mx.tlsabogus.test', state: 'bogus', records: [`_${port} ${self('tlsabogus')}`] },
    simple('insecure', [wrong], 'insecure'),
    { name: 'insecuremx.test', state: 'insecure', records: ['@ MX 10 mx.outside.test.'] },
    simple('outside', [wrong]),
    {
      name: 'alias.test',
      records: ['@ MX 10 mx', 'mx CNAME mx.real.test.'],
    },
    {
      name: 'real.test',
      records: [
        `mx A ${address('mx.alias.test')}`,
        `${at('mx')} CNAME tlsa.real.test.`,
        `tlsa ${tlsa(3, 1, 1, ownOf('mx.alias.test'))}`,
      ],
    },
    {
      name: 'hosted.test',
      records: ['@ MX 10 mx', 'mx CNAME mx.insecure.test.', `${at('mx')} ${tlsa(3, 1, 1, ownOf('mx.insecure.test'))}`],
    },
    simple('row', [wrong]),
    simple('only', []),
    simple('onlyok', [self('onlyok')]),
  ]
}
