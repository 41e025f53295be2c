/** Does a certificate name fit a reference name? RFC 6125 section 6.4, for subjectAltName entries only. */

/**
 * @param presented dNSName of the certificate, lower case
 * @param reference host name in A-labels, or `.example.org` for any name below example.org
 */
export function nameMatches(presented: string, reference: string): boolean {
  const wanted = reference.toLowerCase().replace(/\.$/u, '')
  const name = presented.toLowerCase().replace(/\.$/u, '')
  if (!isHostName(name.startsWith('*.') ? name.slice(2) : name)) return false
  if (wanted.startsWith('.')) {
    // Postfix's `match=.example.org`: one label or more before the suffix; a wildcard there stands for such names.
    return isHostName(wanted.slice(1)) && name.endsWith(wanted) && name.length > wanted.length
  }
  if (!isHostName(wanted)) return false
  if (!name.startsWith('*.')) return name === wanted
  // Section 6.4.3: the wildcard only as the complete left-most label, for exactly one label; `*.dk` would be a whole
  // top-level domain, and no public CA may issue it.
  const suffix = name.slice(1)
  const dot = wanted.indexOf('.')
  return suffix.indexOf('.', 1) > 0 && dot > 0 && wanted.slice(dot) === suffix
}

/** Letters, digits, hyphen (and the underscore that exists in practice), labels of 1 to 63: nothing else is compared. */
function isHostName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/u.test(name)
}
