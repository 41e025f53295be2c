/** `secure-mail certs import`: certificates from files, or from signed mails that somebody has kept. */
import { readFileSync } from 'node:fs'
import { certificateFacts, unusable, type CertificateFacts } from '../../lib/encrypt/certificates/facts'
import { examine } from '../../lib/encrypt/certificates/examine'
import { PasswordNeeded, readCertificateFile, type FileContent } from '../../lib/encrypt/certificates/files'
import { harvest, storedForm } from '../../lib/encrypt/certificates/harvest'
import { keep, type Kept } from '../../lib/encrypt/certificates/keep'
import type { Scope } from '../../lib/encrypt/certificates/names'
import { domainListed } from '../../lib/gate/addresses'
import { looksLikeMessage } from '../../lib/message/files/looks-like'
import { oneLine } from '../../lib/util/one-line'
import type { Io } from '../io'
import { toldCertificate } from './record'
import { describe, type CertificateRoom, type ListedCertificate } from './room'

export interface ImportOptions {
  files: readonly string[]
  /** Whose they are; undefined = the addresses in the certificates. */
  target?: { scope: Scope; name: string }
  /** The certificate may be for somebody else's address: a postmaster has looked at it. */
  password?: string
  json: boolean
}

/** `secure-mail certs import --json`, one file. */
export interface ImportedFile {
  file: string
  /** null = the file cannot be read. */
  form: FileContent['form'] | 'signed mail' | null
  taken: (ListedCertificate & { kept: Kept })[]
  passedOver: { subject: string; why: string }[]
  /** Private keys that were in the file; none is kept. */
  privateKeys: number
  /** Why nothing was taken; null = something was. */
  problem: string | null
}

/** Exit code 1 when a file gave nothing. */
export async function importCertificates(room: CertificateRoom, options: ImportOptions, io: Io): Promise<void> {
  const files: ImportedFile[] = []
  for (const file of options.files) files.push(await importFile(room, file, options, io))
  if (files.some(({ problem }) => problem !== null)) io.exitCode = 1
  if (options.json) io.out(`${JSON.stringify({ files })}\n`)
  else for (const one of files) show(one, io)
}

async function importFile(room: CertificateRoom, file: string, options: ImportOptions, io: Io): Promise<ImportedFile> {
  const result: ImportedFile = { file, form: null, taken: [], passedOver: [], privateKeys: 0, problem: null }
  try {
    const bytes = file === '-' ? await io.stdin() : readFileSync(file)
    if (looksLikeMessage(bytes)) await importMail(room, bytes, result)
    else await importContent(room, await readContent(bytes, file, options, io), options, result)
  } catch (error) {
    if (!(error instanceof RangeError) && !(error instanceof PasswordNeeded) && !isFileError(error)) throw error
    result.problem = error.message
  }
  return result
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

/** A password is asked for where there is somebody to ask. */
async function readContent(bytes: Buffer, file: string, options: ImportOptions, io: Io): Promise<FileContent> {
  try {
    return readCertificateFile(bytes, options.password)
  } catch (error) {
    if (!(error instanceof PasswordNeeded)) throw error
    if (options.password === undefined && io.askSecret !== undefined) {
      return readCertificateFile(bytes, await io.askSecret(`password of ${oneLine(file)}: `))
    }
    const how = 'give it with --password-file FILE or in SECURE_MAIL_P12_PASSWORD'
    throw new PasswordNeeded(options.password === undefined ? `${error.message}; ${how}` : error.message)
  }
}

async function importContent(
  room: CertificateRoom,
  content: FileContent,
  { target }: ImportOptions,
  result: ImportedFile,
): Promise<void> {
  result.form = content.form
  result.privateKeys = content.privateKeys
  const all = content.certificates.flatMap((der) => factsOf(der) ?? [])
  if (all.length < content.certificates.length) {
    passOver(room, result, null, 'a certificate in the file cannot be read')
  }
  // what issues others is there for the chain; alone in a file, it is what somebody wants to import
  const persons = all.filter(({ x509 }) => !x509.ca)
  for (const facts of persons.length > 0 ? persons : all) {
    const whose = target === undefined ? addressesOf(facts) : [target]
    const why =
      unusable(facts, room.now) ??
      (whose.length > 0 ? null : 'it names no address; say whose it is with --for ADDRESS or --domain DOMAIN')
    if (why === null) await take(room, facts, all, whose, result)
    else passOver(room, result, facts, why)
  }
  if (result.taken.length === 0) result.problem = result.passedOver[0]?.why ?? 'it holds no certificate'
}

async function take(
  room: CertificateRoom,
  facts: CertificateFacts,
  all: readonly CertificateFacts[],
  whose: readonly { scope: Scope; name: string }[],
  result: ImportedFile,
): Promise<void> {
  const { book, trust, now } = room
  const others = all.filter((one) => one !== facts).map(({ x509 }) => x509.raw)
  const chain = trust.chainOf(facts.x509.raw, others, now)
  if (chain.result === 'revoked') {
    passOver(room, result, facts, chain.why)
    return
  }
  const stored = { ...storedForm(facts.x509.raw, others, trust, now), source: 'imported' as const }
  for (const { scope, name } of whose) {
    const kept = await keep(book, trust, scope, name, stored)
    if (kept === 'full') passOver(room, result, facts, `${name} has too many certificates`)
    else taken(room, result, describe(scope, name, stored, room), kept)
  }
}

function taken(room: CertificateRoom, result: ImportedFile, certificate: ListedCertificate, kept: Kept): void {
  result.taken.push({ ...certificate, kept })
  room.told.push(toldCertificate('import', kept !== 'rejected', result.form ?? '', certificate))
}

/** @param facts null = it could not be read, or is not kept any more */
function passOver(room: CertificateRoom, result: ImportedFile, facts: CertificateFacts | null, why: string): void {
  result.passedOver.push({ subject: facts?.subject ?? '', why })
  const known =
    facts === null
      ? {}
      : { fingerprint: facts.fingerprint, subject: facts.subject, notAfter: new Date(facts.notAfter).toISOString() }
  room.told.push(toldCertificate('import', false, result.form ?? '', { ...known, why }))
}

function addressesOf({ addresses }: CertificateFacts): { scope: Scope; name: string }[] {
  return addresses.map((name) => ({ scope: 'address', name }))
}

/** By the rules of mail that passes: the signature has to be good, and without a chain it waits for approval. */
async function importMail(room: CertificateRoom, raw: Buffer, result: ImportedFile): Promise<void> {
  const { book, trust, now, settings } = room
  result.form = 'signed mail'
  const isOwn = (domain: string) => domainListed(domain, settings.main.internalDomains)
  const found = await harvest(examine(raw, now), book, trust, isOwn, now)
  switch (found.kind) {
    case 'not-signed':
      throw new RangeError('the mail is not signed with S/MIME')
    case 'own-sender':
      throw new RangeError(`${found.address} is one of our own addresses`)
    case 'refused': {
      const { address, fingerprint, why } = found
      const about = { holder: address ?? '', fingerprint: fingerprint ?? '', why }
      room.told.push(toldCertificate('import', false, result.form, about))
      throw new RangeError(why)
    }
    case 'harvested': {
      const there = await book.of('address', found.address)
      for (const { fingerprint, kept } of found.certificates) {
        const stored = there.find((one) => one.fingerprint === fingerprint)
        if (stored === undefined) passOver(room, result, null, `${found.address} has too many certificates`)
        else taken(room, result, describe('address', found.address, stored, room), kept)
      }
      if (result.taken.length === 0) result.problem = result.passedOver[0]?.why ?? 'nothing was taken'
    }
  }
}

function factsOf(der: Buffer): CertificateFacts | null {
  try {
    return certificateFacts(der)
  } catch {
    return null
  }
}

function show({ file, form, taken, passedOver, privateKeys, problem }: ImportedFile, io: Io): void {
  const name = oneLine(file)
  for (const { holder, scope, fingerprint, state, key, notAfter, why } of taken) {
    const whose = scope === 'domain' ? `all of ${holder}` : holder
    io.out(
      `${whose}: ${fingerprint.slice(0, 16)} (${key}, until ${notAfter.slice(0, 10)}) is ${state}: ${oneLine(why)}\n`,
    )
    if (state === 'candidate') io.out(`  approve it: secure-mail certs trust ${fingerprint.slice(0, 16)}\n`)
  }
  for (const { subject, why } of passedOver) io.err(`secure-mail: ${name}: passed over ${oneLine(subject)}: ${why}\n`)
  if (privateKeys > 0) {
    io.err(`secure-mail: ${name}: the private key in it was not kept; nobody else should have it, delete the file\n`)
  }
  if (problem !== null) io.err(`secure-mail: ${name}${form === null ? '' : ` (${form})`}: ${oneLine(problem)}\n`)
}
