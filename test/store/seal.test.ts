import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { SecureMailNotes, UnsealedNotes } from '../../lib/store/notes'
import { checkSeal, recipientHash, sealNotes, type SealFacts } from '../../lib/store/seal'
import { address, changedAt, placesIn, unsealed } from './notes-arbitrary'

const key = Buffer.alloc(32, 7)

const granted: UnsealedNotes = {
  v: 1,
  mailId: 'A1.1',
  sender: 'Ann@Example.DK',
  recipients: ['bo@one.example', 'Cia@two.example', 'bo@ONE.example'],
  kind: 'mail',
  caseId: 'CASE-1',
  category: 1,
  grant: { by: 'subject-tag' },
  requiretls: false,
  optOut: { requested: true, refusals: [] },
  digest: 'ab'.repeat(32),
  acceptedAt: 1_700_000_000_000,
  source: { ip: '192.0.2.1', user: 'ann' },
}
const facts: SealFacts = {
  mailId: 'A1.1',
  sender: 'Ann@example.dk',
  recipients: ['Cia@two.example'],
  digest: 'ab'.repeat(32),
}

/** What the queue file makes of notes: JSON with tabs, read back, and copied into an object of some class. */
function throughQueueFile(notes: unknown): unknown {
  const read = JSON.parse(JSON.stringify({ secure_mail: notes }, null, '\t')) as { secure_mail: object }
  return Object.assign(Object.create({ inherited: 'not ours' }) as object, read.secure_mail)
}

function factsOf(notes: UnsealedNotes): SealFacts {
  return { mailId: notes.mailId, sender: notes.sender, recipients: notes.recipients, digest: notes.digest }
}

describe('seal', function () {
  this.timeout(30_000)
  it('is good for the mail it was made for, with some of its recipients', () => {
    const check = checkSeal(throughQueueFile(sealNotes(granted, key)), key, facts)
    assert.ok(check.ok)
    assert.deepEqual(check.notes.grant, { by: 'subject-tag' })
    assert.equal(check.notes.sender, 'Ann@example.dk')
    assert.equal(check.notes.recipients.length, 2)
  })

  it('hides the recipients', () => {
    assert.doesNotMatch(JSON.stringify(sealNotes(granted, key)), /two\.example/)
  })

  const foreign: [string, Partial<SealFacts>, string][] = [
    ['another mail', { mailId: 'A1.2' }, 'other-mail'],
    ['the id with a suffix', { mailId: 'A1.1.1' }, 'other-mail'],
    ['another sender', { sender: 'eve@example.dk' }, 'other-mail'],
    ['a sender whose local part differs in case', { sender: 'ann@example.dk' }, 'other-mail'],
    ['the null sender', { sender: '' }, 'other-mail'],
    ['a further recipient', { recipients: ['Cia@two.example', 'eve@two.example'] }, 'other-mail'],
    ['a recipient whose local part differs in case', { recipients: ['cia@two.example'] }, 'other-mail'],
    ['no recipient', { recipients: [] }, 'other-mail'],
    ['changed content', { digest: 'ac'.repeat(32) }, 'changed-after-verdict'],
    ['a digest of another length', { digest: 'ab' }, 'changed-after-verdict'],
    ['no digest at all', { digest: null }, 'changed-after-verdict'],
  ]
  for (const [what, change, reason] of foreign) {
    it(`is no good for ${what}: ${reason}`, () => {
      const check = checkSeal(sealNotes(granted, key), key, { ...facts, ...change })
      assert.equal(check.ok ? 'ok' : check.reason, reason)
    })
  }

  it('accepts the domain of sender and recipient in any case', () => {
    const check = checkSeal(sealNotes(granted, key), key, {
      ...facts,
      sender: 'Ann@EXAMPLE.dk',
      recipients: ['Cia@TWO.Example', 'bo@one.EXAMPLE'],
    })
    assert.ok(check.ok)
  })

  it('needs no digest where there is nothing to protect', () => {
    const plain = sealNotes({ ...granted, grant: null, digest: null }, key)
    assert.ok(checkSeal(plain, key, { ...facts, digest: null }).ok)
    assert.ok(checkSeal(plain, key, { ...facts, digest: 'cd'.repeat(32) }).ok)
  })

  it('protects the content of a mail with REQUIRETLS', () => {
    const notes = sealNotes({ ...granted, grant: null, requiretls: true }, key)
    assert.ok(checkSeal(notes, key, facts).ok)
    assert.equal(checkSeal(notes, key, { ...facts, digest: '00'.repeat(32) }).ok, false)
  })

  for (const nothing of [undefined, null]) {
    it(`calls ${String(nothing)} absent`, () => {
      const check = checkSeal(nothing, key, facts)
      assert.equal(check.ok ? '' : check.reason, 'absent')
    })
  }

  it('takes the seal of one mail for no other', () => {
    const other = sealNotes({ ...granted, mailId: 'B2.1' }, key)
    const moved = { ...sealNotes(granted, key), seal: other.seal }
    const check = checkSeal(moved, key, facts)
    assert.deepEqual(check, { ok: false, reason: 'forged', detail: 'the seal does not fit the notes' })
  })

  it('a hash of a recipient holds for one mail only', () => {
    assert.match(recipientHash('A', 'a@b'), /^[A-Za-z0-9_-]{16}$/)
    assert.notEqual(recipientHash('A', 'a@b'), recipientHash('B', 'a@b'))
    assert.notEqual(recipientHash('A', '\ud800@b'), recipientHash('A', '\ud801@b'))
    assert.equal(recipientHash('A', 'a@B'), recipientHash('A', 'a@b'))
  })

  it('refuses to seal what it would not accept', () => {
    const wrong: Partial<UnsealedNotes>[] = [
      { digest: null },
      { grant: null },
      { recipients: [] },
      { mailId: '' },
      { acceptedAt: NaN },
      { v: 2 as 1 },
      { extra: 1 } as Partial<UnsealedNotes>,
    ]
    for (const change of wrong) assert.throws(() => sealNotes({ ...granted, ...change }, key), JSON.stringify(change))
  })

  it('cuts what a gate may say too much of, and drops what is undefined', () => {
    const many = Array.from({ length: 2000 }, () => ({ code: 'cpr' as const, where: 'w'.repeat(9999), detail: '' }))
    const notes = sealNotes(
      {
        ...granted,
        optOut: { requested: true, refusals: many },
        source: { ip: '::1', user: undefined as unknown as string },
      },
      key,
    )
    assert.ok(notes.optOut.refusals.length < 2000)
    assert.deepEqual(notes.source, { ip: '::1' })
    assert.ok(checkSeal(throughQueueFile(notes), key, facts).ok)
  })

  describe('properties', () => {
    it('survives the queue file', () => {
      fc.assert(
        fc.property(unsealed, (notes) => {
          const sealed = sealNotes(notes, key)
          const check = checkSeal(throughQueueFile(sealed), key, factsOf(notes))
          assert.deepEqual(check, { ok: true, notes: sealed })
        }),
      )
    })

    it('does not depend on the order of fields or recipients', () => {
      fc.assert(
        fc.property(unsealed, (notes) => {
          const turned = Object.fromEntries(Object.entries(notes).reverse()) as unknown as UnsealedNotes
          const again = sealNotes({ ...turned, recipients: [...notes.recipients].reverse() }, key)
          assert.equal(again.seal, sealNotes(notes, key).seal)
        }),
      )
    })

    it('any change at any place of the notes breaks it', () => {
      fc.assert(
        fc.property(unsealed, fc.nat(), fc.anything(), fc.nat(), (notes, pick, anything, bit) => {
          const sealed = sealNotes(notes, key)
          const places = placesIn(sealed)
          const place = places[pick % places.length]!
          const before = place.reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], sealed)
          for (const to of [undefined, null, anything, nudge(before, bit)]) {
            const changed = changedAt(sealed, place, to)
            if (sameJson(changed, sealed)) continue
            const check = checkSeal(changed, key, factsOf(notes))
            assert.equal(check.ok, false, `${place.join('.')} = ${fc.stringify(to)}`)
          }
        }),
        { numRuns: 500 },
      )
    })

    it('any further field at any place breaks it', () => {
      fc.assert(
        fc.property(unsealed, fc.string(), fc.jsonValue(), (notes, name, value) => {
          const sealed = sealNotes(notes, key)
          fc.pre(!Object.hasOwn(sealed, name))
          const more = JSON.parse(
            `{${JSON.stringify(name)}:${JSON.stringify(value)},${JSON.stringify(sealed).slice(1)}`,
          )
          assert.equal(checkSeal(more, key, factsOf(notes)).ok, false)
          const inner = { ...sealed, optOut: { ...sealed.optOut, [`x${name}`]: value } }
          assert.equal(checkSeal(inner, key, factsOf(notes)).ok, false)
        }),
      )
    })

    it('any change of key, id, sender, digest, or one more recipient breaks it', () => {
      fc.assert(
        fc.property(unsealed, fc.nat(255), fc.string(), address, (notes, bit, other, extra) => {
          const sealed = sealNotes(notes, key)
          const right = factsOf(notes)
          const otherKey = Buffer.from(key)
          otherKey[bit >> 3]! ^= 1 << (bit & 7)
          assert.equal(checkSeal(sealed, otherKey, right).ok, false)
          fc.pre(other !== notes.mailId && other !== notes.sender && other !== notes.digest)
          fc.pre(!notes.recipients.includes(extra))
          assert.equal(checkSeal(sealed, key, { ...right, mailId: other }).ok, false)
          assert.equal(checkSeal(sealed, key, { ...right, sender: other }).ok, false)
          assert.equal(checkSeal(sealed, key, { ...right, recipients: [...right.recipients, extra] }).ok, false)
          if (notes.digest !== null) assert.equal(checkSeal(sealed, key, { ...right, digest: other }).ok, false)
        }),
      )
    })

    it('nothing that was not sealed is ever good, and nothing throws', () => {
      fc.assert(
        fc.property(fc.anything({ withNullPrototype: true, withSparseArray: true, withMap: true }), (anything) => {
          assert.equal(checkSeal(anything, key, facts).ok, false)
        }),
      )
      fc.assert(
        fc.property(fc.jsonValue(), (json) => {
          assert.equal(checkSeal(json, key, facts).ok, false)
        }),
      )
      fc.assert(
        fc.property(unsealed, fc.stringMatching(/^[0-9a-f]{64}$/), (notes, guess) => {
          const recipients = notes.recipients.map((one) => recipientHash(notes.mailId, one)).sort()
          assert.equal(checkSeal({ ...notes, recipients, seal: guess }, key, factsOf(notes)).ok, false)
        }),
      )
    })
  })
})

/** The smallest change of a value. */
function nudge(value: unknown, bit: number): unknown {
  switch (typeof value) {
    case 'string':
      return value === '' ? 'x' : flipCharacter(value, bit)
    case 'number':
      return value + (bit % 2 === 0 ? 1 : -1)
    case 'boolean':
      return !value
    default:
      return Array.isArray(value) ? [...(value as unknown[]), ...(value as unknown[])] : {}
  }
}

function flipCharacter(text: string, bit: number): string {
  const at = bit % text.length
  return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1)
}

function sameJson(a: unknown, b: SecureMailNotes): boolean {
  try {
    return JSON.stringify(a) === JSON.stringify(b)
  } catch {
    return false
  }
}
