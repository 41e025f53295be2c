/**
 * The typed form of `secure-mail.ini`: what every room is given. Reading, defaults and validation are in the
 * neighbours; whoever holds a `Settings` may trust every value in it.
 *
 * All durations are milliseconds, all sizes bytes, all domains A-labels in lower case.
 */
import type { SensitiveKind } from '../classify/sensitive-kinds'
import type { Level, PolicyMap, TlsVersion } from '../policy/types'

export type Mode = 'enforce' | 'monitor'
export type Language = 'da' | 'en'
export type Confidence = 'low' | 'medium' | 'high'

export interface Settings {
  main: {
    mode: Mode
    /** Level for recipients without a map row. */
    level: Level
    /** Own domains, subdomains not included unless written `.domain`. */
    internalDomains: readonly string[]
  }
  tls: {
    minVersion: TlsVersion
    dane: boolean
    mtaSts: boolean
    /** PEM file with the roots to trust instead of Node's own list; absent = Node's list. */
    caFile?: string
    /** OpenSSL cipher string; absent = Node's default. */
    ciphers?: string
  }
  override: {
    tags: readonly string[]
    tlsRequiredNo: boolean
    mode: 'opportunistic' | 'plaintext'
    refused: 'enforce' | 'ndr' | 'reject'
    stripTag: boolean
    stripSigned: boolean
    /** Addresses, `domain` or `.domain`; empty = everybody inside. */
    sendersAllow: readonly string[]
    sendersDeny: readonly string[]
  }
  public: {
    subjectTags: readonly string[]
    headers: readonly { name: string; value: string }[]
    purviewTenant?: string
    purviewLabels: readonly string[]
    bodyLines: readonly string[]
  }
  content: {
    blockAt: Confidence
    maxParts: number
    maxDepth: number
    maxBytes: number
    maxMillis: number
    workers: number
    sensitive: readonly SensitiveKind[]
  }
  category3: {
    persons: number
    nameRows: boolean
    action: 'notify' | 'encrypt' | 'ndr' | 'off'
    subjectTags: readonly string[]
    /** Recipients whose certificate is not known: nobody outside gets the mail, or the others do. */
    withoutCertificate: 'ndr' | 'split'
    /** When the subject of an encrypted mail is hidden: when something is found in it, or always. */
    hideSubject: 'findings' | 'always'
    /** What stands in its place. */
    hiddenSubject: string
    protectHeaders: 'rfc9788' | 'rfc8551'
    /** For RSA certificates that leave the choice. */
    rsaPadding: 'pkcs1' | 'oaep'
    /** PEM files of the gateway's own certificate and key; absent = encrypted mail is not signed. */
    signing?: { certificate: string; key: string }
    /** Are certificates taken from signed mail that passes? */
    harvest: boolean
    /** PEM file with the roots that are trusted to issue certificates for mail; absent = none are. */
    smimeRoots?: string
    /** Folder with their revocation lists; absent = nothing is known to be revoked. */
    smimeCrls?: string
  }
  ndr: {
    languages: readonly Language[]
    /** Where what cannot be reported to a sender goes; absent = postmaster@ the first internal domain. */
    postmaster?: string
    dsn: 'honour' | 'advertise' | 'ignore'
    tlsFailureAfter: number
    undeliverableAfter: number
    delayNoticeAfter: number
    style: 'report' | 'plain'
    /** How long reports of one message and cause wait for each other. */
    coalesce: number
  }
  delivery: {
    port: number
    connectionsPerDestination: number
    messagesPerConnection: number
    idle: number
    /** Waits between attempts; the last one repeats. */
    retry: readonly number[]
    /** true = accept and queue, deliver nothing. */
    paused: boolean
    /** May an MX found in DNS be one of our own or a loopback address? */
    localMxOk: boolean
    inetPrefer: 'v4' | 'v6' | 'default'
    /** RFC 5321 section 4.5.3.2, each settable. */
    timeouts: {
      connect: number
      greeting: number
      helo: number
      starttls: number
      mail: number
      rcpt: number
      data: number
      dataBlock: number
      dataEnd: number
    }
  }
  support: { name: string; address: string; phone: string; digest: 'daily' | 'off' }
  dns: {
    /** `address` or `address:port` / `[v6]:port`; empty = the system's (/etc/resolv.conf). */
    servers: readonly string[]
    trustAd: 'loopback' | 'always' | 'never'
    timeout: number
  }
  store: { engine: 'lmdb' | 'redis'; path: string; redisUrl?: string }
  audit: {
    dir: string
    recipients: 'domain+hmac' | 'clear'
    keepDays: number
    /** Days after which a closed file is compressed; 0 = never. */
    compressDays: number
    /** Days after which the next key of the recipients' digests is taken; 0 = never by itself. */
    keyDays: number
  }
  /** TLS reports to other domains (RFC 8460). */
  tlsrpt: {
    enabled: boolean
    /** Absent = the domain of `from`. */
    organization?: string
    /** Absent = the postmaster. */
    contact?: string
    /** Absent = postmaster@ the first internal domain. */
    from?: string
    onlyFailures: boolean
    /** Policy domains, `domain` or `.domain`. */
    excludeDomains: readonly string[]
    /** Time after midnight UTC over which the reports of a day are spread. */
    window: number
    /** May reports go to https addresses? */
    https: boolean
  }
  metrics: {
    /** `address:port`; absent = nothing listens. */
    listen?: string
  }
  /** The TLS policy map, compiled. */
  map: PolicyMap
}

/** One thing wrong with a configuration file. */
export interface ConfigProblem {
  file: string
  /** 1-based; 0 when the problem has no line (a missing file). */
  line: number
  severity: 'error' | 'warning'
  /** One sentence: what is wrong and what would be right. */
  message: string
}
