/**
 * The real peers that the end-to-end tests talk to, from Debian's own archive. On a Debian machine with root rights
 * what is missing is installed; anywhere else the suites are skipped, and the reason is said aloud.
 */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { run } from '../../demo/processes'

/** Debian packages; libnet-ssleay-perl is what gives swaks its TLS. */
const NEEDED: readonly string[] = [
  'postfix',
  'unbound',
  'nsd',
  'ldnsutils',
  'bind9-dnsutils',
  'swaks',
  'libnet-ssleay-perl',
  'tcpdump',
  'redis-server',
  'openssl',
  'python3',
  // readers of S/MIME that are not OpenSSL
  'python3-asn1crypto',
  'python3-cryptography',
  'libnss3-tools',
  // verifies the signatures of TLS reports
  'python3-dkim',
  'prometheus',
]

/** Read by invoke-rc.d: exit code 101 forbids the start of services during the installation. */
const POLICY = '/usr/sbin/policy-rc.d'

export type Packages = { available: true } | { available: false; why: string }

let answer: Promise<Packages> | undefined

/** Make sure that all peers are here; asks only once per process. */
export async function ensurePackages(): Promise<Packages> {
  answer ??= ensure()
  return answer
}

/**
 * For a suite's first `before`: its own tests are skipped, with a line that says why, where the peers cannot be had.
 *
 * @param suite the `this` of mocha's hook
 */
export async function requirePackages(suite: Mocha.Context): Promise<void> {
  suite.timeout(600_000)
  const packages = await ensurePackages()
  if (packages.available) return
  process.stderr.write(`\nSKIPPED: ${suite.test?.parent?.fullTitle() ?? 'end-to-end tests'}: ${packages.why}\n`)
  suite.skip()
}

async function ensure(): Promise<Packages> {
  if (!isDebian())
    return { available: false, why: 'the peers (Postfix, Unbound, NSD, ...) are installed on Debian only' }
  // Root also where nothing is missing: Postfix' daemons change their user, and tcpdump opens a raw socket.
  if (process.getuid?.() !== 0) return { available: false, why: 'the peers (Postfix, Unbound, NSD, ...) need root' }
  const missing = await notInstalled()
  if (missing.length === 0) return { available: true }
  process.stderr.write(`installing ${missing.join(', ')} with apt-get\n`)
  const failure = await install(missing)
  return failure === undefined ? { available: true } : { available: false, why: failure }
}

function isDebian(): boolean {
  try {
    return /^ID(_LIKE)?=.*\bdebian\b/m.test(readFileSync('/etc/os-release', 'utf8')) && existsSync('/usr/bin/apt-get')
  } catch {
    return false
  }
}

async function notInstalled(): Promise<string[]> {
  // Exits with 1 when a name is unknown to dpkg, and lists the others all the same.
  const { stdout } = await run('/usr/bin/dpkg-query', ['-W', '-f=${Package} ${db:Status-Status}\\n', ...NEEDED])
  const lines = new Set(stdout.split('\n'))
  return NEEDED.filter((name) => !lines.has(`${name} installed`))
}

/** @returns what went wrong, undefined when nothing did */
async function install(missing: readonly string[]): Promise<string | undefined> {
  const ours = !existsSync(POLICY)
  if (ours) {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n')
    chmodSync(POLICY, 0o755)
  }
  try {
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...missing]]) {
      const { code, stdout, stderr } = await run('/usr/bin/apt-get', ['-q', ...args], {
        env: { DEBIAN_FRONTEND: 'noninteractive' },
        limit: 540_000,
      })
      if (code !== 0)
        return `apt-get ${args.join(' ')} failed: ${(stderr || stdout).trim().split('\n').slice(-3).join(' ')}`
    }
    const still = await notInstalled()
    return still.length === 0 ? undefined : `apt-get did not bring ${still.join(', ')}`
  } finally {
    if (ours) rmSync(POLICY, { force: true })
  }
}
