/** Names of members as they are told to people. */

import { percentDecoded } from '../percent'

/** Longest name that is shown; of longer ones the end. */
const LENGTH = 100

/** @param where of the file that holds the member */
export function memberPlace(where: string, name: string): string {
  // a name is somebody else's text: no control characters in what is logged, and not without end
  const shown = percentDecoded(name)
    .replace(/\p{C}+/gu, ' ')
    .trim()
  return `${where} > ${shown.length > LENGTH ? `…${shown.slice(-LENGTH)}` : shown}`
}
