/** Textual encodings (RFC 7468). */

/**
 * What stands between the lines of every block of this kind; a block that is no base64 gives what can be read of it, and
 * is left to who parses it.
 *
 * @param label `CERTIFICATE`, `PKCS7`, `X509 CRL`
 */
export function pemBlocks(text: string, label: string): Buffer[] {
  const [begin, end] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`]
  const found: Buffer[] = []
  for (let at = text.indexOf(begin); at !== -1; at = text.indexOf(begin, at + begin.length)) {
    const until = text.indexOf(end, at)
    if (until === -1) break
    found.push(Buffer.from(text.slice(at + begin.length, until), 'base64'))
  }
  return found
}

/** @param label as above */
export function toPem(der: Uint8Array, label: string): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
