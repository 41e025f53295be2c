/** `secure-mail certs`: certificates of correspondents, to whom mail can be encrypted. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { systemClock, type Clock } from '../../lib/clock'
import { certificateAddress, certificateDomain, type Scope } from '../../lib/encrypt/certificates/names'
import { changeCertificate } from '../certs/change'
import { findCertificate, readFingerprint } from '../certs/find'
import { importCertificates } from '../certs/import'
import { exportCertificates, listCertificates } from '../certs/list'
import { recordChanges } from '../certs/record'
import { enterCertificates, type CertificateRoom } from '../certs/room'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { thisOperator } from '../queue/room'
import { fail, readRecipient } from '../ready'

const STATES = ['trusted', 'candidate', 'rejected', 'unreadable']

/** Adds `certs` with `list`, `import`, `trust`, `remove` and `export`; `certs` alone is `certs list`. */
export const registerCerts: RegisterCommand = certsWith(systemClock)

/** @param clock says what is valid */
export function certsWith(clock: Clock): RegisterCommand {
  return (program, io) => {
    const certs = program
      .command('certs')
      .description('S/MIME certificates of correspondents: see, add, approve, remove')
    addList(certs, io, clock)
    addImport(certs, io, clock)
    addTrust(certs, io, clock)
    addRemove(certs, io, clock)
    addExport(certs, io, clock)
  }
}

function addList(certs: Command, io: Io, clock: Clock): void {
  certs
    .command('list', { isDefault: true })
    .description('whose certificates are there, which of them are used, and why not the others')
    .argument('[address or domain]', 'only these')
    .option('--state <state>', `only those that are ${STATES.join(', ')}`)
    .addHelpText('after', '\nExit code: 0 the store could be read, 2 wrong call or configuration.')
    .action(async (given: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions & { state?: string }>()
      const whose = given === undefined ? undefined : readRecipient(given)
      if (whose === null) {
        fail(io, [`${JSON.stringify(given)} is neither an address nor a domain`])
      } else if (options.state !== undefined && !STATES.includes(options.state)) {
        fail(io, [`--state ${JSON.stringify(options.state)} is none of ${STATES.join(', ')}`])
      } else {
        await inRoom(options, clock, false, io, (room) =>
          listCertificates(
            room,
            {
              ...(whose === undefined ? {} : { whose: certificateAddress(whose) ?? whose }),
              ...(options.state === undefined ? {} : { state: options.state }),
              json: options.json === true,
            },
            io,
          ),
        )
      }
    })
}

interface ImportFlags extends CommonOptions {
  for?: string
  domain?: string
  passwordFile?: string
}

function addImport(certs: Command, io: Io, clock: Clock): void {
  certs
    .command('import')
    .description('add certificates from files (PEM, DER, PKCS #7, PKCS #12, LDIF), or from a signed mail')
    .argument('<file...>', 'files; - is standard input')
    .option('--for <address>', 'whose they are, when the certificate does not say so')
    .option('--domain <domain>', "they are of the domain's gateway: mail to everybody there is encrypted to them")
    .option(
      '--password-file <file>',
      'holds the password of a PKCS #12 file; else $SECURE_MAIL_P12_PASSWORD, else asked',
    )
    .addHelpText(
      'after',
      '\nWhat comes from a file is trusted: whoever runs this has looked at it. What comes from a mail is judged as mail that\npasses the gateway. Private keys are never kept.\nExit code: 0 something was taken from every file, 1 from one of them nothing, 2 wrong call or configuration.',
    )
    .action(async (files: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ImportFlags>()
      const target = readTarget(options)
      if (typeof target === 'string') {
        fail(io, [target])
        return
      }
      let password: string | undefined
      try {
        password = readPassword(options)
      } catch (error) {
        fail(io, [`--password-file: ${(error as Error).message}`])
        return
      }
      await inRoom(options, clock, true, io, (room) =>
        importCertificates(
          room,
          {
            files,
            ...(target === undefined ? {} : { target }),
            ...(password === undefined ? {} : { password }),
            json: options.json === true,
          },
          io,
        ),
      )
    })
}

/** @returns whose certificates they are; undefined = as they say; in words, what is wrong with the call */
function readTarget({ for: person, domain }: ImportFlags): { scope: Scope; name: string } | string | undefined {
  if (person !== undefined && domain !== undefined) return 'either --for or --domain, not both'
  if (person !== undefined) {
    const name = certificateAddress(person)
    return name === null ? `--for ${JSON.stringify(person)} is no address` : { scope: 'address', name }
  }
  if (domain === undefined) return undefined
  const name = certificateDomain(domain)
  return name === null ? `--domain ${JSON.stringify(domain)} is no domain` : { scope: 'domain', name }
}

/** The first line of the file, as with other programs. @throws Error of the file system */
function readPassword({ passwordFile }: ImportFlags): string | undefined {
  if (passwordFile === undefined) return process.env.SECURE_MAIL_P12_PASSWORD
  return readFileSync(passwordFile, 'utf8').split(/\r?\n/)[0]
}

function addTrust(certs: Command, io: Io, clock: Clock): void {
  certs
    .command('trust')
    .description('approve a certificate that waits: from now on mail to its holder can be encrypted to it')
    .argument('<fingerprint>', 'SHA-256, or the beginning of it; compare it with the holder by another channel')
    .addHelpText('after', '\nExit code: 0 done, 1 no such certificate, 2 wrong call or configuration.')
    .action(async (given: string, _options: unknown, command: Command) => {
      await change('trust', given, command, io, clock)
    })
}

function addRemove(certs: Command, io: Io, clock: Clock): void {
  certs
    .command('remove')
    .description('take a certificate out')
    .argument('<fingerprint>', 'SHA-256, or the beginning of it')
    .option('--reject', 'remember it, so that it is not taken again from the next signed mail')
    .addHelpText('after', '\nExit code: 0 done, 1 no such certificate, 2 wrong call or configuration.')
    .action(async (given: string, { reject }: { reject?: boolean }, command: Command) => {
      await change(reject === true ? 'reject' : 'remove', given, command, io, clock)
    })
}

async function change(
  what: 'trust' | 'remove' | 'reject',
  given: string,
  command: Command,
  io: Io,
  clock: Clock,
): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>()
  const digits = fingerprintOf(given, io)
  if (digits === null) return
  await inRoom(options, clock, true, io, (room) => changeCertificate(room, what, digits, options.json === true, io))
}

function addExport(certs: Command, io: Io, clock: Clock): void {
  certs
    .command('export')
    .description('print certificates in PEM form')
    .argument('<fingerprint, address or domain>', 'which')
    .addHelpText('after', '\nExit code: 0 printed, 1 no such certificate, 2 wrong call or configuration.')
    .action(async (given: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions>()
      const address = certificateAddress(given)
      const domain = given.includes('.') && !given.includes(':') ? certificateDomain(given) : null
      const digits = address === null && domain === null ? fingerprintOf(given, io) : null
      if (address === null && domain === null && digits === null) return
      await inRoom(options, clock, false, io, async (room) => {
        const found =
          digits === null
            ? await ofHolder(room, address === null ? 'domain' : 'address', address ?? domain ?? '')
            : await findCertificate(room, digits)
        if (typeof found === 'string') {
          fail(io, [found])
          return
        }
        if (found.length === 0) {
          io.exitCode = 1
          io.err(`secure-mail: there is no certificate of ${JSON.stringify(given)}\n`)
        }
        exportCertificates(found, options.json === true, io)
      })
    })
}

async function ofHolder({ book }: CertificateRoom, scope: Scope, holder: string) {
  return (await book.of(scope, holder)).map((stored) => ({ scope, holder, stored }))
}

function fingerprintOf(given: string, io: Io): string | null {
  const digits = readFingerprint(given)
  if (digits === null) fail(io, [`${JSON.stringify(given)} is no SHA-256 fingerprint (at least its first 8 digits)`])
  return digits
}

async function inRoom(
  options: CommonOptions,
  clock: Clock,
  writes: boolean,
  io: Io,
  work: (room: CertificateRoom) => Promise<void>,
): Promise<void> {
  const entered = await enterCertificates(options, clock, writes)
  if (!entered.ok) {
    fail(io, entered.problems)
    return
  }
  try {
    await work(entered.room)
  } finally {
    // also what was done before something failed
    const { instance, told, close } = entered.room
    await recordChanges(instance, told, thisOperator(), io).finally(close)
  }
}
