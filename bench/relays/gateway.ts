/** This project's gateway as a relay, set up by its own `secure-mail init`, so that what users get is what is measured. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../lib/package-root'
import { must } from '../process'
import { configure, harakaVersion, installHold, runHaraka } from './haraka'
import { Unavailable, type Relay, type RelaySetup } from './relay'

/** The compiled command, beside the compiled benchmark. */
const COMMAND = path.join(__dirname, '..', '..', 'bin', 'secure-mail.js')

/**
 * A new instance with the defaults that users get; changed is only what the little Internet of the benchmark needs.
 *
 * @throws Unavailable while there is no command to set it up with
 * @throws Error when it cannot be set up or does not greet in time
 */
export async function startGateway(setup: RelaySetup): Promise<Relay> {
  if (!existsSync(COMMAND)) throw new Unavailable('the secure-mail command is not built')
  const { dir } = setup
  await must(process.execPath, [COMMAND, 'init', dir])
  configure(dir, 'me', 'relay.bench.test')
  configure(dir, 'smtp.ini', `listen=${setup.address}:${setup.port}`, `nodes=${setup.nodes}`)
  configure(
    dir,
    'secure-mail.ini',
    '[main]',
    `level=${setup.id === 'gateway-verify' ? 'verify' : 'encrypt'}`,
    'internal_domains[]=sender.bench.test',
    '[tls]',
    `ca_file=${setup.certificates.ca}`,
    '[delivery]',
    // Without it every MX on loopback is passed over, as in stock Haraka.
    'local_mx_ok=true',
  )
  if (setup.hold) {
    installHold(dir)
    appendFileSync(path.join(dir, 'config', 'plugins'), '\nbench_hold\n')
  }
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string }
  return await runHaraka(setup, `secure-mail ${version} on ${harakaVersion()}`, {})
}
