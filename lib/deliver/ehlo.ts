/** EHLO answers (RFC 5321 section 4.1.1.1): which service extensions a server offers. */
import type { Reply } from './reply'

/** Extension keyword in upper case -> its parameters, as sent. */
export type Capabilities = ReadonlyMap<string, string>

/** A server that only knows HELO offers nothing. */
export const NO_CAPABILITIES: Capabilities = new Map()

/** The first line is the greeting, each further one an extension; what is no keyword is ignored. */
export function parseCapabilities(reply: Reply): Capabilities {
  const found = new Map<string, string>()
  for (const line of reply.lines.slice(1)) {
    // RFC 5321 section 4.1.1.1: ehlo-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-"); "AUTH=" is an old Exchange habit.
    const match = /^([A-Z0-9][A-Z0-9-]*)(?:[ =](.*))?$/iu.exec(line.trim())
    const keyword = match?.[1]?.toUpperCase()
    if (keyword && !found.has(keyword)) found.set(keyword, match?.[2]?.trim() ?? '')
  }
  return found
}
