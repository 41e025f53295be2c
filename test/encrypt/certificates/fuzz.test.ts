import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readRevocationList } from '../../../lib/encrypt/certificates/crl'
import { examine } from '../../../lib/encrypt/certificates/examine'
import { certificateFacts } from '../../../lib/encrypt/certificates/facts'
import { readCertificateFile } from '../../../lib/encrypt/certificates/files'
import { chainTo } from '../../../lib/encrypt/certificates/chain'
import { parseSignedData } from '../../../lib/encrypt/certificates/signed-data'
import { createPki, openssl, type Authority, type Issued, type Pki } from '../pki'
import { signedMail } from '../signed'

const now = Date.now()

/** Bytes with some of them changed, taken out, doubled, or cut off. */
const mutations = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    byte: fc.integer({ min: 0, max: 255 }),
    how: fc.constantFrom('set', 'remove', 'insert', 'double', 'cut', 'flip'),
  }),
  { minLength: 1, maxLength: 6 },
)
type Mutations = typeof mutations extends fc.Arbitrary<infer T> ? T : never

function mutated(bytes: Buffer, changes: Mutations): Buffer {
  let result = Buffer.from(bytes)
  for (const { at, byte, how } of changes) {
    const place = Math.floor(at * result.length)
    const [before, after] = [result.subarray(0, place), result.subarray(place)]
    switch (how) {
      case 'set':
        if (place < result.length) result[place] = byte
        break
      case 'flip':
        if (place < result.length) result[place] = (result[place] ?? 0) ^ (1 << (byte & 7))
        break
      case 'remove':
        result = Buffer.concat([before, after.subarray(1 + (byte & 15))])
        break
      case 'insert':
        result = Buffer.concat([before, Buffer.of(byte), after])
        break
      case 'double':
        result = Buffer.concat([before, after.subarray(0, byte), after])
        break
      case 'cut':
        if (place > 0) result = Buffer.from(before)
    }
  }
  return result
}

/** Only this kind of error is an answer. */
function isRead(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (!(error instanceof RangeError) && !(error instanceof Error && error.constructor.name === 'PasswordNeeded')) {
      throw error
    }
    return false
  }
}

describe('certificates: malformed and hostile input', function () {
  this.timeout(60_000)
  let pki: Pki
  let root: Authority
  let anna: Issued
  let stranger: Issued
  let signature: Buffer
  let opaque: Buffer
  let clear: Buffer
  before(() => {
    pki = createPki()
    root = pki.authority('/CN=Mail Root')
    anna = root.issue({ names: 'email:anna@partner.test', key: 'rsa2048' })
    stranger = pki.selfSigned({ names: 'email:mallory@partner.test' })
    const sign = ['cms', '-sign', '-signer', anna.certFile, '-inkey', anna.keyFile, '-certfile', root.certFile]
    signature = openssl(
      [...sign, '-nodetach', '-outform', 'DER'],
      Buffer.from('Content-Type: text/plain\r\n\r\nHej\r\n'),
    )
    opaque = signedMail(pki, { signer: anna, along: [root], opaque: true })
    clear = signedMail(pki, { signer: anna, along: [root, stranger] })
  })
  after(() => {
    pki.remove()
  })

  const asMail = (der: Buffer) =>
    Buffer.from(
      'From: anna@partner.test\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data\r\n' +
        `Content-Transfer-Encoding: base64\r\n\r\n${der.toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n`,
    )

  it('unchanged, all of them are taken', () => {
    for (const mail of [opaque, clear, asMail(signature)]) assert.equal(examine(mail, now).kind, 'signed')
  })

  it('a changed structure never throws, and never gives a certificate that was not there', () => {
    const known = [anna, root].map(({ der }) => der.toString('hex'))
    fc.assert(
      fc.property(mutations, (changes) => {
        const answer = examine(asMail(mutated(signature, changes)), now)
        if (answer.kind !== 'signed') return
        // a certificate that was changed has another issuer's signature to show
        for (const one of answer.certificates) {
          const der = Buffer.from(one)
          if (known.includes(der.toString('hex'))) continue
          const { result } = chainTo({ roots: [root.x509], lists: [] }, der, answer.others, now)
          assert.notEqual(result, 'valid')
        }
      }),
      { numRuns: 600 },
    )
  })

  it('changed content or attributes are never taken for signed', () => {
    const text = clear.toString('latin1')
    const [from, until] = [text.indexOf('K\u00c3\u00a6re'), text.indexOf('Hilsen')]
    assert.ok(from > 0 && until > from)
    fc.assert(
      fc.property(fc.integer({ min: from, max: until - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const mail = Buffer.from(clear)
        mail[at] = (mail[at] ?? 0) ^ change
        const answer = examine(mail, now)
        // a line end in another form is the same line end
        if (/[\r\n]/.test(String.fromCharCode(clear[at] ?? 0) + String.fromCharCode(mail[at] ?? 0))) return
        assert.equal(answer.kind === 'refused' && answer.refusal, 'changed')
      }),
      { numRuns: 300 },
    )
  })

  it('changed mails never throw', () => {
    fc.assert(
      fc.property(fc.constantFrom('opaque', 'clear'), mutations, (which, changes) => {
        examine(mutated(which === 'opaque' ? opaque : clear, changes), now)
      }),
      { numRuns: 300 },
    )
  })

  it('certificates, files and revocation lists: read, or a RangeError', () => {
    const crl = openssl(['crl', '-outform', 'DER'], Buffer.from(root.crl({ revoked: [anna] })))
    const p12 = openssl(['pkcs12', '-export', '-in', anna.certFile, '-inkey', anna.keyFile, '-passout', 'pass:x'])
    fc.assert(
      fc.property(mutations, (changes) => {
        isRead(() => certificateFacts(mutated(anna.der, changes)))
        isRead(() => parseSignedData(mutated(signature, changes)))
        isRead(() => readRevocationList(mutated(crl, changes)).revokes(anna.x509, root.x509))
        isRead(() => readCertificateFile(mutated(signature, changes)))
      }),
      { numRuns: 400 },
    )
    fc.assert(
      fc.property(mutations, (changes) => void isRead(() => readCertificateFile(mutated(p12, changes), 'x'))),
      { numRuns: 30 },
    )
  })

  it('a list that was changed revokes nobody, and one by somebody else neither', () => {
    const crl = openssl(['crl', '-outform', 'DER'], Buffer.from(root.crl({ revoked: [anna] })))
    assert.equal(readRevocationList(crl).revokes(anna.x509, root.x509), true)
    const other = pki.authority('/CN=Mail Root')
    assert.equal(readRevocationList(crl).revokes(anna.x509, other.x509), false)
    const changed = Buffer.from(crl)
    changed[changed.length - 3] = (changed.at(-3) ?? 0) ^ 1
    assert.equal(
      isRead(() => readRevocationList(changed)) && readRevocationList(changed).revokes(anna.x509, root.x509),
      false,
    )
  })

  const nested = (depth: number) => {
    let inner: Buffer = Buffer.alloc(0)
    for (let n = 0; n < depth; n++) {
      const head = inner.length < 128 ? [0x30, inner.length] : [0x30, 0x82, inner.length >> 8, inner.length & 255]
      inner = Buffer.concat([Buffer.from(head), inner])
    }
    return inner
  }
  const hostile: { what: string; bytes: () => Buffer }[] = [
    { what: 'nested 10 000 deep', bytes: () => nested(10_000) },
    { what: 'indefinite lengths nested a million deep', bytes: () => Buffer.from('3080'.repeat(1_000_000), 'hex') },
    {
      what: 'a million elements',
      bytes: () => Buffer.concat([Buffer.from('3083200000', 'hex'), Buffer.alloc(0x200000, 0x05)]),
    },
    { what: 'a length of 4 GB', bytes: () => Buffer.from('3084ffffffff0609', 'hex') },
    { what: 'zeros', bytes: () => Buffer.alloc(4_000_000) },
    {
      what: 'an octet string in 40 000 pieces',
      bytes: () =>
        Buffer.concat([
          Buffer.from('2480', 'hex'),
          Buffer.from('040100'.repeat(40_000), 'hex'),
          Buffer.from('0000', 'hex'),
        ]),
    },
  ]
  for (const { what, bytes } of hostile) {
    it(`${what}: refused, and nothing else`, () => {
      const der = bytes()
      const answer = examine(asMail(der), now)
      assert.ok(
        answer.kind === 'not-signed' || (answer.kind === 'refused' && answer.refusal === 'malformed'),
        answer.kind,
      )
      isRead(() => readCertificateFile(der))
      assert.equal(
        isRead(() => readRevocationList(der)),
        false,
      )
    })
  }

  it('certificates that all bear the name of the root: no chain comes of them', () => {
    const same = Array.from({ length: 8 }, () => pki.authorityOf(root).issue({ subject: '/CN=Mail Root' }).der)
    const { result } = chainTo({ roots: [pki.authority('/CN=Mail Root').x509], lists: [] }, anna.der, same, now)
    assert.equal(result, 'unknown-issuer')
  })

  it('attribute certificates and revocation lists beside the certificates are passed over', () => {
    // [0] certificates and [1] crls of SignedData, put together by hand around what OpenSSL made
    const whole = parseSignedData(signature)
    assert.equal(whole?.certificates.length, 2)
    const bag = Buffer.concat([root.der, anna.der])
    const at = signature.indexOf(root.der) >= 0 ? signature.indexOf(root.der) : signature.indexOf(anna.der)
    const ordered = signature.subarray(at, at + bag.length)
    const attribute = Buffer.concat([Buffer.from([0xa2, 0x82, anna.der.length >> 8, anna.der.length & 255]), anna.der])
    const old = Buffer.from('a1023000', 'hex')
    const lists = Buffer.from(openssl(['crl', '-outform', 'DER'], Buffer.from(root.crl({ revoked: [] }))))
    const rebuilt = rewrapped(signature, ordered, Buffer.concat([attribute, old, ordered]), lists)
    const found = parseSignedData(rebuilt)
    assert.deepEqual(
      found?.certificates.map((der) => der.length),
      whole.certificates.map((der) => der.length),
    )
    const answer = examine(asMail(rebuilt), now)
    assert.equal(answer.kind, 'signed')
  })
})

/** SignedData with another bag and a list, all lengths made anew. */
function rewrapped(der: Buffer, bag: Buffer, newBag: Buffer, list: Buffer): Buffer {
  const tlv = (tag: number, content: Buffer) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(content.length)
    return Buffer.concat([Buffer.of(tag, 0x84), length, content])
  }
  const read = (bytes: Buffer, at: number) => {
    const first = bytes[at + 1] ?? 0
    const octets = first < 0x80 ? 0 : first & 0x7f
    const content = at + 2 + octets
    const length = octets === 0 ? first : bytes.readUIntBE(at + 2, octets)
    return { tag: bytes[at] ?? 0, bytes: bytes.subarray(content, content + length), end: content + length }
  }
  const info = read(der, 0).bytes
  const type = read(info, 0)
  const data = read(read(info, type.end).bytes, 0).bytes
  const parts: Buffer[] = []
  for (let at = 0; at < data.length;) {
    const part = read(data, at)
    if (part.tag === 0xa0) {
      assert.ok(part.bytes.equals(bag))
      parts.push(tlv(0xa0, newBag), tlv(0xa1, list))
    } else parts.push(data.subarray(at, part.end))
    at = part.end
  }
  const signed = tlv(0x30, Buffer.concat(parts))
  return tlv(0x30, Buffer.concat([info.subarray(0, type.end), tlv(0xa0, signed)]))
}
