/**
 * Danish and English university texts, made by a seed: with numbers planted in every way they are written, without any
 * but full of what looks like one, and lists of persons. Each item knows its numbers and their places, so that readers of
 * formats can wrap it and look for the same.
 */
import { LISTS } from './text-lists'
import { NEGATIVE } from './text-negative'
import { POSITIVE } from './text-positive'
import { seededRandom } from './text-random'
import type { CorpusItem } from './text-types'

export type { CorpusItem, Planted } from './text-types'

/** 2026-11-23 12:00 UTC: the corpus' present. */
export const CORPUS_NOW = Date.UTC(2026, 10, 23, 12)

/**
 * @param seed the same seed gives the same items
 * @param perClass items of each class
 * @returns class by class
 */
export function* textCorpus(seed: number, perClass: number): Generator<CorpusItem> {
  for (const [n, make] of [...POSITIVE, ...NEGATIVE, ...LISTS].entries()) {
    const random = seededRandom(seed * 1000 + n)
    for (let item = 0; item < perClass; item++) yield make(random)
  }
}
