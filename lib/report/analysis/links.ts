/** The chain from one file of a process to its next: is it the file that was there when the next one was begun? */
import path from 'node:path'
import { CHAIN_START } from '../../audit/chain'
import type { Copy } from './copies'

export type Link =
  /** It names the last line of the file before. */
  | 'whole'
  /** It names another line. */
  | 'broken'
  /** It names no line although there is a file before it: what came before could not be read, or was not there. */
  | 'begun-anew'
  /** The file before is not among those that were read. */
  | 'not-checked'
  /** Its lines are not chained. */
  | 'none'

/** By path of the file. */
export function linksOf(copies: readonly Copy[]): Map<string, Link> {
  const links = new Map<string, Link>()
  const before = new Map<string, string | null>()
  for (const { file, scan } of [...copies].sort((a, b) => (a.file.day < b.file.day ? -1 : 1))) {
    if (scan === undefined || scan.lines === 0) continue
    const process = path.join(path.dirname(file.path), file.label)
    links.set(file.path, linkOf(scan.linkedTo, before.get(process)))
    // of a file that ends too early, the last line is not known
    before.set(process, scan.cut === undefined ? scan.lastHash : null)
  }
  return links
}

function linkOf(linkedTo: string | null, before: string | null | undefined): Link {
  if (linkedTo === null) return 'none'
  if (before === undefined || before === null) return 'not-checked'
  if (linkedTo === before) return 'whole'
  return linkedTo === CHAIN_START ? 'begun-anew' : 'broken'
}
