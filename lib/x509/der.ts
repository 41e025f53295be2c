/**
 * What Node's X509Certificate does not tell, read from the bytes (X.690 DER, RFC 5280 section 4.1). The bytes have been
 * accepted by OpenSSL's parser before; whatever is not as expected here is a RangeError all the same.
 */

/** One element: its tag, where it and its content begin and where it ends. */
export interface Element {
  tag: number
  start: number
  content: number
  end: number
}

/** @throws RangeError when there is no whole element at `offset` */
export function element(der: Buffer, offset: number): Element {
  const tag = der.readUInt8(offset)
  const short = der.readUInt8(offset + 1)
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f
  if (short === 0x80 || lengthBytes > 4) throw new RangeError('length form that DER does not have')
  const content = offset + 2 + lengthBytes
  const end = content + (lengthBytes === 0 ? short : der.readUIntBE(offset + 2, lengthBytes))
  if (end > der.length) throw new RangeError('element longer than its certificate')
  return { tag, start: offset, content, end }
}

/**
 * The elements inside a constructed one.
 *
 * @throws RangeError when they do not fill it exactly
 */
export function children(der: Buffer, parent: Element): Element[] {
  const found: Element[] = []
  let offset = parent.content
  while (offset < parent.end) {
    const child = element(der, offset)
    if (child.end > parent.end) throw new RangeError('element longer than what holds it')
    found.push(child)
    offset = child.end
  }
  return found
}

/** An element with its tag and length octets, as it stands there. */
export function wholeOf(der: Buffer, { start, end }: Element): Buffer {
  return der.subarray(start, end)
}

/** The content of an element. */
export function contentOf(der: Buffer, { content, end }: Element): Buffer {
  return der.subarray(content, end)
}

/** An object identifier's content in hex, e.g. `551d13`. */
export function oidOf(der: Buffer, one: Element | undefined): string {
  if (one?.tag !== 0x06) throw new RangeError('no object identifier where one belongs')
  return contentOf(der, one).toString('hex')
}

/** Where the fields of a certificate stand (RFC 5280 section 4.1). */
export interface CertificateFields {
  /** INTEGER. */
  serial: Element
  issuer: Element
  subject: Element
  /** SubjectPublicKeyInfo. */
  key: Element
  /** What follows the key, up to the end of TBSCertificate. */
  rest: Element[]
}

/** @throws RangeError when it is not the structure of a certificate */
export function toBeSigned(der: Buffer): CertificateFields {
  const certificate = element(der, 0)
  const tbs = element(der, certificate.content)
  const fields = children(der, tbs)
  // [0] EXPLICIT version is optional; serialNumber, signature, issuer, validity, subject come before the key.
  const first = fields[0]?.tag === 0xa0 ? 1 : 0
  const [serial, , issuer, validity, subject, key, ...rest] = fields.slice(first)
  if (key?.tag !== 0x30 || serial?.tag !== 0x02) throw new RangeError('no SubjectPublicKeyInfo where it belongs')
  if (issuer?.tag !== 0x30 || subject?.tag !== 0x30 || validity === undefined) throw new RangeError('no names')
  return { serial, issuer, subject, key, rest }
}

/** One extension of a certificate. */
export interface Extension {
  critical: boolean
  value: Buffer
}

/**
 * @returns by object identifier (hex); empty where there are none
 * @throws RangeError when they cannot be read, or one is there twice (RFC 5280 section 4.2)
 */
export function extensionsOf(der: Buffer): Map<string, Extension> {
  const found = new Map<string, Extension>()
  // [3] EXPLICIT Extensions; [1] and [2] are unique identifiers that nobody uses
  const wrapper = toBeSigned(der).rest.find(({ tag }) => tag === 0xa3)
  if (wrapper === undefined) return found
  for (const extension of children(der, element(der, wrapper.content))) {
    const [id, ...more] = children(der, extension)
    const oid = oidOf(der, id)
    const flag = more.length === 2 ? more[0] : undefined
    const value = more.at(-1)
    if (value?.tag !== 0x04 || (flag !== undefined && flag.tag !== 0x01)) throw new RangeError('no extension value')
    if (found.has(oid)) throw new RangeError('an extension is there twice')
    found.set(oid, { critical: flag !== undefined && der[flag.content] !== 0, value: contentOf(der, value) })
  }
  return found
}

/** The bytes of a certificate's signatureAlgorithm, parameters included (RFC 5280 section 4.1.1.2). */
export function signatureAlgorithm(der: Buffer): Buffer {
  const [, algorithm] = children(der, element(der, 0))
  if (algorithm?.tag !== 0x30) throw new RangeError('no signatureAlgorithm where it belongs')
  return contentOf(der, algorithm)
}
