import assert from 'node:assert/strict'
import { settings } from '../gate/support'
import { formatTable, scoreFormats, totalsOfFormats, type FormatScore } from './formats-score'

/** Least of the planted numbers that each single format must show, as a rate. */
const LEAST = 0.985

describe('the corpus through every format', function () {
  this.timeout(120_000)
  let scores: FormatScore[] = []
  before(async () => void (scores = await scoreFormats(settings, 20261123, 3)))
  const totals = () => totalsOfFormats(scores)
  const wrong = (what: string) =>
    scores
      .flatMap(({ name, missed }) => missed.filter((text) => text.startsWith(what)).map((text) => `${name}: ${text}`))
      .slice(0, 20)
      .join('\n')

  it('finds 99.5 % of the planted numbers', () =>
    assert.ok(totals().recall >= 0.995, `${formatTable(scores)}\n${wrong('missed')}`))
  it('finds them in each format', () => {
    for (const { name, planted, found } of scores)
      assert.ok(planted > 0 && found >= LEAST * planted, `${name}: ${found} of ${planted}\n${wrong('missed')}`)
  })
  it('reads all of every file', () => assert.deepEqual(wrong('unread'), ''))
  it('mistakes harmless items no more often than in plain text', () =>
    assert.ok(totals().alarmedMore <= 0.02, wrong('alarmed')))
  it('counts the persons of 99 % of the lists exactly, and of the tables among them', () => {
    assert.ok(totals().exact >= 0.99, wrong('counted'))
    assert.ok(totals().exactTables >= 0.99, wrong('counted'))
  })
})
