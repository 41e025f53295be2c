/** The test certificate authority and the servers' certificates of one run, as files that real programs can read. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import {
  createAuthority,
  selfSigned,
  type Authority,
  type CertificateOptions,
  type Identity,
} from '../../demo/certificates'
import { temporaryDirectory } from '../../demo/processes'

/** An identity that also stands in files. */
export interface CertificateFiles extends Identity {
  /** PEM. */
  keyFile: string
  certFile: string
}

export interface TestCa {
  /** PEM file with the root that is to be trusted. */
  readonly file: string
  /** PEM of that root. */
  readonly cert: string
  readonly dir: string
  /** Right names, right time, trusted root. */
  good(...names: string[]): CertificateFiles
  /** RSA-2048 instead of ECDSA P-256. */
  goodRsa(...names: string[]): CertificateFiles
  /** Right names and time, signed by nobody but itself. */
  selfSigned(...names: string[]): CertificateFiles
  /** Trusted root, right names, ended yesterday. */
  expired(...names: string[]): CertificateFiles
  /** Trusted root, begins tomorrow. */
  notYetValid(...names: string[]): CertificateFiles
  /** Trusted root and in time, but for `somebody-else.test`. */
  wrongName(): CertificateFiles
  /** Right names and time, by a root that nobody trusts. */
  otherCa(...names: string[]): CertificateFiles
  /** Anything else, by the trusted root. */
  issue(options: CertificateOptions): CertificateFiles
  /** Put an identity of any origin into files. */
  save(identity: Identity): CertificateFiles
  /** Remove the files. */
  stop(): void
}

const DAY = 86_400_000

/** A new authority in a temporary directory. */
export function createTestCa(): TestCa {
  const temporary = temporaryDirectory('ca')
  const dir = temporary.path
  const trusted = createAuthority('secure-mail test root')
  const untrusted: Authority = createAuthority('somebody else’s root')
  const file = path.join(dir, 'root.pem')
  writeFileSync(file, trusted.cert)
  let count = 0
  const save = (identity: Identity): CertificateFiles => {
    const folder = path.join(dir, String(++count))
    mkdirSync(folder)
    const files = { keyFile: path.join(folder, 'key.pem'), certFile: path.join(folder, 'cert.pem') }
    writeFileSync(files.keyFile, identity.key, { mode: 0o600 })
    writeFileSync(files.certFile, identity.cert)
    return { ...identity, ...files }
  }
  const now = Date.now()
  return {
    file,
    cert: trusted.cert,
    dir,
    good: (...names) => save(trusted.issue({ names })),
    goodRsa: (...names) => save(trusted.issue({ names, algorithm: 'rsa' })),
    selfSigned: (...names) => save(selfSigned({ names })),
    expired: (...names) =>
      save(trusted.issue({ names, notBefore: new Date(now - 30 * DAY), notAfter: new Date(now - DAY) })),
    notYetValid: (...names) =>
      save(trusted.issue({ names, notBefore: new Date(now + DAY), notAfter: new Date(now + 30 * DAY) })),
    wrongName: () => save(trusted.issue({ names: ['somebody-else.test'] })),
    otherCa: (...names) => save(untrusted.issue({ names })),
    issue: (options) => save(trusted.issue(options)),
    save,
    stop() {
      temporary.remove()
    },
  }
}
