/** What single values cannot show: values that do not go together, files that are not there, choices that need a word. */
import { readFileSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import { MS } from './values'
import { errorAt, warningAt } from './problem'
import type { Places } from './read'
import type { Values } from './schema'
import type { ConfigProblem } from './settings'

/** Levels that may be the default. `none` needs a map row that says why; the others need a row that says with what. */
const DEFAULT_LEVELS = ['may', 'encrypt', 'verify', 'secure', 'dane', 'dane-only']

/**
 * @param resolve makes a path of the file absolute (relative ones are below the instance)
 */
export function checkValues(values: Values, places: Places, resolve: (file: string) => string): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const at = (name: string) => places.get(name) ?? { file: 'secure-mail.ini', line: 0 }
  const error = (name: string, message: string) => problems.push(errorAt(at(name).file, at(name).line, message))
  const warning = (name: string, message: string) => problems.push(warningAt(at(name).file, at(name).line, message))

  const { main, ndr, delivery, tls: tlsValues, store, override } = values
  if (!DEFAULT_LEVELS.includes(main.level)) {
    error(
      'main.level',
      `level=${main.level} cannot be the default: it needs a row of its own in secure-mail.tls_policy`,
    )
  }
  if (main.level === 'may' && main.mode === 'enforce') {
    warning('main.level', 'level=may lets every mail go out in clear text where a partner offers no TLS')
  }
  if (main.internal_domains.length === 0) {
    warning(
      'main.internal_domains',
      'internal_domains is empty: every recipient counts as external and nobody can use the opt-out',
    )
  }
  checkDeadlines(ndr, error)
  if (delivery.retry.some((wait) => wait < MS.s))
    error('delivery.retry', 'retry: a wait of less than a second would be a busy loop')
  if (tlsValues.min_version === 'TLSv1' || tlsValues.min_version === 'TLSv1.1') {
    warning('tls.min_version', `min_version=${tlsValues.min_version} allows versions that are broken (RFC 8996)`)
  }
  if (tlsValues.ca_file !== undefined) {
    const why = readCertificates(resolve(tlsValues.ca_file))
    if (why !== undefined) error('tls.ca_file', `ca_file=${tlsValues.ca_file}: ${why}`)
  }
  if (tlsValues.ciphers !== undefined) {
    const why = checkCiphers(tlsValues.ciphers)
    if (why !== undefined) error('tls.ciphers', `ciphers: ${why}`)
  }
  if (store.engine === 'redis') {
    error('store.engine', 'engine=redis is not in this version; use engine=lmdb')
  }
  if (override.tags.length === 0 && !override.tls_required_no) {
    warning('override.tags', 'tags is empty: nobody can opt out')
  }
  return problems
}

function checkDeadlines(ndr: Values['ndr'], error: (name: string, message: string) => void): void {
  if (ndr.undeliverable_after > 24 * MS.h) {
    error('ndr.undeliverable_after', 'undeliverable_after is more than 24h: senders are promised a report within a day')
  }
  if (ndr.tls_failure_after > ndr.undeliverable_after) {
    error('ndr.tls_failure_after', 'tls_failure_after is later than undeliverable_after')
  }
  if (ndr.delay_notice_after > ndr.undeliverable_after) {
    error('ndr.delay_notice_after', 'delay_notice_after is later than undeliverable_after')
  }
  if (ndr.undeliverable_after < MS.s) error('ndr.undeliverable_after', 'undeliverable_after leaves no time to deliver')
  if (ndr.coalesce > 10 * MS.m) error('ndr.coalesce', 'coalesce is more than 10m: reports would wait for nothing')
  if (new Set(ndr.languages).size !== ndr.languages.length) error('ndr.languages', 'languages names a language twice')
}

/** @returns what is wrong with a PEM file of certificates, or undefined */
export function readCertificates(file: string): string | undefined {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (cause) {
    return `cannot be read (${cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)})`
  }
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) return 'holds no certificate in PEM form'
  try {
    for (const block of blocks) new X509Certificate(block)
    return undefined
  } catch {
    return 'holds a certificate that cannot be parsed'
  }
}

function checkCiphers(ciphers: string): string | undefined {
  try {
    tls.createSecureContext({ ciphers })
    return undefined
  } catch {
    return `"${ciphers}" is no OpenSSL cipher list that selects anything`
  }
}
