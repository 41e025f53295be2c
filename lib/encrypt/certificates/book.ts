/**
 * Where certificates are kept: one entry of the store per address or domain, in buckets, so that how much strangers can
 * put there is bounded without counting everything each time.
 */
import { createHash } from 'node:crypto'
import type { Store, StoreKey } from '../../store/types'
import type { Scope } from './names'
import type { CertificateSource, Holder, StoredCertificate } from './types'

/** First element of every key. */
const PREFIX = 'cert'
const BUCKETS = 1024

export interface CertificateBook {
  /** Certificates of one address or domain; rejects when the store cannot be read. */
  of(scope: Scope, name: string): Promise<readonly StoredCertificate[]>
  /** Everybody in the bucket of this name. */
  neighbours(scope: Scope, name: string): Promise<Holder[]>
  all(): Promise<Holder[]>
  /** The same bucket by bucket: never all of them in memory. */
  buckets(): AsyncIterable<Holder[]>
  /** Change the certificates of one name, in one transaction; none left = the entry is removed. */
  change(
    scope: Scope,
    name: string,
    how: (old: readonly StoredCertificate[]) => readonly StoredCertificate[],
  ): Promise<readonly StoredCertificate[]>
}

export function certificateBook(store: Store): CertificateBook {
  const listed = async (prefix: StoreKey): Promise<Holder[]> => {
    const entries = await store.list<unknown>(prefix)
    return entries.map(({ key, value }) => ({
      scope: key[2] === 'domain' ? 'domain' : 'address',
      name: String(key[3]),
      certificates: readCertificates(value),
    }))
  }
  return {
    of: async (scope, name) => readCertificates(await store.get<unknown>(keyOf(scope, name))),
    neighbours: (scope, name) => listed([PREFIX, bucketOf(scope, name)]),
    all: () => listed([PREFIX]),
    async *buckets() {
      for (let bucket = 0; bucket < BUCKETS; bucket++) yield await listed([PREFIX, bucket])
    },
    async change(scope, name, how) {
      const left = await store.update<unknown>(keyOf(scope, name), (old) => {
        const certificates = how(readCertificates(old))
        return certificates.length === 0 ? undefined : { certificates }
      })
      return readCertificates(left)
    },
  }
}

function keyOf(scope: Scope, name: string): StoreKey {
  return [PREFIX, bucketOf(scope, name), scope, name]
}

function bucketOf(scope: Scope, name: string): number {
  return createHash('sha256').update(`${scope} ${name}`).digest().readUInt16BE(0) % BUCKETS
}

/** What another version of this program wrote is read as far as it makes sense. */
function readCertificates(value: unknown): StoredCertificate[] {
  const list = isObject(value) ? value.certificates : undefined
  return Array.isArray(list) ? list.flatMap((one: unknown) => readCertificate(one) ?? []) : []
}

const SOURCES: readonly unknown[] = ['harvested', 'imported', 'confirmed'] satisfies CertificateSource[]

function readCertificate(value: unknown): StoredCertificate | null {
  if (!isObject(value)) return null
  const { fingerprint, certificate, issuers, source, rejected, firstSeen, lastSeen } = value
  if (typeof fingerprint !== 'string' || typeof certificate !== 'string' || !SOURCES.includes(source)) return null
  if (typeof firstSeen !== 'number' || typeof lastSeen !== 'number') return null
  return {
    fingerprint,
    certificate,
    issuers: Array.isArray(issuers) ? issuers.filter((one) => typeof one === 'string') : [],
    source: source as CertificateSource,
    rejected: rejected !== false,
    firstSeen,
    lastSeen,
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
