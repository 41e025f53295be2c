/** docs/policy.md says what decide() does: every combination is looked up in the document's table, and decided. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../lib/package-root'
import { decide } from '../../lib/policy/decide'
import { LEVELS, type Level, type PolicyInputs, type Requirement } from '../../lib/policy/types'
import { inputs, mapOf, row, STS } from './fixtures'

const COLUMNS = {
  kind: ['mail', 'report', 'tlsrpt'],
  to: ['external', 'internal', 'static', 'local'],
  row: ['-', ...LEVELS],
  override: ['allow', 'never'],
  published: ['yes', 'no'],
  default: LEVELS,
  'MTA-STS': ['enforce', 'other'],
  'opt-out': ['yes', 'no'],
  REQUIRETLS: ['yes', 'no'],
  mode: ['enforce', 'monitor'],
} as const

type Column = keyof typeof COLUMNS
type Case = Record<Column, string>
const NAMES = Object.keys(COLUMNS) as Column[]

function table(): string[][] {
  const text = readFileSync(path.join(packageRoot(), 'docs', 'policy.md'), 'utf8')
  const lines = text.split('\n')
  const head = lines.findIndex((line) => line.startsWith('| kind |'))
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  assert.deepEqual(cells(lines[head]!), [...NAMES, 'level', 'source'])
  const end = lines.findIndex((line, i) => i > head && !line.startsWith('|'))
  return lines.slice(head + 2, end).map(cells)
}

function* cases(names: readonly Column[] = NAMES): Generator<Case> {
  const [name, ...rest] = names
  if (name === undefined) {
    yield {} as Case
    return
  }
  for (const tail of cases(rest)) for (const value of COLUMNS[name]) yield { ...tail, [name]: value }
}

function fits(cell: string, value: string): boolean {
  return cell === 'any' || cell.split(' ').includes(value)
}

function given(one: Case): PolicyInputs {
  const only =
    one.row === '-'
      ? undefined
      : row({
          level: one.row as Level,
          override: one.override as 'allow' | 'never',
          overridePublished: one.published === 'yes',
        })
  return inputs({
    kind: one.kind as PolicyInputs['kind'],
    recipient: one.to === 'internal' ? 'bo@own.example' : 'anna@example.org',
    route:
      one.to === 'static' ? { kind: 'static', host: 'relay.example' } : { kind: one.to === 'local' ? 'local' : 'mx' },
    map: mapOf(only),
    defaultLevel: one.default as Level,
    mtaSts: one['MTA-STS'] === 'enforce' ? STS : { state: 'absent' },
    grant: one['opt-out'] === 'yes' ? { by: 'subject-tag' } : null,
    requiretls: one.REQUIRETLS === 'yes',
    mode: one.mode as PolicyInputs['mode'],
  })
}

function promised(line: readonly string[], one: Case): Pick<Requirement, 'level' | 'source'> {
  const [level = '', source = ''] = line.slice(NAMES.length)
  const levels: Record<string, string> = { row: one.row, default: one.default, floor: 'may' }
  return {
    level: (levels[level] ?? level) as Level,
    source: (source === 'default' && one.to === 'static' ? 'static-route' : source) as Requirement['source'],
  }
}

describe('policy: docs/policy.md', function () {
  this.timeout(20_000)

  it('fits every combination, and every line of it is needed', () => {
    const lines = table()
    const used = new Set<number>()
    for (const one of cases()) {
      const index = lines.findIndex((line) => NAMES.every((name, i) => fits(line[i]!, one[name])))
      assert.notEqual(index, -1, `no line fits ${JSON.stringify(one)}`)
      used.add(index)
      const { level, source } = decide(given(one))
      assert.deepEqual({ level, source }, promised(lines[index]!, one), `line ${index + 1}: ${JSON.stringify(one)}`)
    }
    assert.deepEqual(
      lines.filter((_line, i) => !used.has(i)),
      [],
    )
  })
})
