// npm test [-- mocha arguments]: everything. System programs that the end-to-end tests talk to are installed by the
// tests' own set-up (Debian, root); elsewhere those suites say loudly that they were skipped.
import path from 'node:path'
import { prepare, root, run } from './prepare.mjs'

prepare()
const args = process.argv.slice(2)
const specs = args.some((arg) => arg.endsWith('.js')) ? [] : ['dist/test/**/*.test.js']
run(process.execPath, [
  path.join('node_modules', 'mocha', 'bin', 'mocha.js'),
  '--enable-source-maps',
  '--exit',
  '--timeout',
  '30000',
  ...args,
  ...specs,
])
