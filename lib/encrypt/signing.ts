/** The gateway's own certificate and key, from the files that `[category3] sign_certificate` and `sign_key` name. */
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { signer, type Signer } from './cms/signed'

export interface SigningFiles {
  certificate: string
  key: string
}

/**
 * Read them as they are now: a renewed certificate counts with the next mail.
 *
 * @throws (rejects) Error that says what is wrong, never with what the files hold
 */
export async function readSigner({ certificate, key }: SigningFiles): Promise<Signer> {
  const [certificates, secret] = await Promise.all([fs.readFile(certificate, 'utf8'), fs.readFile(key, 'utf8')])
  return signerFrom(certificates, secret)
}

/** @returns what is wrong with the files, in one clause; undefined when they are good */
export function signingFault({ certificate, key }: SigningFiles): string | undefined {
  try {
    signerFrom(readFileSync(certificate, 'utf8'), readFileSync(key, 'utf8'))
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

function signerFrom(certificates: string, secret: string): Signer {
  const blocks = certificates.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const [own, ...chain] = blocks.map((block) => Buffer.from(block))
  if (own === undefined) throw new Error('the file of the certificate holds none in PEM form')
  let key
  try {
    key = createPrivateKey(secret)
  } catch {
    throw new Error('the file of the key holds none that can be read (PEM, without a password)')
  }
  return signer(own, chain, key)
}
