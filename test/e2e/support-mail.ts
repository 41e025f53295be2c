/**
 * Where a mail is now. Every end-to-end suite asks the same question of every mail that was answered 250: delivered,
 * still queued, or reported to its sender; anything else is a lost mail.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import type { World } from './world'
import type { Gateway } from '../internet/gateway'
import { readRecords, type JournalRecord } from '../../lib/spool/record'
import { isJournalFile, parseSegmentName } from '../../lib/spool/run'
import { sendWithPython, type Sent } from '../internet/clients'
import { until } from '../../demo/processes'

/** A mail with words in it that are nowhere else. */
export interface Letter {
  /** Stands in Message-ID, subject and body. */
  token: string
  from: string
  to: readonly string[]
  message: string
}

export type Place = 'delivered' | 'queued' | 'reported'

let count = 0

/** @param options `subject` and `headers` (each with CRLF) besides the usual ones; `body` ends with CRLF */
export function letter(
  to: readonly string[],
  options: { from?: string; subject?: string; headers?: string; body?: string } = {},
): Letter {
  const token = `tok${process.pid}x${++count}y`
  const from = options.from ?? 'anne@uni.test'
  const message =
    `From: <${from}>\r\nTo: somebody@example.test\r\nSubject: ${options.subject ?? 'About'} ${token}\r\n` +
    `Message-ID: <${token}@uni.test>\r\nDate: Thu, 01 Jan 2026 12:00:00 +0000\r\n${options.headers ?? ''}\r\n` +
    `${options.body ?? 'Nobody else may read this.\r\n'}the end of ${token}\r\n`
  return { token, from, to, message }
}

/** Hand a letter to the gateway. */
export async function post(gateway: Pick<Gateway, 'server'>, mail: Letter, limit = 30_000): Promise<Sent> {
  return sendWithPython({ server: gateway.server, from: mail.from, to: mail.to, data: mail.message, limit })
}

/** Hand a letter to the gateway, which must take it. */
export async function accepted(gateway: Pick<Gateway, 'server'>, mail: Letter): Promise<Letter> {
  const sent = await post(gateway, mail)
  assert.match(sent.reply, /^250 /, sent.transcript)
  return mail
}

/** Every place where the letter is for this recipient; empty = lost. A place stands there as often as it holds a copy. */
export function placesOf(world: Pick<World, 'postfix'>, gateway: Gateway, mail: Letter, recipient: string): Place[] {
  const places: Place[] = arrivals(world, mail, recipient).map(() => 'delivered')
  const queued = [...queueFiles(gateway).map(({ text }) => text), ...journalTexts(gateway)]
  for (const text of queued) if (concerns(text, mail, recipient)) places.push('queued')
  for (const report of world.postfix.mails(mail.from.slice(mail.from.indexOf('@') + 1))) {
    if (report.sender === '' && concerns(report.message.toString('latin1'), mail, recipient)) places.push('reported')
  }
  return places
}

/** Copies of the letter that lie in the recipient's mailbox. */
export function arrivals(world: Pick<World, 'postfix'>, mail: Letter, recipient: string): Buffer[] {
  return world.postfix
    .mails(recipient.slice(recipient.indexOf('@') + 1))
    .filter((stored) => stored.recipient === recipient && stored.message.includes(`the end of ${mail.token}`))
    .map((stored) => stored.message)
}

/** The letter itself in a queue file, or a report about it: both carry its Message-ID and name the recipient. */
function concerns(text: string, mail: Letter, recipient: string): boolean {
  if (!text.includes(`<${mail.token}@uni.test>`)) return false
  const [local = '', domain = ''] = recipient.split('@')
  return text.includes(recipient) || (text.includes(`"user": "${local}"`) && text.includes(`"host": "${domain}"`))
}

/** What lies in the queue directory as a file of its own, set-aside files included. */
export function queueFiles(gateway: Pick<Gateway, 'dir'>): { name: string; path: string; text: string }[] {
  const dir = path.join(gateway.dir, 'queue')
  return readdirSync(dir).flatMap((name) => {
    if (isJournalFile(name)) return []
    const file = path.join(dir, name)
    try {
      return [{ name, path: file, text: readFileSync(file, 'latin1') }]
    } catch {
      return [] // gone in between: delivered or renamed
    }
  })
}

/** What was accepted and has no file of its own yet. */
export function journalTexts(gateway: Pick<Gateway, 'dir'>): string[] {
  const dir = path.join(gateway.dir, 'queue')
  // every process has a journal of its own, and numbers its mails itself
  const journals = new Map<string, JournalRecord[]>()
  for (const name of readdirSync(dir)) {
    const segment = parseSegmentName(name)
    if (segment === null) continue
    const run = JSON.stringify(segment.run)
    journals.set(run, [...(journals.get(run) ?? []), ...readRecords(readFileSync(path.join(dir, name))).records])
  }
  return [...journals.values()].flatMap((records) => {
    const done = new Set(records.flatMap((record) => (record.kind === 'done' ? record.numbers : [])))
    return records.flatMap((record) =>
      record.kind === 'mail' && !done.has(record.number) ? [record.content.toString('latin1')] : [],
    )
  })
}

/** Let every file of a halted gateway be due at once (the second number of its name is the time of the next try). */
export function dueNow(gateway: Pick<Gateway, 'dir'>): void {
  for (const file of queueFiles(gateway)) {
    const name = file.name.replace(/^(\d+)_\d+_/, '$1_$1_')
    renameSync(file.path, path.join(path.dirname(file.path), name))
  }
}

/** Another value in the text of a `secure-mail.ini`: the line is put first in its section, which must be there. */
export function withSetting(settings: string, section: string, line: string): string {
  const [key = ''] = line.split('=')
  assert.ok(settings.includes(`[${section}]\n`), `no section ${section}`)
  const rest = settings.replace(new RegExp(`^${key}=.*\n`, 'm'), '')
  return rest.replace(`[${section}]\n`, `[${section}]\n${line}\n`)
}

/**
 * Wait until every recipient of these letters has something: a mail server that has answered 250 takes its time to put
 * the mail into the mailbox. What is still missing after a while is for the caller's own assertions to tell.
 */
export async function somewhere(
  world: Pick<World, 'postfix'>,
  gateway: Gateway,
  mails: Iterable<Letter>,
): Promise<void> {
  for (const mail of mails) {
    for (const to of mail.to) {
      const found = () => placesOf(world, gateway, mail, to).length > 0
      await until(`${mail.token} for ${to}`, found, { limit: 5_000 }).catch(() => undefined)
    }
  }
}

/** Deadlines of a real gateway, retries so late that nothing happens by itself; reports without delay. */
export function patient(world: Pick<World, 'settings'>): string {
  const settings = ['tls_failure_after=4h', 'undeliverable_after=23h', 'delay_notice_after=22h', 'coalesce=0s'].reduce(
    (text, line) => withSetting(text, 'ndr', line),
    world.settings(),
  )
  return withSetting(settings, 'delivery', 'retry=30m')
}
