import assert from 'node:assert/strict'
import { decide } from '../../lib/gate/decide'
import type { Content, Finding, Rules } from '../../lib/gate/types'

const RULES: Rules = { internalDomains: ['uni.example'], sendersAllow: [], sendersDeny: [], blockAt: 'low' }
const FINDING: Finding = { kind: 'cpr', confidence: 'low', where: 'text line 1', masked: '010170-****', evidence: [] }

/** A mail that may be sent without TLS when its sender asks for it. */
function content(change: Partial<Content>, asked: boolean): Content {
  return {
    request: { by: asked ? 'subject-tag' : null, where: 'subject', inherited: false, secure: false },
    sender: {
      ...{ authenticated: true, aclListed: false, mailFrom: 'anne@uni.example' },
      ...{ fromFields: 1, from: ['anne@uni.example'], subjectFields: 1, resent: [], list: false, autoSubmitted: null },
    },
    markers: [{ class: 'public', source: 'subject', value: '[public]' }],
    ...{ conflicts: [], findings: [], persons: 0, nameRows: 0, sensitive: [], uninspected: [], protection: [] },
    ...{ wholeProtected: false, timeUp: false, ...change },
  }
}

describe('whether the content forbids an opt-out', () => {
  /** What is in the mail; the answer. Each with `rules` of its own where they matter. */
  const rows: [string, Partial<Content>, boolean, Rules?][] = [
    ['nothing', {}, false],
    ['a number', { findings: [FINDING] }, true],
    ['a number below block_at', { findings: [FINDING] }, false, { ...RULES, blockAt: 'medium' }],
    ['something else that is sensitive', { sensitive: [{ where: 'text line 2', detail: 'A private key.' }] }, true],
    ['a label that is not public', { markers: [{ class: 'non-public', source: 'header', value: 'x' }] }, true],
    ['a label nobody knows', { markers: [{ class: 'unknown', source: 'purview', value: 'x' }] }, true],
    ['something encrypted', { protection: [{ kind: 'zip-encrypted', where: 'attachment a.zip' }] }, true],
    ['no marker at all', { markers: [] }, false],
    ['a part that could not be read', { uninspected: [{ where: 'attachment a.bin', reason: 'unknown' }] }, false],
  ]
  for (const [what, change, forbids, rules = RULES] of rows) {
    it(`${what}: ${forbids ? 'yes' : 'no'}, asked for or not; and what it forbids is never granted`, () => {
      const asked = decide(content(change, true), rules)
      const unasked = decide(content(change, false), rules)
      assert.equal(asked.contentForbids, forbids)
      assert.equal(unasked.contentForbids, forbids)
      assert.ok(!(asked.granted && forbids))
      assert.deepEqual(unasked.refusals, [])
    })
  }
})
