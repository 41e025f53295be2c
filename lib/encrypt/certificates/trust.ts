/** The configured roots and revocation lists, read when they are needed and again when their files change. */
import { X509Certificate } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Settings } from '../../config/settings'
import { chainTo, type Anchorage } from './chain'
import { MAX_LIST, readRevocationList, type RevocationList } from './crl'
import { pemBlocks } from './pem'
import type { Trust } from './types'

/** A file of the folder of revocation lists that is not used. */
export interface ListProblem {
  file: string
  why: string
}

/** What the files of the settings amount to. */
export interface ReadTrust extends Trust {
  roots: number
  lists: number
  /** Lists whose successor is overdue: what was revoked since is not known. */
  overdue(now: number): number
  problems: readonly ListProblem[]
}

/** Files in the folder of lists that are looked at. */
const MAX_FILES = 1000
/** How often the files are looked at for changes, in milliseconds. */
const LOOK_AGAIN = 2_000

/**
 * @param settings asked each time, so that a reload counts at once
 * @returns rejects when the roots or the folder cannot be read: nobody may take that for "no roots" or "nothing revoked"
 */
export function trustOf(settings: () => Pick<Settings, 'category3'>): () => Promise<ReadTrust> {
  let known: { names: string; stamp: string; trust: ReadTrust; looked: number } | undefined
  return async () => {
    const { smimeRoots, smimeCrls } = settings().category3
    const names = JSON.stringify([smimeRoots, smimeCrls])
    const now = performance.now()
    if (known?.names === names && now - known.looked < LOOK_AGAIN) return known.trust
    const listFiles = smimeCrls === undefined ? [] : await filesIn(smimeCrls)
    const stamp = await stampOf([...(smimeRoots === undefined ? [] : [smimeRoots]), ...listFiles])
    if (known?.names === names && known.stamp === stamp) known.looked = now
    else known = { names, stamp, looked: now, trust: await readTrust(smimeRoots, listFiles) }
    return known.trust
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((one) => !one.isDirectory() && !one.name.startsWith('.')).map(({ name }) => name)
  return names
    .sort()
    .slice(0, MAX_FILES)
    .map((name) => path.join(folder, name))
}

/** Changes whenever one of the files does. */
async function stampOf(files: readonly string[]): Promise<string> {
  const facts = await Promise.all(
    files.map(async (file) => {
      const { mtimeMs, size, ino } = await stat(file)
      return [file, mtimeMs, size, ino]
    }),
  )
  return JSON.stringify(facts)
}

async function readTrust(rootsFile: string | undefined, listFiles: readonly string[]): Promise<ReadTrust> {
  const roots = rootsFile === undefined ? [] : readRoots(await readFile(rootsFile, 'latin1'))
  const lists: RevocationList[] = []
  const problems: ListProblem[] = []
  for (const file of listFiles) {
    try {
      lists.push(...(await readLists(file)))
    } catch (error) {
      problems.push({ file, why: error instanceof Error ? error.message : String(error) })
    }
  }
  const anchorage: Anchorage = { roots, lists }
  return {
    chainOf: (certificate, issuers, now) => chainTo(anchorage, certificate, issuers, now),
    roots: roots.length,
    lists: lists.length,
    overdue: (now) => lists.filter(({ nextUpdate }) => nextUpdate !== null && nextUpdate < now).length,
    problems,
  }
}

function readRoots(pem: string): X509Certificate[] {
  return pemBlocks(pem, 'CERTIFICATE').map((der) => new X509Certificate(der))
}

async function readLists(file: string): Promise<RevocationList[]> {
  const { size } = await stat(file)
  if (size > MAX_LIST) throw new RangeError('the list is too large')
  const bytes = await readFile(file)
  const blocks = bytes[0] === 0x30 ? [bytes] : pemBlocks(bytes.toString('latin1'), 'X509 CRL')
  if (blocks.length === 0) throw new RangeError('it holds no revocation list')
  return blocks.map(readRevocationList)
}
