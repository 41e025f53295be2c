/** The TXT record by which a domain asks for reports, and where they go (RFC 8460 section 3). */
import { isIP } from 'node:net'
import type { Resolver } from '../../dns/types'
import { withoutBlanks } from '../../policy/sts/record'
import { asciiDomain } from '../../util/address'

/** Where reports go; `uri` as the record has it. */
export type Destination = { kind: 'mailto'; uri: string; address: string } | { kind: 'https'; uri: string; url: string }

/** What the TXT records at `_smtp._tls.<domain>` amount to. */
export type TlsrptRecord =
  /** `unusable`: URIs that are passed over, each with a clause that says why. */
  | { kind: 'record'; rua: readonly Destination[]; unusable: readonly string[] }
  /** `why`: one clause; `published` = there was an attempt at a record. */
  | { kind: 'none'; published: boolean; why: string }

/** A fault is no answer: whether there is a record is unknown then. */
export type Discovery = TlsrptRecord | { kind: 'error'; detail: string }

/** field-delim: *WSP ";" *WSP; what stands before the first one. */
const VERSION = /^v=TLSRPTv1[ \t]*;/
/** tlsrpt-ext-name "=" tlsrpt-ext-value: no "=", ";", blank or control character in the value. */
const EXTENSION = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+$/
const RUA = 'rua='
/** Reports go to at most so many places of one domain: a record must not make a flood of them. */
const MOST_DESTINATIONS = 5

/**
 * @param records all TXT records at the name; each one its strings joined without blanks (never strings of different
 *   records)
 */
export function readTlsrptRecords(records: readonly string[]): TlsrptRecord {
  // RFC 8460 section 3: records that do not begin with "v=TLSRPTv1;" are discarded
  const candidates = records.filter((text) => VERSION.test(text))
  const [text] = candidates
  if (text === undefined) return none('there is no record that begins with v=TLSRPTv1;', false)
  // RFC 8460 section 3: if the number of records left is not one, the domain does not take reports
  if (candidates.length > 1) return none(`there are ${candidates.length} records that begin with v=TLSRPTv1;`)
  return readOne(text)
}

function readOne(text: string): TlsrptRecord {
  const fields = text.split(';').map(withoutBlanks)
  // 1*(field-delim tlsrpt-field) [field-delim]: one delimiter may stand at the end, and no field may be empty
  if (fields.at(-1) === '') fields.pop()
  let rua: string | undefined
  for (const field of fields.slice(1)) {
    if (field.startsWith(RUA)) rua ??= field.slice(RUA.length)
    // unknown fields are ignored, but they are fields
    else if (!EXTENSION.test(field)) return none('its syntax is wrong')
  }
  return rua === undefined ? none('it has no rua') : readRua(rua)
}

function readRua(rua: string): TlsrptRecord {
  const usable: Destination[] = []
  const unusable: string[] = []
  for (const uri of rua.split(',').map(withoutBlanks)) {
    // RFC 3986 characters without the delimiters of this record, which are percent-encoded
    if (!/^[A-Za-z][A-Za-z0-9+.-]*:[\x21\x23-\x2b\x2d-\x3a\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+$/.test(uri)) {
      return none('its rua is no list of URIs')
    }
    const read = readUri(uri)
    if (typeof read === 'string') unusable.push(`${uri.slice(0, 200)}: ${read}`)
    else if (usable.length >= MOST_DESTINATIONS) unusable.push(`${uri.slice(0, 200)}: the record has too many`)
    else if (!usable.some((other) => placeOf(other) === placeOf(read))) usable.push(read)
  }
  return usable.length > 0
    ? { kind: 'record', rua: usable, unusable }
    : none(`nothing in its rua can be used: ${unusable.join('; ')}`)
}

/** What makes two destinations one. */
function placeOf(destination: Destination): string {
  return destination.kind === 'mailto' ? destination.address : destination.url
}

/** RFC 5322 dot-atom: what needs quoting is nobody's report address. */
const LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/
const HOST = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/

/** @returns one clause when it cannot be used */
function readUri(uri: string): Destination | string {
  if (/^mailto:/i.test(uri)) return readMailto(uri)
  if (/^https:/i.test(uri)) return readHttps(uri)
  return 'neither mailto nor https'
}

function readMailto(uri: string): Destination | string {
  let address: string
  try {
    address = decodeURIComponent(uri.slice('mailto:'.length).replace(/\?.*$/, ''))
  } catch {
    return 'its percent-encoding is wrong'
  }
  const at = address.lastIndexOf('@')
  const domain = asciiDomain(address.slice(at + 1))
  const local = address.slice(0, Math.max(at, 0))
  if (local.length > 64 || !LOCAL.test(local) || !HOST.test(domain)) return 'no mail address'
  return { kind: 'mailto', uri, address: `${local}@${domain}` }
}

function readHttps(uri: string): Destination | string {
  let url: URL
  try {
    url = new URL(uri)
  } catch {
    return 'no URL'
  }
  if (url.username !== '' || url.password !== '') return 'it holds a user name'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 || !HOST.test(host)) return 'its host is no name'
  url.hash = ''
  return { kind: 'https', uri, url: url.href }
}

function none(why: string, published = true): TlsrptRecord {
  return { kind: 'none', published, why }
}

/**
 * Ask DNS where the reports about a domain go.
 *
 * @param domain policy domain, A-labels, lower case
 * @returns never rejects
 */
export async function discoverTlsrpt(domain: string, resolver: Pick<Resolver, 'resolve'>): Promise<Discovery> {
  const answer = await resolver.resolve(`_smtp._tls.${domain}`, 'TXT')
  switch (answer.kind) {
    case 'records':
      return readTlsrptRecords(answer.records)
    case 'nodata':
    case 'nxdomain':
      return none('there is no TXT record', false)
    case 'error':
      // a name that cannot be in DNS has no record
      if (answer.error === 'invalid-name') return none(answer.detail, false)
      return { kind: 'error', detail: `TXT of _smtp._tls.${domain}: ${answer.detail}` }
  }
}
