import assert from 'node:assert/strict'
import { scoreCorpus, totalsOf, type ClassScore } from '../corpus/text-score'

describe('detection on the seeded corpus', function () {
  this.timeout(60_000)
  let scores: ClassScore[] = []
  before(() => void (scores = scoreCorpus(20261123, 150)))
  const totals = () => totalsOf(scores)

  it('finds 99.5 % of the planted numbers at LOW', () => assert.ok((totals().recall[0] ?? 0) >= 0.995))
  it('mistakes at most 2 % of the texts without a number', () =>
    assert.ok((totals().falsePositives[0] ?? 1) <= 0.02, String(totals().falsePositives[0])))
  it('is right at HIGH in 99.9 %', () => assert.ok(totals().highPrecision >= 0.999))
  it('counts the persons of 99 % of the lists exactly', () =>
    assert.ok(totals().exactLists >= 0.99, String(totals().exactLists)))
  it('finds 98 % of each class, and mistakes no class in more than 15 %', () => {
    for (const { name, kind, rates } of scores) {
      const [low = 0] = rates
      if (kind === 'negative') assert.ok(low <= 0.15, `${name}: ${low}`)
      else assert.ok(low >= 0.98, `${name}: ${low}`)
    }
  })
  it('finds more than every published rule does, at fewer mistakes than the one that finds most', () => {
    const { recall, falsePositives } = totals()
    for (const other of recall.slice(3)) assert.ok((recall[0] ?? 0) > other)
    const best = recall.indexOf(Math.max(...recall.slice(3)), 3)
    assert.ok((falsePositives[0] ?? 1) < (falsePositives[best] ?? 0))
  })
})
