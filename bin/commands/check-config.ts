/** `secure-mail check-config`: is everything readable, valid and safe? */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { systemClock, type Clock } from '../../lib/clock'
import { formatProblem, hasExpired, loadConfig, replacedSettings, undermining } from '../../lib/config'
import type { ConfigProblem, Settings } from '../../lib/config/settings'
import { probeValidation, type Validation } from '../../lib/dns'
import type { MapRow } from '../../lib/policy/types'
import { unsignedReports } from '../../lib/report/tlsrpt'
import { findInstance } from '../instance'
import type { CommonOptions, Io, RegisterCommand } from '../io'

/** What the command found; the shape of its JSON (`docs/schema/check-config.schema.json`). */
export interface CheckResult {
  ok: boolean
  /** Absolute path. */
  instance: string
  problems: ConfigProblem[]
  rows: { total: number; expired: RowNote[]; expiringSoon: RowNote[] }
  /** null: not asked (`--offline`, or the settings cannot be read). */
  resolver: Validation | null
  /** Stock settings that have no effect beside the plugin. */
  replaced: ConfigProblem[]
}

interface RowNote {
  pattern: string
  level: string
  expires: string
  file: string
  line: number
  note?: string
}

/** Does the configured resolver validate DNSSEC? */
export type Probe = (settings: Settings) => Promise<Validation>

/** How long before its last day a row is told about. */
const SOON = 30 * 24 * 3_600_000

/** Adds `check-config`. */
export const registerCheckConfig: RegisterCommand = checkConfigWith(probeValidation, systemClock)

/**
 * @param probe asks the resolvers
 * @param clock says which rows have expired
 */
export function checkConfigWith(probe: Probe, clock: Clock): RegisterCommand {
  return (program, io) => {
    program
      .command('check-config')
      .description('is everything readable, valid and safe; which rows expired; does the resolver validate DNSSEC')
      .option('--offline', 'ask neither the resolver nor the Redis server')
      .addHelpText('after', '\nExit code: 0 good, 1 readable but unsafe, 2 not readable or not valid.')
      .action(async (_options: unknown, command: Command) => {
        const options = command.optsWithGlobals<CommonOptions & { offline?: boolean }>()
        const instance = findInstance(options)
        if (instance === undefined || !existsSync(path.join(instance, 'config'))) {
          io.err(noInstance(instance))
          io.exitCode = 2
          return
        }
        const { result, exitCode } = await check(instance, options.offline === true ? undefined : probe, clock)
        io.exitCode = exitCode
        if (options.json === true) io.out(`${JSON.stringify(result, null, 2)}\n`)
        else show(result, exitCode, io)
      })
  }
}

function noInstance(instance: string | undefined): string {
  return instance === undefined
    ? 'secure-mail: there is no instance here; name one with --config DIR, or make one with: secure-mail init DIR\n'
    : `secure-mail: ${instance} is no instance directory (it has no config/); make one with: secure-mail init DIR\n`
}

async function check(
  instance: string,
  probe: Probe | undefined,
  clock: Clock,
): Promise<{ result: CheckResult; exitCode: 0 | 1 | 2 }> {
  const loaded = loadConfig(instance, clock)
  const settings = loaded.ok ? loaded.settings : undefined
  const unsafe = undermining(instance, settings?.main.mode ?? 'enforce')
  const signing = settings === undefined ? [] : unsignedReports(instance, settings)
  const resolver = settings === undefined || probe === undefined ? null : await probe(settings)
  const serverAdvice = settings === undefined || probe === undefined ? [] : await storeAdvice(settings)
  if (settings !== undefined && resolver !== null && !resolver.validates) unsafe.push(...needDnssec(settings, resolver))
  const exitCode = settings === undefined ? 2 : unsafe.length > 0 ? 1 : 0
  return {
    exitCode,
    result: {
      ok: exitCode === 0,
      instance,
      problems: [...loaded.problems, ...unsafe, ...signing, ...serverAdvice],
      rows: rowNotes(settings?.map.rows ?? [], clock.now()),
      resolver,
      replaced: replacedSettings(instance),
    },
  }
}

/**
 * RFC 7672 section 2.1.1: without validated answers no TLSA record is usable. The default level only loses a protection
 * that it would have gained; what insists on DANE cannot be delivered at all.
 */
function needDnssec(settings: Settings, resolver: Validation): ConfigProblem[] {
  const undeliverable = (file: string, line: number, what: string): ConfigProblem => ({
    file,
    line,
    severity: 'error',
    message: `${what} asks for dane-only, and no mail to it can be delivered: ${resolver.detail}`,
  })
  return [
    ...(settings.main.level === 'dane-only' ? [undeliverable('config/secure-mail.ini', 0, 'the default level')] : []),
    ...settings.map.rows
      .filter((row) => row.level === 'dane-only')
      .map(({ file, line, pattern }) => undeliverable(file, line, pattern)),
  ]
}

/** A Redis server is asked whether it keeps what it acknowledges; that it is away now says nothing about later. */
async function storeAdvice({ store }: Settings): Promise<ConfigProblem[]> {
  if (store.engine !== 'redis' || store.redisUrl === undefined) return []
  // most gateways need no client
  const { probeRedis } = await import('../../lib/store/redis-advice.js')
  const advice = await probeRedis(store.redisUrl)
  return advice.map((message) => ({ file: 'config/secure-mail.ini', line: 0, severity: 'warning', message }))
}

function rowNotes(rows: readonly MapRow[], now: number): CheckResult['rows'] {
  const notes = (wanted: (row: MapRow) => boolean) =>
    rows.flatMap((row) => {
      if (row.expires === undefined || !wanted(row)) return []
      const { pattern, level, expires, file, line, note } = row
      return [{ pattern, level, expires, file, line, ...(note === undefined ? {} : { note }) }]
    })
  return {
    total: rows.length,
    expired: notes((row) => hasExpired(row, now)),
    expiringSoon: notes((row) => !hasExpired(row, now) && hasExpired(row, now + SOON)),
  }
}

function show(result: CheckResult, exitCode: 0 | 1 | 2, io: Io): void {
  for (const problem of result.problems) io.out(`${formatProblem(problem)}\n`)
  for (const row of result.rows.expiringSoon) {
    io.out(`${row.file}:${row.line}: warning: the row ${row.pattern} ${row.level} expires on ${row.expires}\n`)
  }
  for (const replaced of result.replaced) io.out(`${formatProblem(replaced)}\n`)
  const { total, expired, expiringSoon } = result.rows
  const verdict = exitCode === 0 ? 'good' : exitCode === 1 ? 'UNSAFE, see above' : 'NOT VALID, nothing would start'
  const lines: [string, string][] = [
    ['instance', result.instance],
    ['policy map', `${total} rows, ${expired.length} expired, ${expiringSoon.length} expire within 30 days`],
    ['resolver', result.resolver === null ? 'not asked' : result.resolver.detail],
    ['verdict', verdict],
  ]
  for (const [name, text] of lines) io.out(`${name.padEnd(10)}  ${text}\n`)
}
