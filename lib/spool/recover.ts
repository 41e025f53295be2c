/**
 * After a crash: mails that stand in the journal of a process that has ended become queue files again. Safe to be
 * broken off and repeated at any point, and to be begun by several processes at once.
 */
import { existsSync } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { readRecords, type MailRecord } from './record'
import { claimName, isAlive, ownRun, parseSegmentName, runLabel, type Run } from './run'

export interface RecoverOptions {
  /** The queue directory. */
  dir: string
  /**
   * Make a queue file of a mail, unless there is one already; durable when it resolves.
   *
   * @throws Error (rejects) when it cannot; the journal then stays for another time
   */
  save: (name: string, content: Buffer) => Promise<void>
  /** Something that a person should know of. Must not throw. */
  warn: (text: string) => void
  /** For tests. */
  alive?: (run: Run) => boolean
}

interface Orphan {
  run: Run
  /** Paths in the order of writing. */
  segments: string[]
}

/**
 * @returns number of mails that were saved
 * @throws Error (rejects) when the directory cannot be read or a mail cannot be saved
 */
export async function recoverJournals(options: RecoverOptions): Promise<number> {
  let saved = 0
  for (const orphan of await orphans(options)) {
    if (!(await claim(options, orphan.run))) continue
    try {
      saved += await recoverRun(options, orphan)
    } finally {
      await fs.rm(path.join(options.dir, claimName(orphan.run)), { force: true })
    }
  }
  return saved
}

/** Mails that stand in journals, of living processes as well; for whoever lists the queue. Reads only. */
export async function journaledMails(dir: string): Promise<MailRecord[]> {
  const found = await orphans({ dir, alive: () => false })
  return (await Promise.all(found.map((orphan) => readRun(orphan)))).flatMap(({ mails }) => mails)
}

async function orphans({ dir, alive = isAlive }: Pick<RecoverOptions, 'dir' | 'alive'>): Promise<Orphan[]> {
  const byRun = new Map<string, { run: Run; segments: { file: string; segment: number }[] }>()
  for (const name of await namesIn(dir)) {
    const parsed = parseSegmentName(name)
    if (parsed === null) continue
    const label = runLabel(parsed.run)
    const known = byRun.get(label) ?? { run: parsed.run, segments: [] }
    known.segments.push({ file: path.join(dir, name), segment: parsed.segment })
    byRun.set(label, known)
  }
  return [...byRun.values()]
    .filter(({ run }) => !alive(run))
    .map(({ run, segments }) => ({
      run,
      segments: segments.sort((a, b) => a.segment - b.segment).map(({ file }) => file),
    }))
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await fs.readdir(dir)
  } catch (error) {
    // a gateway that never ran has no queue
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Of several processes that start together one does it; a claim whose owner has ended is none. */
async function claim({ dir, alive = isAlive }: RecoverOptions, run: Run): Promise<boolean> {
  const file = path.join(dir, claimName(run))
  if (existsSync(file)) {
    const owner = parseSegmentName(`journal.${await fs.readFile(file, 'latin1').catch(() => '')}.0`)
    if (owner !== null && alive(owner.run)) return false
    await fs.rm(file, { force: true })
  }
  try {
    await fs.writeFile(file, runLabel(ownRun()), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function recoverRun({ dir, save, warn }: RecoverOptions, orphan: Orphan): Promise<number> {
  const { mails, damaged } = await readRun(orphan)
  for (const { name, content } of mails) await save(name, content)
  for (const file of orphan.segments) {
    if (!damaged.has(file)) {
      await fs.rm(file, { force: true })
      continue
    }
    const aside = path.join(dir, `error.${path.basename(file)}`)
    await fs.rename(file, aside)
    warn(
      `the journal ${path.basename(file)} is damaged: what could be read of it is in the queue, the rest in ${aside}`,
    )
  }
  return mails.length
}

async function readRun({ segments }: Orphan): Promise<{ mails: MailRecord[]; damaged: Set<string> }> {
  const mails = new Map<number, MailRecord>()
  const done: number[] = []
  const damaged = new Set<string>()
  for (const file of segments) {
    const read = readRecords(await fs.readFile(file))
    if (read.damaged) damaged.add(file)
    for (const record of read.records) {
      if (record.kind === 'mail') mails.set(record.number, record)
      else done.push(...record.numbers)
    }
  }
  for (const number of done) mails.delete(number)
  return { mails: [...mails.values()], damaged }
}
