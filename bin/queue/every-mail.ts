/** All mails of a queue: those that have a file, and those that a process has accepted a moment ago. */
import { describeMails, type DescribedMail } from '../../lib/control'
import { readQueueContent } from '../../lib/queue/envelope'
import { parseFileName, type QueueFileName } from '../../lib/queue/file-name'
import { queuedMails, queueMail, type QueueEntry } from '../../lib/queue/mails'
import { journaledMails } from '../../lib/spool/recover'
import type { QueueRoom } from './room'

/**
 * @param files of the queue directory, in their order
 * @throws Error of the file system (rejects)
 */
export async function* everyMail(
  room: QueueRoom,
  files: readonly QueueFileName[],
): AsyncGenerator<QueueEntry, void, undefined> {
  const filed = new Set(files.map(({ identity }) => identity))
  yield* await (room.gateway === null ? left(room, filed) : withoutFile(room, filed))
  yield* queuedMails(room.sources, files)
}

/** Under their first attempt, or due for it: the next ones in order anyway. */
async function withoutFile(room: QueueRoom, filed: ReadonlySet<string>): Promise<QueueEntry[]> {
  const wanted = new Map<number, string[]>()
  for (const [identity, { pid, state }] of room.gateway?.held ?? []) {
    if (filed.has(identity) || state === 'waiting') continue
    const mine = wanted.get(pid)
    if (mine === undefined) wanted.set(pid, [identity])
    else mine.push(identity)
  }
  if (wanted.size === 0) return []
  const described: { mail: DescribedMail; pid: number }[] = []
  await describeMails(room.runDir, wanted, (mail, pid) => described.push({ mail, pid }))
  return await Promise.all(
    described.map(async ({ mail, pid }) => ({
      identity: mail.identity,
      mail: await queueMail(room.sources, mail, { ...mail, file: null }, pid),
    })),
  )
}

/** What a gateway that ended without warning had accepted: its next start makes files of it. */
async function left(room: QueueRoom, filed: ReadonlySet<string>): Promise<QueueEntry[]> {
  const entries: QueueEntry[] = []
  for (const { name, content } of await journaledMails(room.queueDir)) {
    const parsed = parseFileName(name)
    const read = readQueueContent(content)
    if (parsed === null || filed.has(parsed.identity) || !read.ok) continue
    const { identity, nextTry, tries } = parsed
    const place = { identity, nextTry, tries, size: read.size, file: null }
    entries.push({ identity, mail: await queueMail(room.sources, read.envelope, place, null) })
  }
  return entries
}
