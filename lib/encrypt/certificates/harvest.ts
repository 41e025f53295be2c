/** Taking certificates from a signed mail that was examined: the decision, and what is kept of it. */
import { X509Certificate } from 'node:crypto'
import type { CertificateBook } from './book'
import type { Examined, Refusal } from './examine'
import { certificateFacts } from './facts'
import { judge } from './judge'
import { keep, type Kept } from './keep'
import { domainOfAddress } from './names'
import type { CertificateState, StoredCertificate, Trust } from './types'

/** What was decided about one mail. */
export type Harvest =
  | { kind: 'not-signed' }
  /** From one's own domains: mail to them is never encrypted here. */
  | { kind: 'own-sender'; address: string }
  | {
      kind: 'refused'
      refusal: Refusal | 'revoked'
      why: string
      address: string | null
      fingerprint: string | null
    }
  | { kind: 'harvested'; address: string; certificates: HarvestedCertificate[] }

export interface HarvestedCertificate {
  fingerprint: string
  kept: Kept
  state: CertificateState
  /** One clause: what the chain amounts to. */
  why: string
}

/** Certificates of issuers that are kept with one, and their size in bytes. */
const MAX_ISSUERS = 4
const MAX_ISSUER_BYTES = 8 * 1024

/**
 * @param isOwn is this one of the organisation's own domains?
 * @param now milliseconds
 * @returns rejects when the store fails
 */
export async function harvest(
  examined: Examined,
  book: CertificateBook,
  trust: Trust,
  isOwn: (domain: string) => boolean,
  now: number,
): Promise<Harvest> {
  if (examined.kind !== 'signed') return examined
  const { address, signer, certificates, others } = examined
  if (isOwn(domainOfAddress(address))) return { kind: 'own-sender', address }
  // who signs with a certificate that was revoked is not who it says
  const chain = trust.chainOf(signer, [...certificates, ...others], now)
  if (chain.result === 'revoked') return refusedAsRevoked(address, signer, chain.why)
  const taken: HarvestedCertificate[] = []
  let revoked: Harvest | undefined
  for (const certificate of certificates) {
    const stored = storedForm(certificate, others, trust, now)
    const { state, unusable, chain: own } = judge(stored, trust, now)
    if (unusable !== null) {
      revoked ??= refusedAsRevoked(address, certificate, unusable)
      continue
    }
    const kept = await keep(book, trust, 'address', address, stored)
    taken.push({ fingerprint: stored.fingerprint, kept, state: kept === 'rejected' ? 'rejected' : state, why: own.why })
  }
  return taken.length === 0 && revoked !== undefined ? revoked : { kind: 'harvested', address, certificates: taken }
}

function refusedAsRevoked(address: string, certificate: Uint8Array, why: string): Harvest {
  return { kind: 'refused', refusal: 'revoked', why, address, fingerprint: certificateFacts(certificate).fingerprint }
}

/** A certificate as it is kept, with what a chain needs: the path that was found, else what may be part of one. */
export function storedForm(
  certificate: Uint8Array,
  others: readonly Uint8Array[],
  trust: Trust,
  now: number,
): StoredCertificate {
  const { result, issuers } = trust.chainOf(certificate, others, now)
  return {
    fingerprint: certificateFacts(certificate).fingerprint,
    certificate: base64(certificate),
    issuers: few(result === 'valid' ? issuers : others.filter(isAuthority)).map(base64),
    source: 'harvested',
    rejected: false,
    firstSeen: now,
    lastSeen: now,
  }
}

function few(issuers: readonly Uint8Array[]): Uint8Array[] {
  let left = MAX_ISSUER_BYTES
  return issuers.slice(0, MAX_ISSUERS).filter(({ length }) => (left -= length) >= 0)
}

function isAuthority(der: Uint8Array): boolean {
  return new X509Certificate(der).ca
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
