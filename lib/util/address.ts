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
  return { local: address.slice(0, at), domain: (domainToASCII(domain) || domain).toLowerCase() }
}
