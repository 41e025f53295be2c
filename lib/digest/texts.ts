/** The words of the notice to support. */
import type { TextFormat } from '../notify/template-format'

const SECTIONS = [
  'from',
  'subject',
  'subject-one',
  'intro',
  'label-why',
  'label-server',
  'label-since',
  'label-hit',
  'hit',
  'closing',
].map((name) => `digest.${name}`)
const KNOWN = new Set(SECTIONS)

function placeholdersOf(section: string): readonly string[] {
  if (section === 'digest.hit') return ['mails', 'senders', 'given-up']
  if (section.startsWith('digest.label-') || section === 'digest.from') return []
  return ['day', 'partners', 'host']
}

/** `config/secure-mail.digest/da.txt` and `en.txt`. */
export const DIGEST_TEXTS: TextFormat = {
  folder: 'secure-mail.digest',
  required: SECTIONS,
  isSection: (name) => KNOWN.has(name),
  placeholdersOf,
  mayBeEmpty: (section) => section === 'digest.closing',
}
