/** The letter to a partner from what its failures left behind, without a new test of its servers. */
import type { Settings } from '../config/settings'
import type { LanguageTemplates } from '../notify/template-format'
import { letterFor, type ProbeReport } from '../probe'
import type { PartnerFacts } from './facts'

const DAY = 24 * 3_600_000

/** @returns null where the failure is none that the partner could correct */
export function letterFromFacts(
  { domain, last }: PartnerFacts,
  texts: LanguageTemplates,
  settings: Pick<Settings, 'support' | 'tls' | 'delivery'>,
): string | null {
  const at = new Date(last.at).toISOString()
  const server: ProbeReport['mx'][number] = {
    host: last.mx ?? domain,
    preference: null,
    address: last.address ?? null,
    port: last.port ?? settings.delivery.port,
    at,
    verdict: 'fails',
    fault: 'partner',
    required: { tls: 'must', auth: 'none', minVersion: settings.tls.minVersion, why: '', names: [] },
    steps: [],
    tls: tlsOf(last),
    verifiable: null,
    resultType: last.resultType,
    detail: last.publicText,
    ...(last.smtp === undefined ? {} : { smtp: last.smtp }),
    fix: '',
    risks: [],
  }
  const report: ProbeReport = {
    domain,
    at,
    verdict: 'fails',
    why: last.publicText,
    required: { level: 'encrypt', source: 'default', reason: '', minVersion: settings.tls.minVersion },
    steps: [],
    // what failed before a server was reached is the domain's own
    mx: last.mx === undefined ? [] : [server],
    resultType: last.resultType,
    fix: '',
    risks: [],
  }
  return letterFor(report, texts, settings.support)
}

function tlsOf({ tls, at }: PartnerFacts['last']): ProbeReport['mx'][number]['tls'] {
  if (tls === undefined) return null
  const { certificate, ...facts } = tls
  if (certificate === undefined) return facts
  const daysLeft = Math.floor((Date.parse(certificate.notAfter) - at) / DAY)
  return { ...facts, certificate: { ...certificate, daysLeft } }
}
