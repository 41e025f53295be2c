import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { packageRoot } from '../../lib/package-root'
import { LIMITS, parseNotes } from '../../lib/store/notes'
import { sealNotes } from '../../lib/store/seal'
import { changedAt, placesIn, unsealed } from './notes-arbitrary'

const schema = JSON.parse(
  readFileSync(path.join(packageRoot(), 'docs/schema/secure-mail-notes.schema.json'), 'utf8'),
) as { examples: object[] }
const bySchema = new Ajv2020({ strict: true }).compile(schema)
const key = Buffer.alloc(32, 1)
const [example] = schema.examples as [Record<string, unknown>]

function why(value: unknown): string {
  const parsed = parseNotes(value)
  return parsed.ok ? 'ok' : parsed.why
}

describe('notes', function () {
  this.timeout(30_000)
  it('accepts the examples of the schema, as the schema does', () => {
    assert.equal(schema.examples.length, 2)
    for (const one of schema.examples) {
      assert.deepEqual(parseNotes(one), { ok: true, notes: one })
      assert.ok(bySchema(one), JSON.stringify(bySchema.errors))
    }
  })

  it('agrees with the schema about good notes and about notes changed anywhere (property)', () => {
    fc.assert(
      fc.property(unsealed, fc.nat(), fc.oneof(fc.constant(undefined), fc.jsonValue()), (notes, pick, to) => {
        const sealed = sealNotes(notes, key)
        assert.ok(bySchema(sealed), JSON.stringify(bySchema.errors))
        const places = placesIn(sealed)
        const changed = JSON.parse(JSON.stringify(changedAt(sealed, places[pick % places.length]!, to))) as object
        // Order is the one thing that a schema cannot ask for.
        const sortable = (list: unknown): list is string[] =>
          Array.isArray(list) && list.every((item) => typeof item === 'string')
        if ('recipients' in changed && sortable(changed.recipients)) changed.recipients.sort()
        assert.equal(why(changed) === 'ok', bySchema(changed), `${why(changed)} / ${JSON.stringify(bySchema.errors)}`)
      }),
      { numRuns: 400 },
    )
  })

  const wrong: [string, (notes: Record<string, unknown>) => unknown, string][] = [
    ['a text', () => '{}', 'notes'],
    ['an array', (n) => [n], 'notes'],
    ['a version of the future', (n) => ({ ...n, v: 2 }), 'notes.v'],
    ['a version as text', (n) => ({ ...n, v: '1' }), 'notes.v'],
    ['no version', (n) => changedAt(n, ['v'], undefined), 'notes.v'],
    ['an unknown field', (n) => ({ ...n, grants: [] }), 'notes: unknown field'],
    ['a symbol', (n) => ({ ...n, [Symbol('x')]: 1 }), 'notes'],
    ['an own __proto__', (n) => JSON.parse(`{"__proto__":{},${JSON.stringify(n).slice(1)}`) as unknown, 'notes'],
    ['an inherited grant', ({ grant, ...n }) => Object.assign(Object.create({ grant }) as object, n), 'notes.grant'],
    ['fields that are not enumerable', (n) => Object.defineProperty({ ...n }, 'grant', { enumerable: false }), 'notes'],
    ['a getter', (n) => Object.defineProperty({ ...n }, 'v', { get: () => 1, enumerable: true }), 'notes'],
    ['a grant that is true', (n) => ({ ...n, grant: true }), 'notes.grant'],
    ['an empty grant', (n) => ({ ...n, grant: {} }), 'notes.grant.by'],
    ['a grant by somebody else', (n) => ({ ...n, grant: { by: 'me' } }), 'notes.grant.by'],
    ['a grant by an array that prints well', (n) => ({ ...n, grant: { by: ['subject-tag'] } }), 'notes.grant.by'],
    ['a grant without a digest', (n) => ({ ...n, digest: null }), 'notes.digest'],
    ['a digest without a grant', (n) => ({ ...n, grant: null }), 'notes.digest'],
    ['category 4', (n) => ({ ...n, category: 4 }), 'notes.category'],
    ['no recipients', (n) => ({ ...n, recipients: [] }), 'notes.recipients'],
    [
      'unsorted recipients',
      (n) => ({ ...n, recipients: ['b'.repeat(16), 'a'.repeat(16)] }),
      'notes.recipients: not sorted',
    ],
    [
      'a recipient twice',
      (n) => ({ ...n, recipients: ['a'.repeat(16), 'a'.repeat(16)] }),
      'notes.recipients: not sorted',
    ],
    ['a plain address', (n) => ({ ...n, recipients: ['bo@example.com'] }), 'notes.recipients'],
    ['a hole', (n) => ({ ...n, recipients: new Array(1) }), 'notes.recipients'],
    [
      'a list with a property',
      (n) => ({ ...n, recipients: Object.assign(['a'.repeat(16)], { x: 1 }) }),
      'notes.recipients',
    ],
    [
      'too many recipients',
      (n) => ({ ...n, recipients: Array(LIMITS.recipients + 1).fill('') }),
      'notes.recipients: length',
    ],
    ['a list that is none', (n) => ({ ...n, recipients: { length: 1, 0: 'a'.repeat(16) } }), 'notes.recipients'],
    ['a huge sender', (n) => ({ ...n, sender: 'x'.repeat(LIMITS.address + 1) }), 'notes.sender: length'],
    ['time zero', (n) => ({ ...n, acceptedAt: 0 }), 'notes.acceptedAt'],
    ['half a millisecond', (n) => ({ ...n, acceptedAt: 1.5 }), 'notes.acceptedAt'],
    ['a seal in capitals', (n) => ({ ...n, seal: 'A'.repeat(64) }), 'notes.seal'],
    ['a seal with a line end', (n) => ({ ...n, seal: `${'a'.repeat(64)}\n` }), 'notes.seal: length'],
    [
      'an unknown refusal',
      (n) => ({ ...n, optOut: { requested: true, refusals: [{ code: 'x', where: '', detail: '' }] } }),
      'notes.optOut.refusals.code',
    ],
    [
      'a refusal code of Object.prototype',
      (n) => ({ ...n, optOut: { requested: true, refusals: [{ code: 'toString', where: '', detail: '' }] } }),
      'notes.optOut.refusals.code',
    ],
    [
      '__proto__ among the DSN recipients',
      (n) => ({ ...n, dsn: JSON.parse('{"rcpt":{"__proto__":{}}}') }),
      'notes.dsn.rcpt',
    ],
  ]
  for (const [what, make, where] of wrong) {
    it(`refuses ${what}, naming ${where}`, () => {
      assert.equal(why(make(example)), where)
    })
  }

  it('never throws and never calls what it is given, whatever it is', () => {
    const refuse = (): never => {
      throw new Error('must not be seen')
    }
    const traps: ProxyHandler<object> = { ownKeys: refuse, get: refuse, getOwnPropertyDescriptor: refuse }
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const cycle: Record<string, unknown> = { ...example }
    cycle.optOut = cycle
    for (const value of [new Proxy({}, traps), revoked.proxy, cycle, { ...example, optOut: new Proxy({}, traps) }]) {
      assert.equal(parseNotes(value).ok, false)
    }
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withSparseArray: true }), (value) => {
        assert.equal(parseNotes(value).ok, false)
      }),
    )
  })

  it('gives plain objects of its own', () => {
    const given = Object.assign(Object.create({ toJSON: () => 'trick' }) as object, structuredClone(example))
    const parsed = parseNotes(given)
    assert.ok(parsed.ok)
    assert.equal(Object.getPrototypeOf(parsed.notes), Object.prototype)
    assert.deepEqual(JSON.parse(JSON.stringify(parsed.notes)), example)
    assert.notEqual(parsed.notes.optOut, (given as { optOut?: unknown }).optOut)
  })
})
