/** Opaque-signed mail (RFC 8551 section 3.5.2): read as if it were in clear, and refused where its structure is not whole. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Inspection } from '../../lib/gate/types'
import { createPki, type Issued, type Pki } from '../encrypt/pki'
import { signedMail } from '../encrypt/signed'
import { base64, look, mail, multipart } from './support'

const NUMBER = '070761-4285'
/** Contents that the gate judges differently. */
const CONTENTS: [what: string, type: string, body: string][] = [
  ['public text', 'text/plain', 'Opening hours are 8 to 14.\n'],
  ['a CPR number', 'text/plain', `cpr ${NUMBER}\n`],
  ['a list of persons', 'text/plain', `cpr ${NUMBER}\ncpr 211062-1003\ncpr 131052-1007\n`],
  ['a key', 'text/plain', '-----BEGIN PRIVATE KEY-----\nMIIB\n'],
  ['a classification', 'text/plain', 'FORTROLIGT\n'],
  ['HTML', 'text/html', `<p>cpr 0707<b>61</b>-4285</p>\n`],
  ['parts', ...multipart('mixed', [`Content-Type: text/plain\n\nHi\n`, `Content-Type: text/plain\n\n${NUMBER}\n`])],
  ['bytes that are nothing known', 'application/octet-stream', '\u0001\u0002\u0003\u0004\n'],
]

describe('opaque-signed mail at the gate', function () {
  this.timeout(60_000)
  let pki: Pki
  let anna: Issued
  before(() => {
    pki = createPki()
    anna = pki.authority('/CN=Mail Root').issue({ names: 'email:anna@uni.example', key: 'P-256' })
  })
  after(() => {
    pki.remove()
  })

  /** SignedData in DER, as openssl(1) writes it. */
  const signed = (type: string, body: string): Buffer => {
    const entity = `Content-Type: ${type}\r\n\r\n${body.replace(/\r?\n/g, '\r\n')}`
    const text = signedMail(pki, { signer: anna, opaque: true, entity }).toString('latin1')
    return Buffer.from(text.slice(text.indexOf('\r\n\r\n')), 'base64')
  }
  const wrapped = (der: Buffer): Buffer =>
    mail(
      {
        'Content-Type': 'application/pkcs7-mime; smime-type=signed-data; name=smime.p7m',
        'Content-Transfer-Encoding': 'base64',
      },
      base64(der),
    )
  /** What the gate says, without where it stands. */
  const said = ({ verdict }: Inspection) => ({
    granted: verdict.granted,
    refusals: verdict.refusals.map(({ code }) => code).toSorted(),
    uninspected: verdict.uninspected.map(({ reason }) => reason),
  })

  for (const [what, type, body] of CONTENTS) {
    it(`${what}: the same findings as in clear`, async () => {
      const clear = await look(mail({ 'Content-Type': type }, body))
      const opaque = await look(wrapped(signed(type, body)))
      assert.deepEqual(said(opaque), said(clear))
      if (what === 'public text') assert.equal(clear.verdict.granted, true, 'the comparison can fail')
      if (what === 'a CPR number') assert.deepEqual(said(clear).refusals, ['cpr'])
    })
  }

  /** @returns was the mail let go in clear text with the number still in it? */
  async function slips(der: Buffer): Promise<boolean> {
    const { verdict } = await look(wrapped(der))
    return verdict.granted
  }

  it('cut off anywhere: never taken for inspected', async () => {
    const whole = signed('text/plain', `cpr ${NUMBER}\n`)
    assert.equal(await slips(whole), false)
    // one byte alone is a digit, and read as such
    for (let length = 2; length < whole.length; length++) {
      const { verdict } = await look(wrapped(whole.subarray(0, length)))
      assert.equal(verdict.granted, false, `${length} of ${whole.length} bytes`)
      assert.ok(verdict.uninspected.length > 0, `${length} of ${whole.length} bytes`)
    }
  })

  it('a byte of its structure changed: what is in it is found, or it is not inspected', async () => {
    const whole = signed('text/plain', `cpr ${NUMBER}\n`)
    const [begin, end] = [whole.indexOf('Content-Type'), whole.indexOf(NUMBER) + NUMBER.length]
    assert.ok(begin > 0 && end > begin)
    const before = fc.nat(begin - 1)
    const behind = fc.integer({ min: end, max: whole.length - 1 })
    await fc.assert(
      fc.asyncProperty(fc.oneof(before, before, behind), fc.nat(255), async (at, value) => {
        const changed = Buffer.from(whole)
        changed[at] = value
        assert.equal(await slips(changed), false, `byte ${at} is ${value}`)
      }),
      { numRuns: 1500, seed: 20261123 },
    )
  })

  it('every length octet before the content, every value: the content does not fall out of sight', async () => {
    const whole = signed('text/plain', `cpr ${NUMBER}\n`)
    const content = whole.indexOf('Content-Type')
    // encapContentInfo SEQUENCE, its OID, [0], OCTET STRING
    for (let at = content - 17; at < content; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = Buffer.from(whole)
        changed[at] = value
        assert.equal(await slips(changed), false, `byte ${at} is ${value}`)
      }
    }
  })

  it('bytes put in, taken out or behind it', async () => {
    const whole = signed('text/plain', `cpr ${NUMBER}\n`)
    const text = whole.indexOf('Content-Type')
    for (let at = 0; at < text; at++) {
      assert.equal(await slips(Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1)])), false, `without ${at}`)
      const more = Buffer.concat([whole.subarray(0, at), Buffer.from([0x30]), whole.subarray(at)])
      assert.equal(await slips(more), false, `one more at ${at}`)
    }
    const publicOne = signed('text/plain', 'Opening hours\n')
    assert.equal(await slips(publicOne), true)
    assert.equal(await slips(Buffer.concat([publicOne, Buffer.from(NUMBER)])), false)
  })
})
