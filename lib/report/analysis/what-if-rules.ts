/** What another level would have made of a delivery, in SQL, from the facts that the log has of it. */
import type { Level } from '../../policy/types'

/** Levels that recorded facts can be held against. A pinned certificate is nobody's to guess. */
export const JUDGED = ['may', 'encrypt', 'verify', 'secure', 'dane', 'dane-only'] as const satisfies readonly Level[]
export type JudgedLevel = (typeof JUDGED)[number]

export interface Rules {
  /** Oldest TLS version that is allowed: `1.2`. */
  minVersion: string
  /** Are TLSA records looked up? */
  dane: boolean
}

/**
 * Over a row of `deliveries` that was delivered: NULL = would have gone, `unknown` = the facts do not tell, else the result
 * type by which it would have failed.
 */
export function deliveredVerdict(level: JudgedLevel, rules: Rules): string {
  const encrypt = `WHEN NOT encrypted THEN coalesce(would_result_type, 'starttls-not-supported')
    WHEN tls_version < '${rules.minVersion}' THEN 'tls-version-too-low'`
  switch (level) {
    case 'may':
      return 'NULL'
    case 'encrypt':
      return `CASE ${encrypt} END`
    case 'verify':
      return `CASE ${encrypt} WHEN pkix = 'ok' THEN NULL WHEN pkix IS NOT NULL THEN pkix
        WHEN verified AND policy_level = 'verify' AND coalesce(auth, 'pkix') = 'pkix' THEN NULL
        WHEN would_level = 'verify' THEN would_result_type ELSE 'unknown' END`
    case 'secure':
      return `CASE ${encrypt} WHEN verified AND policy_level = 'secure' THEN NULL
        WHEN pkix IN ('ok', 'certificate-host-mismatch') AND cert_names IS NOT NULL
          THEN CASE WHEN ${FITS_DOMAIN} THEN NULL ELSE 'certificate-host-mismatch' END
        WHEN pkix <> 'ok' AND pkix <> 'certificate-host-mismatch' THEN pkix ELSE 'unknown' END`
    case 'dane':
      return `CASE WHEN ${BY_DANE} THEN NULL WHEN ${DANE_FAILED} THEN would_result_type ${encrypt}
        WHEN ${lookedUp(rules)} THEN NULL ELSE 'unknown' END`
    case 'dane-only':
      return `CASE WHEN ${BY_DANE} THEN NULL WHEN ${DANE_FAILED} THEN would_result_type ${encrypt}
        WHEN ${lookedUp(rules)} AND policy_would_have IS NULL THEN 'dane-required' ELSE 'unknown' END`
  }
}

/** Postfix' `secure`: the next-hop domain, or a name below it, is in the certificate. */
const FITS_DOMAIN = `len(list_filter(cert_names, lambda name: name = domain OR ends_with(name, '.' || domain)
  OR (starts_with(name, '*.') AND substr(name, 2) = substr(domain, strpos(domain, '.')) AND contains(substr(name, 3), '.')))) > 0`

const BY_DANE = "(verified AND auth = 'dane')"
const DANE_FAILED = "would_result_type IN ('tlsa-invalid', 'dnssec-invalid')"

/**
 * Default level and MTA-STS look TLSA records up, and would have been raised by usable ones: without usable records `dane`
 * is `encrypt`. Monitor mode notes what DANE would have refused, but not whom it accepted, which matters for `dane-only`.
 */
function lookedUp({ dane }: Rules): string {
  if (!dane) return 'false'
  return "policy_source IN ('default', 'mta-sts') AND policy_level IN ('may', 'encrypt', 'dane', 'verify')"
}

const NO_TLS = ['starttls-not-supported', 'tls-version-too-low', 'starttls-injection', 'validation-failure']
const CERTIFICATE = ['certificate-expired', 'certificate-not-trusted', 'certificate-host-mismatch']

/** The same over a row of `undelivered` whose last attempt failed by a TLS result type. */
export function undeliveredVerdict(level: JudgedLevel): string {
  const fails = `WHEN result_type IN ${list(NO_TLS)} AND NOT (result_type = 'validation-failure' AND policy_source = 'mta-sts') THEN result_type`
  switch (level) {
    case 'may':
      return "CASE WHEN result_type = 'starttls-injection' THEN 'unknown' END"
    case 'encrypt':
      return `CASE ${fails} WHEN result_type IN ${list([...CERTIFICATE, 'tlsa-invalid', 'fingerprint-mismatch'])} THEN NULL ELSE 'unknown' END`
    case 'verify':
      return `CASE ${fails} WHEN pkix = 'ok' THEN NULL WHEN pkix IS NOT NULL THEN pkix
        WHEN result_type IN ${list(CERTIFICATE)} AND policy_level = 'verify' THEN result_type ELSE 'unknown' END`
    case 'secure':
      return `CASE ${fails} WHEN result_type IN ${list(CERTIFICATE)} AND (policy_level = 'secure' OR result_type <> 'certificate-host-mismatch')
        THEN result_type ELSE 'unknown' END`
    case 'dane':
    case 'dane-only':
      return `CASE ${fails} WHEN result_type IN ('tlsa-invalid', 'dnssec-invalid', 'dane-required') THEN result_type ELSE 'unknown' END`
  }
}

function list(types: readonly string[]): string {
  return `(${types.map((type) => `'${type}'`).join(', ')})`
}
