/** Submits mails of many sizes to many recipients over connections that stay open: what smtp-source(1) cannot do. */
import { once } from 'node:events'
import net from 'node:net'
import { letters } from '../corpus'
import type { PlannedMail } from './plan'

/** Connections at once. */
const SESSIONS = 20

/** Text that mails take their share of: lines of words, no dot at the beginning of a line. */
const TEXT = letters(260_000, 5)
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '' && !line.startsWith('.'))
  .join('\r\n')
const TEXT_BYTES = Buffer.from(TEXT)

function messageOf({ domain, bytes }: PlannedMail, number: number): Buffer {
  const head = [
    'From: Sender <sender@sender.bench.test>',
    `To: <recipient@${domain}>`,
    `Subject: Message ${number}`,
    `Message-ID: <${number}@sender.bench.test>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ].join('\r\n')
  // a cut line may end within a letter of several bytes, which is what broken mail looks like
  return Buffer.concat([Buffer.from(head), TEXT_BYTES.subarray(0, bytes), Buffer.from('\r\n.\r\n')])
}

/** Replies of one connection, one after the other. */
async function* repliesOf(socket: net.Socket): AsyncGenerator<string, void, undefined> {
  let pending = ''
  for await (const chunk of socket) {
    pending += (chunk as Buffer).toString('latin1')
    for (let end = pending.indexOf('\r\n'); end >= 0; end = pending.indexOf('\r\n')) {
      const line = pending.slice(0, end)
      pending = pending.slice(end + 2)
      if (line[3] !== '-') yield line
    }
  }
}

/**
 * @param next gives mails until there is none
 * @throws Error (rejects) with the relay's answer when it does not take one
 */
async function session(
  to: { address: string; port: number },
  next: () => { mail: PlannedMail; number: number } | undefined,
): Promise<void> {
  const socket = net.connect({ host: to.address, port: to.port, noDelay: true })
  await once(socket, 'connect')
  const replies = repliesOf(socket)
  const expect = async (code: string) => {
    const reply = await replies.next()
    if (reply.done === true || !reply.value.startsWith(code)) {
      throw new Error(`the relay did not take a mail: ${reply.value ?? 'it closed the connection'}`)
    }
  }
  try {
    await expect('220')
    socket.write('EHLO client.bench.test\r\n')
    await expect('250')
    for (let task = next(); task !== undefined; task = next()) {
      socket.write(`MAIL FROM:<sender@sender.bench.test>\r\nRCPT TO:<recipient@${task.mail.domain}>\r\nDATA\r\n`)
      for (const code of ['250', '250', '354']) await expect(code)
      socket.write(messageOf(task.mail, task.number))
      await expect('250')
    }
    socket.end('QUIT\r\n')
  } finally {
    socket.destroy()
  }
}

/**
 * @param seconds limit for all of them
 * @throws Error (rejects) when the relay refuses one, or it takes too long
 */
export async function submitAll(
  to: { address: string; port: number },
  mails: readonly PlannedMail[],
  seconds: number,
): Promise<void> {
  const end = performance.now() + seconds * 1000
  let taken = 0
  const next = () => {
    if (performance.now() > end) throw new Error(`only ${taken} of ${mails.length} mails submitted in ${seconds} s`)
    const mail = mails[taken]
    return mail === undefined ? undefined : { mail, number: taken++ }
  }
  await Promise.all(Array.from({ length: Math.min(SESSIONS, mails.length) }, () => session(to, next)))
}
