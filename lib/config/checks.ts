/** What single values cannot show: values that do not go together, files that are not there, choices that need a word. */
import { readdirSync } from 'node:fs'
import tls from 'node:tls'
import { signingFault } from '../encrypt/signing'
import { parseRedisUrl, travelsInClear } from '../store/redis-url'
import { certificateFileFault } from './pem'
import { errorAt, warningAt } from './problem'
import type { Places } from './read'
import type { Values } from './schema'
import type { ConfigProblem } from './settings'
import { MS } from './values'

/** Tells of a problem with the keys named (`section.key`). */
type Tell = (names: readonly string[], message: string) => void

interface Tellers {
  error: Tell
  warning: Tell
}

/**
 * @param values every one valid by itself
 * @param places where they were written
 * @param file the instance's file, for problems with what nobody wrote
 * @param resolve makes the path of a file absolute (relative ones are below the instance)
 */
export function checkValues(
  values: Values,
  places: Places,
  file: string,
  resolve: (path: string) => string,
): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  // the line to look at is one that somebody wrote; a default is nobody's mistake
  const at = (names: readonly string[]) =>
    names.map((name) => places.get(name)).find((place) => place?.file === file) ?? { file, line: 0 }
  const tellers: Tellers = {
    error(names, message) {
      const place = at(names)
      problems.push(errorAt(place.file, place.line, message))
    },
    warning(names, message) {
      const place = at(names)
      problems.push(warningAt(place.file, place.line, message))
    },
  }
  checkMain(values, tellers)
  checkTls(values, resolve, tellers)
  checkOptOut(values, tellers)
  checkDeadlines(values, tellers)
  checkStore(values, tellers)
  checkSmime(values, resolve, tellers)
  checkTlsrpt(values, tellers)
  checkSigning(values, resolve, tellers)
  checkNotInThisVersion(values, tellers)
  return problems
}

function checkMain({ main, support, ndr }: Values, { error, warning }: Tellers): void {
  if (main.level === 'none' || main.level === 'fingerprint') {
    const why = main.level === 'none' ? 'mail never encrypted needs a row that says why' : 'it needs a row with match='
    error(['main.level'], `level: ${main.level} cannot be the default, ${why} (secure-mail.tls_policy)`)
  }
  if (main.level === 'may' && main.mode === 'enforce') {
    warning(['main.level'], 'level: with may every mail goes out in clear text where a partner offers no TLS')
  }
  if (main.internal_domains.length === 0) {
    warning(
      ['main.internal_domains'],
      'internal_domains is empty: every recipient counts as external and nobody can use the opt-out',
    )
  }
  if (support.address === undefined && support.phone === undefined) {
    warning(['support.name'], '[support] has neither address nor phone: reports cannot say whom a sender may ask')
  }
  const own = main.internal_domains
  if (ndr.postmaster === undefined && own.length > 0 && own.every((domain) => domain.startsWith('.'))) {
    warning(
      ['ndr.postmaster'],
      'postmaster is empty and no internal domain stands in for it: what cannot be reported to a sender is reported to nobody',
    )
  }
}

function checkTls(values: Values, resolve: (path: string) => string, { error, warning }: Tellers): void {
  const { min_version, ca_file, ciphers } = values.tls
  if (min_version === 'TLSv1' || min_version === 'TLSv1.1') {
    // RFC 8996
    warning(['tls.min_version'], `min_version: ${min_version} is deprecated and can be broken; use TLSv1.2 or TLSv1.3`)
  }
  if (ca_file !== undefined) {
    const fault = certificateFileFault(resolve(ca_file))
    if (fault !== undefined) error(['tls.ca_file'], `ca_file: ${ca_file}: ${fault}`)
  }
  if (ciphers !== undefined && !isCipherList(ciphers)) {
    error(['tls.ciphers'], `ciphers: "${ciphers}" is no OpenSSL cipher list that selects anything`)
  }
}

function isCipherList(ciphers: string): boolean {
  try {
    tls.createSecureContext({ ciphers })
    return true
  } catch {
    return false
  }
}

function checkOptOut({ override, public: marks, category3 }: Values, { error, warning }: Tellers): void {
  if (override.tags.length === 0 && !override.tls_required_no) {
    warning(['override.tags'], 'tags is empty: nobody can opt out')
  }
  const markers = [marks.subject_tags, marks.headers, marks.purview_labels, marks.body_lines]
  if (markers.every((list) => list.length === 0)) {
    warning(
      ['public.subject_tags', 'public.headers', 'public.purview_labels', 'public.body_lines'],
      '[public] has no marker at all: no opt-out is ever granted',
    )
  }
  if (marks.purview_labels.length > 0 && marks.purview_tenant === undefined) {
    // a label of the same GUID in a foreign tenant is somebody else's word
    error(['public.purview_labels'], 'purview_labels: labels count only with purview_tenant, which is empty')
  }
  const meanings: [string, readonly string[]][] = [
    ['override.tags', override.tags],
    ['public.subject_tags', marks.subject_tags],
    ['category3.subject_tags', category3.subject_tags],
  ]
  const seen = new Map<string, string>()
  for (const [name, tags] of meanings) {
    for (const tag of new Set(tags.map(comparableTag))) {
      const other = seen.get(tag)
      if (other !== undefined) error([name, other], `the subject tag ${tag} is in ${other} and in ${name}`)
      seen.set(tag, name)
    }
  }
  const both = override.senders_allow.find((sender) => override.senders_deny.includes(sender))
  if (both !== undefined) {
    warning(['override.senders_deny'], `senders_deny: ${both} is in senders_allow as well; it is denied`)
  }
}

/** Tags are found whatever their case and width (docs/opt-out.md). */
function comparableTag(tag: string): string {
  return tag.normalize('NFKC').toLowerCase()
}

function checkDeadlines({ ndr, delivery }: Values, { error, warning }: Tellers): void {
  const { tls_failure_after, undeliverable_after, delay_notice_after } = ndr
  if (undeliverable_after > 24 * MS.h) {
    error(['ndr.undeliverable_after'], 'undeliverable_after: at most 24h, for senders are told within a day')
  }
  if (tls_failure_after > undeliverable_after) {
    error(
      ['ndr.tls_failure_after', 'ndr.undeliverable_after'],
      'tls_failure_after is later than undeliverable_after: it must not be',
    )
  }
  if (delay_notice_after > undeliverable_after) {
    error(
      ['ndr.delay_notice_after', 'ndr.undeliverable_after'],
      'delay_notice_after is later than undeliverable_after: the notice would never be sent',
    )
  } else if (delay_notice_after > tls_failure_after) {
    warning(
      ['ndr.delay_notice_after', 'ndr.tls_failure_after'],
      'delay_notice_after is later than tls_failure_after: mail that fails because of TLS is reported without a notice before',
    )
  }
  if (ndr.coalesce > 10 * MS.m) error(['ndr.coalesce'], 'coalesce: at most 10m, or reports would wait for nothing')
  if (new Set(ndr.languages).size !== ndr.languages.length) {
    error(['ndr.languages'], 'languages names a language twice')
  }
  if (delivery.retry.some((wait) => wait < MS.s)) {
    error(['delivery.retry'], 'retry: a wait of less than a second would be a busy loop')
  }
  if (delivery.retry[0] !== undefined && delivery.retry[0] > undeliverable_after) {
    error(
      ['delivery.retry', 'ndr.undeliverable_after'],
      'retry: the first wait is longer than undeliverable_after: there would be one attempt only',
    )
  }
}

function checkStore({ store }: Values, { error, warning }: Tellers): void {
  if (store.engine === 'lmdb') {
    if (store.redis_url !== undefined) warning(['store.redis_url'], 'redis_url has no effect with engine=lmdb')
    return
  }
  if (store.redis_url === undefined) {
    error(['store.engine'], 'engine: redis needs redis_url, the address of the server')
    return
  }
  const target = parseRedisUrl(store.redis_url)
  if (!('why' in target) && travelsInClear(target)) {
    warning(
      ['store.redis_url'],
      'redis_url: keys and addresses of recipients travel to this server in clear text; use rediss:// or a tunnel',
    )
  }
}

function checkSmime({ category3 }: Values, resolve: (path: string) => string, { error, warning }: Tellers): void {
  const { smime_roots: roots, smime_crls: lists } = category3
  if (roots !== undefined) {
    const fault = certificateFileFault(resolve(roots))
    if (fault !== undefined) error(['category3.smime_roots'], `smime_roots: ${roots}: ${fault}`)
  }
  if (lists === undefined) return
  if (!isReadableFolder(resolve(lists))) {
    error(['category3.smime_crls'], `smime_crls: ${lists}: there is no such folder, or it cannot be read`)
  } else if (roots === undefined) {
    warning(['category3.smime_crls'], 'smime_crls has no effect without smime_roots')
  }
}

/** Whatever is wrong with it would be found out by the first mail that is to be signed, and hold it back. */
function checkSigning({ category3 }: Values, resolve: (path: string) => string, { error }: Tellers): void {
  const { sign_certificate: certificate, sign_key: key } = category3
  if (certificate === undefined && key === undefined) return
  if (certificate === undefined || key === undefined) {
    error(
      ['category3.sign_certificate', 'category3.sign_key'],
      'sign_certificate and sign_key: one is no use without the other',
    )
    return
  }
  const fault = signingFault({ certificate: resolve(certificate), key: resolve(key) })
  if (fault !== undefined)
    error(['category3.sign_certificate', 'category3.sign_key'], `sign_certificate, sign_key: ${fault}`)
}

function isReadableFolder(folder: string): boolean {
  try {
    readdirSync(folder)
    return true
  } catch {
    return false
  }
}

function checkTlsrpt({ tlsrpt, main }: Values, { error, warning }: Tellers): void {
  if (tlsrpt.window > 12 * MS.h) {
    error(['tlsrpt.window'], 'window: at most 12h, for a report is tried for a day after its first time')
  }
  if (!tlsrpt.enabled) return
  if (tlsrpt.from === undefined && main.internal_domains.every((domain) => domain.startsWith('.'))) {
    error(['tlsrpt.enabled'], 'enabled: TLS reports need from in [tlsrpt], or a domain in internal_domains')
  }
  if (tlsrpt.organization === undefined) {
    warning(['tlsrpt.enabled'], '[tlsrpt] has no organization: reports name the domain of from instead')
  }
}

/** Settings that are understood and have no effect yet: better said than believed. */
function checkNotInThisVersion({ support }: Values, { warning }: Tellers): void {
  if (support.digest === 'daily' && support.address === undefined) {
    warning(['support.digest'], 'digest: daily needs address=; none is sent')
  }
}
