/** Recipients as the audit log writes them: the domain in clear, the person as a keyed digest. */
import { createHmac } from 'node:crypto'
import { addressParts } from '../util/address'

/** How recipients are written: `audit.recipients`. */
export type RecipientStyle = 'domain+hmac' | 'clear'

/** A key of such digests. */
export interface DigestKey {
  /** `k1`: its name, in front of each digest. */
  id: string
  key: Buffer
}

/** A digest as this file makes it: the name of its key, and 128 bits. Digests under two keys do not compare. */
export const RECIPIENT_HMAC = /^k[1-9]\d{0,4}:[0-9a-f]{32}$/

/**
 * Keyed digest of one recipient: HMAC-SHA-256 of the lower-cased address, its first 128 bits in hex. The same person
 * has the same digest in every event, and without the key nobody can try addresses against it.
 *
 * @param address a CPR number in it must be masked before: a digest of one could be tried out
 */
export function recipientHmac(address: string, { id, key }: DigestKey): string {
  const lower = address.toLowerCase()
  let known = digests.get(key)
  if (known === undefined) {
    known = new Map<string, string>()
    digests.set(key, known)
  }
  let digest = known.get(lower)
  if (digest === undefined) {
    digest = `${id}:${createHmac('sha256', key).update(lower).digest('hex').slice(0, 32)}`
    if (known.size >= KNOWN_DIGESTS) known.clear()
    known.set(lower, digest)
  }
  return digest
}

/** One mail is several events about the same recipient, and the next mail often goes to the same one. */
const KNOWN_DIGESTS = 5000
const digests = new WeakMap<Buffer, Map<string, string>>()

/**
 * Takes the persons out of texts that may repeat the recipients' addresses (remote servers do: `<bo@x>: unknown`).
 *
 * @returns gives a text with `...@domain` where an address of the list stood
 */
export function personsMask(addresses: readonly string[]): (text: string) => string {
  let locals: string[] | undefined
  let patterns: ReturnType<typeof patternsOf> | undefined
  return (text) => {
    // most texts hold no address at all, and of the others most hold another one
    if (!text.includes('@')) return text
    if (ASCII.test(text)) {
      locals ??= addresses
        .map((address) => `${addressParts(address).local}@`.toLowerCase())
        .filter((one) => one !== '@')
      const lower = text.toLowerCase()
      if (!locals.some((local) => lower.includes(local))) return text
    }
    patterns ??= addresses.flatMap(patternsOf)
    return patterns.reduce((result, { form, instead }) => result.replace(form, () => instead), text)
  }
}

const ASCII = /^[\0-\x7f]*$/

function patternsOf(address: string): { form: RegExp; instead: string }[] {
  const { local, domain } = addressParts(address)
  if (local === '') return []
  const written = address.slice(address.lastIndexOf('@') + 1)
  return [...new Set([`${local}@${written}`, `${local}@${domain}`])].map((form) => ({
    form: new RegExp(form.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'gi'),
    instead: `...@${domain}`,
  }))
}
