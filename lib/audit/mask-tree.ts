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
    tls: { spki_sha256: DIGEST },
  },
  tls: { server: { hash: { sha256: DIGEST }, not_before: TIME, not_after: TIME } },
}

/** A tree as its maker writes it: what is undefined is left out. */
export interface Tree {
  [name: string]: JsonValue | Tree | undefined
}

/**
 * A copy with every string masked and bounded, self-made ids, times and digests excepted; without what is undefined, and
 * without objects that are empty then.
 *
 * @param mask replaces what must not be written
 */
export function maskTree(tree: Tree, mask: (text: string) => string): JsonObject {
  return maskObject(tree, mask, SELF_MADE) ?? {}
}

function maskObject(tree: Tree, mask: (text: string) => string, forms: Forms | undefined): JsonObject | undefined {
  let result: JsonObject | undefined
  for (const name of Object.keys(tree)) {
    const form = forms !== undefined && Object.hasOwn(forms, name) ? forms[name] : undefined
    const value = maskValue(tree[name], mask, form)
    if (value === undefined) continue
    result ??= {}
    result[name] = value
  }
  return result
}

function maskValue(
  value: JsonValue | Tree | undefined,
  mask: (text: string) => string,
  form: RegExp | Forms | undefined,
): JsonValue | undefined {
  if (typeof value === 'string') {
    if (form instanceof RegExp && form.test(value)) return value
    const bounded = value.length > MAX_STRING ? value.slice(0, MAX_STRING) : value
    return mask(bounded)
  }
  if (Array.isArray(value)) return value.map((item) => maskValue(item, mask, form) ?? null)
  if (typeof value !== 'object' || value === null) return value
  return maskObject(value, mask, form instanceof RegExp ? undefined : form)
}
