/** UTC days as `YYYY-MM-DD` (RFC 8460 section 4.1: a report covers one of them). */

export const DAY = 24 * 3_600_000

/** @param time milliseconds since the epoch */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

/** @returns milliseconds since the epoch of its first moment; undefined when it is no day */
export function startOf(day: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return undefined
  const time = Date.parse(`${day}T00:00:00Z`)
  return Number.isNaN(time) || dayOf(time) !== day ? undefined : time
}
