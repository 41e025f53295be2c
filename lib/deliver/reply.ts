/**
 * SMTP replies (RFC 5321 section 4.2) from a byte stream. The peer is not trusted: everything that grows is bounded,
 * and what is not a reply ends the conversation instead of being skipped.
 */
import type { SmtpReply } from '../failure'

/** RFC 5321 section 4.5.3.1.5 asks for 512 octets; real servers put policy texts and URLs into one line. */
export const MAX_LINE = 4096
/** Lines of one reply. */
export const MAX_LINES = 100
/** RFC 3464 diagnostics and log lines are for people: what is longer says nothing more. */
const MAX_TEXT = 500

/** One complete reply. */
export interface Reply {
  code: number
  /** RFC 2034 / 3463 code of the first line, only when its class agrees with the reply code. */
  enhanced?: string
  /** Text of each line: reply code and enhanced code removed. */
  lines: string[]
}

/** The peer said something that is no SMTP reply. */
export class ReplySyntaxError extends Error {}

export interface ReplyParser {
  /**
   * @returns the replies that are complete now, in order
   * @throws ReplySyntaxError when the bytes are no reply; the parser must not be used after that
   */
  push(chunk: Buffer): Reply[]
  /** Are there bytes of a reply (or line) that is not complete yet? */
  pending(): boolean
}

/** A parser for one connection; make a new one after STARTTLS (RFC 3207 section 4.2: forget everything). */
export function createReplyParser(): ReplyParser {
  let rest: Buffer = Buffer.alloc(0)
  let open: { code: number; lines: string[] } | undefined

  function line(text: string): Reply | undefined {
    // The text is optional: RFC 5321 section 4.2 "textstring" is, and servers that send a bare "250" exist.
    const match = /^([2-5]\d\d)(?:([ -])(.*))?$/su.exec(text)
    if (!match) throw new ReplySyntaxError(`not a reply: ${JSON.stringify(text.slice(0, 80))}`)
    const code = Number(match[1])
    // RFC 5321 section 4.2.1: the reply code on each of the lines must be the same.
    if (open && open.code !== code) throw new ReplySyntaxError(`reply code changes from ${open.code} to ${code}`)
    const current = open ?? { code, lines: [] }
    current.lines.push(match[3] ?? '')
    if (current.lines.length > MAX_LINES) throw new ReplySyntaxError(`reply of more than ${MAX_LINES} lines`)
    if (match[2] === '-') {
      open = current
      return undefined
    }
    open = undefined
    return finish(current)
  }

  return {
    push(chunk) {
      const replies: Reply[] = []
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
      let start = 0
      for (let lf = bytes.indexOf(0x0a); lf >= 0; lf = bytes.indexOf(0x0a, start)) {
        // Lines end in CRLF (RFC 5321 section 2.3.8); a bare LF is understood, a bare CR never ends a line.
        const end = lf > start && bytes[lf - 1] === 0x0d ? lf - 1 : lf
        if (end - start > MAX_LINE) throw new ReplySyntaxError(`reply line of more than ${MAX_LINE} bytes`)
        const reply = line(bytes.toString('utf8', start, end))
        if (reply) replies.push(reply)
        start = lf + 1
      }
      if (bytes.length - start > MAX_LINE) throw new ReplySyntaxError(`reply line of more than ${MAX_LINE} bytes`)
      // A copy, so that one waiting byte does not keep a whole read buffer alive.
      rest = Buffer.from(bytes.subarray(start))
      return replies
    },
    pending: () => rest.length > 0 || open !== undefined,
  }
}

function finish(raw: { code: number; lines: string[] }): Reply {
  // RFC 3463 section 2: class "." subject "." detail, one to three digits each for the last two.
  const enhanced = /^([245]\.\d{1,3}\.\d{1,3})(?=\s|$)/u.exec(raw.lines[0] ?? '')?.[1]
  // RFC 2034 section 4: class and first digit of the reply code must agree; a code that lies is ignored.
  if (!enhanced?.startsWith(String(raw.code).charAt(0))) return { code: raw.code, lines: raw.lines }
  const lines = raw.lines.map((text) => text.replace(/^[245]\.\d{1,3}\.\d{1,3}(?:\s+|$)/u, ''))
  return { code: raw.code, enhanced, lines }
}

/** A reply as the vocabulary of failure wants it: one line, no control characters, at most 500 characters. */
export function toSmtpReply(reply: Reply): SmtpReply {
  const text = reply.lines
    .join(' ')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029\uFFFD]+/gu, ' ')
    .replace(/ {2,}/gu, ' ')
    .trim()
    .slice(0, MAX_TEXT)
  return { code: reply.code, ...(reply.enhanced === undefined ? {} : { enhanced: reply.enhanced }), text }
}

/** A reply as one line of text: `250 2.0.0 Ok: queued as 1234`. */
export function replyText(reply: Reply): string {
  const smtp = toSmtpReply(reply)
  return [String(smtp.code), smtp.enhanced, smtp.text].filter((part) => part !== undefined && part !== '').join(' ')
}
