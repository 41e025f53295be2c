// npm run demo: the little Internet on loopback; arguments go on to `secure-mail demo`.
import path from 'node:path'
import { prepare, root, run } from './prepare.mjs'

prepare()
run(process.execPath, [path.join(root, 'dist', 'bin', 'secure-mail.js'), 'demo', ...process.argv.slice(2)])
