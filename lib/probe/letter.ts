/** A letter to the partner's postmaster: what is wrong, how that was seen, how to see it, how to correct it. */
import { isIP } from 'node:net'
import type { Settings } from '../config/settings'
import { fillSection, fillText, type Values } from '../notify/templates'
import type { LanguageTemplates } from '../notify/template-format'
import { faultOf, safe, type Problem } from './problems'
import type { ProbedServer, ProbeReport } from './types'
import { serverValues } from './values'

const WIDTH = 78

/**
 * @param texts of the letter's language
 * @returns the letter as plain text, the subject first; null when there is nothing that the partner could correct
 */
export function letterFor(
  report: ProbeReport,
  texts: LanguageTemplates,
  support: Pick<Settings['support'], 'name' | 'address' | 'phone'>,
): string | null {
  const complaints = complaintsOf(report)
  if (complaints.length === 0) return null
  const values = safe({
    domain: report.domain,
    date: report.at.slice(0, 10),
    'support-name': support.name,
    'support-address': support.address,
    'support-phone': support.phone,
  })
  const text = (section: string, more: Values = {}): string =>
    fillText(texts, `letter.${section}`, { ...values, ...safe(more) })
  const many = complaints.length > 1
  const lines = [
    text('subject'),
    '',
    text('greeting'),
    '',
    wrap(text(report.verdict === 'fails' ? 'fails' : 'at-risk')),
    ...title(text('problem-title')),
    ...complaints.flatMap(({ problem, values: own }, i) =>
      item(many, i, [fillText(texts, `what.${problem}`, safe(own))]),
    ),
    ...title(text('evidence-title')),
    ...evidence(report, text),
    ...title(text('see-title')),
    ...[...new Set(complaints.flatMap(commandsOf))].map((command) => `  ${command}`),
    ...title(text('fix-title')),
    ...complaints.flatMap(({ problem, values: own }, i) =>
      item(many, i, fillSection(texts, `fix.${problem}`, safe(own))),
    ),
    '',
    wrap(text('again')),
    '',
    text('closing'),
    ...['contact-name', 'contact-address', 'contact-phone'].map((section) => text(section)).filter(Boolean),
  ]
  return `${lines.join('\n')}\n`
}

/** One thing that the partner can correct, said once however many addresses have it. */
interface Complaint {
  problem: Problem
  values: Values
  server?: ProbedServer
}

function complaintsOf(report: ProbeReport): Complaint[] {
  const found = new Map<string, Complaint>()
  const add = (problem: Problem, values: Values, server?: ProbedServer): void => {
    const key = `${problem} ${server?.host ?? ''}`
    if (faultOf(problem) === 'own' || found.has(key)) return
    found.set(key, { problem, values, ...(server === undefined ? {} : { server }) })
  }
  for (const server of report.mx) {
    if (server.fault === 'own') continue
    const values = serverValues(server, report.domain)
    if (server.resultType !== null) add(server.resultType, values, server)
    for (const { code, resultType } of server.risks) {
      if (code === 'certificate-expires-soon' || code === 'only-oldest-tls') add(code, values, server)
      else if (resultType !== null) add(resultType, values, server)
    }
  }
  for (const { code, resultType } of report.risks) {
    if (code === 'mta-sts-unusable' && resultType !== null) add(resultType, { domain: report.domain })
  }
  // The domain's own failure, where there was no server to look at.
  if (report.mx.length === 0 && report.resultType !== null) add(report.resultType, { domain: report.domain })
  return [...found.values()]
}

function evidence(report: ProbeReport, text: (section: string, more?: Values) => string): string[] {
  const stepLine = ({ step, ok, ms, detail }: ProbeReport['steps'][number]): string =>
    wrap(text(ok ? 'step-ok' : 'step-failed', { step, ms: String(ms), detail }), 4)
  const told = report.mx.filter(({ verdict, fault }) => verdict !== 'ok' && fault !== 'own')
  return [
    `  ${report.domain}, ${report.at}`,
    ...report.steps.map(stepLine),
    ...told.flatMap((server) => {
      const values = serverValues(server, report.domain)
      const address = server.address === null ? '' : ` [${server.address}]:${server.port}`
      const more = [
        server.tls?.certificate === undefined ? '' : text('certificate', values),
        server.smtp === undefined ? '' : text('server-words', values),
      ]
      return [
        '',
        `  ${server.host}${address}, ${server.at}`,
        // What our policy says beforehand, or does not look at, is of no use to anybody else.
        ...server.steps
          .filter(({ step }) => step !== 'policy' && (step !== 'verify' || server.required.auth !== 'none'))
          .map(stepLine),
        ...more.filter((line) => line !== '').map((line) => wrap(line, 4)),
      ]
    }),
  ]
}

/** Lines for a shell that show the same thing. Values in them are host names and addresses only. */
function commandsOf({ problem, values, server }: Complaint): string[] {
  const domain = values.domain ?? ''
  if (problem.startsWith('sts-')) {
    return [`dig +short TXT _mta-sts.${domain}`, `curl -sSv https://mta-sts.${domain}/.well-known/mta-sts.txt`]
  }
  if (server === undefined) return [`dig +dnssec MX ${domain}`]
  switch (problem) {
    case 'no-address':
      return [`dig A ${server.host}`, `dig AAAA ${server.host}`]
    case 'dns-error':
      return [`dig +dnssec MX ${domain}`, `dig +dnssec A ${server.host}`]
    case 'dnssec-invalid':
    case 'dane-required':
      return [`delv TLSA _${server.port}._tcp.${server.host}`]
    case 'tlsa-invalid':
      return [`delv TLSA _${server.port}._tcp.${server.host}`, sClient(server, '')]
    case 'certificate-host-mismatch':
    case 'certificate-not-trusted':
    case 'certificate-expired':
      return [sClient(server, ` -verify_return_error${verifyName(server)}`)]
    case 'tls-version-too-low':
    case 'only-oldest-tls':
      return [sClient(server, problem === 'only-oldest-tls' ? ' -tls1_3' : ' -tls1_2')]
    case 'certificate-expires-soon':
      return [`${sClient(server, '')} | openssl x509 -noout -subject -issuer -dates`]
    default:
      return [sClient(server, '')]
  }
}

function sClient({ host, address, port }: ProbedServer, more: string): string {
  const where = address === null ? host : isIP(address) === 6 ? `[${address}]` : address
  const sni = isIP(host) === 0 ? ` -servername ${host}` : ''
  return `openssl s_client -starttls smtp -connect ${where}:${port}${sni}${more} </dev/null`
}

/** The name that the certificate has to carry; a suffix (`.example.org`) cannot be asked of openssl. */
function verifyName({ host, required }: ProbedServer): string {
  const name = [...required.names, host].find((one) => !one.startsWith('.') && isIP(one) === 0)
  return name === undefined ? '' : ` -verify_hostname ${name}`
}

function title(text: string): string[] {
  return ['', text, '-'.repeat(text.length)]
}

/** Each line a paragraph of its own, hanging behind its number where there are several. */
function item(numbered: boolean, index: number, lines: readonly string[]): string[] {
  return lines.map((line, i) => {
    const head = !numbered ? '' : i === 0 ? `${index + 1}. ` : '   '
    return `${head}${wrap(line, head.length).slice(head.length)}`
  })
}

/** Break at blanks; a word longer than the line stays whole, so that an address can be copied. */
function wrap(text: string, indent = 0): string {
  const lines: string[] = []
  const space = ' '.repeat(indent)
  let line = space
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = space
    }
    line = line.trim() === '' ? `${space}${word}` : `${line} ${word}`
  }
  return [...lines, line].join('\n')
}
