/**
 * Is this one of the organisation's own domains?
 *
 * @param internalDomains `domain` = that domain alone; `.domain` = every name below it, but not the domain itself
 */
export function isInternalDomain(domain: string, internalDomains: readonly string[]): boolean {
  return internalDomains.some((own) => (own.startsWith('.') ? isBelow(domain, own) : domain === own))
}

/** @param suffix `.example.com`; one label or more must stand before it */
function isBelow(domain: string, suffix: string): boolean {
  return domain.length > suffix.length && domain.endsWith(suffix)
}
