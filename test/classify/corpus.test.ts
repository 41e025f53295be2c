import assert from 'node:assert/strict'
import { findCpr } from '../../lib/classify/cpr'
import { CORPUS_NOW, textCorpus } from '../corpus/text'
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

  it('finds what it found before, whatever text comes before or behind', () => {
    const items = [...textCorpus(7, 4)]
    const hits = (text: string) => findCpr(text, CORPUS_NOW)
    for (const [n, item] of items.entries()) {
      const found = hits(item.text)
      const other = items[(n * 37 + 11) % items.length]?.text ?? ''
      for (const [before, behind] of [
        [`${other}\n\n`, ''],
        ['', `\n\n${other}`],
        [`${other}\n\n`, `\n\n${other}`],
      ] as const) {
        const more = new Set(hits(before + item.text + behind).map(({ start, digest }) => `${start} ${digest}`))
        for (const { start, digest, evidence } of found) {
          // a cluster is a matter of the whole text: without it a number may be none, but the text still has others
          if (evidence.includes('cluster')) continue
          assert.ok(more.has(`${start + before.length} ${digest}`), `${item.class}: ${evidence.join()}`)
        }
        assert.ok(found.length === 0 || more.size > 0)
      }
    }
  })
})
