import { hash } from 'node:crypto'

/** Crockford's base32: no I, L, O or U, so that an id survives a telephone call. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/**
 * The case id that sender, support desk, audit log and `secure-mail why` use for one mail. It follows from the mail
 * id alone, so every process and every machine names the mail alike, and nothing has to be stored.
 *
 * @param mailId queue id without suffix (one mail has one case, also when its recipients fail for different causes)
 * @returns `SM-XXXX-XXXX`: 40 bits in Crockford base32
 */
export function caseId(mailId: string): string {
  let bits = Number.parseInt(hash('sha256', `secure-mail case\0${mailId}`, 'hex').slice(0, 10), 16)
  let text = ''
  for (let i = 0; i < 8; i++) {
    text = ALPHABET.charAt(bits % 32) + text
    bits = Math.floor(bits / 32)
  }
  return `SM-${text.slice(0, 4)}-${text.slice(4)}`
}
