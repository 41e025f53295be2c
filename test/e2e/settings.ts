/** `secure-mail.ini` for a gateway whose DNS and recipients are a test's own. */
import type { TestCa } from '../internet/ca'
import type { Dns } from '../internet/dns'

/** What the settings lead to. */
export interface Surroundings {
  ca: Pick<TestCa, 'file'>
  dns: Pick<Dns, 'server'>
  /** Of every recipient. */
  port: number
}

/** Keys and values of a section. */
type Section = Readonly<Record<string, string>>

/** Whom reports name. */
export const SUPPORT: Section = { name: 'IT support', address: 'support@uni.test', phone: '+45 1234 5678' }

/** Deadlines with which a final failure is there within seconds. */
export const SOON: Section = {
  tls_failure_after: '4s',
  undeliverable_after: '10s',
  delay_notice_after: '10s',
  coalesce: '1s',
}

/**
 * @param sections keys to add, or to put in the place of these
 * @param more text for the end of the file
 */
export function settingsFor(
  { ca, dns, port }: Surroundings,
  sections: Readonly<Record<string, Section>> = {},
  more = '',
): string {
  const base: Record<string, Section> = {
    main: { 'internal_domains[]': 'uni.test' },
    tls: { ca_file: ca.file },
    delivery: { port: String(port), local_mx_ok: 'true', retry: '1s,2s', timeout_connect: '3s' },
    dns: { 'servers[]': dns.server, timeout: '2s' },
  }
  const names = [...new Set([...Object.keys(base), ...Object.keys(sections)])]
  const text = names.map((name) => {
    const keys = Object.entries({ ...base[name], ...sections[name] })
    return `[${name}]\n${keys.map(([key, value]) => `${key}=${value}\n`).join('')}`
  })
  return `${text.join('')}${more}`
}
