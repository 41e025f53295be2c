// What every npm command does first: install what is missing and build what is stale, saying so. Plain JavaScript
// without packages, because it runs before there are any.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const SOURCES = ['plugins', 'lib', 'bin', 'demo', 'test', 'bench']

/** Run a program in the project's root with its output shown; ends this process with its code when it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

function newest(dir, filter) {
  let latest = 0
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !filter(entry.name)) continue
    latest = Math.max(latest, statSync(path.join(entry.parentPath ?? entry.path, entry.name)).mtimeMs)
  }
  return latest
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  console.error(`secure-mail needs Node.js 20.19 or later; this is ${process.versions.node}`)
  process.exit(2)
}

function installed() {
  const mark = path.join(root, 'node_modules', '.package-lock.json')
  return existsSync(mark) && statSync(mark).mtimeMs >= statSync(path.join(root, 'package-lock.json')).mtimeMs - 1000
}

function built() {
  const mark = path.join(root, 'dist', '.tsbuildinfo')
  if (!existsSync(mark)) return false
  const time = statSync(mark).mtimeMs
  const sources = SOURCES.map((name) => path.join(root, name)).filter((dir) => existsSync(dir))
  return (
    sources.every((dir) => newest(dir, (name) => name.endsWith('.ts')) <= time) &&
    statSync(path.join(root, 'tsconfig.json')).mtimeMs <= time
  )
}

/** Install and build, as far as it is not done yet. */
export function prepare({ quiet = false } = {}) {
  checkNode()
  const say = (text) => {
    if (!quiet) console.error(`secure-mail: ${text}`)
  }
  if (!installed()) {
    say('installing packages (once, about half a minute) ...')
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { stdio: ['ignore', 2, 2] })
  }
  if (!built()) {
    say('building ...')
    run(process.execPath, [path.join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json'], {
      stdio: ['ignore', 2, 2],
    })
    // the compiler writes plain files; npm makes the command executable only where it installs it
    chmodSync(path.join(root, 'dist', 'bin', 'secure-mail.js'), 0o755)
  }
}
