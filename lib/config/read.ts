/** From INI entries to typed values: defaults below, the instance's file above, every mistake with its line. */
import { nearest } from '../util/nearest'
import type { Ini, IniEntry } from './ini'
import { errorAt } from './problem'
import { SCHEMA, type ListSpec, type SectionName, type SingleSpec, type Values } from './schema'
import type { ConfigProblem } from './settings'

type AnySpec = SingleSpec<unknown> | ListSpec<unknown>

/** Where each value was written, for checks that look at several. */
export type Places = ReadonlyMap<string, { file: string; line: number }>

export interface ReadResult {
  values: Values
  places: Places
  problems: ConfigProblem[]
}

/**
 * @param defaults the package's file, which has every key
 * @param instance the instance's file; undefined = defaults alone
 * @returns values are complete only when there is no problem
 */
export function readValues(defaults: Ini, instance: Ini | undefined): ReadResult {
  const problems = [...defaults.problems, ...(instance?.problems ?? [])]
  const places = new Map<string, { file: string; line: number }>()
  const found = new Map<string, unknown>()
  for (const ini of instance === undefined ? [defaults] : [defaults, instance]) {
    problems.push(...unknownSections(ini))
    readFile(ini, found, places, problems)
  }
  return { values: assemble(found, defaults.file, problems), places, problems }
}

function unknownSections(ini: Ini): ConfigProblem[] {
  const names = Object.keys(SCHEMA)
  return ini.sections
    .filter(({ name }) => !names.includes(name))
    .map(({ name, line }) => errorAt(ini.file, line, `unknown section [${name}]${meant(name, names)}`))
}

function meant(word: string, names: readonly string[]): string {
  const near = nearest(word, names)
  return near === undefined ? `; there are ${names.join(', ')}` : `; did you mean "${near}"?`
}

/** What an unknown key was likely meant to be: another of its section, or a key of another section. */
function meantKey(key: string, section: string): string {
  const here = Object.keys(SCHEMA[section as SectionName])
  if (nearest(key, here) === undefined) {
    const elsewhere = Object.entries(SCHEMA).find(([, keys]) => Object.hasOwn(keys, key))
    if (elsewhere !== undefined) return `; it belongs in [${elsewhere[0]}]`
  }
  return meant(key, here)
}

/** One file: a later file's value replaces an earlier file's, a list as a whole. */
function readFile(
  ini: Ini,
  found: Map<string, unknown>,
  places: Map<string, { file: string; line: number }>,
  problems: ConfigProblem[],
): void {
  const seenHere = new Map<string, number>()
  for (const entry of ini.entries) {
    const spec = specOf(entry, ini.file, problems)
    if (spec === undefined) continue
    const name = `${entry.section}.${entry.key}`
    const first = seenHere.get(name)
    if (!spec.list && first !== undefined) {
      problems.push(errorAt(ini.file, entry.line, `${entry.key} is set twice; the other is in line ${first}`))
      continue
    }
    if (first === undefined) {
      seenHere.set(name, entry.line)
      places.set(name, { file: ini.file, line: entry.line })
      if (spec.list) found.set(name, [])
    }
    if (spec.list && entry.value === '') continue
    const parsed = spec.parse(entry.value)
    if (!parsed.ok) {
      problems.push(errorAt(ini.file, entry.line, `${entry.key}: ${parsed.why}`))
      continue
    }
    if (spec.list) (found.get(name) as unknown[]).push(parsed.value)
    else found.set(name, parsed.value)
  }
}

function specOf(entry: IniEntry, file: string, problems: ConfigProblem[]): AnySpec | undefined {
  const section = (SCHEMA as Record<string, Record<string, AnySpec>>)[entry.section]
  // the section's own problem is told once, at its heading
  if (section === undefined || !Object.hasOwn(SCHEMA, entry.section)) return undefined
  const spec = Object.hasOwn(section, entry.key) ? section[entry.key] : undefined
  if (spec === undefined) {
    problems.push(
      errorAt(
        file,
        entry.line,
        `unknown key "${entry.key}" in [${entry.section}]${meantKey(entry.key, entry.section)}`,
      ),
    )
    return undefined
  }
  if (spec.list && !entry.list) {
    problems.push(errorAt(file, entry.line, `${entry.key} is a list: write ${entry.key}[]=${entry.value}`))
    return undefined
  }
  if (!spec.list && entry.list) {
    problems.push(errorAt(file, entry.line, `${entry.key} takes one value: write ${entry.key}=${entry.value}`))
    return undefined
  }
  return spec
}

function assemble(found: ReadonlyMap<string, unknown>, file: string, problems: ConfigProblem[]): Values {
  const values: Record<string, Record<string, unknown>> = {}
  for (const section of Object.keys(SCHEMA) as SectionName[]) {
    const keys: Record<string, unknown> = {}
    for (const key of Object.keys(SCHEMA[section])) {
      const name = `${section}.${key}`
      if (!found.has(name) && problems.length === 0) problems.push(errorAt(file, 0, `${name} has no default`))
      keys[key] = found.get(name)
    }
    values[section] = keys
  }
  return values as unknown as Values
}
