import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import Ajv from 'ajv/dist/2020'
import { packageRoot } from '../../lib/package-root'
import { ALL_ACTIONS, CONTEXT, fullEvent, toEcs } from './fixtures'

const STAMP = {
  now: Date.UTC(2026, 10, 23),
  sequence: 1,
  id: '0d9c1b1e-30f5-4a7e-9a37-6f6f0e0c7a11',
  prevHash: '0a'.repeat(32),
}
const read = (name: string) => readFileSync(path.join(packageRoot(), 'docs', name), 'utf8')

describe('docs/schema/audit-event.schema.json', () => {
  const validate = new Ajv({ strict: true, strictTypes: false, allErrors: true }).compile(
    JSON.parse(read('schema/audit-event.schema.json')) as object,
  )

  it('holds for every action, full and bare, with both styles of recipients', () => {
    for (const action of ALL_ACTIONS) {
      for (const recipients of ['domain+hmac', 'clear'] as const) {
        for (const event of [fullEvent(action), { action, message: 'x' }, { ...fullEvent(action), tls: null }]) {
          const line = toEcs(event, { ...CONTEXT, recipients }, STAMP)
          assert.ok(validate(line), `${action}: ${JSON.stringify(validate.errors)}`)
        }
      }
    }
  })

  it('does not hold for a line with a field that is none, or without its number', () => {
    const line = toEcs(fullEvent('tls-failed'), CONTEXT, STAMP)
    assert.equal(validate({ ...line, subject: 'x' }), false)
    assert.equal(validate({ ...line, event: { action: 'tls-failed' } }), false)
  })

  it('is explained: docs/audit-events.md has a section per action', () => {
    const page = read('audit-events.md')
    for (const action of ALL_ACTIONS) assert.match(page, new RegExp(`^### ${action}$`, 'm'))
  })
})
