/**
 * JSON of one line, put together from pieces; this is done for every line of the log. A text becomes a piece only here,
 * and only after it was looked through: the last thing that happens to an event before it is written.
 */

declare const madeHere: unique symbol
/** A JSON value that was made in this file. */
export type Json = string & { readonly [madeHere]: 'value' }
/** Name of a member with what stands around it. */
export interface Key {
  readonly [madeHere]: 'key'
  /** `{"name":` */
  readonly first: string
  /** `,"name":` */
  readonly next: string
}
/** The members of an object so far, its bracket open: `{"a":1,"b":2`; '' = none. */
export type Members = '' | (string & { readonly [madeHere]: 'members' })

/** Replaces what must not be written. */
export type Mask = (text: string) => string

/** Longest string in a line; a hostile reply shall not fill the log. */
const MAX_STRING = 4000

/** Nothing in it that JSON writes in another way. */
const PLAIN = /^[ !#-[\]-~]*$/

/** @param name stands in our source, or is looked through */
export function key(name: string): Key {
  const json = JSON.stringify(name)
  return { first: `{${json}:`, next: `,${json}:` } as Key
}

/** @param value stands in our source */
export function constant(value: string | number | readonly string[]): Json {
  return JSON.stringify(value) as Json
}

/** A text from anywhere, masked and bounded. */
export function text(value: string | undefined, mask: Mask): Json | undefined {
  if (value === undefined) return undefined
  return quoted(mask(value.length > MAX_STRING ? value.slice(0, MAX_STRING) : value))
}

/** Several texts; undefined where there are none. */
export function texts(values: readonly string[] | undefined, mask: Mask): Json | undefined {
  return list(values, (value) => text(value, mask))
}

/**
 * A string that this program makes itself, digits included, and that must stay exact, as long as it has the form that
 * we give it. What was filled with something else is looked through like every other text.
 */
export function exact(value: string | undefined, form: RegExp, mask: Mask): Json | undefined {
  return value !== undefined && form.test(value) ? quoted(value) : text(value, mask)
}

/** Several of them; undefined where there are none. */
export function exacts(values: readonly string[] | undefined, form: RegExp, mask: Mask): Json | undefined {
  return list(values, (value) => exact(value, form, mask))
}

/** What no text is; a number that JSON has no form for becomes null. */
export function plain(value: number | boolean | undefined): Json | undefined {
  if (value === undefined) return undefined
  return (typeof value === 'boolean' || Number.isFinite(value) ? String(value) : 'null') as Json
}

/** One more member; none where it has no value. Nothing is copied: the pieces come together when the line is written. */
export function put(members: Members, name: Key, value: Json | undefined): Members {
  if (value === undefined) return members
  return (members === '' ? name.first + value : members + name.next + value) as Members
}

/** Members that stand behind others, and are always the same. */
export type Fragment = string & { readonly [madeHere]: 'fragment' }

export function fragment(...members: readonly (readonly [Key, Json | undefined])[]): Fragment {
  return members.map(([name, value]) => (value === undefined ? '' : name.next + value)).join('') as Fragment
}

/** Members with a fragment behind them. */
export function append(members: Members, more: Fragment): Members {
  return members === '' ? (`{${more.slice(1)}` as Members) : ((members + more) as Members)
}

/** The object, or undefined where it would be empty. */
export function object(members: Members): Json | undefined {
  return members === '' ? undefined : (`${members}}` as Json)
}

function list(values: readonly string[] | undefined, one: (value: string) => Json | undefined): Json | undefined {
  if (values === undefined || values.length === 0) return undefined
  let json = ''
  for (const value of values) json += `,${one(value) ?? 'null'}`
  return `[${json.slice(1)}]` as Json
}

function quoted(value: string): Json {
  return (PLAIN.test(value) ? `"${value}"` : JSON.stringify(value)) as Json
}
