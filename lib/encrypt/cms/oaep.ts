/** Parameters of RSAES-OAEP (RFC 4055 section 4.1), read from a certificate and written for a recipient. */
import { children, contentOf, element, oidOf, type Element } from '../../x509/der'
import { context, der, nothing, octets, oid, sequence } from './der-write'
import { OID } from './oids'

export interface Oaep {
  /** Of OAEP and of its mask generation alike: node:crypto knows one for both. */
  hash: 'sha1' | 'sha256' | 'sha384' | 'sha512'
  label: Buffer
}

/** What is used where a certificate leaves the choice. */
export const USUAL_OAEP: Oaep = { hash: 'sha256', label: Buffer.alloc(0) }

const HASHES = ['sha1', 'sha256', 'sha384', 'sha512'] as const
const hex = (dotted: string) => oid(dotted).subarray(2).toString('hex')

/**
 * @param parameters of the key's algorithm; absent or NULL = the key allows any
 * @throws RangeError when they cannot be read or cannot be kept
 */
export function oaepFrom(raw: Buffer, parameters: Element | undefined): Oaep {
  if (parameters?.tag !== 0x30) return USUAL_OAEP
  let hash: Oaep['hash'] = 'sha1'
  let mask: Oaep['hash'] = 'sha1'
  let { label } = USUAL_OAEP
  for (const field of children(raw, parameters)) {
    const inner = element(raw, field.content)
    const [id, value] = children(raw, inner)
    if (field.tag === context(0)) hash = hashOf(raw, id)
    else if (field.tag === context(1) && oidOf(raw, id) === hex(OID.mgf1) && value !== undefined) {
      mask = hashOf(raw, children(raw, value)[0])
    } else if (field.tag === context(2) && oidOf(raw, id) === hex(OID.pSpecified) && value?.tag === 0x04) {
      label = contentOf(raw, value)
    } else throw new RangeError('unknown OAEP parameters')
  }
  if (hash !== mask) throw new RangeError('OAEP with two different hashes')
  return { hash, label }
}

function hashOf(raw: Buffer, id: Element | undefined): Oaep['hash'] {
  const found = HASHES.find((name) => hex(OID[name]) === oidOf(raw, id))
  if (found === undefined) throw new RangeError('OAEP with an unknown hash')
  return found
}

/** AlgorithmIdentifier; what is the default is left out (X.690 section 11.5). */
export function oaepAlgorithm({ hash, label }: Oaep): Buffer {
  const algorithm = sequence(oid(OID[hash]), nothing())
  const fields = [
    ...(hash === 'sha1' ? [] : [der(context(0), algorithm), der(context(1), sequence(oid(OID.mgf1), algorithm))]),
    ...(label.length === 0 ? [] : [der(context(2), sequence(oid(OID.pSpecified), octets(label)))]),
  ]
  return sequence(oid(OID.rsaesOaep), sequence(...fields))
}
