// npm run bench [-- options]: the relay comparison. Installs and builds what is missing, Postfix (relay and load
// source) included where that is possible, and then runs dist/bench/run.js; `--help` lists its options.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { prepare, root } from './prepare.mjs'

/** Programs that the comparison calls, and the Debian packages they are in. */
const PROGRAMS = [
  ['/usr/sbin/postfix', 'postfix'],
  ['/usr/sbin/smtp-source', 'postfix'],
  ['/usr/bin/openssl', 'openssl'],
  ['/usr/sbin/ip', 'iproute2'],
  ['/usr/bin/unshare', 'util-linux'],
  ['/usr/bin/taskset', 'util-linux'],
]
/** Read by invoke-rc.d: exit code 101 forbids the start of services during the installation. */
const POLICY = '/usr/sbin/policy-rc.d'

const say = (text) => console.error(`secure-mail: ${text}`)

function isDebian() {
  return existsSync('/usr/bin/apt-get') && /^ID(_LIKE)?=.*\bdebian\b/m.test(readFileSync('/etc/os-release', 'utf8'))
}

/** apt-get with a time limit; its output goes to standard error. */
function apt(...args) {
  const { status } = spawnSync('/usr/bin/apt-get', ['-q', ...args], {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeout: 540_000,
  })
  return status === 0
}

function installPrograms() {
  const missing = PROGRAMS.filter(([file]) => !existsSync(file))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map(([, name]) => name))]
  if (process.getuid?.() !== 0 || !isDebian()) {
    say(`MISSING: ${missing.map(([file]) => path.basename(file)).join(', ')} (Debian: ${packages.join(' ')}).`)
    say('They are installed only on Debian as root; without them the rows that need them are NOT MEASURED.')
    return
  }
  say(`installing ${packages.join(', ')} with apt-get`)
  const ours = !existsSync(POLICY)
  if (ours) {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n')
    chmodSync(POLICY, 0o755)
  }
  try {
    if (!apt('update') || !apt('install', '-y', '--no-install-recommends', ...packages))
      say(`apt-get FAILED: the rows that need ${packages.join(', ')} are NOT MEASURED.`)
  } finally {
    if (ours) rmSync(POLICY, { force: true })
  }
}

prepare()
installPrograms()
const child = spawn(process.execPath, [path.join(root, 'dist', 'bench', 'run.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => process.exit(code ?? 1))
