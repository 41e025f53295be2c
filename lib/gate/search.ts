/** The texts of a message, searched for numbers of persons and for other things that do not leave in clear text. */
import { findCpr, type CprHit } from '../classify/cpr'
import { findSensitive } from '../classify/sensitive'
import type { Message, TextPiece } from '../message/message'
import type { Finding } from './types'

export interface SearchResult {
  findings: Finding[]
  persons: number
  sensitive: { where: string; detail: string }[]
  timeUp: boolean
}

/** Findings that are told; persons are counted over all of them. */
const TOLD_FINDINGS = 1000

/** @param now nobody is born later */
export function search(message: Message, isTimeUp: () => boolean, now: number): SearchResult {
  const best = new Map<string, { hit: CprHit; where: string }>()
  const persons = new Set<string>()
  const sensitive: SearchResult['sensitive'] = []
  const note = (hit: CprHit, piece: string, where: string) => {
    if (hit.counts) persons.add(hit.digest)
    // one place and number once: a text may have been read in two ways
    const key = `${piece}\0${hit.digest}`
    const known = best.get(key)
    if (known === undefined || known.hit.score < hit.score) best.set(key, { hit, where })
  }
  const result = (): SearchResult => ({
    findings: findingsOf(best),
    persons: persons.size,
    sensitive,
    timeUp: isTimeUp(),
  })
  for (const piece of message.texts) {
    if (isTimeUp()) return { ...result(), timeUp: true }
    const place = placesIn(piece)
    for (const hit of findCpr(piece.text, now, isTimeUp)) note(hit, piece.where, place(hit.start))
    if (piece.role === 'raw') continue
    const running = !['subject', 'header', 'name'].includes(piece.role)
    for (const { detail } of findSensitive(piece.text, running)) sensitive.push({ where: piece.where, detail })
  }
  return result()
}

function findingsOf(best: ReadonlyMap<string, { hit: CprHit; where: string }>): Finding[] {
  return [...best.values()].slice(0, TOLD_FINDINGS).map(({ hit, where }) => ({
    kind: 'cpr',
    confidence: hit.confidence,
    where,
    masked: hit.masked,
    evidence: hit.evidence,
  }))
}

/** Plain text has lines that a sender can find again. Asked in order of place, so that counting is linear. */
function placesIn(piece: TextPiece): (at: number) => string {
  if (piece.role !== 'text') return () => piece.where
  let line = 1
  let next = piece.text.indexOf('\n')
  return (at) => {
    while (next !== -1 && next < at) {
      line++
      next = piece.text.indexOf('\n', next + 1)
    }
    return `${piece.where} line ${line}`
  }
}
