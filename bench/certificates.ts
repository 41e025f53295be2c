/** Certificates for the sink, made by openssl(1): a test CA, and one P-256 and one RSA-2048 certificate below it. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { must } from './process'

export interface Certificates {
  /** PEM file of the test CA that all relays are told to trust. */
  ca: string
  ec: { key: string; cert: string }
  rsa: { key: string; cert: string }
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
const RSA = ['-newkey', 'rsa:2048']

/**
 * @param dir existing folder to write them to
 * @param hosts names that each of the two certificates carries
 * @throws Error when openssl is missing or fails
 */
export async function makeCertificates(dir: string, hosts: readonly string[]): Promise<Certificates> {
  const file = (name: string) => path.join(dir, name)
  const ca = file('ca.pem')
  const caKey = file('ca.key')
  await must('openssl', [
    'req',
    '-x509',
    ...EC,
    '-nodes',
    '-keyout',
    caKey,
    '-out',
    ca,
    '-days',
    '2',
    '-subj',
    '/CN=Benchmark CA',
  ])

  const extensions = file('extensions.cnf')
  writeFileSync(
    extensions,
    `subjectAltName=${hosts.map((host) => `DNS:${host}`).join(',')}\nextendedKeyUsage=serverAuth\n`,
  )

  const issue = async (name: string, algorithm: readonly string[]) => {
    const pair = { key: file(`${name}.key`), cert: file(`${name}.pem`) }
    const request = file(`${name}.csr`)
    await must('openssl', [
      'req',
      '-new',
      ...algorithm,
      '-nodes',
      '-keyout',
      pair.key,
      '-out',
      request,
      '-subj',
      `/CN=${hosts[0]!}`,
    ])
    await must('openssl', [
      ...['x509', '-req', '-in', request, '-CA', ca, '-CAkey', caKey, '-CAcreateserial'],
      ...['-days', '2', '-extfile', extensions, '-out', pair.cert],
    ])
    return pair
  }
  return { ca, ec: await issue('ec', EC), rsa: await issue('rsa', RSA) }
}
