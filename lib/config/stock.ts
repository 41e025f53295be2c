/** Reads the settings of stock Haraka as Haraka reads them, but with line numbers. Read only. */
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** A stock setting, as it stands in an instance. */
export interface StockSetting {
  /** Name below `config/`. */
  file: string
  /** `main` for what stands before the first section. */
  section: string
  /** Without the `[]` of a list. */
  key: string
  value: string
  /** 1-based. */
  line: number
}

/**
 * Settings of an INI file of the instance, in order; none when the file is not there.
 *
 * The grammar is that of haraka-config 1.7 (`lib/regex.js`): a backslash at the end joins a line with the next, and a
 * key without `=` is a setting without a value.
 */
export function readStockSettings(instanceDir: string, file: string): StockSetting[] {
  const settings: StockSetting[] = []
  let section = 'main'
  let pending = ''
  let begin = 0
  const lines = (readStockText(instanceDir, file) ?? '').split(/\r\n|\n|\r/)
  lines.forEach((raw, index) => {
    if (/^\s*([;#]|$)/.test(raw)) return
    const heading = /^\s*\[([^\]]*)\]\s*$/.exec(raw)
    if (heading !== null) {
      section = (heading[1] ?? '').trim()
      return
    }
    if (pending === '') begin = index + 1
    if (/\\[ \t]*$/.test(raw)) {
      pending += raw.replace(/\\[ \t]*$/, '')
      return
    }
    const pair = /^\s*([\w@:._+\-/[\]]+)\s*(?:=\s*(.*?)\s*)?$/.exec(pending + raw)
    pending = ''
    if (pair === null) return
    const [, key = '', value = ''] = pair
    settings.push({ file, section, key: key.replace(/\[\]$/, ''), value, line: begin })
  })
  return settings
}

/** Lines of a list file such as `plugins`, without comments and blank ones, with their numbers. */
export function readStockList(instanceDir: string, file: string): { value: string; line: number }[] | undefined {
  return readStockText(instanceDir, file)
    ?.split(/\r\n|\n|\r/)
    .map((raw, index) => ({ value: raw.trim(), line: index + 1 }))
    .filter(({ value }) => value !== '' && !/^[;#]/.test(value))
}

/** Text of a file below `config/`; undefined when it cannot be read. */
export function readStockText(instanceDir: string, file: string): string | undefined {
  try {
    return readFileSync(path.join(instanceDir, 'config', file), 'utf8')
  } catch {
    return undefined
  }
}

/** What Haraka takes for true. */
export function isStockTrue(value: string): boolean {
  return /^(?:true|yes|ok|enabled|on|1)$/i.test(value)
}
