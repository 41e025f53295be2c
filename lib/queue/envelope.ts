/** What a queue file holds: four bytes of length, the envelope as JSON, the message. Read only. */
import fs from 'node:fs/promises'
import { asciiDomain } from '../util/address'

/** Envelope of one queued mail; nothing about its seal is proven here, it is for showing. */
export interface Envelope {
  /** Id of this queue file: the mail's id with a suffix. */
  uuid: string
  domain: string
  /** '' = null sender. */
  sender: string
  /** `local@a-label-domain`. */
  recipients: string[]
  /** Milliseconds since the epoch. */
  queuedAt: number
  kind: MailKind
  /** As the sealed record has it: a report carries the case of the mail that it is about. */
  caseId?: string
}

export type MailKind = 'mail' | 'report' | 'tlsrpt'

export type QueueFileContent =
  /** `size`: bytes of the message. */
  | { ok: true; envelope: Envelope; size: number }
  | { ok: false; problem: 'gone' | 'unreadable' | 'damaged'; detail: string }

const PREFIX = 4
/** Largest envelope that is believed; a bigger number is a damaged file. */
const MAX_ENVELOPE = 64 * 1024 * 1024

/** Read a queue file. Never rejects. */
export async function readQueueFile(file: string): Promise<QueueFileContent> {
  let handle: fs.FileHandle | undefined
  try {
    handle = await fs.open(file, 'r')
    const { size } = await handle.stat()
    const prefix = await readExactly(handle, PREFIX, 0)
    if (prefix === null) return damaged(size === 0 ? 'it is empty' : 'the length prefix is cut off')
    const length = prefix.readUInt32BE(0)
    if (length === 0 || length > MAX_ENVELOPE || length > size - PREFIX) return damaged('the envelope is cut off')
    const json = await readExactly(handle, length, PREFIX)
    if (json === null) return damaged('the envelope is cut off')
    return { ok: true, envelope: parseEnvelope(json), size: size - PREFIX - length }
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { ok: false, problem: 'gone', detail: 'it is not there any more' }
    return syscall === undefined ? damaged(message) : { ok: false, problem: 'unreadable', detail: message }
  } finally {
    await handle?.close().catch(() => undefined)
  }
}

/** The same for the content of a queue file in memory. */
export function readQueueContent(content: Buffer): QueueFileContent {
  try {
    const length = content.length < PREFIX ? 0 : content.readUInt32BE(0)
    if (length === 0 || length > content.length - PREFIX) return damaged('the envelope is cut off')
    const envelope = parseEnvelope(content.subarray(PREFIX, PREFIX + length))
    return { ok: true, envelope, size: content.length - PREFIX - length }
  } catch (error) {
    return damaged((error as Error).message)
  }
}

function damaged(detail: string): QueueFileContent {
  return { ok: false, problem: 'damaged', detail }
}

async function readExactly(handle: fs.FileHandle, length: number, position: number): Promise<Buffer | null> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await handle.read(buffer, 0, length, position)
  return bytesRead === length ? buffer : null
}

/** @throws Error naming what is wrong */
function parseEnvelope(json: Buffer): Envelope {
  let value: unknown
  try {
    value = JSON.parse(json.toString('utf8'))
  } catch {
    throw new Error('the envelope is no JSON')
  }
  return envelopeOf(value)
}

/**
 * @param value Haraka's `todo`
 * @throws Error naming what is wrong
 */
export function envelopeOf(value: unknown): Envelope {
  const { uuid, domain, rcpt_to: to, mail_from: from, queue_time: queuedAt, notes } = asObject(value)
  if (typeof uuid !== 'string' || uuid === '' || typeof domain !== 'string')
    throw new Error('the envelope has no id or domain')
  if (!Array.isArray(to) || to.length === 0) throw new Error('the envelope has no recipients')
  if (typeof queuedAt !== 'number' || !Number.isFinite(queuedAt) || Math.abs(queuedAt) > 8.64e15)
    throw new Error('the envelope has no time')
  const record = asObject(asObject(notes).secure_mail)
  const caseId = typeof record.caseId === 'string' && /^SM-[0-9A-Z]{4}-[0-9A-Z]{4}$/.test(record.caseId)
  return {
    uuid,
    domain: asciiDomain(domain),
    sender: addressOf(from),
    recipients: to.map((recipient) => {
      const address = addressOf(recipient)
      if (address === '') throw new Error('the envelope has a recipient that is no address')
      return address
    }),
    queuedAt,
    kind: record.kind === 'report' || record.kind === 'tlsrpt' ? record.kind : 'mail',
    ...(caseId ? { caseId: record.caseId as string } : {}),
  }
}

/** Haraka's address as JSON: `{user, host}`. */
function addressOf(value: unknown): string {
  const { user, host } = asObject(value)
  if (typeof user !== 'string' || typeof host !== 'string' || (user === '' && host === '')) return ''
  return `${user}@${asciiDomain(host)}`
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}
