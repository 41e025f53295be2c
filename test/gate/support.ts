/** Settings, a clock and mails for the tests of the rooms that read mail. */
import { loadConfig } from '../../lib/config'
import type { Settings } from '../../lib/config/settings'
import { inspect } from '../../lib/gate'
import type { Inspection, RefusalCode, Submission } from '../../lib/gate/types'

/** 2026-11-23 12:00 UTC. */
export const NOW = Date.UTC(2026, 10, 23, 12)
export const clock = { now: () => NOW }

const loaded = loadConfig(undefined, clock)
if (!loaded.ok) throw new Error(`the default configuration does not load: ${JSON.stringify(loaded.problems)}`)

/** The defaults, with uni.example as own domain. */
export const settings: Settings = {
  ...loaded.settings,
  main: { ...loaded.settings.main, internalDomains: ['uni.example', '.sub.uni.example'] },
}

export function settingsWith(change: {
  override?: Partial<Settings['override']>
  public?: Partial<Settings['public']>
  content?: Partial<Settings['content']>
  category3?: Partial<Settings['category3']>
}): Settings {
  return {
    ...settings,
    override: { ...settings.override, ...change.override },
    public: { ...settings.public, ...change.public },
    content: { ...settings.content, ...change.content },
    category3: { ...settings.category3, ...change.category3 },
  }
}

/** Published examples and numbers made for tests; none was given to a person. */
export const CPR = '070761-4285'

/** A number with modulus 11 for a birth date; `nth` picks among those of the date. */
export function syntheticCpr(date: string, seventh: number, nth = 0): string {
  const weights = [4, 3, 2, 7, 6, 5, 4, 3, 2, 1]
  let found = 0
  for (let rest = 0; rest < 1000; rest++) {
    const digits = `${date}${seventh}${String(rest).padStart(3, '0')}`
    const sum = Array.from(digits).reduce((total, digit, n) => total + Number(digit) * (weights[n] ?? 0), 0)
    if (sum % 11 === 0 && found++ === nth) return `${digits.slice(0, 6)}-${digits.slice(6)}`
  }
  throw new Error(`no number ${nth} for ${date}`)
}

export const SUBMISSION: Submission = { authenticated: true, aclListed: false, mailFrom: 'anna@uni.example' }

/** Header fields that come before everything else; overwritten by name, removed with null. */
const FIELDS = {
  From: 'Anna <anna@uni.example>',
  To: 'bo@partner.example',
  Subject: '[unsecure] [public] Opening hours',
  Date: 'Mon, 23 Nov 2026 12:00:00 +0100',
  'Message-ID': '<1@uni.example>',
  'MIME-Version': '1.0',
} as const

/** A mail with CRLF line ends: fields (an array = several of the name), an empty line, the body. */
export function mail(fields: Record<string, string | string[] | null>, body: string): Buffer {
  const all: Record<string, string | string[] | null> = { ...FIELDS, ...fields }
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [value].flat().map((one) => `${name}: ${one}`),
  )
  return Buffer.from(`${lines.join('\n')}\n\n${body}`.replace(/\r?\n/g, '\r\n'), 'utf8')
}

/** A multipart: each part with its own header. */
export function multipart(
  type: string,
  parts: readonly string[],
  boundary = 'b0undary',
): [contentType: string, body: string] {
  const body = parts.map((part) => `--${boundary}\n${part}\n`).join('')
  return [`multipart/${type}; boundary="${boundary}"`, `${body}--${boundary}--\n`]
}

export function base64(text: string | Buffer): string {
  return Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\n')
}

export function look(raw: Buffer, submission: Partial<Submission> = {}, given = settings): Promise<Inspection> {
  return inspect(raw, { ...SUBMISSION, ...submission }, given, clock)
}

export async function codes(
  raw: Buffer,
  submission: Partial<Submission> = {},
  given = settings,
): Promise<RefusalCode[]> {
  const { verdict } = await look(raw, submission, given)
  return [...new Set(verdict.refusals.map((refusal) => refusal.code))].sort()
}
