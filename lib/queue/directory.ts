/** The queue directory as it lies there: which names are mails, and what is to be said about the others. */
import fs from 'node:fs/promises'
import path from 'node:path'
import { readQueueFile } from './envelope'
import { parseFileName, type QueueFileName } from './file-name'
import type { StrayFile, StrayReason } from './types'

export interface QueueDirectory {
  /** Files that are mails by their name, in the order of their next try. */
  mails: QueueFileName[]
  /** Names of all others. */
  others: string[]
}

/** A file that is being written is finished within this, in milliseconds. */
const WRITE_TIME = 3_600_000
const SET_ASIDE = 'error.'
/** Accepted mail that has no file of its own yet stands in these; its process tells of it. */
const JOURNAL = 'journal.'

/**
 * @returns nothing where there is no such directory
 * @throws Error of the file system (rejects)
 */
export async function listDirectory(dir: string): Promise<QueueDirectory> {
  const mails: QueueFileName[] = []
  const others: string[] = []
  for (const name of await namesIn(dir)) {
    const parsed = parseFileName(name)
    if (parsed !== null) mails.push(parsed)
    else if (!name.startsWith(JOURNAL)) others.push(name)
  }
  mails.sort((a, b) => a.nextTry - b.nextTry || a.arrival - b.arrival || (a.identity < b.identity ? -1 : 1))
  return { mails, others: others.sort() }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await fs.readdir(dir)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** How many files are set aside: nobody tries them any more. */
export async function errorFiles(dir: string): Promise<number> {
  return (await namesIn(dir)).filter((name) => name.startsWith(SET_ASIDE)).length
}

/**
 * What a file that is no mail is, and what to do about it. Never rejects.
 *
 * @param now milliseconds
 * @returns undefined when there is nothing to tell: it is being written just now, or is gone
 */
export async function strayFile(dir: string, name: string, now: number): Promise<StrayFile | undefined> {
  const stats = await fs.stat(path.join(dir, name)).catch(() => undefined)
  if (stats === undefined) return undefined
  const facts = {
    file: name,
    size: stats.isFile() ? stats.size : null,
    changedAt: new Date(stats.mtimeMs).toISOString(),
  }
  const nobody = { sender: null, recipients: [], queueId: null }
  if (name.startsWith('.') || name.startsWith('__tmp__.')) {
    if (now - stats.mtimeMs < WRITE_TIME) return undefined
    return { ...facts, ...nobody, reason: 'unfinished', ...TEXT.unfinished }
  }
  if (!name.startsWith(SET_ASIDE) || !stats.isFile()) return { ...facts, ...nobody, reason: 'foreign', ...TEXT.foreign }
  const content = await readQueueFile(path.join(dir, name))
  if (!content.ok) {
    if (content.problem === 'gone') return undefined
    const { advice, detail } = TEXT[content.problem]
    return { ...facts, ...nobody, reason: content.problem, detail: `${detail}: ${content.detail}`, advice }
  }
  const { envelope } = content
  const reason = envelope.kind === 'mail' ? 'set-aside' : 'undeliverable-report'
  return {
    ...facts,
    reason,
    ...TEXT[reason],
    sender: envelope.sender,
    recipients: envelope.recipients,
    queueId: envelope.uuid,
  }
}

/** A file that is a mail by its name, but cannot be read as one. */
export async function brokenMail(
  dir: string,
  name: string,
  content: { problem: 'unreadable' | 'damaged'; detail: string },
): Promise<StrayFile> {
  const stats = await fs.stat(path.join(dir, name)).catch(() => undefined)
  const { detail, advice } = content.problem === 'unreadable' ? TEXT.unreadable : DAMAGED_IN_PLACE
  return {
    file: name,
    reason: content.problem,
    detail: `${detail}: ${content.detail}`,
    advice,
    size: stats?.size ?? null,
    changedAt: stats === undefined ? null : new Date(stats.mtimeMs).toISOString(),
    sender: null,
    recipients: [],
    queueId: null,
  }
}

const DAMAGED_IN_PLACE = {
  detail: 'the file is damaged',
  advice: 'the gateway sets it aside as error.* when its time comes; restore it from a backup if there is one',
}

const TEXT: Readonly<Record<StrayReason, { detail: string; advice: string }>> = {
  damaged: {
    detail: 'it was set aside because it is damaged',
    advice: 'look for addresses in it (strings FILE), tell sender and recipients, then remove it',
  },
  'undeliverable-report': {
    detail: 'a report that could be delivered to nobody',
    advice: 'read it, tell the person it is for, then remove it; set ndr.postmaster so that such reports arrive',
  },
  'set-aside': {
    detail: 'somebody set this mail aside',
    advice: 'to have it tried again take error. off its name and restart the gateway; otherwise remove it',
  },
  unreadable: {
    detail: 'it cannot be read',
    advice: 'give it to the user of the gateway (chown), mode 0600',
  },
  unfinished: {
    detail: 'what is left of a write that never ended; its client was told that the mail was not taken',
    advice: 'nothing: it is removed at the next start',
  },
  foreign: {
    detail: 'it is no queue file',
    advice: 'move it somewhere else; the gateway leaves it alone',
  },
}
