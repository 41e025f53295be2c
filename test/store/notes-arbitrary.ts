/** Random notes, for properties of parser, seal and schema. */
import fc from 'fast-check'
import type { UnsealedNotes } from '../../lib/store/notes'

const domain = fc.constantFrom('example.dk', 'xn--bger-gra.example', 'a.b.c.example.com')
const local = fc.stringMatching(/^[A-Za-z0-9+_.-]{1,12}$/)
export const address = fc.tuple(local, domain).map(([name, host]) => `${name}@${host}`)
const text = fc.string({ unit: 'binary', maxLength: 30 })
const hex = fc.stringMatching(/^[0-9a-f]{64}$/)

const refusal = fc.record({
  code: fc.constantFrom('tag-in-reply', 'cpr', 'uninspected', 'changed-after-verdict', 'secure-requested'),
  where: text,
  detail: text,
})

const dsn = fc.record(
  {
    ret: fc.constantFrom('FULL', 'HDRS'),
    envid: fc.stringMatching(/^[!-~]{1,20}$/),
    rcpt: fc.dictionary(
      address,
      fc.record(
        { notify: fc.constantFrom('NEVER', 'SUCCESS,DELAY'), orcpt: fc.constant('rfc822;a@b') },
        { requiredKeys: [] },
      ),
      { maxKeys: 3, noNullPrototype: true },
    ),
  },
  { requiredKeys: ['rcpt'] },
)

const base = fc.record(
  {
    v: fc.constant(1),
    mailId: fc.stringMatching(/^[0-9A-F]{8}-[0-9A-F]{4}\.[1-9]$/),
    sender: fc.oneof(fc.constant(''), address),
    recipients: fc.uniqueArray(address, { minLength: 1, maxLength: 6 }),
    kind: fc.constantFrom('mail', 'report', 'tlsrpt'),
    caseId: fc.stringMatching(/^[A-Z0-9-]{6,12}$/),
    category: fc.constantFrom(1, 2, 3, null),
    grant: fc.oneof(fc.constant(null), fc.record({ by: fc.constantFrom('subject-tag', 'tls-required-no') })),
    requiretls: fc.boolean(),
    optOut: fc.record({ requested: fc.boolean(), refusals: fc.array(refusal, { maxLength: 3 }) }),
    dsn,
    acceptedAt: fc.integer({ min: 1, max: 4e12 }),
    source: fc.record({ ip: fc.ipV4(), user: text }, { requiredKeys: ['ip'] }),
  },
  {
    requiredKeys: [
      'v',
      'mailId',
      'sender',
      'recipients',
      'kind',
      'caseId',
      'category',
      'grant',
      'requiretls',
      'optOut',
      'acceptedAt',
    ],
  },
)

/** Valid notes that are not sealed yet. */
export const unsealed: fc.Arbitrary<UnsealedNotes> = fc
  .tuple(base, hex)
  .map(([notes, digest]) => ({ ...notes, digest: notes.grant !== null || notes.requiretls ? digest : null }))

/** A place in a JSON value: keys and indices from the root. */
export type Path = (string | number)[]

/** Every place in a JSON value, inner ones included. */
export function placesIn(value: unknown, here: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [here]
  const inner = Array.isArray(value)
    ? value.flatMap((item, i) => placesIn(item, [...here, i]))
    : Object.entries(value).flatMap(([name, item]) => placesIn(item, [...here, name]))
  return here.length === 0 ? inner : [here, ...inner]
}

/** A deep copy in which the value at `place` is replaced; `undefined` takes the field or item away. */
export function changedAt(value: unknown, [first, ...rest]: Path, to: unknown): unknown {
  if (first === undefined) return to
  if (Array.isArray(value)) {
    const copy: unknown[] = [...value]
    const at = Number(first)
    const item = changedAt(copy[at], rest, to)
    if (item === undefined) copy.splice(at, 1)
    else copy[at] = item
    return copy
  }
  const fields = Object.entries(value as object).map(([name, item]): [string, unknown] =>
    name === first ? [name, changedAt(item, rest, to)] : [name, item],
  )
  return Object.fromEntries(fields.filter(([, item]) => item !== undefined))
}
