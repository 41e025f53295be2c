/**
 * Where in a text a number could be, at the speed of memory: a look at every sixth character and the one before it, and
 * nothing more where no digit is. Everything that the scorer could find lies in one of the spots: ten digits, however
 * they are grouped or hidden, hold six in a row or have no more than one character between any two.
 */
import { CLASS, CLASSES } from './char-classes'
import { RUN, RUN_KINDS, RUN_STEPS } from './digit-runs'

/** A run of digits, of gaps between digits, and of what cannot be seen. */
export interface Spot {
  start: number
  end: number
  /** Six digits and four, or ten, and nothing else is in it. */
  plain: boolean
}

/**
 * Six digits and four, whatever they are: the place, doubled, and one more when nothing stands between. One number,
 * because a text may have nothing else.
 */
export type Token = number

/** @param contiguous is it written without anything between? */
export function tokenOf(start: number, contiguous: boolean): Token {
  return 2 * start + (contiguous ? 1 : 0)
}

export function placeOf(token: Token): number {
  return Math.floor(token / 2)
}

export function isContiguous(token: Token): boolean {
  return token % 2 === 1
}

export interface Spots {
  spots: Spot[]
  /** Tokens of ten digits that are no candidates, because their date is impossible. In order of place. */
  others: Token[]
}

/** Shortest run of digits that any shape of a number has; the distance between two looks. */
const STEP = 6
const CHUNK = 1 << 14
/** What may stand between six digits and the rest: four units, a line end with eight marks of quotation each. */
const TAIL = 44

/** Worth a look: a digit, or a gap behind a digit. `HERE[c] & BEFORE[previous]` is one test without a branch. */
const HERE = CLASSES.map((value) => (value === CLASS.gap ? 2 : value === CLASS.other ? 0 : 3))
const BEFORE = CLASSES.map((value) => (value === CLASS.digit || value === CLASS.exotic ? 3 : 1))

const buffer = Buffer.alloc(2 * CHUNK)
const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, CHUNK)
const units = new Uint16Array(buffer.buffer, buffer.byteOffset, CHUNK)

/** The same of two bytes that are read as one number: a bit for each pair. */
const pairs = new Uint16Array(buffer.buffer, buffer.byteOffset, CHUNK / 2)
const PAIRS = worthyPairs()

function worthyPairs(): Uint8Array {
  const bits = new Uint8Array(0x10000 / 8)
  const two = new Uint8Array(2)
  // in the order of bytes that this processor has
  const both = new Uint16Array(two.buffer)
  for (let before = 0; before < 0x100; before++)
    for (let here = 0; here < 0x100; here++) {
      two.set([before, here])
      const pair = both[0] as number
      if (((HERE[here] as number) & (BEFORE[before] as number)) !== 0)
        bits[pair >> 3] = (bits[pair >> 3] ?? 0) | (1 << (pair & 7))
    }
  return bits
}

// The next place worth a look, or where to go on in the next chunk.
function nextByte(from: number, length: number): number {
  // a pair begins at an even place: one look too early costs nothing
  let n = (from - 1) >> 1
  const end = length >> 1
  while (n < end) {
    const pair = pairs[n] as number
    if ((((PAIRS[pair >> 3] as number) >> (pair & 7)) & 1) !== 0) break
    n += STEP / 2
  }
  return 2 * n + 1
}

function nextUnit(from: number, length: number): number {
  let at = from
  while (at < length) {
    if (((HERE[units[at] as number] as number) & (BEFORE[units[at - 1] as number] as number)) !== 0) break
    at += STEP
  }
  return at
}

/**
 * A first look at a run, within the chunk: most are dates, amounts and telephone numbers.
 *
 * @returns its end, or -1 when it needs a second look: it may be a spot, or goes beyond the chunk
 */
function endOfHarmless(chunk: Uint8Array | Uint16Array, at: number, length: number): number {
  let start = at
  while (start > 0 && CLASSES[chunk[start - 1] as number] !== CLASS.other) start--
  if (start === 0) return -1
  let state: number = RUN.begin
  for (let n = start; n < length; n++) {
    state = RUN_STEPS[state + (RUN_KINDS[chunk[n] as number] as number)] as number
    if (state > RUN.second) continue
    if (state === RUN.harmless) return n
    // as many digits as a number has, in groups: a telephone number with its country, mostly
    return state === RUN.ten && !isDated(chunk, start, n) ? n : -1
  }
  return -1
}

/** Are the first four digits a day and a month? */
function isDated(chunk: Uint8Array | Uint16Array, start: number, end: number): boolean {
  let date = 0
  for (let n = start, seen = 0; seen < 4 && n < end; n++) {
    const code = chunk[n] as number
    if (!isDigit(code)) continue
    date = date * 10 + code - 48
    seen++
  }
  return isDayAndMonth(Math.floor(date / 100), date % 100)
}

/** V8 keeps text of Latin-1 in bytes, and knows without looking that nothing else is in it. */
export function isNarrow(text: string): boolean {
  return !/[^\0-\xff]/.test(text)
}

/**
 * @param text any text
 * @param narrow `isNarrow` of it
 * @param from where to begin; nothing of a number may lie before
 * @param most stop after about so many spots and tokens
 * @returns the spots, and where the search ended
 */
export function findSpots(text: string, narrow: boolean, from: number, most: number): Spots & { end: number } {
  const found: Spots = { spots: [], others: [] }
  let next = from + STEP - 1
  while (next < text.length) {
    // the character before the first look belongs to the chunk
    const base = next - 1
    const chunk = text.slice(base, base + CHUNK)
    const length = narrow ? buffer.write(chunk, 0, CHUNK, 'latin1') : buffer.write(chunk, 0, 2 * CHUNK, 'utf16le') >> 1
    let at = 1
    for (;;) {
      at = narrow ? nextByte(at, length) : nextUnit(at, length)
      if (at >= length) break
      const harmless = endOfHarmless(narrow ? bytes : units, at, length)
      const end = harmless === -1 ? lookAt(text, base + at, found) : base + harmless
      at = end - base + STEP
      if (found.spots.length + found.others.length >= most) return { end, ...found }
    }
    next = base + at
  }
  return { end: text.length, ...found }
}

function classAt(text: string, at: number): number {
  return CLASSES[text.charCodeAt(at)] ?? CLASS.other
}

/** @returns the end of the run around this place */
function lookAt(text: string, at: number, found: Spots): number {
  let start = at
  while (start > 0 && classAt(text, start - 1) !== CLASS.other) start--
  let digits = 0
  let groups = 0
  let worth = false
  let plain = true
  let end = start
  for (;;) {
    let kind = end < text.length ? classAt(text, end) : CLASS.other
    if (kind === CLASS.digit) {
      const first = end
      do kind = ++end < text.length ? classAt(text, end) : CLASS.other
      while (kind === CLASS.digit)
      const size = end - first
      // more than ten in a row are part of nothing
      if (size <= 10) digits += size
      groups++
      if (size >= 4 && groupMatters(text, first, end, found)) worth = true
      if (!isPlainGroup(size, groups)) plain = false
    }
    if (kind === CLASS.other) break
    if (kind === CLASS.exotic) {
      worth = true
      plain = false
    }
    end++
  }
  if ((worth || (digits >= 10 && groups > 1 && groupsMatter(text, start, end, digits))) && end - start >= STEP) {
    found.spots.push({ start, end, plain: plain && digits <= 10 })
  }
  return end
}

/** In a spot of 6+4 or 10 digits: the size that its first and its second group may have. */
function isPlainGroup(size: number, nth: number): boolean {
  return nth === 1 ? size === 6 || size === 10 : nth === 2 && size === 4
}

/** Can this group of digits begin a number? */
function groupMatters(text: string, start: number, end: number, found: Spots): boolean {
  switch (end - start) {
    case 10:
      return dated(text, start, true, found)
    case 6:
      return restFollows(text, end) && dated(text, start, false, found)
    case 7:
      return isLetter(text.charCodeAt(end))
    case 9:
      // a cell whose leading zero was lost, or decimals
      return isExponent(text.charCodeAt(end)) || !isWordInside(text, start, end)
    case 4:
    case 5:
    case 8:
      // decimals of an exponent; a date with a long year and four more digits are twelve, and found by that
      return isExponent(text.charCodeAt(end))
    default:
      return false
  }
}

/** Ten or more digits in small groups: does a group with ten digits from it on begin with a day and a month? */
function groupsMatter(text: string, start: number, end: number, digits: number): boolean {
  let left = digits
  for (let at = start; at < end && left >= 10; at++) {
    if (classAt(text, at) !== CLASS.digit) continue
    const first = at
    let date = 0
    for (let seen = 0, n = at; seen < 4 && n < end; n++) {
      if (classAt(text, n) !== CLASS.digit) continue
      date = date * 10 + text.charCodeAt(n) - 48
      seen++
    }
    if (isDayAndMonth(Math.floor(date / 100), date % 100)) return true
    while (at + 1 < end && classAt(text, at + 1) === CLASS.digit) at++
    if (at + 1 - first <= 10) left -= at + 1 - first
  }
  return false
}

function isDayAndMonth(day: number, month: number): boolean {
  return month >= 1 && month <= 12 && ((day >= 1 && day <= 31) || (day >= 61 && day <= 91))
}

/** Do the digits from here on begin with a day and a month that exist, also with 60 added to the day? */
export function beginsWithDate(text: string, start: number): boolean {
  const two = (at: number) => (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48
  return isDayAndMonth(two(start), two(start + 2))
}

/** A token is counted when it has no date. */
function dated(text: string, start: number, contiguous: boolean, found: Spots): boolean {
  if (beginsWithDate(text, start)) return true
  found.others.push(tokenOf(start, contiguous))
  return false
}

/** Behind six digits: what may stand between, and then four more, or the letters of a replacement number. */
function restFollows(text: string, end: number): boolean {
  for (let at = end; at < text.length && at < end + TAIL; at++) {
    const code = text.charCodeAt(at)
    if (isDigit(code)) {
      let digits = 1
      while (digits < 5 && isDigit(text.charCodeAt(at + digits))) digits++
      return digits === 4 || isLetter(text.charCodeAt(at + digits))
    }
    if (code >= 0x80) {
      if (classAt(text, at) === CLASS.exotic) return true
      if (code >= 0xc0 && code < 0x250) return false
    } else if (isLetter(code)) return code <= 0x5a
  }
  return false
}

function isWordInside(text: string, start: number, end: number): boolean {
  const beside = (code: number) => isLetter(code) || code === 0x2c || code === 0x2e
  return beside(text.charCodeAt(start - 1)) || isLetter(text.charCodeAt(end))
}

/** @param code of a code unit; NaN, behind the end, is none */
export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** A letter, or anything that is not ASCII. */
function isLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || code >= 0x80
}

/** The letter between the digits of `1.010e9`. @param code a UTF-16 unit */
export function isExponent(code: number): boolean {
  return code === 0x45 || code === 0x65
}
