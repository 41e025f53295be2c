/**
 * Accepted mail on its way to the first attempt stands in the journal (`lib/spool`); a mail that is put off, or that
 * waits for long, gets a queue file of its own, as Haraka knows it.
 */
import fs from 'node:fs/promises'
import { openJournal, type Journal, type JournalEntry } from '../lib/spool/journal'
import { recoverJournals } from '../lib/spool/recover'
import { ownRun } from '../lib/spool/run'
import { lineUp } from './backlog'
import { background } from './guard'
import type { HarakaModules, HMailItem } from './haraka'
import { identityOf, saveQueueFile } from './queue-file'

/** For how long a mail may be without a file of its own, in milliseconds. */
const FILE_AFTER = 30_000
/** How often that is looked at, in milliseconds. */
const LOOK_INTERVAL = 5_000

type Report = (what: string, error: unknown) => void

/** Where a mail of the journal stands; a move to a file of its own is waited for by whoever comes in between. */
interface Place {
  entry: JournalEntry
  moving?: Promise<void>
}

const places = new WeakMap<HMailItem, Place>()
const itemOf = new Map<JournalEntry, HMailItem>()

/** Of this process; there is one queue directory, and nothing is opened in it before the first mail comes. */
interface Spool {
  haraka: HarakaModules
  journal: Journal
  timer: NodeJS.Timeout
}

let open: Spool | undefined

function spoolOf(haraka: HarakaModules, report: Report): Spool {
  open ??= {
    haraka,
    journal: openJournal({
      dir: haraka.queue.queue_dir,
      run: ownRun(),
      report: (error) => {
        report('journal', error)
      },
    }),
    timer: setInterval(() => {
      background('journal', report, fileWhatWaits)
    }, LOOK_INTERVAL).unref(),
  }
  return open
}

/**
 * Make a mail durable without a file of its own.
 *
 * @param content what its queue file would hold
 * @throws Error (rejects) when it is not on disk
 */
export function addToJournal(
  haraka: HarakaModules,
  report: Report,
  name: string,
  content: Buffer,
): Promise<JournalEntry> {
  return spoolOf(haraka, report).journal.add(name, content)
}

/** The mail of an entry is this item's from now on. */
export function standsInJournal(item: HMailItem, entry: JournalEntry): void {
  places.set(item, { entry })
  itemOf.set(entry, item)
}

/** Has the mail no file of its own? */
export function isInJournal(item: HMailItem): boolean {
  return places.has(item)
}

/**
 * What the queue file of the mail would hold.
 *
 * @returns undefined when it has a file
 * @throws Error (rejects) when the disk fails
 */
export async function journalContent(item: HMailItem): Promise<Buffer | undefined> {
  const place = places.get(item)
  return place === undefined ? undefined : await open?.journal.read(place.entry)
}

/**
 * The mail is finished, or was not taken on after all.
 *
 * @returns false when it has a file of its own, which is then to be removed
 */
export async function finishInJournal(item: HMailItem): Promise<boolean> {
  const { moving } = places.get(item) ?? {}
  if (moving !== undefined) await moving.catch(() => undefined)
  return leave(item)
}

function leave(item: HMailItem): boolean {
  const place = places.get(item)
  if (place === undefined) return false
  places.delete(item)
  itemOf.delete(place.entry)
  open?.journal.done(place.entry)
  return true
}

/**
 * Give a mail its queue file, under the name that its item has.
 *
 * @throws Error (rejects) when the file cannot be written; the mail stays in the journal
 */
export async function giveFile(item: HMailItem): Promise<void> {
  const place = places.get(item)
  if (place === undefined || open === undefined) return
  place.moving ??= move(open, item, place.entry).finally(() => {
    delete place.moving
  })
  await place.moving
}

async function move({ haraka, journal }: Spool, item: HMailItem, entry: JournalEntry): Promise<void> {
  await saveQueueFile(haraka, item.filename, await journal.read(entry))
  leave(item)
}

let filing = false

/** What has waited long enough gets its file; one look at a time. */
async function fileWhatWaits(): Promise<void> {
  if (open === undefined || filing) return
  filing = true
  try {
    await fileAll(open.journal.live().filter(({ added }) => added <= performance.now() - FILE_AFTER))
  } finally {
    filing = false
  }
}

async function fileAll(entries: readonly JournalEntry[]): Promise<void> {
  for (const entry of entries) {
    const item = itemOf.get(entry)
    if (item !== undefined) await giveFile(item)
  }
}

/**
 * Before this process ends: every mail gets its file. What cannot be filed stays in the journal, for the next process.
 *
 * @throws Error (rejects) when that happens
 */
export async function closeSpool(): Promise<void> {
  if (open === undefined) return
  const { journal, timer } = open
  clearInterval(timer)
  try {
    await fileAll(journal.live())
  } finally {
    await journal.close()
    open = undefined
  }
}

/**
 * Make queue files of what processes that ended without warning left in their journals, and take the mails up.
 *
 * @throws Error (rejects) when it cannot be done completely; nothing is lost, and the next start tries again
 */
export async function recoverSpool(haraka: HarakaModules, warn: (text: string) => void): Promise<number> {
  const { queue_dir: dir } = haraka.queue
  let filed: ReadonlySet<string> | undefined
  return await recoverJournals({
    dir,
    warn,
    async save(name, content) {
      const parts = haraka.queueFile.parts(name)
      filed ??= new Set((await fs.readdir(dir)).map((file) => identityOf(haraka, file)))
      // filed before the crash: the journal had no time to forget it
      if (parts === null || filed.has(identityOf(haraka, name))) return
      const { arrival, uid, next_attempt, attempts } = parts
      const filename = haraka.queueFile.name({ arrival, uid, next_attempt, attempts })
      await saveQueueFile(haraka, filename, content)
      lineUp(haraka, filename)
    },
  })
}
