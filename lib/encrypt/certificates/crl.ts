/** Revocation lists (RFC 5280 section 5) from files. Nothing is fetched. */
import { verify, type X509Certificate } from 'node:crypto'
import { children, contentOf, element, oidOf, toBeSigned, wholeOf, type Element } from '../../x509/der'

/** Largest list that is read, in bytes. */
export const MAX_LIST = 64 * 1024 * 1024

export interface RevocationList {
  /** Milliseconds since the epoch; null = it does not say when the next one comes. */
  nextUpdate: number | null
  /**
   * Does the list say that `certificate` is revoked, and has `issuer`, who issued the certificate, signed the list?
   *
   * A list whose time is over still counts for what stands in it: what was revoked stays so.
   */
  revokes(certificate: X509Certificate, issuer: X509Certificate): boolean
}

/** signatureAlgorithm, DER content in hex, and the digest; weaker ones are not believed. */
const ALGORITHMS: Readonly<Record<string, string>> = {
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
}
/** issuingDistributionPoint (section 5.2.5). */
const DISTRIBUTION_POINT = '551d1c'
/** [4] indirectCRL of it. */
const INDIRECT = 0x84
/** reasonCode (section 5.3.1), and its value removeFromCRL. */
const REASON_CODE = '551d15'
const REMOVED = 8

/**
 * @param der the whole list
 * @throws RangeError saying why the list cannot be used
 */
export function readRevocationList(der: Buffer): RevocationList {
  if (der.length > MAX_LIST) throw new RangeError('the list is too large')
  const whole = element(der, 0)
  if (whole.end !== der.length) throw new RangeError('bytes follow the list')
  const [tbs, algorithm, signature] = children(der, whole)
  if (tbs === undefined || algorithm === undefined || signature?.tag !== 0x03) throw new RangeError('it is no list')
  const digest = ALGORITHMS[oidOf(der, element(der, algorithm.content))]
  if (digest === undefined) throw new RangeError('it is signed with an algorithm that is too weak or not known')
  const fields = children(der, tbs)
  if (fields[0]?.tag === 0x02) fields.shift()
  const [, issuer, thisUpdate, ...rest] = fields
  if (issuer === undefined || thisUpdate === undefined) throw new RangeError('it is no list')
  if (Number.isNaN(timeOf(der, thisUpdate))) throw new RangeError('its date cannot be read')
  const next = rest[0] !== undefined && isTime(rest[0]) ? rest.shift() : undefined
  const entries = rest[0]?.tag === 0x30 ? rest.shift() : undefined
  refuseIndirect(der, rest[0])
  const serials = new Set(entries === undefined ? [] : children(der, entries).flatMap((one) => serialOf(der, one)))
  const name = wholeOf(der, issuer)
  const signed = wholeOf(der, tbs)
  // BIT STRING: the first octet counts unused bits, of which there are none
  const signatureBytes = contentOf(der, signature).subarray(1)
  const verified = new WeakMap<X509Certificate, boolean>()
  const signedBy = (by: X509Certificate): boolean => {
    const known = verified.get(by)
    if (known !== undefined) return known
    const answer = safely(() => verify(digest, signed, by.publicKey, signatureBytes))
    verified.set(by, answer)
    return answer
  }
  return {
    nextUpdate: next === undefined ? null : timeOf(der, next),
    revokes: (certificate, by) =>
      serials.has(serialIn(certificate.raw)) &&
      // section 6.3.3 (a): the list is the issuer's own
      wholeOf(by.raw, toBeSigned(by.raw).subject).equals(name) &&
      signedBy(by),
  }
}

/** An entry of a list: serial number, date, extensions. */
function serialOf(der: Buffer, entry: Element): string[] {
  const [serial, , extensions] = children(der, entry)
  if (serial?.tag !== 0x02) throw new RangeError('an entry has no serial number')
  if (extensions !== undefined && reasonOf(der, extensions) === REMOVED) return []
  return [contentOf(der, serial).toString('hex')]
}

function reasonOf(der: Buffer, extensions: Element): number | undefined {
  for (const extension of children(der, extensions)) {
    const [id, ...more] = children(der, extension)
    const value = more.at(-1)
    if (value !== undefined && oidOf(der, id) === REASON_CODE) return der[element(der, value.content).content]
  }
  return undefined
}

/** Entries of an indirect list can be about another issuer's certificates (section 5.3.3). */
function refuseIndirect(der: Buffer, wrapper: Element | undefined): void {
  if (wrapper?.tag !== 0xa0) return
  for (const extension of children(der, element(der, wrapper.content))) {
    const [id, ...more] = children(der, extension)
    const value = more.at(-1)
    if (value === undefined || oidOf(der, id) !== DISTRIBUTION_POINT) continue
    if (children(der, element(der, value.content)).some(({ tag }) => tag === INDIRECT)) {
      throw new RangeError('it is an indirect list, which is not supported')
    }
  }
}

function serialIn(der: Buffer): string {
  return contentOf(der, toBeSigned(der).serial).toString('hex')
}

/** UTCTime, GeneralizedTime. */
function isTime({ tag }: Element): boolean {
  return tag === 0x17 || tag === 0x18
}

/** RFC 5280 section 4.1.2.5: seconds and `Z` always; a year of two digits is 1950 to 2049. */
function timeOf(der: Buffer, time: Element): number {
  const text = contentOf(der, time).toString('latin1')
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text)
  if (match === null) return NaN
  const [year = '', ...parts] = match.slice(1)
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number)
  const full = year.length === 4 ? Number(year) : Number(year) + (Number(year) < 50 ? 2000 : 1900)
  return Date.UTC(full, month - 1, day, hour, minute, second)
}

function safely(check: () => boolean): boolean {
  try {
    return check()
  } catch {
    return false
  }
}
