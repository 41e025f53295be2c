/** What the digits of a CPR number say by themselves (cpr.dk, "Opbygning af CPR-nummeret"). */

export interface CprFacts {
  /** Replacement number: day + 60. */
  replacement: boolean
  /** Regional or national replacement number with letters in its serial. */
  letters: boolean
  /** Modulus 11 holds; false also for forms that have none. */
  mod11: boolean
  /** Birth date 1 January 1937 or later: numbers without modulus 11 are given for these. */
  exempt: boolean
  /** Full years at `now`; null when the form does not say. */
  age: number | null
}

const WEIGHTS = [4, 3, 2, 7, 6, 5, 4, 3, 2, 1] as const
const DAY = 86_400_000
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

/**
 * @param date six digits
 * @param serial four digits, or with letters
 * @param now milliseconds
 * @returns null when no person can have this number: an impossible or a future date
 */
export function cprFacts(date: string, serial: string, now: number): CprFacts | null {
  const day = Number(date.slice(0, 2))
  const month = Number(date.slice(2, 4))
  const letters = /\D/.test(serial)
  if (month < 1 || month > 12) return null
  if (day >= 61 && day <= 91) return { replacement: true, letters, mod11: false, exempt: false, age: null }
  if (letters) {
    return day >= 1 && day <= 31 ? { replacement: false, letters, mod11: false, exempt: false, age: null } : null
  }
  const year = fullYear(Number(date.slice(4)), Number(serial.charAt(0)))
  if (day < 1 || day > daysIn(month, year)) return null
  const birth = Date.UTC(year, month - 1, day)
  // a day of grace: it is tomorrow already in other time zones
  if (birth > now + DAY) return null
  const age = yearOf(now) - year
  return {
    replacement: false,
    letters,
    mod11: mod11(date + serial),
    exempt: day === 1 && month === 1 && year >= 1937,
    age,
  }
}

/** Century by the seventh digit (cpr.dk; the table has no gaps). */
export function fullYear(yy: number, seventh: number): number {
  if (seventh <= 3) return 1900 + yy
  if (seventh === 4 || seventh === 9) return yy <= 36 ? 2000 + yy : 1900 + yy
  return yy <= 57 ? 2000 + yy : 1800 + yy
}

/** Evidence, never a gate: since 1 October 2007 numbers are given that do not fulfil it. */
export function mod11(digits: string): boolean {
  let sum = 0
  for (let n = 0; n < WEIGHTS.length; n++) sum += (WEIGHTS[n] ?? 0) * (digits.charCodeAt(n) - 48)
  return sum % 11 === 0
}

let known = { now: Number.NaN, year: 0 }

/** Asked for every candidate of a text, with the same time. */
export function yearOf(now: number): number {
  if (known.now !== now) known = { now, year: new Date(now).getUTCFullYear() }
  return known.year
}

function daysIn(month: number, year: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return month === 2 && leap ? 29 : (MONTH_DAYS[month - 1] ?? 0)
}
