/** The last thing that happens to an event before it is written: every string is looked through for CPR numbers. */
import { RECIPIENT_HMAC } from './identity'

export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject
export interface JsonObject {
  [name: string]: JsonValue
}

/** Longest string in a line; a hostile reply shall not fill the log. */
const MAX_STRING = 4000

const DIGEST = /^[0-9a-fA-F]{64}$/
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$/
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Forms of self-made strings by their place in the tree. */
interface Forms {
  readonly [name: string]: RegExp | Forms
}

/**
 * Strings that this program makes itself, digits included, and that must stay exact: by place, and only as long as they
 * have the form that we give them. A field that was filled with something else is looked through like every other.
 */
const SELF_MADE: Forms = {
  '@timestamp': TIME,
  event: { id: UUID },
  // Haraka's transaction id: a UUID and counters.
  email: { local_id: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.\d{1,4}){0,3}$/i },
  securemail: {
    case_id: /^SM-[0-9A-Z]{4}-[0-9A-Z]{4}$/,
    recipient: { hmac: RECIPIENT_HMAC },
    prev_hash: DIGEST,
    tls: { spki_sha256: DIGEST },
  },
  tls: { server: { hash: { sha256: DIGEST }, not_before: TIME, not_after: TIME } },
}

/** JSON that was made, and looked through, before. */
export class ReadyJson {
  constructor(readonly json: string) {}
}

/** A tree as its maker writes it: what is undefined is left out. */
export interface Tree {
  [name: string]: JsonValue | Tree | ReadyJson | undefined
}

/**
 * The tree as JSON, every string masked and bounded, self-made ids, times and digests excepted; without what is
 * undefined, and without objects that are empty then. One pass: this is done for every line of the log.
 *
 * @param mask replaces what must not be written
 */
export function maskedJson(tree: Tree, mask: (text: string) => string): string {
  return objectJson(tree, mask, SELF_MADE) ?? '{}'
}

function objectJson(tree: Tree, mask: (text: string) => string, forms: Forms | undefined): string | undefined {
  let json = ''
  for (const name of Object.keys(tree)) {
    const value = tree[name]
    if (value === undefined) continue
    const form = forms !== undefined && Object.hasOwn(forms, name) ? forms[name] : undefined
    const inner = valueJson(value, mask, form)
    if (inner !== undefined) json += `${json === '' ? '{' : ','}${keyJson(name)}${inner}`
  }
  return json === '' ? undefined : `${json}}`
}

function valueJson(
  value: JsonValue | Tree | ReadyJson | undefined,
  mask: (text: string) => string,
  form: RegExp | Forms | undefined,
): string | undefined {
  if (typeof value === 'string') {
    if (form instanceof RegExp && form.test(value)) return quoted(value)
    return quoted(mask(value.length > MAX_STRING ? value.slice(0, MAX_STRING) : value))
  }
  if (typeof value !== 'object' || value === null) return value === undefined ? undefined : JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item) => valueJson(item, mask, form) ?? 'null').join(',')}]`
  if (value instanceof ReadyJson) return value.json
  return objectJson(value, mask, form instanceof RegExp ? undefined : form)
}

/** Nothing in it that JSON writes in another way. */
const PLAIN = /^[ !#-[\]-~]*$/

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** Field names are few, and come again with every line. */
const keys = new Map<string, string>()

function keyJson(name: string): string {
  let json = keys.get(name)
  if (json === undefined) {
    json = `${JSON.stringify(name)}:`
    if (keys.size < 1000) keys.set(name, json)
  }
  return json
}
