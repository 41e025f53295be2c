/** The TXT record that says "there is a policy, and this is its version" (RFC 8461 section 3.1). */

/** What the TXT records at `_mta-sts.<domain>` amount to. */
export type StsRecord =
  | { kind: 'record'; id: string }
  /** `why`: one clause, for log and explanation; `published` = there was an attempt at one. */
  | { kind: 'none'; published: boolean; why: string }

/** sts-field-delim: `*WSP ";" *WSP`; what stands before the first one. */
const VERSION = /^v=STSv1[ \t]*;/
/** sts-id: 1*32(ALPHA / DIGIT) */
const ID = /^[A-Za-z0-9]{1,32}$/
/** sts-ext-name "=" sts-ext-value: no "=", ";", blank or control character in the value. */
const EXTENSION = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+$/
const ID_FIELD = 'id='

/**
 * @param records all TXT records at the name; each one its strings joined without blanks (never strings of different
 *   records)
 */
export function readStsRecords(records: readonly string[]): StsRecord {
  // RFC 8461 section 3.1: records that do not begin with "v=STSv1;" are discarded
  const candidates = records.filter((text) => VERSION.test(text))
  const [text] = candidates
  if (text === undefined) return none('there is no record that begins with v=STSv1;', false)
  // RFC 8461 section 3.1: if the number of records left is not one, there is no policy
  if (candidates.length > 1) return none(`there are ${candidates.length} records that begin with v=STSv1;`)
  return readOne(text)
}

function readOne(text: string): StsRecord {
  const fields = text.split(';').map(withoutBlanks)
  // 1*(sts-field-delim sts-field) [sts-field-delim]: one delimiter may stand at the end, and no field may be empty
  if (fields.at(-1) === '') fields.pop()
  let id: string | undefined
  for (const field of fields.slice(1)) {
    if (field.startsWith(ID_FIELD)) {
      const value = field.slice(ID_FIELD.length)
      if (!ID.test(value)) return none('its id is not 1 to 32 letters and digits')
      // as RFC 8461 section 3.2 has it for the policy: of a duplicated field the first one counts
      id ??= value
    } else if (!EXTENSION.test(field)) {
      return none('its syntax is wrong')
    }
  }
  // RFC 8461 section 3.1: "id (plaintext, required)"
  return id === undefined ? none('it has no id') : { kind: 'record', id }
}

function none(why: string, published = true): StsRecord {
  return { kind: 'none', published, why }
}

/** Without the blanks and tabs (WSP) around it; linear, whatever stands there. */
export function withoutBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text, start)) start++
  while (end > start && isBlank(text, end - 1)) end--
  return text.slice(start, end)
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t'
}
