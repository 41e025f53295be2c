/** Domains of an invented world, with the mail servers that they have: most are well, a few are what this project is about. */
import { createHash } from 'node:crypto'
import type { Failure, TlsFacts, TlsResultType } from '../../lib/failure'
import type { Level, PolicySource } from '../../lib/policy/types'

export type Kind =
  | 'tls13'
  | 'tls12'
  | 'dane'
  | 'mta-sts'
  | 'verified'
  | 'bad-certificate'
  | 'old'
  | 'weak-cipher'
  | 'no-tls'
  | 'unreachable'
  | 'may-row'
  | 'none-row'
  | 'bank'

export interface Partner {
  domain: string
  kind: Kind
  mx: string
  ip: string
  policy: { source: PolicySource; level: Level; reason: string; rule?: string }
}

/** Of a thousand domains; what is left is `tls13`. */
const SHARES: readonly [Kind, number][] = [
  ['tls12', 160],
  ['dane', 70],
  ['mta-sts', 120],
  ['verified', 20],
  ['bad-certificate', 30],
  ['old', 6],
  ['weak-cipher', 5],
  ['no-tls', 8],
  ['unreachable', 3],
  ['may-row', 4],
  ['none-row', 2],
]

export const DOMAINS = 4000

const known = new Map<number, Partner>()

/** @param index 0 = the domain that an attack is played against */
export function partner(index: number): Partner {
  let found = known.get(index)
  if (found === undefined) {
    found = make(index)
    known.set(index, found)
  }
  return found
}

function make(index: number): Partner {
  const kind = index === 0 ? 'bank' : kindOf(index)
  const domain = index === 0 ? 'bank.example' : `firma${index}.example`
  // some hundred share each of a few providers
  const mx = kind === 'tls13' && index % 3 === 0 ? `mx${index % 7}.provider${index % 40}.example` : `mx1.${domain}`
  return { domain, kind, mx, ip: `198.18.${(index >> 8) & 255}.${index & 255}`, policy: policyOf(kind, domain, index) }
}

function kindOf(index: number): Kind {
  let place = (index * 379 + 17) % 1000
  for (const [kind, share] of SHARES) {
    if (place < share) return kind
    place -= share
  }
  return 'tls13'
}

function policyOf(kind: Kind, domain: string, index: number): Partner['policy'] {
  const row = `secure-mail.tls_policy:${(index % 200) + 3} ${domain}`
  switch (kind) {
    case 'dane':
      return { source: 'dane', level: 'dane', reason: `usable TLSA records at mx1.${domain}` }
    case 'mta-sts':
      return {
        source: 'mta-sts',
        level: 'verify',
        reason: `${domain} publishes the MTA-STS policy 2026a with mode enforce`,
      }
    case 'verified':
    case 'bank':
      return { source: 'map', level: kind === 'bank' ? 'encrypt' : 'secure', reason: `${row} asks for it`, rule: row }
    case 'may-row':
    case 'none-row':
      return { source: 'map', level: kind === 'may-row' ? 'may' : 'none', reason: `${row} asks for it`, rule: row }
    default:
      return { source: 'default', level: 'encrypt', reason: 'no map row: the default level encrypt' }
  }
}

const CIPHERS = ['TLS_AES_256_GCM_SHA384', 'TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'] as const

/** The handshake that this partner's server shows; null = it has no TLS. Certificates are renewed every 60 days. */
export function tlsOf(partner: Partner, at: number, issuer = 'CN=R11, O=Good CA, C=DK'): TlsFacts | null {
  const { kind, mx, domain } = partner
  if (kind === 'no-tls' || kind === 'none-row' || kind === 'may-row') return null
  const number = Number(/\d+/.exec(domain)?.[0] ?? 0)
  const renewal = Math.floor((at / DAY + number) / 60)
  const notBefore = renewal * 60 * DAY - number * DAY
  const selfSigned = kind === 'bad-certificate' && number % 3 === 0
  const old = kind === 'old'
  const weak = kind === 'weak-cipher'
  return {
    version: old ? 'TLSv1' : weak || kind === 'tls12' ? 'TLSv1.2' : 'TLSv1.3',
    cipher: old
      ? 'ECDHE-RSA-AES256-SHA'
      : weak
        ? 'AES256-SHA256'
        : kind === 'tls12'
          ? 'ECDHE-RSA-AES256-GCM-SHA384'
          : (CIPHERS[number % CIPHERS.length] ?? CIPHERS[0]),
    verified: kind === 'dane' || kind === 'mta-sts' || kind === 'verified',
    ...(kind === 'dane'
      ? { auth: 'dane' as const }
      : kind === 'mta-sts' || kind === 'verified'
        ? { auth: 'pkix' as const }
        : {}),
    pkix: pkixOf(kind, number),
    resumed: false,
    servername: mx,
    certificate: certificate(
      mx,
      domain,
      selfSigned ? `CN=${mx}` : issuer,
      notBefore,
      kind === 'bad-certificate' && number % 3 === 1,
    ),
  }
}

function pkixOf(kind: Kind, number: number): 'ok' | TlsResultType {
  if (kind === 'dane' && number % 4 === 0) return 'certificate-not-trusted'
  if (kind !== 'bad-certificate') return 'ok'
  return (['certificate-not-trusted', 'certificate-expired', 'certificate-host-mismatch'] as const)[number % 3] ?? 'ok'
}

const DAY = 86_400_000
const made = new Map<string, NonNullable<TlsFacts['certificate']>>()

function certificate(mx: string, domain: string, issuer: string, from: number, expired: boolean) {
  const key = `${mx} ${issuer} ${from}`
  let found = made.get(key)
  if (found === undefined) {
    const digest = (text: string) => createHash('sha256').update(text).digest('hex')
    found = {
      subject: `CN=${mx}`,
      issuer,
      names: domain.endsWith('7.example') ? [mx, domain] : [mx],
      notBefore: new Date(from).toISOString(),
      notAfter: new Date(from + (expired ? -5 : 90) * DAY).toISOString(),
      sha256: digest(key),
      spkiSha256: digest(`key of ${key}`),
    }
    made.set(key, found)
  }
  return found
}

/** What goes wrong with a partner's server, if anything does every time. */
export function failureOf(partner: Partner): Failure | undefined {
  const { mx, ip } = partner
  const where = { mx, address: ip, port: 25 }
  switch (partner.kind) {
    case 'no-tls':
      return {
        resultType: 'starttls-not-supported',
        enhancedCode: '4.7.10',
        publicText: 'The server does not offer TLS (STARTTLS).',
        ...where,
      }
    case 'old':
      return {
        resultType: 'tls-version-too-low',
        enhancedCode: '4.7.5',
        publicText: 'The server only speaks TLSv1; TLSv1.2 is required.',
        ...where,
      }
    case 'unreachable':
      return {
        resultType: 'connection-failed',
        enhancedCode: '4.4.1',
        publicText: 'The server could not be reached.',
        privateDetail: 'ETIMEDOUT',
        ...where,
      }
    default:
      return undefined
  }
}
