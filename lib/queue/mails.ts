/** Queued mails one by one, in the order of their next try, each with what is known of its recipients. */
import path from 'node:path'
import type { Settings } from '../config/settings'
import type { Clock } from '../clock'
import { givenUpAt } from '../deliver/deadline'
import type { Failure } from '../failure'
import { caseId } from '../notify/case-id'
import { freshRecord } from '../store/recipient-record'
import { mailIdOf, type RecipientRecords } from '../store/recipients'
import type { RecipientRecord } from '../store/types'
import { brokenMail, listDirectory } from './directory'
import { readQueueFile, type Envelope } from './envelope'
import type { QueueFileName } from './file-name'
import type { MailState, QueueFailure, QueueMail, QueueRecipient, StrayFile } from './types'

/** What the processes of the gateway say about a mail. */
export interface Held {
  state: 'delivering' | 'due' | 'waiting'
  pid: number
  /** Milliseconds since the epoch. */
  nextTry: number
}

export interface QueueSources {
  /** The queue directory. */
  dir: string
  /** Null: nothing has ever been recorded, or it cannot be read. */
  records: Pick<RecipientRecords, 'load'> | null
  settings: Pick<Settings, 'ndr' | 'delivery'>
  clock: Clock
  /** By identity; null = the gateway does not run. */
  held: ReadonlyMap<string, Held> | null
  /** Processes of the gateway that did not answer. */
  silent: ReadonlySet<number>
}

/** Either a mail or a file that should be one. */
export type QueueEntry = { mail: QueueMail; identity: string } | { stray: StrayFile }

/** Files read ahead, so that the disk is never waited for one by one. */
const AHEAD = 16

/**
 * Every mail that has a file. A file that is renamed for its next try while this goes on comes last; one that vanishes
 * was delivered, and does not come.
 *
 * @param files as `listDirectory` gives them
 * @throws Error of the file system (rejects) when the directory cannot be read again
 */
export async function* queuedMails(
  sources: QueueSources,
  files: readonly QueueFileName[],
): AsyncGenerator<QueueEntry, void, undefined> {
  const moved = new Set<string>()
  yield* readAll(sources, files, moved)
  if (moved.size === 0) return
  const again = (await listDirectory(sources.dir)).mails.filter(({ identity }) => moved.has(identity))
  yield* readAll(sources, again, new Set())
}

async function* readAll(
  sources: QueueSources,
  files: readonly QueueFileName[],
  moved: Set<string>,
): AsyncGenerator<QueueEntry, void, undefined> {
  const ahead: Promise<QueueEntry | null>[] = []
  for (let next = 0; next < files.length || ahead.length > 0;) {
    while (ahead.length < AHEAD && next < files.length) {
      const file = files[next++]
      if (file !== undefined) ahead.push(readOne(sources, file, moved))
    }
    const entry = await ahead.shift()
    if (entry) yield entry
  }
}

/** Never rejects. */
async function readOne(sources: QueueSources, file: QueueFileName, moved: Set<string>): Promise<QueueEntry | null> {
  const content = await readQueueFile(path.join(sources.dir, file.name))
  if (content.ok) {
    const { nextTry, tries, identity, name } = file
    const facts = { identity, nextTry, tries, size: content.size, file: name }
    return { mail: await queueMail(sources, content.envelope, facts, file.pid), identity }
  }
  if (content.problem === 'gone') {
    moved.add(file.identity)
    return null
  }
  return { stray: await brokenMail(sources.dir, file.name, { problem: content.problem, detail: content.detail }) }
}

export interface MailPlace {
  identity: string
  /** Milliseconds since the epoch. */
  nextTry: number
  tries: number
  size: number
  file: string | null
}

/**
 * One mail with all that is known of it. Never rejects.
 *
 * @param owner process that the file's name tells
 */
export async function queueMail(
  sources: QueueSources,
  envelope: Envelope,
  place: MailPlace,
  owner: number | null,
): Promise<QueueMail> {
  const { clock, held } = sources
  const now = clock.now()
  const mailId = mailIdOf(envelope.uuid)
  const known = held?.get(place.identity)
  const { recipients, problem } = await recipientsOf(sources, mailId, envelope, now)
  const nextTry = known?.nextTry ?? place.nextTry
  return {
    mailId,
    queueId: envelope.uuid,
    caseId: envelope.caseId ?? caseId(mailId),
    kind: envelope.kind,
    sender: envelope.sender,
    domain: envelope.domain,
    recipients,
    queuedAt: iso(envelope.queuedAt),
    ageSeconds: Math.max(0, Math.round((now - envelope.queuedAt) / 1000)),
    nextTryAt: known?.state === 'delivering' ? null : iso(nextTry),
    tries: place.tries,
    size: place.size,
    state: stateOf(sources, known, owner),
    file: place.file,
    process: known?.pid ?? null,
    recordProblem: problem,
  }
}

function stateOf({ held, silent }: QueueSources, known: Held | undefined, owner: number | null): MailState {
  if (known !== undefined) return known.state
  if (silent.size > 0 && (owner === null || held === null || silent.has(owner))) return 'unknown'
  return held === null ? 'stopped' : 'not-held'
}

async function recipientsOf(
  { records, settings }: QueueSources,
  mailId: string,
  envelope: Envelope,
  now: number,
): Promise<{ recipients: QueueRecipient[]; problem: string | null }> {
  let problem: string | null = null
  const recipients: QueueRecipient[] = []
  for (const address of new Set(envelope.recipients)) {
    let record = freshRecord(envelope.queuedAt)
    try {
      if (records !== null) record = await records.load(mailId, address, envelope.queuedAt)
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
    }
    recipients.push(recipientOf(address, record, now, settings))
  }
  return { recipients, problem }
}

function recipientOf(
  address: string,
  record: RecipientRecord,
  now: number,
  settings: QueueSources['settings'],
): QueueRecipient {
  const open = record.state === 'pending'
  return {
    address,
    state: open ? 'open' : record.state === 'delivered' ? 'delivered' : 'failed',
    reported: record.reported,
    tries: record.attempts,
    lastTryAt: record.history.at(-1)?.at ?? null,
    lastFailure: record.lastFailure === undefined ? null : failureOf(record.lastFailure),
    finalAt: open ? iso(givenUpAt(record, now, settings)) : null,
  }
}

function failureOf({ resultType, enhancedCode, publicText, mx, address, smtp }: Failure): QueueFailure {
  return {
    resultType,
    enhancedCode,
    text: publicText,
    mx: mx ?? null,
    address: address ?? null,
    reply: smtp === undefined ? null : `${smtp.code} ${smtp.text}`,
  }
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
