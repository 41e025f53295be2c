/**
 * The INI dialect of `secure-mail.ini`, with line numbers. Haraka's own reader drops keys it does not like and turns
 * `1.10` into a number, so it is not used.
 *
 * A line is empty, a comment (`;` or `#` as its first character), `[section]`, `key=value` or `key[]=value`. There are
 * no comments behind values: a value is everything behind the first `=`, without outer blanks. `key[]=` without a value
 * makes the list empty. Lines are not continued.
 */
import { errorAt } from './problem'
import type { ConfigProblem } from './settings'

export interface IniEntry {
  section: string
  key: string
  /** Written as `key[]`. */
  list: boolean
  value: string
  /** 1-based. */
  line: number
}

export interface Ini {
  file: string
  entries: IniEntry[]
  /** Sections in order, with the line of their heading. */
  sections: { name: string; line: number }[]
  problems: ConfigProblem[]
}

/** Parse a file's text. Never throws: what cannot be read is a problem with its line. */
export function parseIni(text: string, file: string): Ini {
  const ini: Ini = { file, entries: [], sections: [], problems: [] }
  let section: string | undefined
  text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .forEach((raw, index) => {
      const line = index + 1
      const content = raw.trim()
      if (content === '' || content.startsWith(';') || content.startsWith('#')) return
      const heading = /^\[([^[\]]*)\]$/.exec(content)
      if (heading !== null) {
        section = (heading[1] ?? '').trim()
        ini.sections.push({ name: section, line })
        return
      }
      const pair = /^([^=[\]]+?)\s*(\[\s*\])?\s*=(.*)$/.exec(content)
      if (pair === null) {
        ini.problems.push(errorAt(file, line, 'this line is neither "[section]" nor "key=value" nor a comment'))
        return
      }
      if (section === undefined) {
        ini.problems.push(errorAt(file, line, 'this line stands before the first [section]'))
        return
      }
      const [, key = '', brackets, value = ''] = pair
      if (value.trimEnd().endsWith('\\')) {
        // Haraka's dialect joins such a line with the next; here half a value would be taken for the whole
        ini.problems.push(errorAt(file, line, 'a line cannot be continued with \\: write the value in one line'))
        return
      }
      ini.entries.push({ section, key: key.trim(), list: brackets !== undefined, value: value.trim(), line })
    })
  return ini
}
