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

/**
 * Strings that this program makes itself, digits included, and that must stay exact: by path, and only as long as they
 * have the form that we give them. A field that was filled with something else is looked through like every other.
 */
const SELF_MADE: Readonly<Record<string, RegExp>> = {
  '@timestamp': TIME,
  'event.id': UUID,
  // Haraka's transaction id: a UUID and counters.
  'email.local_id': /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.\d{1,4}){0,3}$/i,
  'securemail.case_id': /^SM-[0-9A-Z]{4}-[0-9A-Z]{4}$/,
  'securemail.recipient.hmac': RECIPIENT_HMAC,
  'securemail.tls.spki_sha256': DIGEST,
  'tls.server.hash.sha256': DIGEST,
  'tls.server.not_before': TIME,
  'tls.server.not_after': TIME,
}

/**
 * A copy with every string masked and bounded, self-made ids, times and digests excepted.
 *
 * @param mask replaces what must not be written
 */
export function maskTree(tree: JsonObject, mask: (text: string) => string): JsonObject {
  return maskObject(tree, mask, '')
}

function maskObject(tree: JsonObject, mask: (text: string) => string, path: string): JsonObject {
  return Object.fromEntries(
    Object.entries(tree).map(([name, value]) => [name, maskValue(value, mask, path === '' ? name : `${path}.${name}`)]),
  )
}

function maskValue(value: JsonValue, mask: (text: string) => string, path: string): JsonValue {
  if (typeof value === 'string') {
    if (SELF_MADE[path]?.test(value) === true) return value
    return mask(value.slice(0, MAX_STRING))
  }
  if (Array.isArray(value)) return value.map((item) => maskValue(item, mask, path))
  if (typeof value === 'object' && value !== null) return maskObject(value, mask, path)
  return value
}
