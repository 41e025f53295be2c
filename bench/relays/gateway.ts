/** This project's gateway as a relay, set up by its own `secure-mail init`, so that what users get is what is measured. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../lib/package-root'
import { must } from '../process'
import { harakaVersion, installHold, runHaraka, type HarakaRelay } from './haraka'
import { Unavailable, type RelaySetup } from './relay'

/** The compiled command, beside the compiled benchmark. */
const COMMAND = path.join(__dirname, '..', '..', 'bin', 'secure-mail.js')

/** Domain of the senders: mail from it is the organisation's own. */
const SENDER_DOMAIN = 'sender.bench.test'

/** Rewrites a file of the instance's configuration. */
export function change(dir: string, file: string, how: (text: string) => string): void {
  const name = path.join(dir, 'config', file)
  writeFileSync(name, how(readFileSync(name, 'utf8')))
}

/**
 * Puts a line at the beginning of a section; a new instance has all keys commented out, so nothing is set twice.
 *
 * @throws Error when there is no such section: the setting would be lost without a word
 */
export function withLine(ini: string, section: string, line: string): string {
  const header = `[${section}]\n`
  if (!ini.includes(header)) throw new Error(`no section ${section} in a new instance's secure-mail.ini`)
  return ini.replace(header, `${header}${line}\n`)
}

/**
 * A new instance with the defaults that users get; changed is only what the little Internet of the benchmark needs.
 *
 * @throws Unavailable while there is no command to set it up with
 * @throws Error when it cannot be set up or does not greet in time
 */
export async function startGateway(setup: RelaySetup): Promise<HarakaRelay> {
  return await runHaraka(setup, await prepareGateway(setup), {})
}

/**
 * As {@link startGateway}, without starting it.
 *
 * @returns its version, for `runHaraka`
 */
export async function prepareGateway(setup: RelaySetup): Promise<string> {
  if (!existsSync(COMMAND)) throw new Unavailable('the secure-mail command is not built')
  const { dir } = setup
  const listen = `${setup.address}:${setup.port}`
  const init = ['init', dir, '--listen', listen, '--hostname', 'relay.bench.test', '--internal-domain', SENDER_DOMAIN]
  await must(process.execPath, [COMMAND, ...init])
  change(dir, 'smtp.ini', (text) => text.replace(/^nodes=.*$/m, '').concat(`\nnodes=${setup.nodes}\n`))
  change(dir, 'secure-mail.ini', (text) =>
    Object.entries({
      main: `level=${setup.id === 'gateway-verify' ? 'verify' : 'encrypt'}`,
      tls: `ca_file=${setup.certificates.ca}`,
      // Without it every MX on loopback is passed over, as in stock Haraka.
      delivery: 'local_mx_ok=true',
    }).reduce((ini, [section, line]) => withLine(ini, section, line), text),
  )
  if (setup.hold) {
    installHold(dir)
    change(dir, 'plugins', (text) => `${text}\nbench_hold\n`)
  }
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string }
  return `secure-mail ${version} on ${harakaVersion()}`
}
