/** Mailboxes of an address field (RFC 5322 section 3.4), and whether they are inside. */
import { domainToASCII } from 'node:url'

/**
 * @param value unfolded field value
 * @returns every mailbox as `local@domain`, domain in A-labels and lower case; null when the value does not parse strictly
 */
export function mailboxes(value: string): string[] | null {
  const found: string[] = []
  const parts = splitList(value)
  if (parts === null) return null
  for (const part of parts) {
    const text = part.trim()
    if (text === '') continue
    const angle = /^[^<>]*<([^<>]*)>$/s.exec(text)
    const spec = (angle === null ? text : (angle[1] ?? '')).trim()
    const address = normalAddress(spec)
    if (address === null) return null
    found.push(address)
  }
  return found
}

/**
 * @param address `local@domain`
 * @returns domain in A-labels and lower case; null when it is no address
 */
export function normalAddress(address: string): string | null {
  const match = /^([^\s<>()[\]\\,;:@"]+)@([^\s<>()[\]\\,;:@"]+)$/u.exec(address)
  if (match === null) return null
  const domain = domainToASCII(match[2] ?? '').replace(/\.$/, '')
  return domain === '' ? null : `${match[1] ?? ''}@${domain}`
}

/**
 * Is this domain one of the list? An entry is a domain, or `.domain` for everything below it; nothing matches by its
 * letters alone.
 *
 * @param domain A-labels, lower case
 */
export function domainListed(domain: string, list: readonly string[]): boolean {
  return list.some((entry) =>
    entry.startsWith('.') ? domain.endsWith(entry) && domain.length > entry.length : domain === entry,
  )
}

/** Is this address one of the list of addresses, domains and `.domains`? Local parts are compared without case. */
export function addressListed(address: string, list: readonly string[]): boolean {
  const plain = address.toLowerCase()
  return list.some((entry) =>
    entry.includes('@') ? plain === entry.toLowerCase() : domainListed(domainOf(address), [entry]),
  )
}

/** @returns '' for an address without a domain */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase()
}

/**
 * Cut at the commas outside quotes and comments; quoted strings and comments are dropped, they are display text.
 * Groups (`undisclosed: ...;`) and quoted local parts make it null: a sender is a plain mailbox.
 */
function splitList(value: string): string[] | null {
  const parts: string[] = []
  let current = ''
  let quoted = false
  let depth = 0
  for (let at = 0; at < value.length; at++) {
    const character = value.charAt(at)
    if (character === '\\' && (quoted || depth > 0)) at++
    else if (quoted) {
      if (character !== '"') continue
      quoted = false
      if (value.charAt(at + 1) === '@') return null
    } else if (character === '(') depth++
    else if (depth > 0) {
      if (character === ')') depth--
    } else if (character === '"') quoted = true
    else if (character === ',') {
      parts.push(current)
      current = ''
    } else current += character
  }
  if (quoted || depth > 0 || /[:;]/.test(current) || parts.some((part) => /[:;]/.test(part))) return null
  parts.push(current)
  return parts
}
