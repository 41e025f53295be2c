/** Correspondents of the tests, by OpenSSL, and two readers that know nothing of our code. */
import { execFileSync, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { temporaryDirectory } from '../../demo/processes'
import { packageRoot } from '../../lib/package-root'

/** A person with certificate and key, in files. */
export interface Correspondent {
  certFile: string
  keyFile: string
  /** DER. */
  certificate: Buffer
}

export type KeyKind = 'rsa' | 'p256' | 'p384' | 'p521'

const NEW_KEY: Readonly<Record<KeyKind, readonly string[]>> = {
  rsa: ['-newkey', 'rsa:2048'],
  p256: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  p521: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521'],
}

export interface Office {
  dir: string
  /** @param more further arguments of `openssl req -x509` */
  issue(
    kind: KeyKind,
    address: string,
    more?: { subject?: string; usage?: string; args?: readonly string[] },
  ): Correspondent
  /** A file with this content. */
  file(name: string, content: Buffer | string): string
  stop(): void
}

/** Issues self-signed certificates into a directory of its own. */
export function openOffice(): Office {
  const temporary = temporaryDirectory('smime')
  const dir = temporary.path
  let count = 0
  const file = (name: string, content: Buffer | string) => {
    const full = path.join(dir, `${++count}-${name}`)
    writeFileSync(full, content)
    return full
  }
  return {
    dir,
    file,
    issue(kind, address, { subject, usage, args = [] } = {}) {
      const [keyFile, certFile] = [file('key.pem', ''), file('cert.pem', '')]
      openssl([
        ...['req', '-x509', '-nodes', ...NEW_KEY[kind], '-keyout', keyFile, '-out', certFile, '-days', '30'],
        ...['-subj', subject ?? `/C=DK/O=Prøve A\\/S/CN=${address}`, '-utf8'],
        ...['-addext', `subjectAltName=email:${address}`],
        ...['-addext', `keyUsage=${usage ?? 'digitalSignature,keyEncipherment,keyAgreement'}`, ...args],
      ])
      return { certFile, keyFile, certificate: new X509Certificate(readFileSync(certFile)).raw }
    },
    stop: () => temporary.remove(),
  }
}

/** @throws Error with what OpenSSL wrote */
export function openssl(args: readonly string[], input?: Buffer): Buffer {
  return execFileSync('openssl', args, { input, maxBuffer: 1 << 28, stdio: ['pipe', 'pipe', 'pipe'] })
}

/** What `openssl cms -decrypt` makes of it: the content byte for byte. */
export function openWithOpenssl(office: Office, message: Buffer, { certFile, keyFile }: Correspondent): Buffer {
  const file = office.file('message.der', message)
  return openssl(['cms', '-decrypt', '-binary', '-inform', 'DER', '-in', file, '-recip', certFile, '-inkey', keyFile])
}

export interface Structure {
  version: string
  recipients: number
  contentType: string
  cipher: string
  key: string
}

/** What Debian's own Python makes of it, with asn1crypto and python3-cryptography. */
export function openWithPython(
  office: Office,
  message: Buffer,
  { keyFile }: Pick<Correspondent, 'keyFile'>,
): { content: Buffer; structure: Structure } {
  const script = path.join(packageRoot(), 'test', 'encrypt', 'open_cms.py')
  const file = office.file('message.der', message)
  const { status, stdout, stderr } = spawnSync('/usr/bin/python3', [script, keyFile, file], { maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr.toString())
  return { content: stdout, structure: JSON.parse(stderr.toString()) as Structure }
}

/** What NSS, the library of Thunderbird, makes of it; the NSS of Debian 12 opens RSAES-PKCS1-v1_5 alone. */
export function openWithNss(office: Office, message: Buffer, { certFile, keyFile }: Correspondent): Buffer {
  const [bundle, content] = [office.file('key.p12', ''), office.file('content', '')]
  const database = `sql:${mkdtempSync(path.join(office.dir, 'nss-'))}`
  openssl(['pkcs12', '-export', '-inkey', keyFile, '-in', certFile, '-out', bundle, '-passout', 'pass:word'])
  execFileSync('certutil', ['-N', '-d', database, '--empty-password'], { stdio: 'ignore' })
  execFileSync('pk12util', ['-i', bundle, '-d', database, '-W', 'word'], { stdio: 'ignore' })
  execFileSync('cmsutil', ['-D', '-d', database, '-i', office.file('message.der', message), '-o', content])
  return readFileSync(content)
}

export interface OpenedMail {
  type: string
  smimeType: string
  fileName: string
  outer: [string, string][]
  outerDefects: string[]
  /** What was encrypted, byte for byte. */
  entity: Buffer
  /** What was signed; null when no root was given. */
  signed: Buffer | null
  inner: [string, string][]
  innerDefects: string[]
  hp: string | null
  parts: { type: string; content?: Buffer; headers?: [string, string][]; parts?: OpenedMail['parts'] }[]
}

/** An encrypted mail as a mail program opens it, with Python's email package and OpenSSL. */
export function openMail(
  office: Pick<Office, 'file'>,
  mail: Buffer,
  { certFile, keyFile }: Pick<Correspondent, 'certFile' | 'keyFile'>,
  root?: string,
): OpenedMail {
  const script = path.join(packageRoot(), 'test', 'encrypt', 'open_mail.py')
  const args = [script, office.file('mail.eml', mail), certFile, keyFile, ...(root === undefined ? [] : [root])]
  const { status, stdout, stderr } = spawnSync('/usr/bin/python3', args, { maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr.toString())
  return JSON.parse(stdout.toString(), (name, value: unknown) =>
    ['entity', 'signed', 'content'].includes(name) && typeof value === 'string' ? Buffer.from(value, 'base64') : value,
  ) as OpenedMail
}

/** Everything that a stream gives. */
export async function whole(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** @param cuts lengths of the pieces but the last */
export async function* inPieces(content: Buffer, ...cuts: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0
  for (const length of cuts) {
    yield await Promise.resolve(content.subarray(at, at + length))
    at += length
  }
  yield content.subarray(at)
}
