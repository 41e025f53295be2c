// npm start [-- --instance DIR]: the gateway in the foreground.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { prepare, root } from './prepare.mjs'

prepare()

const args = process.argv.slice(2)
const at = args.indexOf('--instance')
if (at !== -1 && args[at + 1] === undefined) {
  console.error('usage: npm start -- --instance DIR')
  process.exit(2)
}
const child = spawn(
  process.execPath,
  [path.join(root, 'dist', 'bin', 'start.js'), ...(at === -1 ? [] : [path.resolve(args[at + 1])])],
  { stdio: 'inherit' },
)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
