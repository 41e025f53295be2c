/** Will report mail be signed? RFC 8460 section 3: receivers ignore TLS reports that are not signed by their sender. */
import { warningAt } from '../../config/problem'
import type { ConfigProblem, Settings } from '../../config/settings'
import { isStockTrue, readStockList, readStockSettings, readStockText } from '../../config/stock'
import { reportingParty } from './plan'

/** Header fields of a TLS report that its receivers look at. */
const TO_SIGN = ['tls-report-domain', 'tls-report-submitter']

/**
 * What keeps Haraka's dkim plugin from signing TLS reports.
 *
 * @returns warnings; none where no reports are sent
 */
export function unsignedReports(
  instanceDir: string,
  settings: Pick<Settings, 'tlsrpt' | 'main' | 'ndr'>,
): ConfigProblem[] {
  const party = reportingParty(settings)
  if (!settings.tlsrpt.enabled || party === undefined) return []
  const why = 'TLS reports are not signed, and their receivers throw them away'
  const plugins = readStockList(instanceDir, 'plugins') ?? []
  if (!plugins.some(({ value }) => value.replace(/^haraka-plugin-/, '') === 'dkim')) {
    return [warningAt('config/plugins', 0, `the line "dkim" is missing: ${why}`)]
  }
  const sign = readStockSettings(instanceDir, 'dkim.ini').filter(({ section }) => section === 'sign')
  const find = (key: string) => sign.findLast((setting) => setting.key === key)
  const enabled = find('enabled')
  if (enabled === undefined || !isStockTrue(enabled.value)) {
    return [warningAt('config/dkim.ini', enabled?.line ?? 0, `[sign] enabled is not true: ${why}`)]
  }
  const problems: ConfigProblem[] = []
  if (!hasKey(instanceDir, party.submitter) && find('domain')?.value.toLowerCase() !== party.submitter) {
    const place = `config/dkim/${party.submitter}`
    problems.push(warningAt(place, 0, `there is no key for ${party.submitter}, the domain of ${party.from}: ${why}`))
  }
  const headers = find('headers')
  const signed = (headers?.value ?? '').toLowerCase().split(/[\s,;:]+/)
  const missing = TO_SIGN.filter((name) => !signed.includes(name))
  if (missing.length > 0) {
    const text = `[sign] headers lacks ${missing.join(' and ')}, which receivers of TLS reports want to see signed`
    problems.push(warningAt('config/dkim.ini', headers?.line ?? 0, text))
  }
  return problems
}

/** The plugin looks for a folder of the domain, then of its parents, down to two labels. */
function hasKey(instanceDir: string, domain: string): boolean {
  const labels = domain.split('.')
  return labels.slice(0, -1).some((_, n) => {
    const folder = `dkim/${labels.slice(n).join('.')}`
    return ['private', 'selector'].every((name) => readStockText(instanceDir, `${folder}/${name}`) !== undefined)
  })
}
