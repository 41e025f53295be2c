// npm run lint: types, rules, format.
import path from 'node:path'
import { prepare, root, run } from './prepare.mjs'

prepare()
const bin = (name) => path.join(root, 'node_modules', '.bin', name)
run(bin('eslint'), ['--max-warnings', '0', '.'])
run(bin('prettier'), ['--check', '.'])
