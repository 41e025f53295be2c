/** The texts of a message, searched for numbers of persons and for other things that do not leave in clear text. */
import { findCpr, type CprHit } from '../classify/cpr'
import { findCprInTable } from '../classify/cpr-table'
import { personRows, personRowsInText } from '../classify/person-rows'
import { findSensitive } from '../classify/sensitive'
import { tableText } from '../classify/table-text'
import type { Message, TextPiece } from '../message/message'
import type { ReadingRules } from './reading'
import type { Finding } from './types'

export interface SearchResult {
  findings: Finding[]
  persons: number
  /** Rows of tables that name a person without a number. */
  nameRows: number
  sensitive: { where: string; detail: string }[]
  timeUp: boolean
}

/** Findings that are told; persons are counted over all of them. */
const TOLD_FINDINGS = 1000

/**
 * @param rules what is looked for beside numbers
 * @param now nobody is born later
 */
export function search(message: Message, rules: ReadingRules, isTimeUp: () => boolean, now: number): SearchResult {
  const found = collector()
  const sensitive: SearchResult['sensitive'] = []
  let nameRows = 0
  const result = (): SearchResult => ({
    findings: findingsOf(found.best),
    persons: found.persons.size,
    nameRows,
    sensitive,
    timeUp: isTimeUp(),
  })
  // a table in text (CSV) is there in both forms
  const inTexts = new Set(message.texts.map(({ where }) => where))
  const inTables = new Set(message.tables.map(({ where }) => where))
  // tables first: a cell is a better place than the sheet it stands in
  for (const table of message.tables) {
    if (isTimeUp()) return { ...result(), timeUp: true }
    for (const hit of findCprInTable(table, now, isTimeUp)) found.note(hit, hit.where, hit.where)
    if (rules.category3.nameRows) nameRows += personRows(table)
    if (inTexts.has(table.where)) continue
    for (const { detail } of findSensitive(tableText(table, (cell) => cell.text).text, true, rules.content.sensitive)) {
      sensitive.push({ where: table.where, detail })
    }
  }
  for (const piece of message.texts) {
    if (isTimeUp()) return { ...result(), timeUp: true }
    const place = placesIn(piece)
    for (const hit of findCpr(piece.text, now, isTimeUp))
      found.note(hit, piece.where, place(hit.start), piece.role === 'raw')
    if (piece.role === 'raw') continue
    const running = !['subject', 'header', 'name'].includes(piece.role)
    if (running && rules.category3.nameRows && !inTables.has(piece.where)) nameRows += personRowsInText(piece.text)
    const placeOf = placesIn(piece)
    for (const { start, detail } of findSensitive(piece.text, running, rules.content.sensitive)) {
      sensitive.push({ where: placeOf(start), detail })
    }
  }
  return result()
}

interface Best {
  hit: CprHit
  where: string
  /** Found in bytes whose structure was not asked: the place is the whole file. */
  isRaw: boolean
}

/** One number at one place once, however many ways there are to read it. */
function collector() {
  const best = new Map<string, Best>()
  const persons = new Set<string>()
  /** Cells by sheet and number. */
  const cells = new Map<string, Best>()
  const note = (hit: CprHit, piece: string, where: string, isRaw = false) => {
    if (hit.counts) persons.add(hit.digest)
    const key = `${piece}\0${hit.digest}`
    const known = best.get(key) ?? cells.get(key)
    if (known !== undefined) {
      if (known.hit.score < hit.score) known.hit = hit
      if (known.isRaw && !isRaw) {
        known.where = where
        known.isRaw = false
      }
      return
    }
    const first = { hit, where, isRaw }
    best.set(key, first)
    const sheet = where.lastIndexOf('!')
    if (sheet !== -1) cells.set(`${where.slice(0, sheet)}\0${hit.digest}`, first)
  }
  return { best, persons, note }
}

function findingsOf(best: ReadonlyMap<string, Best>): Finding[] {
  return withoutRaw([...best.values()])
    .slice(0, TOLD_FINDINGS)
    .map(({ hit, where }) => ({
      kind: 'cpr',
      confidence: hit.confidence,
      where,
      masked: hit.masked,
      evidence: hit.evidence,
    }))
}

/** A number that a file holds is told where it stands in it, and not once more of the file as a whole. */
function withoutRaw(all: readonly Best[]): readonly Best[] {
  if (!all.some(({ isRaw }) => isRaw)) return all
  const finer = new Map<string, Best[]>()
  for (const one of all)
    if (!one.isRaw) {
      const known = finer.get(one.hit.digest)
      if (known === undefined) finer.set(one.hit.digest, [one])
      else if (known.length < TOLD_FINDINGS) known.push(one)
    }
  return all.filter((one) => {
    if (!one.isRaw) return true
    const inside = finer.get(one.hit.digest)?.find(({ where }) => where.startsWith(`${one.where} > `))
    // the level of a finding is that of the best way to read it
    if (inside !== undefined && inside.hit.score < one.hit.score) inside.hit = one.hit
    return inside === undefined
  })
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
