/** Numbers of every class that CPR numbers come in (cpr.dk), and others that look like them. All are made up. */
import { two, type Random } from './text-random'

const WEIGHTS = [4, 3, 2, 7, 6, 5, 4, 3, 2, 1]

function remainder(digits: string): number {
  return Array.from(digits).reduce((sum, digit, n) => sum + Number(digit) * (WEIGHTS[n] ?? 0), 0) % 11
}

/** Ten digits of somebody between 1 and 89 years old in 2026, modulus 11 fulfilled. */
export function validNumber(random: Random): string {
  for (;;) {
    const year = 1937 + random.below(88)
    const date = `${two(1 + random.below(28))}${two(1 + random.below(12))}${two(year % 100)}`
    const seventh = year < 2000 ? random.pick([0, 1, 2, 3]) : random.pick([4, 5, 6, 7, 8, 9])
    const number = date + String(seventh) + random.digits(3)
    if (remainder(number) === 0) return number
  }
}

/** Born on 1 January 1960 or later, modulus 11 not fulfilled. */
export function januaryNumber(random: Random): string {
  for (;;) {
    const number = `0101${two(60 + random.below(38))}${random.below(4)}${random.digits(3)}`
    if (remainder(number) !== 0) return number
  }
}

/** Day + 60: a replacement number in systems outside the CPR register. */
export function replacementNumber(random: Random): string {
  const number = validNumber(random)
  return String(Number(number.charAt(0)) + 6) + number.slice(1, 6) + random.digits(4)
}

/** National (X-eCPR) or regional (D-eCPR) replacement number with letters. */
export function lettersNumber(random: Random): string {
  const letters =
    random.pick('ABCDEFGHJKLMNOPQRSTUVWXYZ'.split('')) + random.pick('ABCDEFGHJKLMNOPQRSTUVWXYZ'.split(''))
  return `${validNumber(random).slice(0, 6)}${random.pick(['0', '1'])}${letters}${random.below(10)}`
}

/** One of the last four digits is wrong. */
export function mistyped(number: string, random: Random): string {
  const at = 7 + random.below(3)
  const digit = (Number(number.charAt(at)) + 1 + random.below(8)) % 10
  return number.slice(0, at) + String(digit) + number.slice(at + 1)
}

/** With something between its halves. */
export const split = (number: string, separator: string) => number.slice(0, 6) + separator + number.slice(6)
