/** The policy file, `mta-sts.txt` (RFC 8461 section 3.2). */
import { withoutBlanks } from './record'

export interface StsPolicy {
  mode: 'enforce' | 'testing' | 'none'
  /** Seconds, 0 to 31557600. */
  maxAge: number
  /** Lower-case names, or `*.` and a name; at least one unless mode is none. */
  mx: readonly string[]
}

export type ReadPolicy = { ok: true; policy: StsPolicy } | { ok: false; why: string }

/** RFC 8461 section 3.3: senders may refuse larger files, "with a suggested maximum ... of 64 kilobytes". */
export const MAX_POLICY_BYTES = 65_536
/** RFC 8461 section 3.2: "maximum value of 31557600", a year. */
export const MAX_MAX_AGE = 31_557_600

const FIELD_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/
/** sts-policy-ext-value: visible characters, UTF-8 included, and blanks between them. */
const VALUE = /^\P{Cc}+$/u
/** RFC 5321 Domain, before its length is looked at; `*.` may stand in front. */
const MX = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/

/**
 * Anything but a complete policy is refused: what is missing is never guessed.
 *
 * @param bytes the body of the HTTPS answer
 */
export function readStsPolicy(bytes: Uint8Array): ReadPolicy {
  if (bytes.length > MAX_POLICY_BYTES) return refuse(`it is larger than ${MAX_POLICY_BYTES} bytes`)
  let text: string
  try {
    // a byte order mark stays, and is then no field name
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return refuse('it is not UTF-8')
  }
  const fields = readFields(text)
  return typeof fields === 'string' ? refuse(fields) : readValues(fields)
}

type Field = readonly [name: string, value: string]

/** @returns the fields in order, or what is wrong */
function readFields(text: string): Field[] | string {
  // sts-policy-term = LF / CRLF; a CR anywhere else is a control character in a value
  const lines = text.split(/\r?\n/).map(withoutBlanks)
  // the grammar has one terminator at the end; blank lines there are an editor's, and refusing them would lose the policy
  while (lines.at(-1) === '') lines.pop()
  const fields: Field[] = []
  for (const [i, line] of lines.entries()) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    const value = withoutBlanks(line.slice(colon + 1))
    if (!FIELD_NAME.test(name) || !VALUE.test(value)) return `line ${i + 1} is no "name: value"`
    fields.push([name, value])
  }
  return fields
}

function readValues(fields: readonly Field[]): ReadPolicy {
  // RFC 8461 section 3.2: of a duplicated field all but the first are ignored, except mx; unknown fields are ignored
  const first = (wanted: string): string | undefined => fields.find(([name]) => name === wanted)?.[1]
  if (first('version') !== 'STSv1') return refuse('it has no version STSv1')
  const mode = first('mode')
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') {
    return refuse('its mode is none of enforce, testing, none')
  }
  const maxAge = first('max_age')
  if (maxAge === undefined || !/^[0-9]{1,10}$/.test(maxAge)) return refuse('it has no max_age in seconds')
  const mx = fields.filter(([name]) => name === 'mx').map(([, value]) => value.toLowerCase())
  const bad = mx.find((pattern) => !isMxPattern(pattern))
  if (bad !== undefined) return refuse(`mx: ${JSON.stringify(bad.slice(0, 80))} is no host name`)
  // RFC 8461 section 3.2: a policy that names no MX host can only be "none"
  if (mx.length === 0 && mode !== 'none') return refuse('it names no mx')
  return { ok: true, policy: { mode, maxAge: Math.min(Number(maxAge), MAX_MAX_AGE), mx: [...new Set(mx)] } }
}

function isMxPattern(text: string): boolean {
  if (text.length > 255 || !MX.test(text)) return false
  return text.split('.').every((label) => label.length <= 63)
}

function refuse(why: string): ReadPolicy {
  return { ok: false, why }
}
