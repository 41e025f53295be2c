/** Dates as people and as machines read them. */
import type { Language } from '../config/settings'

const LOCALE: Readonly<Record<Language, string>> = { da: 'da-DK', en: 'en-GB' }

/** Local time of the readers: the organisation is Danish. */
const TIME_ZONE = 'Europe/Copenhagen'

/** `mandag den 23. november 2026 kl. 19.03` / `Monday, 23 November 2026 at 19:03 (Danish time)`. */
export function humanDate(millis: number, language: Language): string {
  const text = new Intl.DateTimeFormat(LOCALE[language], {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZone: TIME_ZONE,
  }).format(millis)
  return language === 'en' ? `${text} (Danish time)` : text
}

/** A short form for tables, `23.11.2026 19.03` / `23/11/2026, 19:03`. */
export function shortDate(millis: number, language: Language): string {
  return new Intl.DateTimeFormat(LOCALE[language], {
    day: '2-digit',
    month: '2-digit',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZone: TIME_ZONE,
  }).format(millis)
}

/** RFC 5322 section 3.3 date in UTC: `Mon, 23 Nov 2026 18:03:14 +0000`. */
export function mailDate(millis: number): string {
  return new Date(millis).toUTCString().replace(/GMT$/, '+0000')
}

/** ISO 8601 in UTC to the second, for the technical part. */
export function utcDate(millis: number): string {
  return new Date(millis).toISOString().replace(/\.\d{3}Z$/, 'Z')
}

/** Milliseconds of an ISO 8601 text; undefined when it is none. */
export function parseIso(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const millis = Date.parse(text)
  return Number.isFinite(millis) ? millis : undefined
}
