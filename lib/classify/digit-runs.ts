/**
 * The first look at a run of digits and gaps as a machine of states: one look into a table per character, and no branch that
 * a processor could guess wrong. What it says of most runs is that they hold no number.
 */
import { CLASS, CLASSES } from './char-classes'

/** States; every other one is where a run stands. */
export const RUN = {
  /** It has ended, and is no number. */
  harmless: 0,
  /** It has ended, with ten digits in groups: no number unless they begin with a date. */
  ten: 8,
  /** It has to be looked at again. */
  second: 16,
  /** Before its first character. */
  begin: 24,
} as const

const KIND = { digit: 0, gap: 1, exotic: 2, letter: 3, other: 4, wideGap: 5 } as const
/** Room for the kinds. */
const WIDTH = 8
/** Digits that make a number. */
const TEN = 10

/** Kind of every code unit, as the machine takes it. A letter is also what is not ASCII. */
export const RUN_KINDS = CLASSES.map((value, code) => {
  if (value === CLASS.digit) return KIND.digit
  if (value === CLASS.exotic) return KIND.exotic
  if (value === CLASS.gap) return code < 0x80 ? KIND.gap : KIND.wideGap
  return code >= 0x80 || /[A-Za-z]/.test(String.fromCharCode(code)) ? KIND.letter : KIND.other
})

/** Where a run stands: digits of the group that is open, of all groups before, and was one of these longer than ten? */
interface Standing {
  group: number
  digits: number
  long: boolean
}

/** `RUN_STEPS[state + kind]` is the next state. */
export const RUN_STEPS = steps()

function steps(): Uint16Array {
  const table = new Uint16Array(RUN.begin + (TEN + 2) * (TEN + 2) * 2 * WIDTH)
  for (let group = 0; group <= TEN + 1; group++)
    for (let digits = 0; digits <= TEN + 1; digits++)
      for (const long of [false, true])
        for (const kind of Object.values(KIND)) {
          const standing = { group, digits, long }
          table[stateOf(standing) + kind] = next(standing, kind)
        }
  return table
}

/** What is more than ten is eleven. */
function stateOf({ group, digits, long }: Standing): number {
  const most = (count: number) => Math.min(count, TEN + 1)
  return RUN.begin + ((most(group) * (TEN + 2) + most(digits)) * 2 + (long ? 1 : 0)) * WIDTH
}

function next({ group, digits, long }: Standing, kind: number): number {
  if (kind === KIND.digit) return stateOf({ group: group + 1, digits, long })
  if (kind === KIND.exotic || group === 6 || group === 9 || group === 10) return RUN.second
  // seven digits and letters, and the decimals of an exponent
  const lettered = kind === KIND.letter || kind === KIND.wideGap
  if (lettered && (group === 4 || group === 5 || group === 7 || group === 8)) return RUN.second
  // more than ten in a row are part of nothing
  const all = group > TEN ? { digits, long: true } : { digits: digits + group, long }
  if (kind === KIND.gap || kind === KIND.wideGap) return stateOf({ group: 0, ...all })
  if (all.digits < TEN) return RUN.harmless
  return all.digits === TEN && !all.long ? RUN.ten : RUN.second
}
