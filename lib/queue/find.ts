/** Which queued mails somebody means. */
import type { QueueMail } from './types'
import { nearest } from '../util/nearest'

/** What a command may name. */
export type Wanted =
  | { by: 'domain'; domain: string }
  /** Mail id, queue id, case id or file name, as it was written. */
  | { by: 'id'; id: string }
  | { by: 'all' }

/** Is this mail meant? A mail id means all of its parts, a queue id one. */
export function isWanted(wanted: Wanted, mail: QueueMail): boolean {
  switch (wanted.by) {
    case 'all':
      return true
    case 'domain':
      return mail.domain === wanted.domain
    case 'id':
      return idsOf(mail).some((id) => id.toLowerCase() === wanted.id.toLowerCase())
  }
}

/** Every id that a mail goes by. */
export function idsOf({ mailId, queueId, caseId, file }: QueueMail): string[] {
  return [mailId, queueId, caseId, ...(file === null ? [] : [file])]
}

/** Names seen so far that a wrong one is compared with; more are not kept. */
const MAX_NAMES = 5000

/** Remembers what there was, to say what a wrong name was meant for. */
export function nearestNames(): { seen(names: readonly string[]): void; to(name: string): string | undefined } {
  const names = new Set<string>()
  return {
    seen(more) {
      for (const name of more) if (names.size < MAX_NAMES) names.add(name)
    },
    to: (name) => nearest(name, [...names]),
  }
}
