/**
 * One mail transaction in an open session: envelope, content, final replies. SMTP and LMTP, one command at a time or
 * pipelined (RFC 2920): the commands are the same, only when they are written differs.
 */
import type { Settings } from '../config/settings'
import type { TlsFacts } from '../failure'
import { ChannelError, type Channel } from './channel'
import { sendContent, sendPiece } from './content'
import { mailCommand, rcptCommand } from './envelope'
import { at, channelFailure, DeliveryStop, HostTrouble, localFailure, replyFailure, unexpectedReply } from './failures'
import { promptness, type Handover } from './handover'
import { replyText, type Reply } from './reply'
import { quiet, type Session } from './session'
import type { DeliveryRequest, RecipientOutcome } from './types'

/** After the final dot the mail may already be taken: an abort waits this long for the reply, to avoid a second copy. */
const ABORT_GRACE = 5_000

/** Longest wait for the first answer on a connection that was used before; after it the mail goes over a new one. */
const REUSED_REPLY = 30_000

export interface Transaction {
  session: Session
  request: DeliveryRequest
  /** Those of the request that have no outcome yet. */
  recipients: readonly string[]
  timeouts: Settings['delivery']['timeouts']
  /** Takes an outcome; awaited before the conversation goes on. */
  settle(outcome: RecipientOutcome): Promise<void>
  /** The message before, on a connection that was handed on. */
  behind?: Handover
  /** Each command waits for the answer to the one before, whatever the server offers. */
  oneByOne?: true
  /**
   * Hands the connection on: the content is written and waits to be let go, together with what the next message says at
   * once.
   *
   * @returns undefined when nobody wants it
   */
  handOn(): Handover | undefined
}

/**
 * @throws HostTrouble, ChannelError (rejects) when the host cannot be used: recipients without an outcome may go on to
 *   the next one. After the final dot nobody is left without an outcome.
 * @returns can the session take another transaction (or QUIT)?
 */
export async function transact(transaction: Transaction): Promise<boolean> {
  const { session, request, recipients, timeouts } = transaction
  const { channel, capabilities, target } = session
  const mail = mailCommand(request, capabilities, target.need.requiretls)
  const rcpts = recipients.map((recipient) => ({ recipient, line: rcptCommand(request, capabilities, recipient) }))
  // RFC 2920 section 3.1: MAIL, RCPT and DATA may share a group, DATA as its last.
  const pipelined = capabilities.has('PIPELINING') && transaction.oneByOne === undefined
  const { use } = session
  const again = use.served > 0
  const behind = transaction.behind?.pending === true ? transaction.behind : undefined
  if (behind === undefined) {
    if (transaction.behind !== undefined) await turnOf(transaction.behind)
    quiet(channel)
  }
  const reset = behind === undefined && use.unfinished
  // A server that is there answers at once on a connection that it kept open; one that is gone never will.
  const first = again ? Math.min(timeouts.mail, REUSED_REPLY) : timeouts.mail
  use.served += 1
  use.unfinished = true
  if (pipelined) {
    const group = [...(reset ? ['RSET'] : []), mail, ...rcpts.map((rcpt) => rcpt.line), 'DATA']
    channel.write(`${group.join('\r\n')}\r\n`)
  }
  if (behind !== undefined) {
    channel.letGo()
    await turnOf(behind)
    use.unfinished = true
  }
  const waits = [...(reset ? [first] : []), first, ...rcpts.map(() => timeouts.rcpt), timeouts.data]
  const replies = pipelined && again ? await groupReplies(channel, waits) : []
  if (replies === undefined) return await transact({ ...transaction, behind: undefined, oneByOne: true })
  const answer = (ms: number): Reply | Promise<Reply> => replies.shift() ?? channel.reply(ms)
  const ask = async (line: string, ms: number): Promise<Reply> => {
    if (!pipelined) {
      quiet(channel)
      channel.write(`${line}\r\n`)
    }
    const reply = await answer(ms)
    // RFC 5321 section 3.8: 421 is about the server, not about this mail; the next host may take it.
    if (reply.code === 421) throw new HostTrouble(replyFailure(reply, 'server is closing'))
    return reply
  }

  if (reset && !isPositive(await ask('RSET', first))) throw new ChannelError('protocol', 'RSET was refused')
  const mailReply = await ask(mail, first)
  // RFC 5321 section 4.1.4: 503 is about the order of commands, so it is about this connection and not about the mail.
  if (again && mailReply.code === 503) throw new ChannelError('protocol', 'no second message on this connection')
  const accepted: string[] = []
  if (!isPositive(mailReply)) {
    expectRefusal(mailReply, 'MAIL')
    for (const recipient of recipients) await refuse(transaction, recipient, mailReply, 'sender')
    return pipelined ? await withdraw(transaction, recipients.length, answer) : true
  }
  for (const { recipient, line } of rcpts) {
    const reply = await ask(line, timeouts.rcpt)
    if (isPositive(reply)) accepted.push(recipient)
    else {
      expectRefusal(reply, 'RCPT')
      await refuse(transaction, recipient, reply, 'recipient')
    }
  }
  // Nobody is left: DATA is not said, or, where it is out already, what came of it is looked at.
  if (accepted.length === 0) return pipelined ? await withdraw(transaction, 0, answer) : true

  const data = await ask('DATA', timeouts.data)
  if (data.code !== 354) {
    expectRefusal(data, 'DATA')
    for (const recipient of accepted) await refuse(transaction, recipient, data, 'message')
    return true
  }
  return await content(transaction, accepted)
}

/** @throws ChannelError (rejects) when the message ahead is not answered in time, or the connection is lost */
async function turnOf(behind: Handover): Promise<void> {
  if (await behind.turn()) return
  throw behind.session.channel.fault() ?? new ChannelError('closed', 'the message ahead was not answered')
}

/**
 * The answers to a group of commands that ends with DATA, on a connection that has served another message. A server that
 * answers that message twice would have its second answer taken for the one to MAIL, and each one after it for that to
 * the command before, so that somebody would be refused for another. So none is believed until 354 shows that they are in
 * step, for nothing else is answered by it.
 *
 * @param waits milliseconds for each of them
 * @returns undefined when they end in anything but 354: the commands are to be said again, one by one, after RSET
 * @throws HostTrouble, ChannelError (rejects)
 */
async function groupReplies(channel: Channel, waits: readonly number[]): Promise<Reply[] | undefined> {
  const replies: Reply[] = []
  for (const ms of waits) {
    const reply = await channel.reply(ms)
    if (reply.code === 421) throw new HostTrouble(replyFailure(reply, 'server is closing'))
    replies.push(reply)
  }
  return replies.at(-1)?.code === 354 ? replies : undefined
}

/**
 * The answers to commands that went out before the refusal came in.
 * RFC 2920 section 3.1: a server that says 354 without a recipient would get an empty message with a lone dot; it is
 * cut off instead, nothing of the mail is sent.
 */
async function withdraw(
  { session, timeouts }: Transaction,
  recipientReplies: number,
  answer: (ms: number) => Reply | Promise<Reply>,
): Promise<boolean> {
  for (let index = 0; index < recipientReplies; index += 1) await answer(timeouts.rcpt)
  const data = await answer(timeouts.data)
  if (data.code < 400) {
    session.channel.destroy(new ChannelError('closed', 'DATA accepted without a recipient'))
    return false
  }
  return true
}

async function content(transaction: Transaction, accepted: readonly string[]): Promise<boolean> {
  const { session, request, timeouts } = transaction
  const { channel, target, capabilities } = session
  quiet(channel)
  let source
  try {
    const opened = request.open()
    source = opened instanceof Promise ? await inTime(opened, timeouts.dataBlock) : opened
  } catch (error) {
    channel.destroy(new ChannelError('closed', 'message not readable'))
    throw new DeliveryStop(localFailure('The message could not be read from the queue.', error))
  }
  let early: 'sent' | Reply
  const whole = Buffer.isBuffer(source)
  if (Buffer.isBuffer(source)) {
    channel.hold()
    early = sendPiece(channel, source)
  } else early = await sendContent(channel, source, timeouts.dataBlock)
  if (early !== 'sent') {
    // A refusal in the middle of the data is final; a "yes" to half a message is nonsense and delivered nothing.
    channel.destroy(new ChannelError('closed', 'answered before the end of the message'))
    if (early.code < 400) throw new HostTrouble(unexpectedReply(early, 'during the message'))
    for (const recipient of accepted) await refuse(transaction, recipient, early, 'message')
    return false
  }
  channel.setGrace(ABORT_GRACE)
  const { use } = session
  const soon = promptness()
  const next = whole && use.prompt && !target.lmtp && capabilities.has('PIPELINING') ? transaction.handOn() : undefined
  // whoever takes it says what he has to say before that; who has to wait for anything comes too late
  if (next === undefined) channel.letGo()
  else setImmediate(() => channel.letGo())
  const waiting = [...accepted]
  try {
    await channel.flush(timeouts.dataBlock)
    if (target.lmtp) {
      // RFC 2033 section 4.2: one reply for each accepted recipient, in their order.
      while (waiting[0] !== undefined) {
        const reply = await channel.reply(timeouts.dataEnd)
        const recipient = waiting.shift()
        if (recipient !== undefined) await conclude(transaction, recipient, reply)
      }
    } else {
      const reply = await channel.reply(timeouts.dataEnd)
      finished()
      for (const recipient of waiting.splice(0)) await conclude(transaction, recipient, reply)
      return true
    }
    finished()
    return true
  } catch (error) {
    if (!(error instanceof ChannelError)) throw error
    // RFC 5321 section 4.5.3.2.6: the server may have taken the mail; without its word it has to be sent again.
    const failure = {
      ...channelFailure(error, 'after the end of the message'),
      resultType: 'connection-failed' as const,
      enhancedCode: '4.4.2',
      publicText: 'The connection was lost after the whole message had been sent and before the server confirmed it.',
      privateDetail: `${error.message}; the server may have accepted the message, a second copy is possible`,
    }
    for (const recipient of waiting) {
      await transaction.settle({ recipient, result: 'deferred', failure: located(session, failure) })
    }
    return false
  }

  function finished(): void {
    channel.setGrace(0)
    use.unfinished = false
    use.prompt = soon()
    next?.answer()
  }
}

async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the message file gave nothing for ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** A final reply to the content. */
async function conclude(transaction: Transaction, recipient: string, reply: Reply): Promise<void> {
  const { session } = transaction
  const { target, tls, authenticated, capabilities } = session
  if (isPositive(reply)) {
    await transaction.settle({
      recipient,
      result: 'delivered',
      host: target.host,
      address: target.address,
      port: target.port,
      response: replyText(reply),
      tls,
      authenticated,
      lmtp: target.lmtp,
      offersDsn: capabilities.has('DSN'),
    })
    return
  }
  if (reply.code >= 400) {
    await refuse(transaction, recipient, reply, 'message')
    return
  }
  // 3xx to the final dot: nothing that RFC 5321 knows; not delivered, and not refused either.
  const failure = located(session, unexpectedReply(reply, 'after the end of the message'))
  await transaction.settle({ recipient, result: 'deferred', failure })
}

async function refuse(transaction: Transaction, recipient: string, reply: Reply, during: string): Promise<void> {
  const failure = located(transaction.session, replyFailure(reply, during))
  await transaction.settle({ recipient, result: reply.code >= 500 ? 'failed' : 'deferred', failure })
}

function located(session: Session, failure: Parameters<typeof at>[0]): ReturnType<typeof at> {
  const { host: mx, address, port } = session.target
  const tls: { tls?: TlsFacts } = session.tls ? { tls: session.tls } : {}
  return { ...at(failure, { mx, address, port }), ...tls }
}

function isPositive(reply: Reply): boolean {
  return reply.code >= 200 && reply.code < 300
}

/** Neither yes nor no: the conversation is out of step. */
function expectRefusal(reply: Reply, command: string): void {
  if (reply.code < 400) throw new HostTrouble(unexpectedReply(reply, command))
}
