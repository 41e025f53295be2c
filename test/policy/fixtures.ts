import type { HostInputs, MapRow, PolicyInputs, PolicyMap, Requirement } from '../../lib/policy/types'

/** A row as the compiler of the map would make it; `override` follows the level unless given. */
export function row(more: Partial<MapRow> & Pick<MapRow, 'level'>): MapRow {
  const strict = ['verify', 'secure', 'fingerprint', 'dane-only'].includes(more.level)
  return {
    pattern: 'example.org',
    kind: 'domain',
    key: 'example.org',
    match: [],
    override: strict ? 'never' : 'allow',
    overridePublished: false,
    file: 'secure-mail.tls_policy',
    line: 7,
    ...more,
  }
}

/** A map that answers with the one row, whatever is asked; undefined = an empty map. */
export function mapOf(only?: MapRow): PolicyMap {
  return { rows: only === undefined ? [] : [only], find: () => only }
}

/** Ordinary mail to an external domain under the shipped configuration. */
export function inputs(more: Partial<PolicyInputs> = {}): PolicyInputs {
  return {
    recipient: 'anna@example.org',
    route: { kind: 'mx' },
    map: mapOf(),
    defaultLevel: 'encrypt',
    minVersion: 'TLSv1.2',
    internalDomains: ['own.example'],
    mode: 'enforce',
    overrideMode: 'opportunistic',
    grant: null,
    requiretls: false,
    nullSender: false,
    mtaSts: { state: 'absent' },
    dane: true,
    kind: 'mail',
    now: 0,
    ...more,
  }
}

/** A requirement with nothing special about it. */
export function requirement(more: Partial<Requirement> = {}): Requirement {
  return {
    level: 'encrypt',
    minVersion: 'TLSv1.2',
    names: [],
    fingerprints: [],
    requiretls: false,
    source: 'default',
    reason: 'test',
    daneRaises: false,
    overrideForbidden: false,
    ...more,
  }
}

/** An MX host at the end of a secure chain, without TLSA records. */
export function host(more: Partial<HostInputs> = {}): HostInputs {
  return {
    host: 'mx1.example.org',
    domain: 'example.org',
    mxSecure: true,
    addressSecure: true,
    tlsa: { state: 'absent' },
    ...more,
  }
}

export const STS = {
  state: 'policy',
  mode: 'enforce',
  id: '20261101',
  mx: ['mx1.example.org', '*.mail.example.org'],
  maxAge: 86400,
} as const

export const TLSA = { usage: 3, selector: 1, matchingType: 1, data: 'ab'.repeat(32) } as const
