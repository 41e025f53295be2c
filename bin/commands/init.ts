/** `secure-mail init DIR`: a complete, commented, ready Haraka instance that uses this plugin. */
import { existsSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { Command } from 'commander'
import { systemClock, type Clock } from '../../lib/clock'
import { formatProblem, loadConfig } from '../../lib/config'
import { domainPattern } from '../../lib/config/values'
import { normaliseName } from '../../lib/dns'
import { DEFAULT_LISTEN, instanceFiles } from '../init/files'
import { importTlsHosts, type Imported } from '../init/import-tls'
import { isFree, writeInstance, type Written } from '../init/write'
import type { CommonOptions, Io, RegisterCommand } from '../io'

interface InitOptions extends CommonOptions {
  force?: boolean
  listen: string
  hostname: string
  internalDomain: string[]
  import?: string
}

/** What was done; the shape of the command's JSON (`docs/schema/init.schema.json`). */
export interface InitResult extends Written {
  /** Absolute path. */
  instance: string
  /** null: nothing was imported. */
  imported: Imported | null
}

/** Adds `init`. */
export const registerInit: RegisterCommand = initWith(systemClock)

/** @param clock says when imported exceptions expire */
export function initWith(clock: Clock): RegisterCommand {
  return (program, io) => {
    program
      .command('init')
      .description('make a complete, commented, ready Haraka instance that uses secure-mail')
      .argument('<dir>', 'folder to make it in; new, or empty')
      .option('--force', 'also in a folder that is not empty; files that are there are renamed, never overwritten')
      .option('--listen <address:port>', 'where to take mail', DEFAULT_LISTEN)
      .option('--hostname <name>', 'name that the gateway gives itself', os.hostname())
      .option(
        '--internal-domain <domain>',
        'own mail domain, or .domain for all below it; may be repeated',
        collect,
        [],
      )
      .option('--import <dir>', 'make policy rows from the force_tls_hosts and no_tls_hosts of an existing instance')
      .action((dir: string, _options: unknown, command: Command) => {
        init(path.resolve(dir), command.optsWithGlobals<InitOptions>(), io, clock)
      })
  }
}

function collect(value: string, before: string[]): string[] {
  return [...before, value]
}

function init(dir: string, options: InitOptions, io: Io, clock: Clock): void {
  const mistake = mistakeIn(dir, options)
  if (mistake !== undefined) {
    io.err(`secure-mail: ${mistake}\n`)
    io.exitCode = 2
    return
  }
  const imported = options.import === undefined ? null : importTlsHosts(path.resolve(options.import), clock.now())
  const files = instanceFiles({
    listen: options.listen,
    hostname: options.hostname,
    internalDomains: options.internalDomain,
    mapRows: imported?.lines ?? [],
  })
  const result: InitResult = { instance: dir, ...writeInstance(dir, files), imported }
  // what was there before (report texts, for one) may not fit
  const loaded = loadConfig(dir, clock)
  if (!loaded.ok) {
    for (const problem of loaded.problems) io.err(`secure-mail: ${formatProblem(problem)}\n`)
    io.exitCode = 2
  }
  if (options.json === true) io.out(`${JSON.stringify(result, null, 2)}\n`)
  else show(result, io)
}

/** What is wrong with the call, in one clause. */
function mistakeIn(dir: string, options: InitOptions): string | undefined {
  if (existsSync(dir) && !statSync(dir).isDirectory()) return `${dir} is no folder`
  if (!isFree(dir) && options.force !== true) {
    return `${dir} is not empty; name another folder, or add --force (files that are there are renamed, not lost)`
  }
  if (!isListenAddress(options.listen)) {
    return `--listen ${options.listen} is not an address and a port, e.g. 127.0.0.1:2525 or [::1]:2525`
  }
  if (normaliseName(options.hostname) === null) return `--hostname ${options.hostname} is no host name`
  for (const domain of options.internalDomain) {
    const parsed = domainPattern(domain)
    if (!parsed.ok) return `--internal-domain: ${parsed.why}`
  }
  if (options.import !== undefined && !existsSync(path.join(options.import, 'config', 'tls.ini'))) {
    return `--import ${options.import}: there is no config/tls.ini in it`
  }
  return undefined
}

function isListenAddress(text: string): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  return (isIP(match?.[1] ?? '') === 6 || isIP(match?.[2] ?? '') === 4) && port > 0 && port < 65536
}

function show({ instance, renamed, kept, imported }: InitResult, io: Io): void {
  io.out(`made an instance in ${instance}\n`)
  for (const { from, to } of renamed) io.out(`  ${from} was there: it is now ${to}\n`)
  for (const name of kept) io.out(`  ${name} was there and stays\n`)
  if (imported !== null) {
    io.out(`  ${imported.rows} rows of config/secure-mail.tls_policy come from the old tls.ini: look at each\n`)
    for (const line of imported.notImported) io.out(`  not imported: ${line}\n`)
  }
  io.out('next:\n')
  io.out('  set internal_domains[] in config/secure-mail.ini, and who may relay in config/relay_acl_allow\n')
  io.out(`  secure-mail check-config --config ${instance}\n`)
  io.out(`  haraka -c ${instance}\n`)
}
