/** What the stub resolver answers. Failure kinds are kept apart: "no such record" is an answer, a fault is not. */

export type RecordType = 'MX' | 'A' | 'AAAA' | 'CNAME' | 'TXT' | 'TLSA'

export interface MxData {
  preference: number
  /** Lower-case A-labels, no trailing dot; '' = null MX (RFC 7505). */
  exchange: string
}

export interface TlsaData {
  usage: number
  selector: number
  matchingType: number
  /** Lower-case hex. */
  data: string
}

export interface RecordData {
  MX: MxData
  A: string
  AAAA: string
  CNAME: string
  /** The strings of one TXT record joined (RFC 8461 section 3.1 joins within one record, never across). */
  TXT: string
  TLSA: TlsaData
}

/** One step of a CNAME chain. */
export interface CnameStep {
  from: string
  to: string
}

export type DnsAnswer<T extends RecordType> =
  | {
      kind: 'records'
      records: readonly RecordData[T][]
      /** AD, from a resolver whose AD is trusted: the whole chain was secure. */
      secure: boolean
      /** CNAMEs followed, in order. */
      chain: readonly CnameStep[]
      /** Final owner name. */
      name: string
      /** Seconds. */
      ttl: number
    }
  /** The name exists, the type does not. */
  | { kind: 'nodata'; secure: boolean; chain: readonly CnameStep[]; name: string; ttl: number }
  | { kind: 'nxdomain'; secure: boolean; chain: readonly CnameStep[]; name: string; ttl: number }
  | { kind: 'error'; error: DnsErrorKind; detail: string }

/** Why there is no answer; every one of them defers, none means "no record". */
export type DnsErrorKind =
  'servfail' | 'timeout' | 'refused' | 'malformed' | 'unreachable' | 'invalid-name' | 'cname-loop'

export interface Resolver {
  /** @param name U- or A-labels; never throws, a fault is an answer of kind `error`. */
  resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>>
  /**
   * What `resolve` would answer without a query, for those who need not wait then.
   *
   * @returns undefined = a query is needed; absent where nothing is kept
   */
  known?<T extends RecordType>(name: string, type: T): DnsAnswer<T> | undefined
  /** Ask anew from now on, whatever was kept; absent where nothing is kept. */
  forget?(): void
  /** Close sockets and timers. */
  close(): Promise<void>
}

/** One MX host with the security state of what led to it. */
export interface MxHost {
  /** A-labels, lower case. */
  host: string
  preference: number
}

/** RFC 5321 section 5.1 routing of a domain. */
export type MxAnswer =
  | {
      kind: 'hosts'
      hosts: MxHost[]
      secure: boolean
      implicit: boolean
      /** CNAME expansion of the domain. */ expandedDomain: string
    }
  | { kind: 'null-mx'; secure: boolean }
  | { kind: 'no-domain'; detail: string }
  | { kind: 'error'; error: DnsErrorKind; detail: string }

/** Addresses of one MX host. */
export type HostAddresses =
  | {
      kind: 'addresses'
      addresses: string[]
      secure: boolean
      /**
       * The addresses are insecure, but the host name itself is a DNSSEC-secure CNAME: TLSA records under the original
       * name still count (RFC 7672 section 2.1.3).
       */
      secureAlias: boolean
      /** Securely CNAME-expanded name. */ expandedName: string
    }
  | { kind: 'none'; detail: string }
  | { kind: 'error'; error: DnsErrorKind; detail: string }
