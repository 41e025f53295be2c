/** What came from outside, made fit to be shown: nothing in it can steer a terminal, a mail header or a page. */
import { domainToASCII } from 'node:url'
import { oneLine } from '../util/one-line'

/** Replaces CPR numbers in a text, leaving everything else as it is. */
export type Mask = (text: string) => string

/** Longest text from outside that is looked at at all; the rest is cut before anything else happens. */
const READ_LIMIT = 10_000

/**
 * One line of harmless text (see `oneLine`) with CPR numbers masked.
 *
 * Masking comes after the stripping: a number that an invisible character kept apart is one number to the reader.
 *
 * @param max longest result in characters; what is cut is shown by an ellipsis
 */
export function clean(text: string, mask: Mask, max = 500): string {
  const line = oneLine(text.slice(0, READ_LIMIT))
  const masked = mask(line)
  return masked.length > max ? `${masked.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…` : masked
}

/** Seven-bit form for the machine-readable part: what is not printable ASCII becomes `?`. */
export function ascii(text: string): string {
  return text.normalize('NFC').replace(/[^\x20-\x7e]/gu, '?')
}

/** Text for an HTML element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/**
 * An address with its domain in A-labels (RFC 5891), where it has one that can be so written. Line breaks and control
 * characters are gone; everything else stays exact.
 */
export function addressWithALabels(address: string): string {
  const exact = oneLine(address)
  const at = exact.lastIndexOf('@')
  if (at < 0) return exact
  const domain = exact.slice(at + 1)
  return `${exact.slice(0, at)}@${domainToASCII(domain) || domain}`
}

/** True when every character is printable ASCII. */
export function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text)
}
