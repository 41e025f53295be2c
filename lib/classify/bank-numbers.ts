/** Numbers of bank accounts and payment cards, told from other numbers by their check digits and their shapes. */

/** Length of an IBAN by country (ISO 13616, SWIFT's registry). */
const IBAN_LENGTHS: Readonly<Record<string, number>> = Object.fromEntries(
  (
    'NO15 BE16 DK18 FO18 FI18 FK18 GL18 NL18 SD18 MK19 SI19 AT20 BA20 EE20 KZ20 LT20 LU20 MN20 XK20 CH21 HR21 LI21 LV21 ' +
    'BG22 BH22 CR22 DE22 GB22 GE22 IE22 ME22 RS22 VA22 AE23 GI23 IL23 IQ23 OM23 SO23 TL23 AD24 CZ24 ES24 MD24 PK24 RO24 ' +
    'SA24 SE24 SK24 TN24 VG24 LY25 PT25 ST25 IS26 TR26 BI27 DJ27 FR27 GR27 IT27 MC27 MR27 SM27 AL28 AZ28 BY28 CY28 DO28 ' +
    'GT28 HU28 LB28 NI28 PL28 BR29 EG29 PS29 QA29 UA29 JO30 KW30 MU30 YE30 MT31 SC31 LC32 RU33'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
)
const LONGEST_IBAN = 33
const IBAN_START = /[A-Z]{2}[0-9]{2}/gi

/** @returns where the first IBAN with correct check digits begins, or null */
export function findIban(text: string): number | null {
  IBAN_START.lastIndex = 0
  for (let match = IBAN_START.exec(text); match !== null; match = IBAN_START.exec(text)) {
    const start = match.index
    const length = IBAN_LENGTHS[match[0].slice(0, 2).toUpperCase()]
    // the next one may begin with the second letter of this one
    IBAN_START.lastIndex = start + 1
    if (length === undefined || /[A-Za-z0-9]/.test(text.charAt(start - 1))) continue
    const written = text.slice(start, start + 2 * LONGEST_IBAN).toUpperCase()
    const iban = ibanOf(written, length)
    if (iban !== null && ibanValid(iban)) return start
  }
  return null
}

/** So many letters and digits, which may be in groups, and no more of them in the last one. */
function ibanOf(text: string, length: number): string | null {
  let iban = ''
  for (let at = 0; at < text.length && iban.length < length; at++) {
    const character = text.charAt(at)
    if (/[A-Z0-9]/.test(character)) iban += character
    else if (!/[ \u00a0-]/.test(character) || !/[A-Z0-9]/.test(text.charAt(at + 1))) return null
    if (iban.length === length && /[A-Z0-9]/.test(text.charAt(at + 1))) return null
  }
  return iban.length === length ? iban : null
}

/** ISO 7064 MOD 97-10, as ISO 13616 uses it. */
function ibanValid(iban: string): boolean {
  let rest = 0
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}

const CARD_RUN = /[0-9](?:[ \u00a0-]?[0-9]){13,}/g
/**
 * Issuer prefixes with the lengths they use: Visa, Mastercard, Amex, Diners, Discover, JCB, Dankort, Maestro. Visa's old
 * cards of 13 digits look like German article numbers, and are left out.
 */
const CARD_SHAPES =
  /^(?:4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|4[4-9]\d|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|5019\d{12}|(?:5[06-8]|6[37]\d?)\d{14})$/
/** So many digits, and no more of them in the last group. */
const CARDS = [14, 15, 16].map((length) => new RegExp(`(?:[0-9][ \\u00a0-]?){${length - 1}}[0-9](?![0-9])`, 'y'))
/** First digits of all of these. */
const CARD_FIRST = '23456'

/** @returns where the first number of a payment card with a correct check digit begins, or null */
export function findCard(text: string): number | null {
  if (!mayHoldCard(text)) return null
  CARD_RUN.lastIndex = 0
  for (let run = CARD_RUN.exec(text); run !== null; run = CARD_RUN.exec(text)) {
    const end = run.index + run[0].length
    // part of a longer word on either side
    if (/[A-Za-z]/.test(text.charAt(run.index - 1)) || /[A-Za-z]/.test(text.charAt(end))) continue
    for (const group of run[0].matchAll(/[0-9]+/g)) {
      if (CARD_FIRST.includes(group[0].charAt(0)) && isCardAt(run[0], group.index)) return run.index + group.index
    }
  }
  return null
}

/** Shortest number of a card without the digit it begins with; of two neighbours in it at least one is a digit. */
const CARD_STEP = 13
const CHUNK = 1 << 14
/** More than the shortest number of a card takes, with all that may stand in it. */
const OVERLAP = 64
const bytes = Buffer.alloc(CHUNK)

/** Most texts have no run of digits that is long enough. What is beyond Latin-1 may look like a digit here. */
function mayHoldCard(text: string): boolean {
  for (let base = 0; base < text.length; base += CHUNK - OVERLAP) {
    // a copy in an array is read several times as fast as the string itself
    const length = bytes.write(text.slice(base, base + CHUNK), 0, CHUNK, 'latin1')
    if (holdsLongRun(length)) return true
  }
  return false
}

/** Asked at so many places only that no run can be missed. */
function holdsLongRun(length: number): boolean {
  for (let at = 0; at < length; at += CARD_STEP) {
    if (!isDigit(at) && !isDigit(at + 1)) continue
    let from = at
    while (isDigit(from - 1) || isDigit(from - 2)) from--
    let digits = 0
    for (let n = from; n < length && (isDigit(n) || isDigit(n + 1)); n++) {
      if (isDigit(n) && ++digits > CARD_STEP) return true
    }
  }
  return false
}

function isDigit(at: number): boolean {
  const byte = bytes[at] ?? 0
  return byte >= 0x30 && byte <= 0x39
}

/** A card that begins here, and ends where a group ends. */
function isCardAt(run: string, at: number): boolean {
  return CARDS.some((pattern) => {
    pattern.lastIndex = at
    const digits = pattern.exec(run)?.[0].replace(/[^0-9]/g, '') ?? ''
    return CARD_SHAPES.test(digits) && luhn(digits)
  })
}

/** ISO/IEC 7812-1 annex B. */
function luhn(digits: string): boolean {
  let sum = 0
  for (let n = 0; n < digits.length; n++) {
    const digit = Number(digits.charAt(digits.length - 1 - n))
    sum += n % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2
  }
  return sum % 10 === 0
}
