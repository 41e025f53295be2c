/** `secure-mail queue bounce`: an operator ends a mail; its sender gets a report, and only then is it removed. */
import { bounceMail, ControlFailure, type Bounced } from '../../lib/control'
import { listDirectory } from '../../lib/queue/directory'
import { idsOf, isWanted, nearestNames } from '../../lib/queue/find'
import type { QueueMail } from '../../lib/queue/types'
import { comparableAddress } from '../../lib/store/address'
import { nearest } from '../../lib/util/nearest'
import { oneLine } from '../../lib/util/one-line'
import type { Io } from '../io'
import { fail } from '../ready'
import { everyMail } from './every-mail'
import { notRunning } from './retry'
import { thisOperator, type QueueRoom } from './room'
import { count } from './words'

export interface BounceOptions {
  /** Mail id, queue id, case id or file name. */
  id: string
  /** Empty = all that are open. */
  recipients: readonly string[]
  reason: string
  /** Do not ask. */
  yes: boolean
  json: boolean
}

/** `secure-mail queue bounce --json`: one entry for each part of the mail. */
export interface BounceResult {
  id: string
  mails: {
    mailId: string
    queueId: string
    caseId: string
    sender: string
    /** `gone`: it was delivered or given up before; `not-held`: no process holds it. */
    result: Exclude<Bounced['result'], 'unknown'> | 'gone' | 'not-held'
    /** Ended and reported. */
    recipients: string[]
    /** Recipients that are still open. */
    left: number
    nextTryAt: string | null
    why: string | null
  }[]
}

interface Part {
  identity: string
  mail: QueueMail
}

/** @throws Error of the file system (rejects) */
export async function bounceFromQueue(room: QueueRoom, options: BounceOptions, io: Io): Promise<void> {
  if (room.gateway === null) {
    fail(io, [`${notRunning(room)}; it is needed for the report to the sender`])
    return
  }
  const { parts, near } = await findParts(room, options.id)
  if (parts.length === 0) {
    const meant = near === undefined ? '' : `; did you mean ${near}?`
    io.err(`secure-mail: no queued mail ${JSON.stringify(options.id)}${meant} (secure-mail queue list shows the ids)\n`)
    io.exitCode = 1
    return
  }
  const chosen = parts.filter(({ mail }) => openOf(mail, options.recipients).length > 0)
  if (chosen.length === 0) {
    io.err(`secure-mail: ${whyNone(parts, options.recipients)}\n`)
    io.exitCode = 1
    return
  }
  if (!options.yes && !(await confirmed(chosen, options, io))) return
  const result: BounceResult = { id: options.id, mails: [] }
  for (const part of chosen) result.mails.push(await endPart(room, part, options))
  if (result.mails.some((mail) => mail.result !== 'ended')) io.exitCode = 1
  if (options.json) io.out(`${JSON.stringify(result)}\n`)
  else for (const mail of result.mails) io.out(`${resultWords(mail)}\n`)
}

async function findParts(room: QueueRoom, id: string): Promise<{ parts: Part[]; near: string | undefined }> {
  const names = nearestNames()
  const parts: Part[] = []
  const { mails } = await listDirectory(room.queueDir)
  for await (const entry of everyMail(room, mails)) {
    if (!('mail' in entry)) continue
    names.seen(idsOf(entry.mail))
    if (isWanted({ by: 'id', id }, entry.mail)) parts.push(entry)
  }
  return { parts, near: names.to(id) }
}

function openOf(mail: QueueMail, wanted: readonly string[]): string[] {
  const meant = new Set(wanted.map(comparableAddress))
  return mail.recipients
    .filter(({ state, address }) => state === 'open' && (wanted.length === 0 || meant.has(comparableAddress(address))))
    .map(({ address }) => address)
}

function whyNone(parts: readonly Part[], wanted: readonly string[]): string {
  const open = parts.flatMap(({ mail }) => openOf(mail, []))
  if (open.length === 0) return 'none of its recipients is open any more; the rest happens by itself'
  const near = wanted.map((address) => nearest(address, open)).find((address) => address !== undefined)
  const meant = near === undefined ? '' : `; did you mean ${near}?`
  return `${wanted.join(', ')} is no open recipient of it${meant} Open: ${open.slice(0, 10).join(', ')}`
}

/** Who is at a terminal is asked; who is not has to say that it is meant. */
async function confirmed(parts: readonly Part[], options: BounceOptions, io: Io): Promise<boolean> {
  if (io.ask === undefined) {
    fail(io, ['ending a mail cannot be undone: add --yes to confirm (there is no terminal to ask at)'])
    return false
  }
  for (const { mail } of parts) {
    const to = openOf(mail, options.recipients).map(oneLine).join(', ')
    io.err(`${mail.queueId} from ${oneLine(mail.sender) || 'the null sender'}: ends for ${to}\n`)
  }
  const answer = await io.ask('End it with a report to the sender? This cannot be undone. [y/N] ')
  if (/^(?:y|yes|j|ja)$/i.test(answer.trim())) return true
  io.err('secure-mail: nothing was ended\n')
  io.exitCode = 1
  return false
}

async function endPart(
  room: QueueRoom,
  { identity, mail }: Part,
  { recipients, reason }: BounceOptions,
): Promise<BounceResult['mails'][number]> {
  const { mailId, queueId, caseId, sender } = mail
  const facts = { mailId, queueId, caseId, sender, recipients: [], left: 0, nextTryAt: null, why: null }
  try {
    const wanted = recipients.length === 0 ? null : openOf(mail, recipients)
    const bounced = await bounceMail(room.runDir, identity, wanted, reason, thisOperator())
    switch (bounced.result) {
      case 'ended': {
        const { result, recipients: ended, left, nextTry } = bounced
        const nextTryAt = nextTry === null ? null : new Date(nextTry).toISOString()
        return { ...facts, result, recipients: ended, left, nextTryAt }
      }
      case 'unknown':
        return { ...facts, result: (await isThere(room, identity)) ? 'not-held' : 'gone' }
      case 'unreported':
      case 'failed':
        return { ...facts, result: bounced.result, why: bounced.why }
      case 'delivering':
      case 'nothing-open':
        return { ...facts, result: bounced.result }
    }
  } catch (error) {
    if (!(error instanceof ControlFailure)) throw error
    return { ...facts, result: 'failed', why: error.message }
  }
}

async function isThere(room: QueueRoom, identity: string): Promise<boolean> {
  return (await listDirectory(room.queueDir)).mails.some((file) => file.identity === identity)
}

function resultWords(mail: BounceResult['mails'][number]): string {
  const { queueId, result, recipients, left, why } = mail
  const why_ = why === null ? '' : oneLine(why)
  switch (result) {
    case 'ended': {
      const rest = left === 0 ? 'it is out of the queue' : `${count(left, 'recipient')} still open`
      return `${queueId}: ended and reported for ${recipients.map(oneLine).join(', ')}; ${rest}`
    }
    case 'delivering':
      return `${queueId}: not ended, it is being delivered just now; look at the list in a minute`
    case 'nothing-open':
      return `${queueId}: not ended, none of these recipients is open any more`
    case 'gone':
      return `${queueId}: not ended, it has left the queue meanwhile; secure-mail why ${queueId} tells how`
    case 'not-held':
      return `${queueId}: not ended, no process of the gateway holds it; restart the gateway and try again`
    case 'unreported':
      return `${queueId}: ended, but the report could not be queued yet; it is tried again, and the mail stays until it is: ${why_}`
    case 'failed':
      return `${queueId}: not ended: ${why_}`
  }
}
