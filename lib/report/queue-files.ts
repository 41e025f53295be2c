/** What still lies in Haraka's queue, read from the files alone; nothing is changed. */
import { constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
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

/** Largest envelope that is read; a list of a million recipients is not needed to say when they are tried. */
const MAX_ENVELOPE = 4 * 1024 * 1024

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
    const envelope = await readEnvelope(path.join(dir, name))
    if (envelope === undefined) continue
    const mailId = mailIdOf(envelope.uuid)
    if (!mailIds.has(mailId)) continue
    // Haraka: $arrival_$nextattempt_$attempts_$pid_$unique_$counter_$host
    const [, next, attempts] = name.replace(/^error\./, '').split('_')
    const at = Number(next)
    const waits = !name.startsWith('error.') && Number.isSafeInteger(at)
    found.push({
      name,
      mailId,
      domain: envelope.domain,
      recipients: envelope.recipients,
      nextAttempt: waits ? new Date(at).toISOString() : null,
      attempts: Number.isSafeInteger(Number(attempts)) ? Number(attempts) : 0,
    })
  }
  return found
}

/** Four bytes of length, then the envelope as JSON. */
async function readEnvelope(file: string): Promise<{ uuid: string; domain: string; recipients: number } | undefined> {
  let handle
  try {
    handle = await fs.open(file, constants.O_RDONLY)
    const head = Buffer.alloc(4)
    if ((await handle.read(head, 0, 4, 0)).bytesRead < 4) return undefined
    const length = head.readUInt32BE(0)
    if (length === 0 || length > MAX_ENVELOPE) return undefined
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await handle.read(bytes, 0, length, 4)
    const value = JSON.parse(bytes.subarray(0, bytesRead).toString('utf8')) as Record<string, unknown>
    const { uuid, domain, rcpt_to: recipients } = value
    if (typeof uuid !== 'string') return undefined
    return {
      uuid,
      domain: typeof domain === 'string' ? domain : '',
      recipients: Array.isArray(recipients) ? recipients.length : 0,
    }
  } catch {
    // delivered in the meantime, a folder, or no queue file at all
    return undefined
  } finally {
    await handle?.close()
  }
}
