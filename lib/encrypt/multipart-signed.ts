/** An entity in multipart/signed (RFC 1847, RFC 8551 section 3.5.3), passed through while its digest is taken. */
import { createHash, randomBytes } from 'node:crypto'
import { base64Lines } from './cms/base64'
import { signedData, type Signer } from './cms/signed'
import { inSteps } from './cms/steps'

/**
 * @param entity canonical line ends; signed as it is, 8-bit text included, for it is to be encrypted as well
 * @param now milliseconds: when it is signed
 * @returns the multipart with its header
 */
export async function* multipartSigned(
  entity: AsyncIterable<Buffer>,
  signer: Signer,
  now: number,
): AsyncGenerator<Buffer> {
  // 144 random bits: nobody can have written a line of it
  const boundary = `signed-${randomBytes(18).toString('base64url')}`
  yield Buffer.from(
    'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n' +
      `\tmicalg=sha-256; boundary="${boundary}"\r\n\r\n--${boundary}\r\n`,
  )
  const digest = createHash('sha256')
  for await (const step of inSteps(entity)) {
    digest.update(step)
    yield step
  }
  yield Buffer.from(
    `\r\n--${boundary}\r\nContent-Type: application/pkcs7-signature; name="smime.p7s"\r\n` +
      'Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="smime.p7s"\r\n\r\n',
  )
  yield* base64Lines(one(signedData(signer, digest.digest(), now)))
  yield Buffer.from(`--${boundary}--\r\n`)
}

async function* one(piece: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(piece)
}
