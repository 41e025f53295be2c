import assert from 'node:assert/strict'
import { createHash, createPublicKey, randomBytes, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { CertificateUnusable, recipientKey } from '../../lib/encrypt/cms/certificate'
import { base64Lines } from '../../lib/encrypt/cms/base64'
import { context, der, nothing, octets, oid, sequence } from '../../lib/encrypt/cms/der-write'
import { envelop } from '../../lib/encrypt/cms/enveloped'
import { oaepFrom } from '../../lib/encrypt/cms/oaep'
import { OID } from '../../lib/encrypt/cms/oids'
import { STEP } from '../../lib/encrypt/cms/steps'
import { element } from '../../lib/x509/der'
import { requirePackages } from '../internet/packages'
import {
  inPieces,
  openOffice,
  openWithNss,
  openWithOpenssl,
  openWithPython,
  whole,
  type Correspondent,
  type KeyKind,
  type Office,
} from './office'

const KINDS: readonly KeyKind[] = ['rsa', 'p256', 'p384', 'p521']
const CONTENT = Buffer.concat([Buffer.from('Content-Type: text/plain\r\n\r\nLine\r\n'), randomBytes(5000)])

describe('CMS EnvelopedData', function () {
  this.timeout(30_000)
  let office: Office
  let people: Record<KeyKind, Correspondent>

  before(async function () {
    await requirePackages(this)
    office = openOffice()
    people = Object.fromEntries(KINDS.map((kind) => [kind, office.issue(kind, `${kind}@good.test`)])) as typeof people
  })
  after(() => office.stop())

  const sealed = (content: Buffer, to: readonly Correspondent[], padding?: 'pkcs1' | 'oaep') =>
    whole(
      envelop(
        inPieces(content),
        to.map(({ certificate }) => recipientKey(certificate)),
        padding,
      ),
    )

  const opened = (message: Buffer, by: Correspondent, expected: Buffer) => {
    assert.ok(openWithOpenssl(office, message, by).equals(expected), 'OpenSSL')
    const { content, structure } = openWithPython(office, message, by)
    assert.ok(content.equals(expected), 'asn1crypto')
    return structure
  }

  it('RSA: PKCS #1 v1.5, as all mail programs read it, NSS among them', async () => {
    const message = await sealed(CONTENT, [people.rsa])
    const structure = opened(message, people.rsa, CONTENT)
    assert.deepEqual(structure, {
      version: 'v0',
      recipients: 1,
      contentType: 'data',
      cipher: 'aes256_cbc',
      key: 'rsaes_pkcs1v15',
    })
    assert.ok(openWithNss(office, message, people.rsa).equals(CONTENT))
  })

  it('RSA: OAEP where it is configured', async () => {
    const structure = opened(await sealed(CONTENT, [people.rsa], 'oaep'), people.rsa, CONTENT)
    assert.equal(structure.key, 'rsaes_oaep')
  })

  for (const kind of ['p256', 'p384', 'p521'] as const) {
    it(`elliptic curve ${kind}`, async () => {
      const structure = opened(await sealed(CONTENT, [people[kind]]), people[kind], CONTENT)
      assert.deepEqual([structure.version, structure.key], ['v2', 'ecdh-sha256kdf'])
    })
  }

  it('several recipients of both kinds open the same message', async () => {
    const message = await sealed(
      CONTENT,
      KINDS.map((kind) => people[kind]),
    )
    for (const kind of KINDS) assert.equal(opened(message, people[kind], CONTENT).recipients, 4)
  })

  it('a certificate without an issuer name is named by its key', async () => {
    for (const kind of ['rsa', 'p256'] as const) {
      const gateway = office.issue(kind, 'gateway@good.test', { subject: '/' })
      const message = await sealed(CONTENT, [gateway])
      assert.equal(opened(message, gateway, CONTENT).version, 'v2')
      const keyId = createHash('sha1').update(keyBits(gateway.certificate)).digest()
      assert.ok(message.includes(keyId), 'subject key identifier')
    }
  })

  it('a key for RSAES-OAEP alone gets OAEP with its own parameters', async () => {
    const sha384 = sequence(oid(OID.sha384), nothing())
    const label = sequence(oid(OID.pSpecified), octets(Buffer.from('a label')))
    for (const [parameters, wanted] of [
      [undefined, 'sha256'],
      [sequence(), 'sha1'],
      [
        sequence(der(context(0), sha384), der(context(1), sequence(oid(OID.mgf1), sha384)), der(context(2), label)),
        'sha384',
      ],
    ] as const) {
      const certificate = withKeyAlgorithm(people.rsa.certificate, parameters)
      const key = recipientKey(certificate)
      assert.equal(key.oaep?.hash, wanted)
      const message = await whole(envelop(inPieces(CONTENT), [key]))
      const { content, structure } = openWithPython(office, message, people.rsa)
      assert.ok(content.equals(CONTENT))
      assert.equal(structure.key, 'rsaes_oaep')
    }
  })

  it('two hashes in OAEP parameters, and unknown ones, are refused', () => {
    const sha256 = sequence(oid(OID.sha256), nothing())
    for (const parameters of [
      sequence(der(context(0), sha256)),
      sequence(der(context(0), sequence(oid(OID.data)))),
      sequence(der(context(3), sha256)),
    ]) {
      const parsed = element(parameters, 0)
      assert.throws(() => oaepFrom(parameters, parsed), RangeError)
    }
  })

  it('content of every length, in pieces of every length', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.nat(40), { maxLength: 6 }),
        fc.constantFrom(...KINDS),
        async (bytes, cuts, kind) => {
          const content = Buffer.from(bytes)
          const key = recipientKey(people[kind].certificate)
          const message = await whole(envelop(inPieces(content, ...cuts), [key]))
          assert.ok(openWithOpenssl(office, message, people[kind]).equals(content))
        },
      ),
      { numRuns: 25 },
    )
  })

  it('content of more than one step', async () => {
    const content = randomBytes(2 * STEP + 12345)
    opened(await sealed(content, [people.p256]), people.p256, content)
  })

  it('two messages to one person share neither key nor anything else', async () => {
    const [one, two] = [await sealed(CONTENT, [people.rsa]), await sealed(CONTENT, [people.rsa])]
    assert.ok(!one.subarray(-1000).equals(two.subarray(-1000)))
    assert.ok(!one.includes(CONTENT.subarray(0, 30)))
  })

  it('what nothing can be encrypted to is refused with a reason', () => {
    const cases: [Uint8Array, RegExp][] = [
      [office.issue('rsa', 'a@good.test', { usage: 'digitalSignature' }).certificate, /keyUsage/],
      [office.issue('p256', 'a@good.test', { usage: 'digitalSignature,keyEncipherment' }).certificate, /keyUsage/],
      [office.issue('rsa', 'a@good.test', { args: ['-newkey', 'rsa:1024'] }).certificate, /too short/],
      [office.issue('rsa', 'a@good.test', { args: ['-newkey', 'ed25519'] }).certificate, /this kind/],
      [
        office.issue('p256', 'a@good.test', { args: ['-pkeyopt', 'ec_paramgen_curve:secp256k1'] }).certificate,
        /this kind/,
      ],
      [Buffer.from('nothing'), /cannot be read/],
      [Buffer.alloc(0), /cannot be read/],
    ]
    for (const [certificate, why] of cases) {
      assert.throws(
        () => recipientKey(certificate),
        (error) => error instanceof CertificateUnusable && why.test(error.message),
      )
    }
  })

  it('damaged certificates give a reason or a key, never another error', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), fc.nat(2000), fc.nat(255), fc.boolean(), (kind, at, byte, cut) => {
        const damaged = Buffer.from(people[kind].certificate)
        damaged[at % damaged.length] = byte
        try {
          recipientKey(cut ? damaged.subarray(0, at) : damaged)
        } catch (error) {
          assert.ok(error instanceof CertificateUnusable, String(error))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('nobody to encrypt to, and a content that breaks off, end in an error', async () => {
    await assert.rejects(whole(envelop(inPieces(CONTENT), [])), /nobody/)
    async function* broken(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(CONTENT)
      throw new Error('the disk is gone')
    }
    await assert.rejects(whole(envelop(broken(), [recipientKey(people.rsa.certificate)])), /disk/)
  })
})

describe('base64 in lines', () => {
  it('is what Node writes, in lines of 76, whatever the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 500 }),
        fc.array(fc.nat(130), { maxLength: 5 }),
        async (bytes, cuts) => {
          const content = Buffer.from(bytes)
          const text = (await whole(base64Lines(inPieces(content, ...cuts)))).toString('latin1')
          const expected = content.toString('base64').replace(/(.{1,76})/g, '$1\r\n')
          assert.equal(text, expected)
        },
      ),
    )
  })

  it('is the same where it takes many pieces, and where the last line is full', async () => {
    for (const length of [57, 57 * 1024, 57 * 1024 * 2 + 57, 200_000]) {
      const content = randomBytes(length)
      const text = (await whole(base64Lines(inPieces(content, 10, 100_000)))).toString('latin1')
      assert.equal(text, content.toString('base64').replace(/(.{1,76})/g, '$1\r\n'))
    }
  })
})

/** The public key's own bytes: what a key identifier is the SHA-1 of (RFC 5280 section 4.2.1.2). */
function keyBits(certificate: Buffer): Buffer {
  const spki = new X509Certificate(certificate).publicKey.export({ format: 'der', type: 'spki' })
  const rsa = createPublicKey({ key: spki, format: 'der', type: 'spki' }).asymmetricKeyType === 'rsa'
  return rsa ? spki.subarray(24) : spki.subarray(26)
}

/** The same certificate, whose key says that it is for RSAES-OAEP; its signature does not fit any more. */
function withKeyAlgorithm(certificate: Buffer, parameters: Buffer | undefined): Buffer {
  const usual = sequence(oid(OID.rsaEncryption), nothing())
  const spki = new X509Certificate(certificate).publicKey.export({ format: 'der', type: 'spki' })
  const at = certificate.indexOf(spki)
  const bits = spki.subarray(spki.indexOf(usual) + usual.length)
  const changed = sequence(sequence(oid(OID.rsaesOaep), ...(parameters === undefined ? [] : [parameters])), bits)
  // certificate and what is to be signed both have lengths of two bytes
  const grown = changed.length - spki.length
  const result = Buffer.concat([certificate.subarray(0, at), changed, certificate.subarray(at + spki.length)])
  for (const length of [2, 6]) result.writeUInt16BE(result.readUInt16BE(length) + grown, length)
  return result
}
