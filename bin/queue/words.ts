/** Times, sizes and columns as people read them. */

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `40 s`, `12 min`, `5 h`, `3 d`. */
export function spanOf(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 100) return `${whole} s`
  if (whole < 100 * MINUTE) return `${Math.round(whole / MINUTE)} min`
  if (whole < 48 * HOUR) return `${Math.round(whole / HOUR)} h`
  return `${Math.round(whole / DAY)} d`
}

/** `in 4 min`, `now`; a time that has passed is now: its mail is due. */
export function untilOf(iso: string, now: number): string {
  const left = (Date.parse(iso) - now) / 1000
  return left <= 0 ? 'now' : `in ${spanOf(left)}`
}

/** `734 B`, `12 KB`, `3.4 MB`. */
export function sizeOf(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} KB`
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`
  return `${(bytes / 1_000_000_000).toFixed(1)} GB`
}

/** `1 mail`, `3 mails`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** Rows of cells as lines, each column as wide as its widest cell. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const width = (n: number) => Math.max(...rows.map((row) => row[n]?.length ?? 0))
  const widths = (rows[0] ?? []).map((_, n) => width(n))
  return rows.map((row) =>
    row
      .map((cell, n) => cell.padEnd(widths[n] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
