/** What a certificate may be used for: keyUsage, extended key usage (RFC 5280 sections 4.2.1.3 and 4.2.1.12). */
import { children, contentOf, element, oidOf, type Extension } from './der'

/** Object identifiers of extensions, DER content in hex. */
export const EXTENSION = {
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  extendedKeyUsage: '551d25',
  subjectKeyIdentifier: '551d0e',
} as const

/** Purposes of extended key usage, DER content in hex. */
export const PURPOSE = {
  serverAuth: '2b06010505070301',
  emailProtection: '2b06010505070304',
  any: '551d2500',
} as const

/** Names of the bits of keyUsage, bit 0 first. */
const BITS = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const
export type KeyUsage = (typeof BITS)[number]

/**
 * @returns null when there is no such extension: then every use is allowed
 * @throws RangeError when it cannot be read
 */
export function keyUsages(extensions: ReadonlyMap<string, Extension>): KeyUsage[] | null {
  const value = extensions.get(EXTENSION.keyUsage)?.value
  if (value === undefined) return null
  const bits = element(value, 0)
  if (bits.tag !== 0x03) throw new RangeError('keyUsage is no bit string')
  // the first octet says how many bits of the last one are not used; DER has them zero
  const [, ...octets] = contentOf(value, bits)
  return BITS.filter((_, bit) => ((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0)
}

/**
 * @returns object identifiers, DER content in hex; null when there is no such extension
 * @throws RangeError when it cannot be read
 */
export function purposes(extensions: ReadonlyMap<string, Extension>): string[] | null {
  const value = extensions.get(EXTENSION.extendedKeyUsage)?.value
  return value === undefined ? null : children(value, element(value, 0)).map((one) => oidOf(value, one))
}
