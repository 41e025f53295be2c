/** Stock Haraka's lists of hosts with and without TLS, as rows of the policy map. */
import { isIP } from 'node:net'
import { readStockSettings } from '../../lib/config/stock'
import { normaliseName } from '../../lib/dns'

export interface Imported {
  /** Rows to append, each behind a comment that says where it comes from. */
  lines: string[]
  /** How many rows there are among the lines. */
  rows: number
  /** What could not be turned into a row, one sentence each. */
  notImported: string[]
}

/**
 * `force_tls_hosts[]` requires TLS and a certificate that a known authority signed: `verify`. `no_tls_hosts[]` never
 * uses TLS: `none`, for three months, in which somebody should find out whether that is still needed.
 *
 * @param oldDir instance whose `config/tls.ini` is read
 * @param now milliseconds
 * @param shown what the old instance is called in comments
 */
export function importTlsHosts(oldDir: string, now: number): Imported {
  const result: Imported = { lines: [], rows: 0, notImported: [] }
  const seen = new Map<string, string>()
  for (const { section, key, value, line } of readStockSettings(oldDir, 'tls.ini')) {
    // Haraka hands force_tls_hosts of [main] down to [outbound]; its no_tls_hosts section is about inbound mail
    const forced = key === 'force_tls_hosts' && (section === 'outbound' || section === 'main')
    const without = key === 'no_tls_hosts' && section === 'outbound'
    if ((!forced && !without) || value === '') continue
    const where = `tls.ini:${line} ${key}[]=${value}`
    const pattern = patternOf(value)
    if (pattern === undefined) {
      result.notImported.push(`${where}: neither a name nor an address, and a row has no networks; write a row by hand`)
      continue
    }
    const other = seen.get(pattern)
    if (other !== undefined) {
      result.notImported.push(`${where}: there is a row for it already, from ${other}`)
      continue
    }
    seen.set(pattern, where)
    result.lines.push(`# from ${where}`, `${pattern} ${forced ? forcedLevel(value) : noneLevel(now)}`)
    result.rows++
  }
  return result
}

function patternOf(value: string): string | undefined {
  const literal = value.replace(/^\[(.*)\]$/, '$1')
  if (isIP(literal) !== 0) return `[${literal}]`
  return normaliseName(value) ?? undefined
}

/** A certificate carries names, seldom addresses: to a host known by its address the most that can be asked is TLS. */
function forcedLevel(value: string): string {
  return isIP(value.replace(/^\[(.*)\]$/, '$1')) === 0 ? 'verify' : 'encrypt override=never'
}

function noneLevel(now: number): string {
  return `none note="imported from no_tls_hosts" expires=${threeMonthsAfter(now)}`
}

/** UTC day three months on; the last day of a shorter month. */
function threeMonthsAfter(now: number): string {
  const date = new Date(now)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() + 3)
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  date.setUTCDate(Math.min(day, last))
  return date.toISOString().slice(0, 10)
}
