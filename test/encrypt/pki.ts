/** A public key infrastructure for mail, made by openssl(1): authorities, persons' certificates, revocation lists. */
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** A certificate and its key, as text and as files. */
export interface Issued {
  cert: string
  der: Buffer
  certFile: string
  keyFile: string
  x509: X509Certificate
  /** SHA-256, lower-case hex. */
  fingerprint: string
}

export type KeyKind = 'rsa2048' | 'rsa1024' | 'P-256' | 'P-384' | 'P-521' | 'secp256k1' | 'rsa-pss'

export interface Wish {
  /** OpenSSL's form, `/CN=Anna Berg`. */
  subject?: string
  /** subjectAltName as in x509v3_config(5), `email:anna@partner.test`; '' = no such extension. */
  names?: string
  key?: KeyKind
  /** `critical,keyEncipherment`; '' = no such extension. */
  keyUsage?: string
  /** `emailProtection`; '' = no such extension. */
  purposes?: string
  /** Milliseconds since the epoch. */
  notBefore?: number
  notAfter?: number
  /** Further lines of the extension section. */
  more?: readonly string[]
}

export interface CrlWish {
  revoked: readonly Issued[]
  /** Milliseconds since the epoch. */
  from?: number
  until?: number
}

export interface Authority extends Issued {
  issue(wish: Wish): Issued
  /** An authority below this one. */
  below(subject: string, wish?: Wish): Authority
  /** A revocation list in PEM form. */
  crl(wish: CrlWish): string
}

export interface Pki {
  dir: string
  authority(subject: string): Authority
  /** Somebody who issues whether he may or not. */
  authorityOf(issued: Issued): Authority
  /** A certificate that only its own key vouches for. */
  selfSigned(wish: Wish): Issued
  remove(): void
}

const DAY = 86_400_000

/** Run openssl. @throws Error with what it said */
export function openssl(args: readonly string[], input?: Buffer): Buffer {
  const done = spawnSync('openssl', args, { ...(input === undefined ? {} : { input }), maxBuffer: 64 * 1024 * 1024 })
  if (done.status !== 0) throw new Error(`openssl ${args.join(' ')}: ${done.stderr.toString()}`)
  return done.stdout
}

export function createPki(): Pki {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-pki-'))
  let count = 0
  const folder = (): string => {
    const made = path.join(dir, String(++count))
    mkdirSync(made)
    return made
  }
  const finished = (certFile: string, keyFile: string): Issued => {
    const x509 = new X509Certificate(readFileSync(certFile))
    const fingerprint = x509.fingerprint256.replaceAll(':', '').toLowerCase()
    return { cert: x509.toString(), der: x509.raw, certFile, keyFile, x509, fingerprint }
  }
  /** @param signer null = itself */
  const make = (wish: Wish, signer: { home: string; certFile: string; keyFile: string } | null): Issued => {
    const home = folder()
    const [keyFile, csr, certFile] = ['key.pem', 'request.pem', 'cert.pem'].map((name) => path.join(home, name))
    writeFileSync(keyFile!, newKey(wish.key ?? 'P-256'), { mode: 0o600 })
    openssl(['req', '-new', '-key', keyFile!, '-subj', wish.subject ?? '/CN=somebody', '-out', csr!])
    const ca = signer?.home ?? home
    if (signer === null) prepare(home)
    const config = path.join(home, 'extensions.cnf')
    writeFileSync(config, extensionLines(wish).join('\n'))
    openssl([
      'ca',
      ...['-batch', '-notext', '-config', path.join(ca, 'ca.cnf'), '-in', csr!, '-out', certFile!],
      ...['-extfile', config, '-extensions', 'wanted'],
      ...['-keyfile', signer?.keyFile ?? keyFile!],
      ...(signer === null ? ['-selfsign'] : ['-cert', signer.certFile]),
      ...['-startdate', asn1Time(wish.notBefore ?? Date.now() - DAY)],
      ...['-enddate', asn1Time(wish.notAfter ?? Date.now() + 365 * DAY)],
    ])
    return finished(certFile!, keyFile!)
  }
  const asAuthority = (own: Issued): Authority => {
    const home = path.dirname(own.certFile)
    prepare(home)
    const signer = { home, certFile: own.certFile, keyFile: own.keyFile }
    return {
      ...own,
      issue: (wish) => make(wish, signer),
      below: (subject, wish = {}) => asAuthority(make({ ...AUTHORITY, subject, ...wish }, signer)),
      crl({ revoked, from = Date.now() - DAY, until = Date.now() + DAY }) {
        const config = path.join(home, 'ca.cnf')
        writeFileSync(path.join(home, 'index.txt'), '')
        const with_ = ['ca', '-config', config, '-keyfile', own.keyFile, '-cert', own.certFile]
        for (const one of revoked) openssl([...with_, '-revoke', one.certFile])
        return openssl([
          ...with_,
          '-gencrl',
          '-crl_lastupdate',
          asn1Time(from),
          '-crl_nextupdate',
          asn1Time(until),
        ]).toString()
      },
    }
  }
  return {
    dir,
    authority: (subject) => asAuthority(make({ ...AUTHORITY, subject }, null)),
    authorityOf: asAuthority,
    selfSigned: (wish) => make(wish, null),
    remove() {
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

const AUTHORITY: Wish = {
  names: '',
  keyUsage: 'critical,keyCertSign,cRLSign',
  purposes: '',
  more: ['basicConstraints=critical,CA:true'],
  notAfter: Date.now() + 3650 * DAY,
}

function extensionLines({
  names = '',
  keyUsage = 'critical,digitalSignature,keyEncipherment,keyAgreement',
  ...wish
}: Wish) {
  const { purposes = 'emailProtection', more = [] } = wish
  return [
    '[wanted]',
    'subjectKeyIdentifier=hash',
    ...(names === '' ? [] : [`subjectAltName=${names}`]),
    ...(keyUsage === '' ? [] : [`keyUsage=${keyUsage}`]),
    ...(purposes === '' ? [] : [`extendedKeyUsage=${purposes}`]),
    ...more,
    '',
  ]
}

/** What `openssl ca` wants to find. */
function prepare(home: string): void {
  writeFileSync(path.join(home, 'index.txt'), '')
  writeFileSync(path.join(home, 'index.txt.attr'), 'unique_subject = no\n')
  writeFileSync(
    path.join(home, 'ca.cnf'),
    [
      '[ca]',
      'default_ca=own',
      '[own]',
      `database=${path.join(home, 'index.txt')}`,
      `new_certs_dir=${home}`,
      'rand_serial=yes',
      'default_md=sha256',
      'default_crl_days=1',
      'policy=any',
      'preserve=yes',
      'email_in_dn=yes',
      '[any]',
      'commonName=optional',
      'emailAddress=optional',
      'organizationName=optional',
      'countryName=optional',
      '',
    ].join('\n'),
  )
}

function newKey(kind: KeyKind): string {
  const { privateKey } =
    kind === 'rsa-pss'
      ? generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
      : kind === 'rsa2048' || kind === 'rsa1024'
        ? generateKeyPairSync('rsa', { modulusLength: kind === 'rsa2048' ? 2048 : 1024 })
        : generateKeyPairSync('ec', { namedCurve: kind })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** GeneralizedTime: UTCTime knows no year after 2049. */
function asn1Time(at: number): string {
  return `${new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
}
