/** A client that sends one mail after the other as fast as it is let, through whatever happens to the gateway. */
import net from 'node:net'
import type { Letter } from './support-mail'

export interface Pump {
  /** Letters that were answered 250, so far. */
  readonly accepted: readonly Letter[]
  /** Answers to the end of DATA that were not 250, so far. */
  readonly refused: readonly string[]
  /** Resolves when every letter was tried once. */
  readonly done: Promise<void>
}

/** Longest wait for one reply, in milliseconds. */
const PATIENCE = 10_000

/**
 * Send each letter once, on a few connections side by side. A letter whose connection breaks is not sent again: then
 * nobody can say whether the gateway took it.
 */
export function pump(address: string, port: number, letters: readonly Letter[], connections = 3): Pump {
  const accepted: Letter[] = []
  const refused: string[] = []
  const waiting = [...letters]
  const worker = async (): Promise<void> => {
    while (waiting.length > 0) {
      try {
        await oneConnection(address, port, waiting, (letter, reply) => {
          if (reply.startsWith('250')) accepted.push(letter)
          else refused.push(reply)
        })
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 200)) // the gateway is down at the moment
      }
    }
  }
  const done = Promise.all(Array.from({ length: connections }, worker)).then(() => undefined)
  return { accepted, refused, done }
}

async function oneConnection(
  address: string,
  port: number,
  waiting: Letter[],
  answered: (letter: Letter, reply: string) => void,
): Promise<void> {
  const socket = net.connect({ host: address, port, timeout: PATIENCE })
  const replies = repliesOf(socket)
  const ask = async (text: string, expected: RegExp): Promise<string> => {
    socket.write(text, 'latin1')
    const { value, done } = await replies.next()
    if (done === true || !expected.test(value)) throw new Error(`unexpected: ${done === true ? 'the end' : value}`)
    return value
  }
  try {
    await ask('', /^220/)
    await ask('EHLO client.uni.test\r\n', /^250/)
    for (let letter = waiting.shift(); letter !== undefined; letter = waiting.shift()) {
      await ask(`MAIL FROM:<${letter.from}>\r\n`, /^250/)
      for (const to of letter.to) await ask(`RCPT TO:<${to}>\r\n`, /^250/)
      await ask('DATA\r\n', /^354/)
      answered(letter, await ask(`${letter.message.replace(/^\./gm, '..')}.\r\n`, /^\d{3} /))
    }
  } finally {
    socket.destroy()
  }
}

/** Replies (RFC 5321 section 4.2), each the last line of its kind; ends with the connection, whatever ended it. */
async function* repliesOf(socket: net.Socket): AsyncGenerator<string, void> {
  let text = ''
  socket.on('timeout', () => socket.destroy())
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 2)
        if (/^\d{3} /.test(line)) yield line
      }
    }
  } catch {
    // reset by the other side: the end as well
  }
}
