/** Mail addresses and domains in the one form under which certificates are kept and found. */
import { addressLiteral, normaliseName } from '../../dns'

/** Whom a certificate is for: a person, or everybody at a domain (a gateway certificate). */
export type Scope = 'address' | 'domain'

/**
 * The form in which addresses are compared: the domain in A-labels and lower case, the local part in NFC and lower case.
 * Only its own domain knows whether the case of a local part means anything (RFC 5321 section 2.4); no domain is known
 * where it does, authorities change it when they issue, and a certificate of somebody else would at worst make a mail
 * unreadable to its recipient, never readable to another one.
 *
 * @returns null when it is no address that a certificate can be for
 */
export function certificateAddress(address: string): string | null {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, Math.max(0, at)).normalize('NFC').toLowerCase()
  if (local === '' || local.length > 64 * 4 || /[\s<>\p{Cc}\p{Cs}]/u.test(local)) return null
  const domain = certificateDomain(address.slice(at + 1))
  return domain === null ? null : `${local}@${domain}`
}

/** @returns A-labels in lower case; null when it is no domain name (an address literal is none) */
export function certificateDomain(domain: string): string | null {
  if (addressLiteral(domain) !== undefined) return null
  const name = normaliseName(domain)
  return name === null || name === '' ? null : name
}

/** @param address in the form that is compared */
export function domainOfAddress(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1)
}
