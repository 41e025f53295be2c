/** What the numbers of a text or of a column say about each other. */
import type { Columns } from './columns'
import type { Region } from './cpr-regions'
import { isContiguous, placeOf, type Token } from './cpr-spots'

export interface Crowd {
  /** Several distinct numbers fulfil modulus 11, and most of all tokens do: by chance that is 1 in 11 for each. */
  cluster: boolean
  /** Many tokens of ten digits without a separator, and hardly any of them is valid: they are something else. */
  sparse: boolean
}

const CLUSTER = { distinct: 3, share: 0.5 }
const SPARSE = { tokens: 10, share: 0.15 }

/** Numbers that are judged together. */
export interface Group {
  valid: Set<string>
  /** With repetitions. */
  validTokens: number
  tokens: number
  contiguous: number
}

/**
 * @param others tokens that are no candidates
 * @param earlier the numbers of the text just before these, so that a list is one list although it is judged in parts
 * @returns what holds at a place of the text, and the numbers for the next part
 */
export function crowdOf(
  regions: readonly Region[],
  others: readonly Token[],
  columns: Columns,
  earlier: Group | null,
): { at: (place: number) => Crowd; whole: Group } {
  const whole = emptyGroup()
  for (const region of regions) {
    for (const candidate of region.candidates) addValid(whole, candidate)
    for (const token of region.tokens) addToken(whole, token)
  }
  for (const token of others) addToken(whole, token)
  const overall = judged(earlier === null ? whole : joined(whole, earlier))
  // a column can only be a cluster, or sparse, when there are enough numbers of the kind in the whole
  const mayCluster = !overall.cluster && whole.valid.size >= CLUSTER.distinct
  const invalid = whole.tokens - whole.validTokens
  const maySparse = whole.contiguous >= SPARSE.tokens && invalid >= SPARSE.tokens * (1 - SPARSE.share)
  if (!mayCluster && !maySparse) return { at: () => overall, whole }
  const byColumn = groupsByColumn(regions, others, columns)
  const crowds = new Map(Array.from(byColumn, ([column, group]) => [column, judged(group)]))
  const at = (place: number): Crowd => {
    const column = columns.column(place)
    const crowd = column === null ? undefined : crowds.get(column)
    if (crowd === undefined) return overall
    return { cluster: overall.cluster || crowd.cluster, sparse: crowd.sparse }
  }
  return { at, whole }
}

function joined(a: Group, b: Group): Group {
  return {
    valid: new Set([...a.valid, ...b.valid]),
    validTokens: a.validTokens + b.validTokens,
    tokens: a.tokens + b.tokens,
    contiguous: a.contiguous + b.contiguous,
  }
}

function groupsByColumn(
  regions: readonly Region[],
  others: readonly Token[],
  columns: Columns,
): ReadonlyMap<string, Group> {
  const groups = new Map<string, Group>()
  const groupAt = (at: number): Group | null => {
    const column = columns.column(at)
    if (column === null) return null
    const group = groups.get(column) ?? emptyGroup()
    groups.set(column, group)
    return group
  }
  // one kind after the other, because columns count in order of place
  for (const { start, view, candidates } of regions) {
    for (const candidate of candidates) addValid(groupAt(start + view.at(candidate.start)), candidate)
  }
  for (const { start, tokens } of regions) for (const token of tokens) addToken(groupAt(start + placeOf(token)), token)
  for (const token of others) addToken(groupAt(placeOf(token)), token)
  return groups
}

function emptyGroup(): Group {
  return { valid: new Set(), validTokens: 0, tokens: 0, contiguous: 0 }
}

function addValid(group: Group | null, { facts, date, serial }: Region['candidates'][number]): void {
  if (group === null || !facts.mod11) return
  group.valid.add(date + serial)
  group.validTokens++
}

function addToken(group: Group | null, token: Token): void {
  if (group === null) return
  group.tokens++
  if (isContiguous(token)) group.contiguous++
}

function judged({ valid, validTokens, tokens, contiguous }: Group): Crowd {
  return {
    cluster: valid.size >= CLUSTER.distinct && validTokens >= tokens * CLUSTER.share,
    sparse: contiguous >= SPARSE.tokens && validTokens < tokens * SPARSE.share,
  }
}
