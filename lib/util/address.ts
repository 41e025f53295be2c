import { domainToASCII } from 'node:url'

/**
 * An address parted at its last `@`.
 *
 * @returns `local` as it was; `domain` in lower-case A-labels (RFC 5891) where it has such a form, '' without an `@`
 */
export function addressParts(address: string): { local: string; domain: string } {
  const at = address.lastIndexOf('@')
  if (at < 0) return { local: address, domain: '' }
  const domain = address.slice(at + 1)
  return { local: address.slice(0, at), domain: toLabels(domain).toLowerCase() }
}

/** Lower-case letters, digits and hyphens, ending in letters: its own A-label form. `xn--` has to be looked at. */
const PLAIN = /^(?!.*xn--)(?:[a-z0-9-]+\.)+[a-z]+$/

/** @returns the domain in A-labels, or as it was where it has none */
export function toLabels(domain: string): string {
  return PLAIN.test(domain) ? domain : domainToASCII(domain) || domain
}

/** @returns the domain in A-labels and lower case, no dot at its end; an address literal or what has none stays as it is */
export function asciiDomain(domain: string): string {
  if (domain.startsWith('[')) return domain.toLowerCase()
  return toLabels(domain).replace(/\.$/, '').toLowerCase()
}
