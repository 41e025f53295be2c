/** What still lies in Haraka's queue, read from the files alone; nothing is changed. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { readQueueFile } from '../queue/envelope'
import { parseFileName } from '../queue/file-name'
import { mailIdOf } from '../store/recipients'

/** One queue file of a mail: recipients of one domain. */
export interface QueuedFile {
  name: string
  mailId: string
  /** Domain of its recipients. */
  domain: string
  recipients: number
  /** ISO 8601; null when the file was set aside (`error.*`) and is not tried any more. */
  nextAttempt: string | null
  /** Attempts that failed so far. */
  attempts: number
}

/** The queue of an instance: `queue_dir` where it is set, else `queue`. */
export function queueDirectory(instance: string): string {
  const file = path.join(instance, 'config', 'queue_dir')
  const set = existsSync(file) ? (readFileSync(file, 'utf8').split('\n', 1)[0] ?? '').trim() : ''
  return path.resolve(instance, set === '' ? 'queue' : set)
}

/**
 * The queue files of these mails.
 *
 * @returns none where there is no queue; what vanishes or cannot be understood while it is read is passed over
 * @throws Error when the folder may not be read (rejects)
 */
export async function queuedFiles(dir: string, mailIds: ReadonlySet<string>): Promise<QueuedFile[]> {
  if (mailIds.size === 0 || !existsSync(dir)) return []
  const found: QueuedFile[] = []
  for (const name of readdirSync(dir)) {
    if (name.startsWith('.')) continue
    const content = await readQueueFile(path.join(dir, name))
    if (!content.ok) continue
    const { uuid, domain, recipients } = content.envelope
    const mailId = mailIdOf(uuid)
    if (!mailIds.has(mailId)) continue
    const parsed = parseFileName(name.replace(/^error\./, ''))
    const waits = parsed !== null && !name.startsWith('error.')
    found.push({
      name,
      mailId,
      domain,
      recipients: recipients.length,
      nextAttempt: waits ? new Date(parsed.nextTry).toISOString() : null,
      attempts: parsed?.tries ?? 0,
    })
  }
  return found
}
