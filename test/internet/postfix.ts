/**
 * Postfix as the recipients' mail servers: one Postfix, one listener per recipient organisation, each on an address of
 * its own with its own certificate and TLS set-up, all on the same port (the gateway knows one `[delivery] port`). Mail
 * is stored by Postfix' own virtual(8) in maildirs, one per domain.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import type { CertificateFiles } from './ca'
import { run, start, temporaryDirectory, until, watchGroup } from '../../demo/processes'

export type Profile =
  /** STARTTLS with whatever certificate is given: what makes it good, expired, ... is the certificate. */
  | 'tls'
  /** STARTTLS, TLS 1.0 and nothing newer. */
  | 'tls10only'
  /** STARTTLS, TLS 1.2 and nothing newer. */
  | 'tls12only'
  /** No STARTTLS. */
  | 'noTls'
  /** STARTTLS, and no mail before it (530). */
  | 'tlsRequired'

export interface Listener {
  /** 127.0.0.x */
  address: string
  /** Its name in greeting and EHLO. */
  hostname: string
  profile: Profile
  /** Needed by every profile but `noTls`. */
  certificate?: CertificateFiles
  /** Domains it takes mail for; all local parts but those of `unknown` exist. */
  domains: readonly string[]
  /** Addresses that are refused at RCPT with 550 5.1.1. */
  unknown?: readonly string[]
  /** Addresses that are deferred at RCPT with 450 4.2.0. */
  busy?: readonly string[]
  /** Say in the log when a TLS session is resumed. */
  logSessions?: true
}

/** A mail as it lies in the recipient's mailbox. */
export interface StoredMail {
  /** The file, with what Postfix put in front; lines end with LF. */
  raw: Buffer
  /** As it came over the wire: without Postfix' own fields in front, lines end with CRLF. */
  message: Buffer
  /** Envelope sender, '' = null sender. */
  sender: string
  /** Envelope recipient. */
  recipient: string
  /** TLS version of the session that brought it, e.g. `TLSv1.3`; undefined = clear text. */
  tls?: string
  /** Name of the listener that took it. */
  by: string
}

export interface Postfix {
  readonly port: number
  /** What arrived for a domain so far, oldest first. */
  mails(domain: string): StoredMail[]
  /** Wait until `count` mails have arrived for a domain. */
  waitFor(domain: string, count: number, limit?: number): Promise<StoredMail[]>
  /** Postfix' log so far. */
  log(): string
  stop(): Promise<void>
}

const NOBODY = 65534
const MASTER_PID = 'pid/master.pid'

/** Start Postfix with these listeners, all on `port`. Whatever fails, nothing stays running. */
export async function startPostfix(options: { port: number; listeners: readonly Listener[] }): Promise<Postfix> {
  const temporary = temporaryDirectory('postfix')
  const dir = temporary.path
  const paths = { etc: path.join(dir, 'etc'), queue: path.join(dir, 'queue'), mail: path.join(dir, 'mail') }
  const data = path.join(dir, 'data')
  const log = path.join(dir, 'mail.log')
  for (const folder of [...Object.values(paths), data]) mkdirSync(folder)
  chownSync(data, await userId('postfix'), 0)
  chownSync(paths.mail, NOBODY, NOBODY)
  chmodSync(paths.mail, 0o700)
  writeFileSync(path.join(paths.etc, 'main.cf'), mainCf(dir, options.listeners))
  writeFileSync(path.join(paths.etc, 'master.cf'), masterCf(options.port, options.listeners))
  writeFileSync(path.join(paths.etc, 'mailboxes'), mailboxes(options.listeners))
  writeFileSync(path.join(paths.etc, 'recipients'), refusals(options.listeners))

  const readLog = () => (existsSync(log) ? readFileSync(log, 'utf8') : '')
  const program = start('/usr/sbin/postfix', ['-c', paths.etc, 'start-fg'])
  let forget: (() => void) | undefined
  const stop = async () => {
    // master makes a session of its own and hands SIGTERM on to its children.
    const pid = masterPid(paths.queue)
    if (pid !== undefined) {
      process.kill(pid, 'SIGTERM')
      await program.exit
    }
    await program.stop()
    forget?.()
    temporary.remove()
  }
  try {
    const detail = () => program.output() + readLog()
    const pid = await until(
      'Postfix starts',
      () => {
        if (program.ended()) throw new Error(`Postfix ended: ${detail()}`)
        return masterPid(paths.queue)
      },
      { detail },
    )
    forget = watchGroup(pid)
    for (const { address } of options.listeners)
      await until(`Postfix greets on ${address}`, () => greets(address, options.port), { detail })
    const mails = (domain: string) => readMaildir(path.join(paths.mail, domain))
    return {
      port: options.port,
      log: readLog,
      mails,
      waitFor: (domain, count, limit = 15_000) =>
        until(
          `${count} mail(s) for ${domain}`,
          () => {
            const found = mails(domain)
            return found.length >= count && found
          },
          { limit, detail: readLog },
        ),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Does a server say 220 there? Waiting for its words leaves nothing that a capture begun later would see the end of. */
async function greets(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port, timeout: 5_000 })
    const answer = (yes: boolean) => {
      socket.destroy()
      resolve(yes)
    }
    socket.once('data', (chunk: Buffer) => {
      answer(chunk.toString().startsWith('220'))
    })
    for (const event of ['error', 'close', 'timeout']) {
      socket.once(event, () => {
        answer(false)
      })
    }
  })
}

async function userId(name: string): Promise<number> {
  const { stdout } = await run('/usr/bin/id', ['-u', name])
  return Number(stdout)
}

function masterPid(queue: string): number | undefined {
  try {
    const pid = Number(readFileSync(path.join(queue, MASTER_PID), 'utf8'))
    if (!Number.isInteger(pid) || pid <= 1) return undefined
    process.kill(pid, 0)
    return pid
  } catch {
    return undefined
  }
}

function mainCf(dir: string, listeners: readonly Listener[]): string {
  const settings = {
    compatibility_level: '3.6',
    queue_directory: `${dir}/queue`,
    data_directory: `${dir}/data`,
    mail_owner: 'postfix',
    setgid_group: 'postdrop',
    myhostname: 'postfix.test',
    mydestination: '',
    mynetworks: '',
    relay_domains: '',
    inet_interfaces: 'loopback-only',
    inet_protocols: 'ipv4',
    maillog_file: `${dir}/mail.log`,
    maillog_file_prefixes: dir,
    virtual_mailbox_domains: [...new Set(listeners.flatMap(({ domains }) => domains))].join(' '),
    virtual_mailbox_base: `${dir}/mail`,
    virtual_mailbox_maps: `regexp:${dir}/etc/mailboxes`,
    virtual_uid_maps: `static:${NOBODY}`,
    virtual_gid_maps: `static:${NOBODY}`,
    virtual_minimum_uid: '100',
    virtual_mailbox_limit: '0',
    message_size_limit: '104857600',
    smtpd_recipient_restrictions: `check_recipient_access regexp:${dir}/etc/recipients, reject_unauth_destination`,
    // who says more than RFC 2920 lets him is refused, or cut off
    smtpd_data_restrictions: 'reject_unauth_pipelining',
    smtpd_forbid_unauth_pipelining: 'yes',
    smtpd_peername_lookup: 'no',
    smtpd_tls_received_header: 'yes',
    smtpd_tls_loglevel: '1',
    // Never look for anybody outside this machine.
    default_transport: 'error:no mail leaves the test network',
    relay_transport: 'error:no mail leaves the test network',
    smtputf8_enable: 'yes',
    alias_maps: '',
    alias_database: '',
    local_recipient_maps: '',
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')
}

function masterCf(port: number, listeners: readonly Listener[]): string {
  const services = [
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'rewrite unix - - n - - trivial-rewrite',
    'bounce unix - - n - 0 bounce',
    'defer unix - - n - 0 bounce',
    'trace unix - - n - 0 bounce',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    'proxymap unix - - n - - proxymap',
    'anvil unix - - n - 1 anvil',
    'virtual unix - n n - - virtual',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'postlog unix-dgram n - n - 1 postlogd',
  ]
  const smtpd = listeners.map((listener) => {
    const options = {
      myhostname: listener.hostname,
      ...tlsOptions(listener),
      ...(listener.logSessions && { smtpd_tls_loglevel: '2' }),
    }
    const flags = Object.entries(options).map(([key, value]) => `-o ${key}=${value}`)
    return `${listener.address}:${port} inet n - n - - smtpd ${flags.join(' ')}`
  })
  return [...smtpd, ...services, ''].join('\n')
}

function tlsOptions({ profile, certificate, hostname }: Listener): Record<string, string> {
  if (profile === 'noTls') return { smtpd_tls_security_level: 'none' }
  if (!certificate) throw new Error(`${hostname}: profile ${profile} needs a certificate`)
  const common = {
    smtpd_tls_security_level: profile === 'tlsRequired' ? 'encrypt' : 'may',
    smtpd_tls_chain_files: `${certificate.keyFile},${certificate.certFile}`,
  }
  switch (profile) {
    case 'tls10only':
      // OpenSSL 3 has no signature algorithm for TLS 1.0 left above security level 0.
      return {
        ...common,
        smtpd_tls_protocols: 'TLSv1',
        smtpd_tls_ciphers: 'medium',
        tls_medium_cipherlist: 'ALL:@SECLEVEL=0',
      }
    case 'tls12only':
      return { ...common, smtpd_tls_protocols: 'TLSv1.2', smtpd_tls_mandatory_protocols: 'TLSv1.2' }
    default:
      return common
  }
}

const escaped = (text: string): string => text.replace(/[.+*?^$()[\]{}|\\/]/g, '\\$&')

const mailboxes = (listeners: readonly Listener[]): string =>
  listeners.flatMap(({ domains }) => domains.map((domain) => `/@${escaped(domain)}$/ ${domain}/\n`)).join('')

const refusals = (listeners: readonly Listener[]): string =>
  listeners
    .flatMap(({ unknown = [], busy = [] }) => [
      ...unknown.map((address) => `/^${escaped(address)}$/ 550 5.1.1 no such mailbox here\n`),
      ...busy.map((address) => `/^${escaped(address)}$/ 450 4.2.0 mailbox busy, try later\n`),
    ])
    .join('')

function readMaildir(dir: string): StoredMail[] {
  const folder = path.join(dir, 'new')
  if (!existsSync(folder)) return []
  // Maildir names begin with the second, then V<device>I<inode>M<microseconds>.
  const arrival = (name: string) => {
    const [, second = '0', micro = '0'] = /^(\d+)\..*M(\d+)/.exec(name) ?? []
    return Number(second) * 1e6 + Number(micro)
  }
  return readdirSync(folder)
    .sort((a, b) => arrival(a) - arrival(b))
    .map((name) => storedMail(readFileSync(path.join(folder, name))))
}

/** Take Postfix' own fields off: Return-Path, X-Original-To, Delivered-To and the first Received. */
function storedMail(raw: Buffer): StoredMail {
  const text = raw.toString('latin1')
  const head = /^Return-Path: <(.*)>\nX-Original-To: (.*)\nDelivered-To: .*\n(Received: .*\n(?:[ \t].*\n)*)/.exec(text)
  const [all, sender, recipient, received] = head ?? []
  if (all === undefined || sender === undefined || recipient === undefined || received === undefined)
    throw new Error(`not stored by Postfix: ${text.slice(0, 300)}`)
  return {
    raw,
    message: Buffer.from(text.slice(all.length).replace(/\n/g, '\r\n'), 'latin1'),
    sender,
    recipient,
    tls: /\(using (\S+) with cipher/.exec(received)?.[1],
    by: /\sby (\S+) \(Postfix\)/.exec(received)?.[1] ?? '',
  }
}
