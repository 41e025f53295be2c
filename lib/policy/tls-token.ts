import type { TlsFacts } from '../failure'
import { forDaneHost } from './for-dane-host'
import type { Level, Requirement } from './types'

/**
 * What was required and what was got, as one word in the grammar of Postfix' `smtp_log_tls_feature_status`:
 * `tls=LEVEL` got what was wanted; `tls=WANTED:GOT` got less, and the requirement permits that; `tls=WANTED:GOT!` got
 * less, which the requirement forbids; `tls=WANTED?` it never came to TLS. REQUIRETLS adds `/requiretls`, with `!` or
 * `?` in the same senses. A host whose TLSA records raised the requirement has `dane` as what was wanted.
 *
 * @param facts the handshake; null = the conversation was in clear text; undefined = no conversation got that far
 */
export function tlsToken(requirement: Requirement, facts: TlsFacts | null | undefined): string {
  const wanted = forDaneHost(requirement, facts).level
  if (facts === undefined) return `tls=${wanted}?${requirement.requiretls ? '/requiretls?' : ''}`
  const got = gotLevel(wanted, facts)
  const level = got === wanted ? wanted : `${wanted}:${got}${permits(wanted, got, facts) ? '' : '!'}`
  if (!requirement.requiretls) return `tls=${level}`
  return `tls=${level}/requiretls${facts?.verified === true ? '' : '!'}`
}

function gotLevel(wanted: Level, facts: TlsFacts | null): Level {
  if (facts === null) return 'none'
  switch (wanted) {
    case 'none':
    case 'may':
    case 'encrypt':
      // TLS is all that these ask for
      return wanted === 'none' ? 'encrypt' : wanted
    default:
      // `verified` means: checked against this very requirement, and passed
      return facts.verified ? wanted : 'encrypt'
  }
}

function permits(wanted: Level, got: Level, facts: TlsFacts | null): boolean {
  switch (wanted) {
    case 'none':
      return false
    case 'may':
      return true
    case 'dane':
      // no usable TLSA records: `dane` is `encrypt`; with them the certificate has to match
      return got === 'encrypt' && facts?.auth !== 'dane'
    default:
      return false
  }
}
