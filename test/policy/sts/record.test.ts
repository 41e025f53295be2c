import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readStsRecords } from '../../../lib/policy/sts'

const GOOD: [section: string, what: string, records: string[], id: string][] = [
  ['3.1', "the RFC's example", ['v=STSv1; id=20160831085700Z;'], '20160831085700Z'],
  ['3.1', 'no delimiter at the end', ['v=STSv1; id=a'], 'a'],
  ['3.1', 'no blanks', ['v=STSv1;id=a;'], 'a'],
  ['3.1', 'blanks and tabs around delimiters', ['v=STSv1 \t; \tid=a \t; '], 'a'],
  ['3.1', 'id of 32 characters', [`v=STSv1; id=${'Z9'.repeat(16)}`], 'Z9'.repeat(16)],
  ['3.1', 'an extension before the id', ['v=STSv1; x-1.y_z=a!b<>~; id=a;'], 'a'],
  ['3.1', 'an extension after the id', ['v=STSv1; id=a; ext=:1'], 'a'],
  ['3.1', 'ID is another field than id', ['v=STSv1; id=a; ID=b'], 'a'],
  ['3.2', 'of duplicated fields the first counts', ['v=STSv1; id=a; id=b'], 'a'],
  [
    '3.1',
    'records that do not begin with v=STSv1; are discarded',
    ['google-site=1', 'v=STSv1; id=a', 'v=spf1 -all'],
    'a',
  ],
  ['3.1', 'a version that only looks like it is discarded', ['v=STSv10; id=b', 'v=STSv1; id=a', 'v=STSv1'], 'a'],
]

const BAD: [section: string, what: string, records: string[], published: boolean][] = [
  ['3.1', 'no record', [], false],
  ['3.1', 'another record', ['v=spf1 -all'], false],
  ['3.1', 'the version is not first', ['id=a; v=STSv1;'], false],
  ['3.1', 'a blank before the version', [' v=STSv1; id=a;'], false],
  ['3.1', 'the version in lower case', ['v=stsv1; id=a;'], false],
  ['3.1', 'the version alone', ['v=STSv1'], false],
  ['3.1', 'two records', ['v=STSv1; id=a;', 'v=STSv1; id=b;'], true],
  ['3.1', 'the same record twice', ['v=STSv1; id=a;', 'v=STSv1; id=a;'], true],
  ['3.1', 'two records, one of them broken', ['v=STSv1; id=a;', 'v=STSv1;'], true],
  ['3.1', 'no id', ['v=STSv1;'], true],
  ['3.1', 'no id beside an extension', ['v=STSv1; x=y'], true],
  ['3.1', 'an empty id', ['v=STSv1; id=;'], true],
  ['3.1', 'an id of 33 characters', [`v=STSv1; id=${'a'.repeat(33)}`], true],
  ['3.1', 'an id with a hyphen', ['v=STSv1; id=2026-11-01'], true],
  ['3.1', 'an id with a letter that is not ASCII', ['v=STSv1; id=\u00e5'], true],
  ['3.1', 'a second id that is none', ['v=STSv1; id=a; id=-'], true],
  ['3.1', 'an empty field', ['v=STSv1;; id=a'], true],
  ['3.1', 'two delimiters at the end', ['v=STSv1; id=a;;'], true],
  ['3.1', 'an extension without value', ['v=STSv1; id=a; x='], true],
  ['3.1', 'an extension without =', ['v=STSv1; id=a; x'], true],
  ['3.1', 'an extension with a blank in its value', ['v=STSv1; id=a; x=a b'], true],
  ['3.1', 'an extension with = in its value', ['v=STSv1; id=a; x=a=b'], true],
  ['3.1', 'an extension with a name of 33 characters', [`v=STSv1; id=a; ${'x'.repeat(33)}=a`], true],
  ['3.1', 'a line break', ['v=STSv1; id=a\r\n'], true],
]

describe('MTA-STS: the TXT record (RFC 8461 section 3.1)', () => {
  for (const [section, what, records, id] of GOOD) {
    it(`${section}: ${what}: id ${id}`, () => assert.deepEqual(readStsRecords(records), { kind: 'record', id }))
  }
  for (const [section, what, records, published] of BAD) {
    it(`${section}: ${what}: no policy`, () => {
      const read = readStsRecords(records)
      assert.ok(read.kind === 'none', JSON.stringify(read))
      assert.equal(read.published, published)
    })
  }

  it('whatever the records are, it is an id by the grammar or nothing', () => {
    const piece = fc.constantFrom('v=STSv1', ';', ' ', '\t', 'id=', 'a1', 'x=y', '=', '\0', 'å', 'ID=')
    const record = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 12 }).map((all) => all.join('')),
    )
    fc.assert(
      fc.property(fc.array(record, { maxLength: 4 }), (records) => {
        const read = readStsRecords(records)
        if (read.kind === 'none') return
        assert.match(read.id, /^[A-Za-z0-9]{1,32}$/)
        assert.equal(records.filter((text) => /^v=STSv1[ \t]*;/.test(text)).length, 1)
      }),
    )
  })

  it('a second record never yields a policy that one alone did not', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9]{1,32}$/)
    fc.assert(
      fc.property(id, id, (one, other) => {
        assert.equal(readStsRecords([`v=STSv1; id=${one};`]).kind, 'record')
        assert.equal(readStsRecords([`v=STSv1; id=${one};`, `v=STSv1; id=${other};`]).kind, 'none')
      }),
    )
  })

  it('64 KiB of blanks are read in no time to speak of', () => {
    assert.equal(readStsRecords([`v=STSv1; id=a${' '.repeat(65_000)}x`]).kind, 'none')
  })
})
