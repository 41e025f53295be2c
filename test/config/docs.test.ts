import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { SCHEMA } from '../../lib/config/schema'
import { LEVELS } from '../../lib/policy/types'
import { packageRoot } from '../../lib/package-root'

const read = (...name: string[]) => readFileSync(path.join(packageRoot(), ...name), 'utf8')

interface Documented {
  section: string
  key: string
  values: string[]
  what: string
  ifWrong: string
}

/** The defaults' comments, key by key. */
function documented(): Documented[] {
  const found: Documented[] = []
  let section = ''
  for (const block of read('config', 'secure-mail.ini').split('\n\n')) {
    section = /^\[(.+)\]$/m.exec(block)?.[1] ?? section
    const keys = [...block.matchAll(/^([a-z0-9_]+(?:\[\])?)=(.*)$/gm)]
    if (keys.length === 0) continue
    const text = [...block.matchAll(/^; (.*)$/gm)].map((match) => match[1]).join(' ')
    const [what = '', ifWrong = ''] = text.split(' If wrong: ')
    const values = keys.map((match) => match[2]!).filter((value) => value !== '')
    assert.equal(new Set(keys.map((match) => match[1])).size, 1, `one key under each comment: ${block}`)
    found.push({ section, key: keys[0]![1]!, values, what, ifWrong })
  }
  return found
}

describe('config: documentation', () => {
  it('every default has its meaning and its failure mode where it stands', () => {
    for (const { section, key, what, ifWrong } of documented()) {
      assert.ok(what.length > 10, `[${section}] ${key} says what it is`)
      assert.ok(ifWrong.length > 5, `[${section}] ${key} says what happens if it is wrong`)
    }
    const keys = Object.entries(SCHEMA).flatMap(([section, specs]) =>
      Object.entries(specs).map(
        ([key, spec]: [string, { list: boolean }]) => `${section}.${key}${spec.list ? '[]' : ''}`,
      ),
    )
    assert.deepEqual(
      documented()
        .map(({ section, key }) => `${section}.${key}`)
        .sort(),
      keys.sort(),
    )
  })

  it('docs/configuration.md has the same', () => {
    const page = read('docs', 'configuration.md')
    const cell = (text: string) => text.replaceAll('|', '\\|')
    for (const { section, key, values, what, ifWrong } of documented()) {
      const defaults = values.length === 0 ? '' : values.map((value) => `\`${value}\``).join('<br>')
      const row = `| \`${key}\` | ${defaults} | ${cell(what)} | ${cell(ifWrong)} |`
      assert.ok(page.includes(row), `docs/configuration.md, [${section}], wants this row:\n${row}`)
    }
  })

  it('docs/tls-policy-map.md names every level and every key', () => {
    const page = read('docs', 'tls-policy-map.md')
    for (const level of LEVELS) assert.match(page, new RegExp(`^\\| \`${level}\` \\|`, 'm'))
    for (const key of ['match', 'protocols', 'override', 'servername', 'ca', 'note', 'expires', 'override-published']) {
      assert.match(page, new RegExp(`^\\| \`${key}=`, 'm'))
    }
  })
})
