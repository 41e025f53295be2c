/**
 * What `decide()` and `forHost()` say about one recipient, put together for people and for programs. Pure: the look-ups
 * are done by the caller, the decisions are the very functions that enforce.
 */
import type { HostAddresses, MxAnswer } from '../dns/types'
import type { ResultType } from '../failure'
import { decide } from './decide'
import { axesOf, forHost, usesDane, wantsTlsa } from './for-host'
import { isInternalDomain } from './internal'
import { domainOf, matchesStsPatterns } from './names'
import { requiretlsCode } from './requiretls'
import type { HostInputs, HostRequirement, Level, PolicyInputs, Requirement, TlsaState } from './types'

/** Everything that was looked up for one recipient. */
export interface Findings {
  inputs: PolicyInputs
  mx: MxAnswer
  /** One for each host of `mx`, in order. */
  hosts: readonly HostFindings[]
  /** `tls.mta_sts` */
  mtaStsEnabled: boolean
  /** Were `_mta-sts` and the TLSA records asked for at all? */
  lookedUp: { mtaSts: boolean; tlsa: boolean }
}

export interface HostFindings {
  host: string
  preference: number
  addresses: HostAddresses
  tlsa: TlsaState
  /** Every address is one of this machine, and `local_mx_ok` is off: delivery passes the host over. */
  ownHost: boolean
}

/** The JSON of `secure-mail policy`, one object per argument (docs/schema/policy.schema.json). */
export interface PolicyReport {
  recipient: string
  level: Level
  tls: HostRequirement['tls']
  auth: HostRequirement['auth']
  minVersion: string
  source: Requirement['source']
  reason: string
  /** Names or fingerprints that a certificate may have; empty where none is asked for, or the MX host's own name is. */
  match: readonly string[]
  rule?: Requirement['rule']
  wouldRequire?: Level
  /** The mail would ask for REQUIRETLS (RFC 8689): MX hosts that do not offer it are only found out by connecting. */
  requiretls?: true
  dane: { enabled: boolean; applies: boolean; lookedUp: boolean; hosts: number }
  mtaSts: {
    enabled: boolean
    lookedUp: boolean
    state: 'absent' | 'error' | 'policy'
    mode?: string
    id?: string
    mx?: readonly string[]
    /** Seconds. */
    maxAge?: number
    resultType?: ResultType
    detail?: string
  }
  mx: MxReport[]
  /** Every source in the order in which it was looked at. */
  sources: { source: string; says: string }[]
  /** Would delivery find a host to try? Whether that host then passes is only known by connecting (`probe`). */
  deliver: boolean
  verdict: string
}

export interface MxReport {
  host: string
  preference: number
  /** MX and address records are DNSSEC-secure. */
  secure: boolean
  /** Does the MTA-STS policy (mode enforce or testing) name the host? null = there is none, or it does not count. */
  stsMatch: boolean | null
  /** Usable TLSA records. */
  tlsa: number
  usable: boolean
  why: string
  resultType?: ResultType
  addresses: readonly string[]
}

/** Decide and describe. */
export function explainFindings(findings: Findings): PolicyReport {
  const { inputs } = findings
  const requirement = decide(inputs)
  const mx = findings.hosts.map((host) => explainHost(findings, requirement, host))
  const verdict = verdictOf(findings.mx, mx, requirement.requiretls)
  return {
    recipient: inputs.recipient,
    level: requirement.level,
    ...axesOf(requirement),
    minVersion: requirement.minVersion,
    source: requirement.source,
    reason: requirement.reason,
    match: [...requirement.names, ...requirement.fingerprints],
    ...(requirement.rule === undefined ? {} : { rule: requirement.rule }),
    ...(requirement.enforced === undefined ? {} : { wouldRequire: requirement.enforced.level }),
    ...(requirement.requiretls ? { requiretls: true as const } : {}),
    dane: daneOf(findings, requirement, mx),
    mtaSts: mtaStsOf(findings),
    mx,
    sources: sourcesOf(findings),
    ...verdict,
  }
}

function explainHost(findings: Findings, requirement: Requirement, found: HostFindings): MxReport {
  const inputs = hostInputs(findings, found)
  const resolved = found.addresses.kind === 'addresses' ? found.addresses : undefined
  const answer = forHost(requirement, inputs)
  const hindrance = hindranceOf(found)
  const usable = answer.usable && hindrance === undefined
  return {
    host: found.host,
    preference: found.preference,
    secure: inputs.mxSecure && resolved?.secure === true,
    stsMatch: stsMatchOf(requirement, findings.inputs, found.host),
    tlsa: found.tlsa.state === 'usable' ? found.tlsa.records.length : 0,
    usable,
    why: hindrance?.why ?? answer.why,
    ...(usable ? {} : { resultType: hindrance?.resultType ?? answer.resultType }),
    addresses: resolved?.addresses ?? [],
  }
}

/** What `forHost()` is to be asked about a host that was looked up. */
export function hostInputs({ inputs, mx }: Pick<Findings, 'inputs' | 'mx'>, found: HostFindings): HostInputs {
  const resolved = found.addresses.kind === 'addresses' ? found.addresses : undefined
  return {
    host: found.host,
    domain: domainOf(inputs.recipient),
    mxSecure: mx.kind === 'hosts' && mx.secure,
    addressSecure: resolved !== undefined && (resolved.secure || resolved.secureAlias),
    tlsa: found.tlsa,
    ...(mx.kind === 'hosts' && mx.secure ? { expandedDomain: mx.expandedDomain } : {}),
  }
}

/** Why a host cannot be tried at all, whatever is required of it. */
export function hindranceOf({ addresses, ownHost }: HostFindings): { why: string; resultType: ResultType } | undefined {
  switch (addresses.kind) {
    case 'addresses':
      if (!ownHost) return undefined
      return { why: 'its addresses are of this machine, and local_mx_ok is off', resultType: 'no-route' }
    case 'none':
      return { why: addresses.detail, resultType: 'no-address' }
    case 'error':
      return { why: `DNS fails: ${addresses.detail}`, resultType: 'dns-error' }
    default:
      return { why: 'unknown kind of DNS answer', resultType: 'dns-error' }
  }
}

function verdictOf(
  mx: MxAnswer,
  hosts: readonly MxReport[],
  requiretls: boolean,
): { deliver: boolean; verdict: string } {
  const no = (verdict: string) => ({ deliver: false, verdict })
  switch (mx.kind) {
    case 'null-mx':
      return no('never delivered: the domain says that it takes no mail (null MX, RFC 7505)')
    case 'no-domain':
      return no(`never delivered: ${mx.detail}`)
    case 'error':
      return no(`waits in the queue: DNS fails (${mx.detail})`)
    case 'hosts':
      break
    default:
      return no('waits in the queue: unknown kind of DNS answer')
  }
  const first = hosts.find((host) => host.usable)
  const final = first === undefined && requiretls ? finalCode(hosts) : undefined
  if (final !== undefined) return no(`reported to its sender at once (${final}): no MX host can meet REQUIRETLS`)
  if (first === undefined) return no('waits in the queue, then is reported to its sender: no MX host can be used')
  return { deliver: true, verdict: `delivered if a server meets this; ${first.host} is tried first` }
}

/** Where REQUIRETLS cannot be met by any host; one that might still meet it later keeps the mail waiting. */
function finalCode(hosts: readonly MxReport[]): string | undefined {
  const codes = hosts.map(({ resultType }) => (resultType === undefined ? undefined : requiretlsCode({ resultType })))
  return codes.every((code) => code?.startsWith('5.')) ? codes[0] : undefined
}

function daneOf({ inputs, lookedUp }: Findings, requirement: Requirement, mx: readonly MxReport[]) {
  return {
    enabled: inputs.dane,
    applies: usesDane(requirement),
    lookedUp: lookedUp.tlsa,
    hosts: mx.filter((host) => host.tlsa > 0).length,
  }
}

function mtaStsOf({ inputs: { mtaSts }, mtaStsEnabled, lookedUp }: Findings): PolicyReport['mtaSts'] {
  const common = { enabled: mtaStsEnabled, lookedUp: lookedUp.mtaSts }
  switch (mtaSts.state) {
    case 'absent':
      return { ...common, state: 'absent' }
    case 'error':
      return { ...common, state: 'error', resultType: mtaSts.resultType, detail: mtaSts.detail }
    case 'policy': {
      const { mode, id, mx, maxAge } = mtaSts
      return { ...common, state: 'policy', mode, id, mx, maxAge }
    }
  }
}

/** A policy in force, or one in mode testing, which says what its owner is about to enforce. */
function stsMatchOf(requirement: Requirement, { mtaSts }: PolicyInputs, host: string): boolean | null {
  if (requirement.sts !== undefined) return matchesStsPatterns(host, requirement.sts.mx)
  return mtaSts.state === 'policy' && mtaSts.mode === 'testing' ? matchesStsPatterns(host, mtaSts.mx) : null
}

function sourcesOf(findings: Findings): PolicyReport['sources'] {
  const { inputs } = findings
  const domain = domainOf(inputs.recipient)
  const routeHost = inputs.route.kind === 'static' ? inputs.route.host : undefined
  const row = inputs.map.find(inputs.recipient, routeHost, inputs.now)
  return [
    {
      source: 'map',
      says:
        row === undefined
          ? `no row of ${inputs.map.rows.length} holds for it`
          : `${row.file}:${row.line}: ${row.pattern} ${row.level}, override=${row.override}${row.note === undefined ? '' : ` (${row.note})`}`,
    },
    {
      source: 'internal domains',
      says: isInternalDomain(domain, inputs.internalDomains) ? `${domain} is one of them` : `${domain} is none of them`,
    },
    { source: 'default', says: `level ${inputs.defaultLevel}, ${inputs.minVersion} or newer` },
    { source: 'MTA-STS', says: stsSays(findings) },
    { source: 'DANE', says: daneSays(findings) },
    {
      source: 'mode',
      says: inputs.mode === 'monitor' ? 'monitor: default and published policy are not enforced' : 'enforce',
    },
    { source: 'opt-out', says: inputs.requiretls ? 'ignored: REQUIRETLS beats it' : optOutSays(inputs) },
    ...(inputs.requiretls ? [{ source: 'REQUIRETLS', says: 'asked for: every host is held to it, to the last' }] : []),
  ]
}

function lookUpSays(enabled: boolean, lookedUp: boolean): string | undefined {
  if (!enabled) return 'switched off'
  return lookedUp ? undefined : 'not looked up, so it does not raise the default'
}

function daneSays({ inputs, lookedUp, hosts }: Findings): string {
  const applies = wantsTlsa(decide(inputs))
  // a `dane` row asks for it whether or not it may raise the default
  if (!applies) return inputs.dane ? 'changes nothing for this recipient, so it is not looked up' : 'switched off'
  const hindered = lookUpSays(true, lookedUp.tlsa)
  if (hindered !== undefined) return hindered
  if (hosts.length === 0) return 'no MX host to look at'
  return hosts.map(({ host, tlsa }) => `${host}: ${tlsaSays(tlsa)}`).join('; ')
}

/** A TLSA look-up in a few words. */
export function tlsaSays(tlsa: TlsaState): string {
  switch (tlsa.state) {
    case 'absent':
      return 'no TLSA records'
    case 'insecure':
      return 'not secured by DNSSEC'
    case 'unusable':
      return 'TLSA records, none of them usable'
    case 'error':
      return `the look-up failed (${tlsa.detail})`
    case 'usable':
      return `${tlsa.records.length} usable TLSA record${tlsa.records.length === 1 ? '' : 's'} at ${tlsa.base}`
  }
}

function stsSays({ inputs: { mtaSts }, mtaStsEnabled, lookedUp }: Findings): string {
  const hindered = lookUpSays(mtaStsEnabled, lookedUp.mtaSts)
  if (hindered !== undefined) return hindered
  switch (mtaSts.state) {
    case 'absent':
      return 'the domain publishes none'
    case 'error':
      return `nothing that could be used (${mtaSts.resultType}): ${mtaSts.detail}`
    case 'policy':
      return `policy ${mtaSts.id}, mode ${mtaSts.mode}, MX ${mtaSts.mx.join(' ')}, for ${mtaSts.maxAge} s`
  }
}

function optOutSays(inputs: PolicyInputs): string {
  const granted = decide({ ...inputs, grant: { by: 'subject-tag' } })
  if (granted.overrideForbidden) return 'not possible for this recipient: the row says override=never'
  return granted.source === 'override' ? `a granted one would lower this to ${granted.level}` : 'would change nothing'
}

/** The requirement in plain lines: what is asked, of whom, why. */
export function explain(requirement: Requirement): string[] {
  const lines = [`${requirement.level}: ${MEANING[requirement.level]}`]
  if (requirement.level !== 'none') lines.push(`${requirement.minVersion} or newer`)
  if (requirement.names.length > 0) lines.push(`certificate for ${requirement.names.join(' or ')}`)
  if (requirement.fingerprints.length > 0) lines.push(`SHA-256 ${requirement.fingerprints.join(' or ')}`)
  if (requirement.ca !== undefined) lines.push(`issued by a CA in ${requirement.ca}`)
  if (requirement.sts !== undefined) lines.push(`only MX hosts that fit ${requirement.sts.mx.join(' or ')} (MTA-STS)`)
  if (requirement.requiretls) lines.push('and the server must offer REQUIRETLS')
  if (requirement.daneRaises) lines.push('hosts with usable TLSA records are judged by them instead (DANE)')
  lines.push(`because ${requirement.reason}`)
  if (requirement.overrideForbidden) lines.push('the opt-out was granted, but the row forbids it (override=never)')
  if (requirement.enforced !== undefined) lines.push(`mode=enforce would ask for ${requirement.enforced.level}`)
  return lines
}

/** The table of levels in docs/policy.md, in half a sentence each. */
export const MEANING: Readonly<Record<Level, string>> = {
  none: 'clear text, no TLS at all',
  may: 'TLS if the server offers it, clear text otherwise',
  encrypt: 'TLS or no delivery; the certificate is not checked',
  verify: 'TLS with a valid certificate for the MX host',
  secure: 'TLS with a valid certificate for the recipient domain',
  dane: 'TLS; with a certificate that matches TLSA records where there are usable ones',
  'dane-only': 'TLS with a certificate that matches TLSA records',
  fingerprint: 'TLS with one of the listed certificates or keys',
}
