/** Everything that a probe can find wrong, and the texts about it: what it is, and how it is repaired. */
import type { ResultType } from '../failure'
import type { TextFormat } from '../notify/template-format'
import { fillText, type Values } from '../notify/templates'
import type { LanguageTemplates } from '../notify/template-format'
import { oneLine } from '../util/one-line'
import type { RiskCode } from './types'

/** Risks that have a text of their own; the others are named by their result type. */
type OwnRisk = Exclude<RiskCode, 'not-verifiable' | 'mta-sts-unusable' | 'server-fails' | 'clear-text'>
export type Problem = ResultType | OwnRisk

/** Who can do something about it? A table keyed by the type, so that no problem is without its texts. */
const PROBLEMS: Readonly<Record<Problem, 'partner' | 'own'>> = {
  'starttls-not-supported': 'partner',
  'certificate-host-mismatch': 'partner',
  'certificate-expired': 'partner',
  'certificate-not-trusted': 'partner',
  'validation-failure': 'partner',
  'tlsa-invalid': 'partner',
  'dnssec-invalid': 'partner',
  'dane-required': 'partner',
  'sts-policy-fetch-error': 'partner',
  'sts-policy-invalid': 'partner',
  'sts-webpki-invalid': 'partner',
  'starttls-injection': 'partner',
  'tls-version-too-low': 'partner',
  'fingerprint-mismatch': 'partner',
  'requiretls-not-supported': 'partner',
  'domain-not-found': 'partner',
  'null-mx': 'partner',
  'no-address': 'partner',
  'dns-error': 'partner',
  'connection-failed': 'partner',
  'smtp-deferred': 'partner',
  'smtp-rejected': 'partner',
  'protocol-error': 'partner',
  'local-error': 'own',
  'no-route': 'own',
  'optout-refused': 'own',
  'category3-required': 'own',
  'ended-by-postmaster': 'own',
  'certificate-expires-soon': 'partner',
  'only-oldest-tls': 'partner',
}

export function faultOf(problem: Problem): 'partner' | 'own' {
  return PROBLEMS[problem]
}

const LETTER = [
  'subject',
  'greeting',
  'fails',
  'at-risk',
  'problem-title',
  'evidence-title',
  'see-title',
  'fix-title',
  'step-ok',
  'step-failed',
  'server-words',
  'certificate',
  'again',
  'closing',
  'contact-name',
  'contact-address',
  'contact-phone',
].map((name) => `letter.${name}`)

const REQUIRED = [
  ...LETTER,
  ...(Object.keys(PROBLEMS) as Problem[]).flatMap((problem) =>
    PROBLEMS[problem] === 'partner' ? [`what.${problem}`, `fix.${problem}`] : [`fix.${problem}`],
  ),
]
const SECTIONS = new Set(REQUIRED)

/** What a text may speak of; a line with a value that is not known is left out. */
const PLACEHOLDERS = [
  'domain',
  'host',
  'address',
  'port',
  'names',
  'cert-names',
  'cert-expiry',
  'cert-issuer',
  'days-left',
  'tls-version',
  'min-version',
  'server-words',
  'step',
  'ms',
  'detail',
  'at',
  'date',
  'support-name',
  'support-address',
  'support-phone',
]

/** `config/secure-mail.letter/da.txt` and `en.txt`. */
export const LETTER_TEXTS: TextFormat = {
  folder: 'secure-mail.letter',
  required: REQUIRED,
  isSection: (name) => SECTIONS.has(name),
  placeholdersOf: () => PLACEHOLDERS,
  mayBeEmpty: (section) => section.startsWith('letter.'),
}

/** How the problem is repaired, in one paragraph. */
export function fixOf(texts: LanguageTemplates, problem: Problem, values: Values): string {
  return fillText(texts, `fix.${problem}`, safe(values))
}

/** Values from outside (certificates, replies) as one line of bounded length. */
export function safe(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value === undefined ? value : oneLine(value).slice(0, 500)]),
  )
}
