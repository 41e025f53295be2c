/** All mails of a queue: those that have a file, and those that a process has accepted a moment ago. */
import { describeMails, type DescribedMail } from '../../lib/control'
import type { QueueFileName } from '../../lib/queue/file-name'
import { queuedMails, queueMail, type QueueEntry } from '../../lib/queue/mails'
import type { QueueRoom } from './room'

/**
 * @param files of the queue directory, in their order
 * @throws Error of the file system (rejects)
 */
export async function* everyMail(
  room: QueueRoom,
  files: readonly QueueFileName[],
): AsyncGenerator<QueueEntry, void, undefined> {
  yield* await withoutFile(room, new Set(files.map(({ identity }) => identity)))
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
