/** The part of a report that people read, as plain data in one language; text and HTML are two renderings of it. */
import type { Language } from '../config/settings'
import type { Refusal } from '../gate/types'
import { humanDate, parseIso, shortDate } from './dates'
import { clean, type Mask } from './sanitize'
import type { LanguageTemplates } from './template-format'
import { fillActions, fillParagraphs, fillText, type Values } from './templates'
import type { ReportInput } from './types'
import { reportValues } from './values'

/** One language of the report, in the order in which it is read. */
export interface HumanPart {
  language: Language
  /** What happened, with the recipient. */
  what: string
  /** For the postmaster only: why the report comes to them. */
  preface: string
  facts: readonly { label: string; value: string }[]
  /** Only when there are several recipients. */
  table?: { title: string; columns: readonly string[]; rows: readonly (readonly string[])[] }
  why: { title: string; paragraphs: readonly string[] }
  /** What stood against the opt-out, when one was asked for. */
  refusals?: { intro: string; items: readonly string[] }
  actions: { title: string; items: readonly string[] }
  notes: readonly string[]
  next: readonly string[]
}

/** Rows of the table; further recipients are in the machine part. */
const MAX_ROWS = 100

/** Build the human part of a report. Pure. */
export function humanPart(input: ReportInput, templates: LanguageTemplates, language: Language, mask: Mask): HumanPart {
  const values = reportValues(input, templates, language, mask)
  const text = (section: string, more: Values = {}) => fillText(templates, section, { ...values, ...more })
  const paragraphs = (section: string) => fillParagraphs(templates, section, values)
  const label = (name: string, value: string) => ({ label: text(`common.${name}`), value })
  const refusals = refusalTexts(input.optOut.refusals, templates, values, mask)
  const table = recipientTable(input, text, language, mask)
  return {
    language,
    what: text(`${input.kind}.what`),
    preface:
      input.postmaster === undefined
        ? ''
        : text('common.for-postmaster', {
            'postmaster-why': text(`common.postmaster-${input.postmaster.why}`),
            sender: values.sender === '' ? '<>' : values.sender,
          }),
    facts: [
      label('label-subject', values.subject === '' ? text('common.no-subject') : (values.subject ?? '')),
      label('label-sent', values.sent ?? ''),
      ...(input.kind === 'delayed' && input.retryUntil !== undefined
        ? [label('label-retry-until', humanDate(input.retryUntil, language))]
        : []),
      ...(wasTried(input) ? [label('label-ended', values.ended ?? '')] : []),
      label('label-case', input.caseId),
    ],
    ...(table === undefined ? {} : { table }),
    why: {
      title: text('common.why-title'),
      paragraphs: [
        ...paragraphs(`${input.kind}.why`),
        ...(showsServerWords(input) ? paragraphs('common.server-words') : []),
      ],
    },
    ...(refusals.length === 0
      ? {}
      : {
          refusals: {
            // The report about the refusal itself has already said that there was one.
            intro: input.kind === 'optout-refused' ? '' : text('common.optout-also-refused'),
            items: refusals,
          },
        }),
    actions: {
      title: text('common.actions-title'),
      items: fillActions(templates, `${input.kind}.actions`, values, new Set(input.optOutPossible ? [] : ['optout'])),
    },
    notes: [...optOutNote(input, paragraphs), ...paragraphs('common.headers-only')],
    next: paragraphs(`${input.kind}.next`),
  }
}

/** Was the mail given up after delivery had been tried? Only then is there a time at which it was. */
function wasTried(input: ReportInput): boolean {
  switch (input.kind) {
    case 'delayed':
    case 'relayed':
    case 'optout-refused':
    case 'category3-required':
    case 'category3-advice':
      return false
    default:
      return true
  }
}

/** The remote's own words help where it gave a reason of its own; about TLS we have said it better. */
function showsServerWords(input: ReportInput): boolean {
  return input.kind === 'mailbox-refused' || input.kind === 'expired'
}

/** Why `[unsecure]` is not suggested, where a reader might think of it. */
function optOutNote(input: ReportInput, paragraphs: (section: string) => string[]): string[] {
  if (input.optOutPossible || input.optOutWhyNot === undefined || input.optOutTag === '') return []
  switch (input.kind) {
    // Nothing failed for good, or the refusals themselves say it.
    case 'delayed':
    case 'relayed':
    case 'optout-refused':
    case 'category3-advice':
      return []
    default:
      return paragraphs(`note.${input.optOutWhyNot}`)
  }
}

/** One sentence per refusal, in the order found, each once. */
function refusalTexts(
  refusals: readonly Refusal[],
  templates: LanguageTemplates,
  values: Values,
  mask: Mask,
): string[] {
  const texts = refusals.map(({ code, where }) =>
    fillText(templates, `refusal.${code}`, { ...values, where: placeText(where, templates, mask) || '-' }),
  )
  return [...new Set(texts)].filter((text) => text !== '')
}

/** A place that the gate names (`text line 3`, `attachment a.xlsx > Ark1!B7`), in the reader's language. */
function placeText(where: string, templates: LanguageTemplates, mask: Mask): string {
  const shown = clean(where, mask, 200)
  if (/^subject$/i.test(shown)) return fillText(templates, 'where.subject', {})
  const [, kind, name] = /^(header|text line|html line|attachment) (.+)$/i.exec(shown) ?? []
  if (kind === undefined || name === undefined) return shown
  return fillText(templates, `where.${kind.toLowerCase().replace(' line', '')}`, { name })
}

function recipientTable(
  input: ReportInput,
  text: (section: string) => string,
  language: Language,
  mask: Mask,
): HumanPart['table'] {
  if (input.recipients.length < 2) return undefined
  return {
    title: text('common.recipients-title'),
    columns: ['recipient', 'server', 'attempts', 'last'].map((name) => text(`common.column-${name}`)),
    rows: input.recipients.slice(0, MAX_ROWS).map((recipient) => {
      const last = parseIso(recipient.lastAttempt)
      return [
        clean(recipient.address, mask, 100),
        clean(recipient.failure.mx ?? '', mask, 100) || '-',
        String(recipient.attemptCount),
        last === undefined ? '-' : shortDate(last, language),
      ]
    }),
  }
}
