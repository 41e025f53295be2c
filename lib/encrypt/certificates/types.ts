/** Certificates of correspondents: how they are kept, and what is judged about them. */
import type { Scope } from './names'

/** How a certificate came here; `confirmed` = harvested, and a postmaster has said that it is the right one. */
export type CertificateSource = 'harvested' | 'imported' | 'confirmed'

/** One certificate as it is kept; JSON. */
export interface StoredCertificate {
  /** SHA-256, lower-case hex. */
  fingerprint: string
  /** DER in base64. */
  certificate: string
  /** Certificates of its issuers that came with it, DER in base64, nearest first. */
  issuers: readonly string[]
  source: CertificateSource
  /** A postmaster has refused it: it is never used, and not taken again when it is seen. */
  rejected: boolean
  /** Milliseconds since the epoch. */
  firstSeen: number
  lastSeen: number
}

/** All certificates of one address or domain. */
export interface Holder {
  scope: Scope
  /** Address or domain in the form that is compared. */
  name: string
  certificates: readonly StoredCertificate[]
}

/** What a chain of issuers amounts to; `why` is one clause. */
export interface ChainResult {
  result: 'valid' | 'no-roots' | 'unknown-issuer' | 'invalid' | 'revoked'
  why: string
  /** DER of the certificates between it and the root; empty unless a path was found. */
  issuers: readonly Uint8Array[]
}

/** Who is trusted to issue certificates for mail, and what they have revoked. */
export interface Trust {
  /**
   * @param certificate DER
   * @param issuers DER, in any order; what leads nowhere is passed over
   * @param now milliseconds
   */
  chainOf(certificate: Uint8Array, issuers: readonly Uint8Array[], now: number): ChainResult
}

/** Trusted = mail may be encrypted to it; candidate = only after a postmaster has said so; rejected = never. */
export type CertificateState = 'trusted' | 'candidate' | 'rejected'
