/**
 * Which protection one recipient's delivery requires. Pure: what enforces, explains, reports and logs all call this.
 *
 * The sources are looked at in this order (docs/policy.md has the table):
 *
 * 1. a local route needs no TLS;
 * 2. TLSRPT mail must not be stopped by the very policy whose failure it reports (RFC 8460 section 3);
 * 3. a row of the postmaster's map stands alone;
 * 4. without a row, an internal domain is opportunistic, anything else gets the default level,
 * 5. which a published policy may raise;
 * 6. a granted opt-out lowers the result, unless the row says `override=never`;
 * 7. REQUIRETLS raises it again, whatever was granted (RFC 8689 section 4.1);
 * 8. in monitor mode what came from default or published policy is relaxed, and what it would have been is kept.
 *
 * A failed MTA-STS look-up (`state: 'error'`) changes nothing here: whether to wait for a better answer is the
 * caller's decision, taken before it calls.
 */
import { requirementDigest } from './digest'
import { isInternalDomain } from './internal'
import { domainOf } from './names'
import { newerVersion } from './tls-version'
import type { Level, MapRow, MtaStsState, PolicyInputs, Requirement } from './types'

/**
 * @param inputs every fact that counts; nothing is looked up and nothing is remembered
 * @returns the requirement; never throws
 */
export function decide(inputs: PolicyInputs): Requirement {
  if (inputs.route.kind === 'local') {
    return requirement(inputs, 'none', 'local', 'local delivery over a socket of this machine needs no TLS')
  }
  if (inputs.kind === 'tlsrpt') {
    // RFC 8460 section 3: a report about a failing policy travels even though that policy fails
    return requirement(inputs, 'may', 'report', 'a TLS report is delivered whether or not TLS works')
  }
  const own = ownRequirement(inputs)
  const enforced = withSender(inputs, own, withPublished(inputs, own))
  if (inputs.mode === 'enforce') return enforced
  const relaxed = withSender(inputs, own, monitored(inputs, own))
  return requirementDigest(relaxed) === requirementDigest(enforced) ? relaxed : { enforced, ...relaxed }
}

/** What this side's configuration asks for, and on which of its words. */
interface Own {
  kind: 'row' | 'internal' | 'default'
  required: Requirement
  row?: MapRow
}

function ownRequirement(inputs: PolicyInputs): Own {
  const routeHost = inputs.route.kind === 'static' ? inputs.route.host : undefined
  const row = inputs.map.find(inputs.recipient, routeHost, inputs.now)
  const domain = domainOf(inputs.recipient)
  const internal = isInternalDomain(domain, inputs.internalDomains)
  if (row !== undefined) return { kind: internal ? 'internal' : 'row', required: fromRow(inputs, row), row }
  if (internal) {
    return { kind: 'internal', required: requirement(inputs, 'may', 'internal', `${domain} is an internal domain`) }
  }
  return { kind: 'default', required: fromDefault(inputs) }
}

/** What the recipient's domain publishes raises the default, and rows that do not claim to know better. */
function withPublished(inputs: PolicyInputs, own: Own): Requirement {
  switch (own.kind) {
    case 'default':
      return raised(inputs, { ...own.required, daneRaises: inputs.dane && isOpportunistic(own.required.level) })
    case 'row':
      return rowBows(own.row) ? raised(inputs, { ...own.required, daneRaises: inputs.dane }) : own.required
    case 'internal':
      return own.required
  }
}

/** Levels that make no statement of their own about who the server is. */
function isOpportunistic(level: Level): boolean {
  return level === 'may' || level === 'encrypt'
}

/**
 * A row stands alone, as in Postfix. The exception: `none` and `may` go below what the recipient's domain publishes
 * only when the row says so (`override-published=yes`).
 */
function rowBows(row: MapRow | undefined): boolean {
  return row !== undefined && (row.level === 'none' || row.level === 'may') && !row.overridePublished
}

/** Monitor mode: the default level and published policy become opportunistic; rows stay as they are. */
function monitored(inputs: PolicyInputs, own: Own): Requirement {
  if (own.kind !== 'default') return own.required
  const reason = `monitor mode; ${own.required.reason}, which is not enforced`
  return requirement(inputs, 'may', own.required.source, reason)
}

/** What the sender asked for: the opt-out, and REQUIRETLS, which beats it (RFC 8689 section 4.1). */
function withSender(inputs: PolicyInputs, own: Own, base: Requirement): Requirement {
  const lowered = underGrant(inputs, own, base)
  if (!inputs.requiretls) return lowered
  const required = underRequiretls(inputs, lowered)
  // RFC 8689 sections 4.2.1 and 5: a report asks for REQUIRETLS as well, but is not discarded where that cannot be had
  return inputs.nullSender ? { ...required, otherwise: lowered } : required
}

function requirement(
  inputs: PolicyInputs,
  level: Level,
  source: Requirement['source'],
  reason: string,
  more: Partial<Requirement> = {},
): Requirement {
  return {
    level,
    minVersion: inputs.minVersion,
    names: [],
    fingerprints: [],
    requiretls: false,
    source,
    reason,
    daneRaises: false,
    overrideForbidden: false,
    ...more,
  }
}

function fromRow(inputs: PolicyInputs, row: MapRow): Requirement {
  const reason = `${row.file}:${row.line} ${row.pattern} asks for ${row.level}`
  return requirement(inputs, row.level, 'map', reason, {
    minVersion: row.minVersion ?? inputs.minVersion,
    names: rowNames(inputs, row),
    fingerprints: row.level === 'fingerprint' ? row.match : [],
    ...(row.ca === undefined ? {} : { ca: row.ca }),
    ...(row.servername === undefined ? {} : { servername: row.servername }),
    rule: {
      pattern: row.pattern,
      file: row.file,
      line: row.line,
      ...(row.note === undefined ? {} : { note: row.note }),
    },
  })
}

function rowNames(inputs: PolicyInputs, row: MapRow): readonly string[] {
  switch (row.level) {
    case 'secure':
      return row.match.length > 0 ? row.match : nextHopNames(inputs)
    case 'verify':
      return row.match
    default:
      return []
  }
}

/**
 * What a certificate may carry under `secure` without `match=`: the next-hop domain and names below it, as Postfix'
 * smtp_tls_secure_cert_match does. A host that a static route names is its own next-hop domain.
 */
function nextHopNames(inputs: PolicyInputs): readonly string[] {
  const name = nextHop(inputs)
  return [name, `.${name}`]
}

/** The next-hop domain, which is the policy domain as well (RFC 8461 section 3.4: a smart host is its own). */
function nextHop(inputs: PolicyInputs): string {
  const routeHost = inputs.route.kind === 'static' ? inputs.route.host : ''
  return routeHost === '' ? domainOf(inputs.recipient) : routeHost
}

function fallbackSource(inputs: PolicyInputs): 'default' | 'static-route' {
  return inputs.route.kind === 'static' ? 'static-route' : 'default'
}

function fromDefault(inputs: PolicyInputs): Requirement {
  // `none` is only ever an explicit row: as a default it would be a gateway that never encrypts
  const level = inputs.defaultLevel === 'none' ? 'may' : inputs.defaultLevel
  const where = inputs.route.kind === 'static' ? `no map row for the route ${inputs.route.host}` : 'no map row'
  return requirement(inputs, level, fallbackSource(inputs), `${where}: the default level ${level}`, {
    names: level === 'secure' ? nextHopNames(inputs) : [],
  })
}

/** What MTA-STS asks of the default level. `testing` and `none` change nothing but reports (RFC 8461 section 5). */
function raised(inputs: PolicyInputs, base: Requirement): Requirement {
  const sts = enforced(inputs.mtaSts)
  if (sts === undefined) return base
  switch (base.level) {
    case 'none':
    case 'may':
    case 'encrypt':
    case 'dane':
    case 'verify':
      return Object.assign({}, base, {
        level: 'verify' as const,
        // RFC 8461 section 7.2: TLS 1.2 or higher
        minVersion: newerVersion(base.minVersion, 'TLSv1.2'),
        sts,
        source: 'mta-sts' as const,
        reason: `${nextHop(inputs)} publishes the MTA-STS policy ${sts.id} with mode enforce`,
        // RFC 8461 section 2: MTA-STS never overrides DANE, so hosts with usable TLSA records are DANE's
        daneRaises: base.daneRaises || base.level === 'dane',
      })
    default:
      // `secure`, `dane-only` and `fingerprint` as a default are the postmaster's own, narrower choice
      return base
  }
}

function enforced(mtaSts: MtaStsState): Requirement['sts'] {
  return mtaSts.state === 'policy' && mtaSts.mode === 'enforce' ? { id: mtaSts.id, mx: mtaSts.mx } : undefined
}

/**
 * A granted opt-out lowers what the map and published policy ask for, as far as the map lets it. To internal domains
 * the gate does not apply, so neither does its grant; and a report is nobody's opt-out.
 */
function underGrant(inputs: PolicyInputs, own: Own, base: Requirement): Requirement {
  if (inputs.grant === null || inputs.kind !== 'mail' || own.kind === 'internal') return base
  if (own.row?.override === 'never') return { ...base, overrideForbidden: true }
  // RFC 8689 section 4.1: under REQUIRETLS an opt-out is ignored, so what the row asks for stays whole
  if (inputs.requiretls) return base
  // a `none` row is there because TLS does not work there at all: an opt-out never asks for more than the row
  if (own.row?.level === 'none') return own.required
  // RFC 8689 section 4.2.2: who sends "TLS-Required: No" is still given TLS where it can be had
  const level = inputs.overrideMode === 'plaintext' && inputs.grant.by === 'subject-tag' ? 'none' : 'may'
  const asked = inputs.grant.by === 'subject-tag' ? 'the tag in the subject' : 'TLS-Required: No'
  const { minVersion, servername, rule } = own.required
  // RFC 8689 section 4.2.2: the recipient's published policy is waived as well
  return requirement(inputs, level, 'override', `the opt-out was granted (${asked}); without it: ${base.reason}`, {
    minVersion,
    ...(servername === undefined ? {} : { servername }),
    ...(rule === undefined ? {} : { rule }),
  })
}

/** RFC 8689 section 4.2.1: MX from DNSSEC or MTA-STS, certificate by PKIX or DANE, the keyword after STARTTLS. */
function underRequiretls(inputs: PolicyInputs, base: Requirement): Requirement {
  const sts = base.sts ?? enforced(inputs.mtaSts)
  const common = {
    ...base,
    requiretls: true,
    // RFC 8689 section 4.2.1 with BCP 195: TLS 1.2 or higher
    minVersion: newerVersion(base.minVersion, 'TLSv1.2'),
    ...(sts === undefined ? {} : { sts }),
  }
  switch (base.level) {
    case 'none':
    case 'may':
    case 'encrypt':
      return {
        ...common,
        level: 'verify',
        daneRaises: inputs.dane,
        source: 'requiretls',
        reason: `the sender asked for REQUIRETLS, which is more than ${base.level} (${base.reason})`,
      }
    default:
      return { ...common, source: base.source === 'map' ? 'map' : 'requiretls', reason: `${base.reason}; REQUIRETLS` }
  }
}
