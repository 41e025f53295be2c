/**
 * Is the peer of this very handshake the one that the requirement asks for? Called at `secureConnect`, before a single
 * byte is written into the new session. A resumed session (`tls-sessions.ts`) is judged on what its full handshake
 * showed: that it could be resumed proves that the peer is the same, and nothing more.
 */
import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { TlsFacts, TlsResultType } from '../failure'
import type { HostRequirement, TlsVersion } from '../policy/types'
import { altNames, certificateFacts } from './certificate'
import { verifyDane } from './dane'
import { nameMatches } from './names'
import type { First } from './tls-sessions'

/** What verification looks at; taken from the socket once. */
export interface Presented {
  leaf?: X509Certificate
  /** All certificates that the server sent, in its order; the leaf is the first. */
  chain: readonly X509Certificate[]
  /** OpenSSL's verdict on the chain against the context's roots; null = trusted. */
  chainError: string | null
  version: string
  resumed: boolean
  /** Resumed: leaf, chain and chainError are those of the full handshake that made the session. */
  first?: First
}

export type Verdict = { ok: true } | Refusal
type Refusal = { ok: false; resultType: TlsResultType; text: string; detail?: string }

/** A server that sends more certificates than this has none that matter behind them. */
const MAX_CERTIFICATES = 32

/**
 * Collect what the handshake showed. Once per socket: Node hands the certificates out of the session, and a second
 * call finds none.
 *
 * @param offered what the full handshake of the session showed that was offered for resumption
 */
export function presentedBy(socket: TLSSocket, offered?: First): Presented {
  // With an always agreeing checkServerIdentity this is OpenSSL's verdict on the chain alone.
  const chainError = socket.authorized ? null : String(socket.authorizationError)
  const version = socket.getProtocol() ?? 'unknown'
  if (socket.isSessionReused()) {
    // OpenSSL keeps its verdict in the session; if it is another one now, this is not the session that was kept.
    const same = offered !== undefined && offered.chainError === chainError && offered.version === version
    return same
      ? { ...offered, resumed: true, first: offered }
      : { chain: [], chainError: chainError ?? 'NO_CERTIFICATES', version, resumed: true }
  }
  const leaf = socket.getPeerX509Certificate()
  // Here `issuerCertificate` is not who issued it but what the server sent next, linked or not, in the server's order.
  const chain: X509Certificate[] = []
  for (let one = leaf; one && chain.length < MAX_CERTIFICATES; one = one.issuerCertificate) chain.push(one)
  return {
    ...(leaf ? { leaf } : {}),
    chain,
    ...{ chainError, version, resumed: false },
  }
}

/**
 * Facts of the handshake for log and report, before the verdict.
 *
 * @param auth what the requirement asks the certificate to be checked against
 * @param peer the MX host's name; milliseconds of the wall clock
 */
export function tlsFacts(
  socket: TLSSocket,
  presented: Presented,
  auth: HostRequirement['auth'],
  peer: { host: string; now: number; servername?: string },
): TlsFacts {
  const { servername } = peer
  return {
    version: presented.version,
    cipher: socket.getCipher().name,
    verified: false,
    ...(auth === 'none' ? {} : { auth }),
    pkix: pkixWord(presented, peer.host, peer.now),
    resumed: presented.resumed,
    ...(servername === undefined ? {} : { servername }),
    ...(presented.leaf ? { certificate: certificateFacts(presented.leaf) } : {}),
  }
}

/**
 * @param now milliseconds
 * @returns `ok` also where nothing is asked for (auth none)
 */
export function verifyPeer(presented: Presented, need: HostRequirement, now: number): Verdict {
  // Without what its full handshake showed there is nothing to judge.
  if (presented.resumed && presented.first === undefined) {
    return refuse('validation-failure', 'The TLS session was resumed without being asked to.')
  }
  if (!atLeast(presented.version, need.minVersion)) {
    return refuse('tls-version-too-low', `The server only speaks ${presented.version}; ${need.minVersion} is required.`)
  }
  switch (need.auth) {
    case 'none':
      return { ok: true }
    case 'pkix':
      return presented.leaf ? verifyPkix(presented, presented.leaf, need, now) : noCertificate()
    case 'fingerprint':
      return presented.leaf ? verifyFingerprint(presented.leaf, need) : noCertificate()
    case 'dane':
      return verifyDane(presented.chain, need, now)
    default:
      return refuse('validation-failure', 'The requirement asks for a verification that does not exist.')
  }
}

function pkixWord(presented: Presented, host: string, now: number): NonNullable<TlsFacts['pkix']> {
  const verdict = presented.leaf ? verifyPkix(presented, presented.leaf, { refNames: [host] }, now) : noCertificate()
  return verdict.ok ? 'ok' : verdict.resultType
}

/** RFC 5280 path validation is OpenSSL's, names and dates are ours. */
function verifyPkix(
  presented: Presented,
  leaf: X509Certificate,
  need: Pick<HostRequirement, 'refNames'>,
  now: number,
): Verdict {
  const notBefore = Date.parse(leaf.validFrom)
  const notAfter = Date.parse(leaf.validTo)
  // A date that cannot be read fails both comparisons and so the certificate.
  if (!(now <= notAfter)) {
    return refuse('certificate-expired', `The server's certificate expired on ${day(notAfter)}.`)
  }
  if (!(now >= notBefore)) {
    return refuse('certificate-not-trusted', `The server's certificate is not valid before ${day(notBefore)}.`)
  }
  if (presented.chainError !== null) {
    return presented.chainError === 'CERT_HAS_EXPIRED'
      ? refuse('certificate-expired', "A certificate in the server's chain has expired.", presented.chainError)
      : refuse(
          'certificate-not-trusted',
          "The server's certificate is not from a trusted issuer.",
          presented.chainError,
        )
  }
  // RFC 9525 section 2: names come from subjectAltName only; a common name is free text and never compared.
  const names = altNames(leaf.subjectAltName)
  const fits = need.refNames.some((reference) =>
    isIP(reference) === 0
      ? names.dns.some((name) => nameMatches(name, reference))
      : names.ip.some((name) => name === reference.toLowerCase()),
  )
  if (fits) return { ok: true }
  return refuse(
    'certificate-host-mismatch',
    `The server's certificate is for another name than ${need.refNames.join(' or ') || '(no name to compare with)'}.`,
    `names in the certificate: ${names.dns.slice(0, 20).join(', ') || 'none'}`,
  )
}

/** A pinned certificate or key stands by itself: dates, names and issuer are not looked at, as in Postfix. */
function verifyFingerprint(leaf: X509Certificate, need: HostRequirement): Verdict {
  const facts = certificateFacts(leaf)
  if (need.fingerprints.some((pin) => pin === facts.sha256 || pin === facts.spkiSha256)) return { ok: true }
  return refuse(
    'fingerprint-mismatch',
    "The server's certificate is not the one that was agreed with this partner.",
    `certificate ${facts.sha256}, public key ${facts.spkiSha256}`,
  )
}

function noCertificate(): Refusal {
  return refuse('certificate-not-trusted', 'The server showed no certificate.')
}

function refuse(resultType: TlsResultType, text: string, detail?: string): Refusal {
  return { ok: false, resultType, text, ...(detail === undefined ? {} : { detail }) }
}

function day(time: number): string {
  return Number.isNaN(time) ? 'an unreadable date' : new Date(time).toISOString().slice(0, 10)
}

const VERSIONS: readonly string[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** A version that is not in the list is below everything. */
function atLeast(version: string, minimum: TlsVersion): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(minimum)
}
