import assert from 'node:assert/strict'
import { letters, randomFrom } from '../../bench/corpus'
import { findCpr } from '../../lib/classify/cpr'

const TODAY = Date.UTC(2026, 0, 1)

describe('bench: corpus', () => {
  it('is the same for the same seed, and has the size asked for', () => {
    const text = letters(20_000, 7)
    assert.equal(text, letters(20_000, 7))
    assert.notEqual(text, letters(20_000, 8))
    assert.ok(Buffer.byteLength(text) >= 20_000 && Buffer.byteLength(text) < 25_000)
  })

  it('draws numbers from 0 up to but not including 1', () => {
    const random = randomFrom(1)
    const drawn = Array.from({ length: 1000 }, random)
    assert.ok(drawn.every((value) => value >= 0 && value < 1))
    assert.ok(new Set(drawn).size > 990)
  })

  it('holds the number that was put in, as often as it should', () => {
    const text = letters(60_000, 1, 'CPR 070761-4285')
    const words = text.split(/\s+/).length
    const found = findCpr(text, TODAY).filter(({ confidence }) => confidence === 'high')
    assert.ok(
      found.length >= Math.floor(words / 2500) && found.length <= Math.ceil(words / 1500),
      `${found.length} of ${words}`,
    )
  })
})
