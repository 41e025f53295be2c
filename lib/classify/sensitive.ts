/** Content besides CPR numbers that never goes out unencrypted. What was found is named by its kind, never shown. */

export interface SensitiveHit {
  /** One English sentence for the refusal. */
  detail: string
}

/** Words of the Danish public sector and of English classification schemes that need no context. */
const CLASSIFICATION =
  /(?<!\p{L})(?:(?:strengt )?fortrolig(?:t|e)?|personf(?:ø|oe)lsom(?:t|me)?|til tjenestebrug|tavshedspligt(?:ig|ige|igt)?|strictly confidential|confidential|hemmelig(?:t)?|classified information)(?!\p{L})/iu
/** Words that are everyday words too: only when they stand alone on a line or in brackets. */
const ALONE =
  /^[ \t*#=_\-[({<]{0,20}(?:intern(?:t|al)?|kun til internt brug|internal(?: use)? only|for internal use|restricted|sensitive|f(?:ø|oe)lsom(?:t)?|secret|private|privat)[ \t*#=_\-\])}>.!]{0,20}$/imu

/** GDPR articles 9 and 10. */
const ARTICLE_9 =
  /(?<!\p{L})(?:helbred\p{L}*|diagnos\p{L}*|sygdom\p{L}*|syge?melding\p{L}*|sygemeldt|handicap\p{L}*|psyki\p{L}*|medicin(?:en|ering|eres)?|gravid\p{L}*|abort\p{L}*|seksu\p{L}*|religi(?:on|ø)\p{L}*|etnisk\p{L}*|fagforening\p{L}*|partimedlem\p{L}*|straffeattest\p{L}*|sigtet|tiltalt|idømt|genetisk\p{L}*|biometri\p{L}*|health condition|medical record|diagnosis|pregnan\p{L}*|disabilit\p{L}*|trade union member\p{L}*|criminal record|sexual orientation)(?!\p{L})/giu
/** What shows that the words are about somebody. */
const PERSON =
  /(?<!\p{L})(?:du|dig|din|dit|dine|han|hun|hans|hendes|ham|hende|vedkommende|patienten|borgeren|eleven|den studerende|medarbejderen|klienten|you|your|he|she|his|her|(?:the|our) (?:patient|student|employee)|cpr|personnummer|f\. ?\d|født)(?!\p{L})/iu
const NEAR = 80

const IBAN = /(?<![A-Z0-9])([A-Z]{2}[0-9]{2}(?:[ \u00a0]?[A-Z0-9]{4}){2,7}(?:[ \u00a0]?[A-Z0-9]{1,4})?)(?![A-Z0-9])/g
const CARD = /(?<![0-9A-Za-z])(?:[0-9][ \u00a0-]?){12,18}[0-9](?![0-9])/g
/** Issuer prefixes with the lengths they use: Visa, Mastercard, Amex, Diners, Discover, JCB, Dankort, Maestro. */
const CARD_SHAPES =
  /^(?:4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|5019\d{12}|(?:5[06-8]|6\d)\d{14})$/

/**
 * @param text decoded
 * @param running is it running text, in which a line of its own is a statement? Header values are not.
 */
export function findSensitive(text: string, running = true): SensitiveHit[] {
  const hits: SensitiveHit[] = []
  if (/-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d:/.test(text)) {
    hits.push({ detail: 'A private key stands there.' })
  }
  if (hasIban(text)) hits.push({ detail: 'A bank account number (IBAN) stands there.' })
  if (hasCard(text)) hits.push({ detail: 'A payment card number stands there.' })
  if (CLASSIFICATION.test(text) || (running && ALONE.test(text)))
    hits.push({ detail: 'A word that classifies it as not public stands there.' })
  if (hasArticle9(text)) {
    hits.push({ detail: 'Words about health, belief, union membership or criminal record stand near a person.' })
  }
  return hits
}

function hasIban(text: string): boolean {
  for (const [, found = ''] of text.toUpperCase().matchAll(IBAN)) {
    const iban = found.replace(/[ \u00a0]/g, '')
    // trailing words can look like a group: every prefix of a plausible length is tried
    for (let length = iban.length; length >= 15; length--) if (ibanValid(iban.slice(0, length))) return true
  }
  return false
}

/** ISO 7064 MOD 97-10, as ISO 13616 uses it. */
function ibanValid(iban: string): boolean {
  if (!/[0-9]{6}/.test(iban)) return false
  let rest = 0
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}

function hasCard(text: string): boolean {
  for (const [found] of text.matchAll(CARD)) {
    const digits = found.replace(/\D/g, '')
    if (CARD_SHAPES.test(digits) && luhn(digits)) return true
  }
  return false
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

function hasArticle9(text: string): boolean {
  for (const match of text.matchAll(ARTICLE_9)) {
    const around = text.slice(Math.max(0, match.index - NEAR), match.index + match[0].length + NEAR)
    if (PERSON.test(around)) return true
  }
  return false
}
