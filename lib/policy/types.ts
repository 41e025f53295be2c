/**
 * Plain values that the policy room works on. `decide()` and `forHost()` take these and nothing else, so everything
 * that explains a decision can call the very function that enforced it.
 */
import type { ResultType } from '../failure'

/** Postfix level names (postconf(5), smtp_tls_security_level). */
export type Level = 'none' | 'may' | 'encrypt' | 'verify' | 'secure' | 'dane' | 'dane-only' | 'fingerprint'

export const LEVELS: readonly Level[] = [
  'none',
  'may',
  'encrypt',
  'verify',
  'secure',
  'dane',
  'dane-only',
  'fingerprint',
]

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

export type PolicySource =
  'default' | 'map' | 'dane' | 'mta-sts' | 'requiretls' | 'override' | 'internal' | 'static-route' | 'local' | 'report'

/** One row of `secure-mail.tls_policy`. */
export interface MapRow {
  /** As written. */
  pattern: string
  kind: 'address' | 'domain' | 'subdomain' | 'host' | 'any'
  /** Normalised form used for matching: lower case, A-labels; without the leading dot, brackets removed. */
  key: string
  level: Level
  /** Names (`secure`: also `.example.com` suffixes) or fingerprints (hex, lower case, no colons). */
  match: readonly string[]
  /** From `protocols=>=TLSv1.3`. */
  minVersion?: TlsVersion
  /** `never` is implied for verify, secure, fingerprint and dane-only. */
  override: 'never' | 'allow'
  servername?: string
  /** PEM file. */
  ca?: string
  note?: string
  /** Last day on which the row holds, `YYYY-MM-DD` (UTC). */
  expires?: string
  overridePublished: boolean
  file: string
  line: number
}

/** The compiled map. `find` gives the most specific row that has not expired. */
export interface PolicyMap {
  readonly rows: readonly MapRow[]
  /**
   * @param recipient `local@domain`, domain in A-labels and lower case
   * @param route host of a static route (`[host]` rows match it), if there is one
   * @param now milliseconds; expired rows are passed over
   */
  find(recipient: string, route: string | undefined, now: number): MapRow | undefined
}

/** How the mail reaches its next hop. */
export type Route =
  /** MX records of the recipient domain. */
  | { kind: 'mx' }
  /** A host that a get_mx plugin or a smart host setting named. */
  | { kind: 'static'; host: string }
  /** A unix socket or LMTP on loopback: local delivery. */
  | { kind: 'local' }

/** State of the MTA-STS look-up (RFC 8461) of the next-hop domain. `maxAge` is in seconds. */
export type MtaStsState =
  | { state: 'absent' }
  | { state: 'error'; resultType: ResultType; detail: string }
  | { state: 'policy'; mode: 'enforce' | 'testing' | 'none'; id: string; mx: readonly string[]; maxAge: number }

/** What a sealed, checked grant says; anything unsealed or unchecked is `null` long before it gets here. */
export interface Grant {
  by: 'subject-tag' | 'tls-required-no'
}

export interface PolicyInputs {
  /** `local@domain`, domain in A-labels, lower case. */
  recipient: string
  route: Route
  map: PolicyMap
  defaultLevel: Level
  minVersion: TlsVersion
  internalDomains: readonly string[]
  mode: 'enforce' | 'monitor'
  overrideMode: 'opportunistic' | 'plaintext'
  grant: Grant | null
  /** REQUIRETLS was given on MAIL FROM (RFC 8689). */
  requiretls: boolean
  /** The envelope sender is empty: a report of ours, or one that is relayed. */
  nullSender: boolean
  mtaSts: MtaStsState
  /** `tls.dane`: may usable TLSA records raise the default? */
  dane: boolean
  /** What kind of mail: reports and TLSRPT mail have rules of their own. */
  kind: 'mail' | 'report' | 'tlsrpt'
  now: number
}

/** What one recipient's delivery requires. JSON-safe; recipients with equal `digest` share a delivery. */
export interface Requirement {
  level: Level
  minVersion: TlsVersion
  /** `secure`, and `verify` with `match=`: names that the certificate may carry (`.x` = any subdomain, one label or more); else empty. */
  names: readonly string[]
  /** `fingerprint`: SHA-256, lower-case hex, of certificate or SPKI. */
  fingerprints: readonly string[]
  ca?: string
  servername?: string
  /** The MTA-STS enforce policy that raised the default, if one did. */
  sts?: { id: string; mx: readonly string[] }
  requiretls: boolean
  source: PolicySource
  /** One English sentence; names the row (`file:line pattern`) when source is map. */
  reason: string
  /** The map row behind it: its rule id in logs. */
  rule?: { pattern: string; file: string; line: number; note?: string }
  /** May usable TLSA records replace this level for a host (true only where published policy raises a default)? */
  daneRaises: boolean
  /** A grant was there and the map forbade it for this recipient. */
  overrideForbidden: boolean
  /** mode=monitor: what enforcing would have asked for, when it differs. */
  enforced?: Requirement
  /**
   * RFC 8689 section 5: what is required where no host meets REQUIRETLS. Only for mail from the null sender, which must
   * not be lost for want of it; everybody else's is reported.
   */
  otherwise?: Requirement
}

/** TLSA look-up of one MX host (RFC 7672); issue 3 fills it, `absent` until then. */
export type TlsaState =
  | { state: 'absent' }
  | { state: 'insecure' }
  | { state: 'unusable' }
  | { state: 'error'; detail: string }
  | { state: 'usable'; records: readonly TlsaRecord[]; base: string }

export interface TlsaRecord {
  usage: number
  selector: number
  matchingType: number
  /** Lower-case hex. */
  data: string
}

export interface HostInputs {
  /** MX host name, A-labels, lower case; or the literal address. */
  host: string
  /** Recipient domain, for `secure`. */
  domain: string
  /**
   * The MX RRset (or the proof that there is none) was DNSSEC-secure. A static route counts as secure: the postmaster's
   * own configuration named the host.
   */
  mxSecure: boolean
  addressSecure: boolean
  tlsa: TlsaState
  /** Securely CNAME-expanded recipient domain when it differs: one more DANE-TA reference name (RFC 7672 section 3.2.2). */
  expandedDomain?: string
}

/** What a connection to one MX host must show before the first envelope byte. */
export interface HostRequirement {
  tls: 'none' | 'may' | 'must'
  auth: 'none' | 'pkix' | 'dane' | 'fingerprint'
  minVersion: TlsVersion
  sni?: string
  /** Reference names for pkix and DANE-TA; `.x` = any name below x. */
  refNames: readonly string[]
  fingerprints: readonly string[]
  tlsa: readonly TlsaRecord[]
  ca?: string
  requiretls: boolean
  /** false: do not even connect to this host. */
  usable: boolean
  /** Reason enum when not usable. */
  resultType?: ResultType
  why: string
}
