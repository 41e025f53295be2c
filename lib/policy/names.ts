/** Comparing domain names that are already lower case, in A-labels and without a trailing dot. */
import { isIP } from 'node:net'

/** The part behind the last `@`; the whole when there is none. */
export function domainOf(recipient: string): string {
  return recipient.slice(recipient.lastIndexOf('@') + 1)
}

/**
 * Does an MX host name match one of the `mx` patterns of an MTA-STS policy?
 *
 * RFC 8461 section 4.1: `*.` stands for exactly the left-most label, and nothing else is a wildcard.
 */
export function matchesStsPatterns(host: string, patterns: readonly string[]): boolean {
  if (isIP(host) !== 0) return false
  return patterns.some((pattern) => {
    const wanted = pattern.toLowerCase().replace(/\.$/, '')
    if (!wanted.startsWith('*.')) return wanted !== '' && host === wanted
    const dot = host.indexOf('.')
    return dot > 0 && wanted.length > 2 && host.slice(dot) === wanted.slice(1)
  })
}
