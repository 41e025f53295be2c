/** Mails as real clients write them: an honest public mail must get through, or nobody could use the opt-out. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../lib/package-root'
import { look } from './support'

const read = (name: string) => readFileSync(path.join(packageRoot(), 'test/fixtures/mail', name))

const SUBJECTS: [file: string, stripped: RegExp][] = [
  ['outlook.eml', /^Subject: =\?UTF-8\?B\?w4VibmluZ3N0aWRlciBpIGthbnRpbmVu\?=$/],
  ['gmail.eml', /^Subject: \[public\] Opening hours$/],
  ['thunderbird.eml', /^Subject: =\?UTF-8\?Q\?=C3=85bningstider\?=$/],
  ['apple-mail.eml', /^Subject: Opening hours \[offentlig\]$/],
]

describe('mails of real clients', () => {
  for (const [file, stripped] of SUBJECTS) {
    it(`${file}: granted`, async () => {
      const { verdict, strippedSubject } = await look(read(file))
      assert.deepEqual(verdict.refusals, [])
      assert.deepEqual(verdict.uninspected, [])
      assert.equal(verdict.granted, true)
      assert.match(strippedSubject ?? '', stripped)
    })
  }
})
