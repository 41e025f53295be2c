/**
 * The notice to support as a mail: which partners failed, why, since when, how many mails and senders that hit, and for
 * each a letter to send. Pure: the same facts give the same bytes.
 */
import { createHash } from 'node:crypto'
import { domainToASCII } from 'node:url'
import MimeNode from 'nodemailer/lib/mime-node'
import { maskCpr } from '../classify/cpr'
import type { Language, Settings } from '../config/settings'
import { mailDate, shortDate } from '../notify/dates'
import { ascii, clean, escapeHtml } from '../notify/sanitize'
import { fillParagraphs, fillText, type Templates, type Values } from '../notify/templates'
import { oneLine } from '../util/one-line'
import { MOST_COUNTED, type PartnerFacts } from './facts'
import { letterFromFacts } from './letter'

export interface DigestInput {
  /** `YYYY-MM-DD`, UTC: what the notice is about. */
  day: string
  partners: readonly PartnerFacts[]
  settings: Settings
  /** Of this MTA. */
  hostname: string
  /** Milliseconds. */
  now: number
}

export interface DigestTexts {
  digest: Templates
  letter: Templates
}

export interface Digest {
  subject: string
  text: string
  html: string
  /** Letters, one per partner and language that has one. */
  letters: { name: string; text: string }[]
}

/** Partners that have letters; a day with more is one on which the own network failed. */
const MOST_LETTERS = 50

/** Pure. */
export function digestText(input: DigestInput, texts: DigestTexts): Digest {
  const languages = input.settings.ndr.languages
  const parts = languages.map((language) => part(input, texts.digest, language))
  return {
    subject: parts.map(({ subject }) => subject).join(' / '),
    text: `${parts.map(partText).join(`\n\n${'-'.repeat(76)}\n\n`)}\n`,
    html: page(parts),
    letters: input.partners.slice(0, MOST_LETTERS).flatMap((partner) =>
      languages.flatMap((language) => {
        const letter = letterFromFacts(partner, texts.letter[language], input.settings)
        if (letter === null) return []
        return [{ name: `${clean(partner.domain, maskCpr, 100)}-${language}.txt`, text: maskCpr(letter) }]
      }),
    ),
  }
}

/** @returns the message with CRLF line ends, not dot-stuffed */
export async function composeDigest(input: DigestInput, texts: DigestTexts): Promise<Buffer> {
  const digest = digestText(input, texts)
  const hash = createHash('sha256').update(JSON.stringify([input.day, input.hostname, digest]))
  const id = hash.digest('hex').slice(0, 32)
  const host = domainToASCII(oneLine(input.hostname)) || ascii(oneLine(input.hostname))
  const root = new MimeNode('multipart/mixed', { baseBoundary: id, boundaryPrefix: 'digest' })
  const first = texts.digest[input.settings.ndr.languages[0] ?? 'da']
  root.setHeader([
    { key: 'From', value: { name: fillText(first, 'digest.from', {}), address: `MAILER-DAEMON@${host}` } },
    { key: 'To', value: { name: input.settings.support.name, address: input.settings.support.address } },
    { key: 'Subject', value: digest.subject },
    { key: 'Date', value: mailDate(input.now) },
    { key: 'Message-ID', value: `<digest.${input.day}.${id}@${host}>` },
    // RFC 3834 section 5: nobody wrote this, and it answers nothing
    { key: 'Auto-Submitted', value: 'auto-generated' },
    { key: 'X-Auto-Response-Suppress', value: 'All' },
    { key: 'Content-Language', value: input.settings.ndr.languages.join(', ') },
  ])
  const body = root.createChild('multipart/alternative')
  body.createChild('text/plain; charset=utf-8').setContent(digest.text.replaceAll('\n', '\r\n'))
  body.createChild('text/html; charset=utf-8').setContent(digest.html)
  for (const { name, text } of digest.letters) {
    root
      .createChild('text/plain; charset=utf-8', { filename: name })
      .setHeader('Content-Disposition', `attachment; filename="${ascii(name).replace(/["\\]/g, '')}"`)
      .setContent(text.replaceAll('\n', '\r\n'))
  }
  return await root.build()
}

interface Part {
  language: Language
  subject: string
  intro: string[]
  labels: { why: string; since: string; hit: string; server: string }
  partners: { domain: string; why: string; since: string; hit: string; server: string }[]
  closing: string[]
}

function part(input: DigestInput, templates: Templates, language: Language): Part {
  const texts = templates[language]
  const count = input.partners.length
  const values: Values = { day: input.day, partners: String(count), host: clean(input.hostname, maskCpr) }
  return {
    language,
    subject: fillText(texts, count === 1 ? 'digest.subject-one' : 'digest.subject', values),
    intro: fillParagraphs(texts, 'digest.intro', values),
    labels: {
      why: fillText(texts, 'digest.label-why', {}),
      since: fillText(texts, 'digest.label-since', {}),
      hit: fillText(texts, 'digest.label-hit', {}),
      server: fillText(texts, 'digest.label-server', {}),
    },
    partners: input.partners.map((partner) => ({
      domain: clean(partner.domain, maskCpr),
      why: clean(`${partner.last.resultType}: ${partner.last.publicText}`, maskCpr),
      since: shortDate(partner.since, language),
      hit: fillText(texts, 'digest.hit', {
        mails: counted(partner.mails),
        senders: counted(partner.senders),
        'given-up': String(partner.givenUp),
      }),
      server: serverOf(partner),
    })),
    closing: fillParagraphs(texts, 'digest.closing', values),
  }
}

function counted(all: readonly string[]): string {
  return all.length >= MOST_COUNTED ? `${MOST_COUNTED}+` : String(all.length)
}

function serverOf({ last }: PartnerFacts): string {
  if (last.mx === undefined) return '-'
  const address = last.address === undefined ? '' : ` [${last.address}]`
  return clean(`${last.mx}${address}`, maskCpr)
}

function partText({ intro, labels, partners, closing }: Part): string {
  const width = Math.max(...Object.values(labels).map((label) => label.length)) + 2
  const row = (label: string, value: string) => `  ${`${label}:`.padEnd(width)}${value}`
  return [
    ...intro,
    ...partners.map(({ domain, why, since, hit, server }) =>
      [domain, row(labels.why, why), row(labels.server, server), row(labels.since, since), row(labels.hit, hit)].join(
        '\n',
      ),
    ),
    ...closing,
  ].join('\n\n')
}

/** Nothing is loaded from anywhere; light and dark. */
const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:1em auto;padding:0 1em;color:#1b1b1b;background:#fff}' +
  'table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4em .6em;border-bottom:1px solid #767676}' +
  '@media (prefers-color-scheme:dark){body{color:#eee;background:#1b1b1b}}'

function page(parts: readonly Part[]): string {
  const title = escapeHtml(parts.map(({ subject }) => subject).join(' / '))
  const language = parts[0]?.language ?? 'da'
  return (
    `<!DOCTYPE html><html lang="${language}"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">` +
    `<title>${title}</title><style>${STYLE}</style></head><body>${parts.map(partHtml).join('<hr>')}</body></html>`
  )
}

function partHtml({ language, subject, intro, labels, partners, closing }: Part): string {
  const paragraphs = (texts: readonly string[]) => texts.map((text) => `<p>${escapeHtml(text)}</p>`).join('')
  const cells = (tag: string, texts: readonly string[]) =>
    texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag.split(' ')[0] ?? ''}>`).join('')
  const head = cells('th scope="col"', ['', labels.why, labels.server, labels.since, labels.hit])
  const rows = partners.map(
    ({ domain, why, since, hit, server }) =>
      `<tr><th scope="row">${escapeHtml(domain)}</th>${cells('td', [why, server, since, hit])}</tr>`,
  )
  return (
    `<div lang="${language}"><h1 style="font-size:1.3em">${escapeHtml(subject)}</h1>${paragraphs(intro)}` +
    `<table><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>${paragraphs(closing)}</div>`
  )
}
