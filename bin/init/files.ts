/** The files of a new instance, as text. Pure but for reading the package's own templates. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../lib/package-root'

/** What of a new instance is chosen when it is made. */
export interface InstanceOptions {
  /** `address:port` or `[v6]:port` to listen on. */
  listen: string
  /** Name in HELO and in the reports. */
  hostname: string
  /** Own domains, as written in `secure-mail.ini`. */
  internalDomains: readonly string[]
  /** Rows to append to the policy map, one per line. */
  mapRows: readonly string[]
}

export const DEFAULT_LISTEN = '127.0.0.1:2525'

/** Folders of an instance; the first is Haraka's, the others the plugin's. All are for its user alone. */
export const INSTANCE_FOLDERS = ['queue', 'store', 'audit', 'run'] as const

/**
 * Everything below `config/`, by file name.
 *
 * @throws Error when the package's templates cannot be read
 */
export function instanceFiles(options: InstanceOptions): Map<string, string> {
  const templates = path.join(packageRoot(), 'config', 'instance')
  const files = new Map(
    readdirSync(templates)
      .sort()
      .map((name) => [name, readFileSync(path.join(templates, name), 'utf8')]),
  )
  const change = (name: string, how: (text: string) => string) => files.set(name, how(files.get(name) ?? ''))
  change('smtp.ini', (text) => text.replace(/^listen=.*$/m, `listen=${options.listen}`))
  if (options.mapRows.length > 0) change('secure-mail.tls_policy', (text) => `${text}\n${options.mapRows.join('\n')}\n`)
  files.set('me', `${options.hostname}\n`)
  const defaults = readFileSync(path.join(packageRoot(), 'config', 'secure-mail.ini'), 'utf8')
  files.set('secure-mail.ini', instanceIni(defaults, options.internalDomains))
  return files
}

/** Hooks of Haraka 3.3, in the order in which a mail meets them. */
const HOOKS = [
  'init_master',
  'init_child',
  'init_http',
  'init_wss',
  'connect_init',
  'lookup_rdns',
  'connect',
  'capabilities',
  'unrecognized_command',
  'disconnect',
  'helo',
  'ehlo',
  'quit',
  'vrfy',
  'noop',
  'rset',
  'mail',
  'rcpt',
  'rcpt_ok',
  'data',
  'data_post',
  'max_data_exceeded',
  'queue',
  'queue_outbound',
  'queue_ok',
  'reset_transaction',
  'deny',
  'get_mx',
  'deferred',
  'bounce',
  'delivered',
  'send_email',
  'pre_send_trans_email',
  'log',
] as const

/** Where `haraka -o -c DIR` looks for the names of hooks; without the file it ends with an exception (Haraka 3.3.4). */
export const HOOK_LIST = path.join('docs', 'Plugins.md')

/** Text of `HOOK_LIST`: `haraka -o` takes the list items between these two headings. */
export function hookList(): string {
  return `# Hooks of this instance

\`haraka -o -c DIR\` shows which plugin is on which hook, and in which order. It reads the names of the hooks here.

## Available Hooks

${HOOKS.map((hook) => `- ${hook}`).join('\n')}

### rcpt
`
}

const INI_HEAD = `; Settings of secure-mail for this instance. Every key is here with its default, switched off by a ; in front: take
; the ; away and change the value. A list (key[]=) that is set here replaces the default list as a whole, and key[]=
; without a value empties it. Changes are picked up within seconds; a file with an error changes nothing and is reported
; in the log with file and line. What needs a restart: [store], [audit] and [main] of Haraka's own files.
;
; A comment is a line of its own that begins with ; or #; there are none behind a value. Durations: 500ms 90s 5m 4h 2d.
; Sizes: bytes, or 64K 200M 1G. Relative paths are below the instance's directory.
`

/** The defaults with every key commented out, and the own domains set. */
function instanceIni(defaults: string, internalDomains: readonly string[]): string {
  const body = defaults.slice(defaults.indexOf('\n\n') + 1)
  const commented = body.replace(/^(?=[a-z0-9_]+(\[\])?=)/gm, ';')
  const own =
    internalDomains.length === 0
      ? ';internal_domains[]=uni.example\n;internal_domains[]=.uni.example'
      : internalDomains.map((domain) => `internal_domains[]=${domain}`).join('\n')
  return `${INI_HEAD}${commented.replace(/^;internal_domains\[\]=$/m, own)}`
}
