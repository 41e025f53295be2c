/** `--only content`: how fast the gate reads what people send, each beside its target. */
import { readSmall, readHere } from '../lib/gate/reading'
import { loadConfig } from '../lib/config'
import type { Settings } from '../lib/config/settings'
import { docxBody, escapeXml } from '../test/corpus/formats/office'
import { eml } from '../test/corpus/formats/legacy'
import { pdf } from '../test/corpus/formats/pdf'
import { withFile } from '../test/corpus/formats/wrappers'
import { letters } from './corpus'
import { median, summarise, type Summary } from './stats'

/** What `--only` is given. */
export const CONTENT_TITLE = 'content'

export interface ContentRow {
  name: string
  unit: string
  /** To be reached, or not to be exceeded when `less`. */
  target: number
  less: boolean
  summary: Summary
  /** Median of the same for a second of CPU, all threads together; absent = the unit is CPU itself. */
  perCpu?: number
  remark: string
}

/** Nobody is born after this, so that runs are alike; and no deadline passes while the clock stands still. */
const TODAY = Date.UTC(2026, 10, 23)
const clock = { now: () => TODAY }
const FULL = { xml: 24e6, pages: 400, mail: 10e6, mails: 4000 }
const QUICK = { xml: 8e6, pages: 100, mail: 10e6, mails: 1500 }
/** Different text before it repeats, in bytes. */
const BLOCK = 1e6
const OCTETS = 'application/octet-stream'

function settings(): Settings {
  const loaded = loadConfig(undefined, clock)
  if (!loaded.ok) throw new Error('the default configuration does not load')
  return loaded.settings
}

/** Reads a mail several times and gives what it counts for per second. The first two runs are the compiler's. */
async function rate(raw: Buffer, rounds: number, worth: number): Promise<{ summary: Summary; perCpu: number }> {
  const rules = settings()
  const once = async () => {
    const copy = Buffer.from(raw)
    const cpu = process.cpuUsage()
    const began = performance.now()
    const found = await readHere(copy, rules, clock)
    const took = performance.now() - began
    const { user, system } = process.cpuUsage(cpu)
    if (found.uninspected.length > 0 || found.timeUp)
      throw new Error(`not read completely: ${JSON.stringify(found.uninspected.slice(0, 3))}`)
    return { wall: (worth * 1000) / took, cpu: (worth * 1e6) / (user + system) }
  }
  await once()
  await once()
  const samples: { wall: number; cpu: number }[] = []
  for (let round = 0; round < rounds; round++) samples.push(await once())
  return { summary: summarised(samples.map(({ wall }) => wall)), perCpu: median(samples.map(({ cpu }) => cpu)) }
}

function summarised(samples: readonly number[]): Summary {
  const summary = summarise(samples)
  if (summary === undefined) throw new Error('nothing was measured')
  return summary
}

/** CPU of the quick path for one small mail, in milliseconds: groups of mails, as the meter of CPU is too coarse for one. */
function small(mails: number): Summary {
  const rules = settings()
  const group = 20
  const raws = Array.from({ length: 100 }, (_one, n) =>
    eml({ text: letters(4500, n + 1), encoding: 'quoted-printable' }),
  )
  const samples: number[] = []
  const step = (first: number) => {
    const copies = Array.from({ length: group }, (_one, n) => Buffer.from(raws[(first + n) % raws.length] ?? ''))
    const before = process.cpuUsage()
    for (const copy of copies) if (readSmall(copy, rules, clock) === null) throw new Error('the quick path gave up')
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000 / group
  }
  for (let n = 0; n < 1000; n += group) step(n)
  for (let n = 0; n < mails; n += group) samples.push(step(n))
  return summarised(samples)
}

/**
 * @param options `rounds`, and `quick` for smaller files
 * @param progress told what is being done
 */
export async function runContent(
  options: { rounds: number; quick: boolean },
  progress: (text: string) => void,
): Promise<ContentRow[]> {
  const size = options.quick ? QUICK : FULL
  const rounds = Math.max(5, options.rounds)
  const rows: ContentRow[] = []

  progress('docx')
  const { bytes, xml } = document(size.xml)
  rows.push({
    name: 'docx, XML',
    unit: 'MB/s',
    target: 25,
    less: false,
    ...(await rate(withFile('a.docx', OCTETS, bytes), rounds, xml / 1e6)),
    remark: `${(xml / 1e6).toFixed(0)} MB of XML, read and searched`,
  })

  progress('PDF')
  rows.push({
    name: 'PDF',
    unit: 'pages/s',
    target: 200,
    less: false,
    ...(await rate(withFile('a.pdf', OCTETS, pages(size.pages)), rounds, size.pages)),
    remark: `${size.pages} pages of 50 lines`,
  })

  progress('10 MB mail')
  const raw = withFile('a.txt', 'text/plain; charset=utf-8', Buffer.from(repeated(size.mail * 0.73)))
  rows.push({
    name: 'mail with a base64 attachment of text',
    unit: 'MB/s',
    target: 150,
    less: false,
    ...(await rate(raw, rounds, raw.length / 1e6)),
    remark: `${(raw.length / 1e6).toFixed(1)} MB as it travels`,
  })

  progress('small mails')
  rows.push({
    name: '5 KB mail of text, quick path',
    unit: 'ms CPU',
    target: 0.5,
    less: true,
    summary: small(size.mails),
    remark: 'median over groups of 20 different mails',
  })
  return rows
}

/** A Word document as Word writes it, revision marks and properties of every run included, and how much XML that is. */
function document(least: number): { bytes: Buffer; xml: number } {
  const properties =
    '<w:rPr><w:rFonts w:ascii="Calibri" w:hAnsi="Calibri" w:cs="Calibri"/><w:sz w:val="22"/><w:lang w:val="da-DK"/></w:rPr>'
  const run = (words: string) => `<w:r w:rsidR="00A77B3E">${properties}<w:t xml:space="preserve">${words}</w:t></w:r>`
  const paragraph = (line: string) => {
    const middle = line.indexOf(' ', line.length / 2)
    return `<w:p w:rsidR="00A77B3E" w:rsidRDefault="00A77B3E"><w:pPr><w:jc w:val="both"/>${properties}</w:pPr>${run(line.slice(0, middle + 1))}${run(line.slice(middle + 1))}</w:p>`
  }
  const block = letters(Math.min(1e6, least / 6), 1)
    .split('\n')
    .map(escapeXml)
    .map(paragraph)
    .join('')
  const body = block.repeat(Math.ceil(least / block.length))
  return { bytes: docxBody(body), xml: Buffer.byteLength(body) }
}

/** Letters; the same again after a million bytes. */
function repeated(bytes: number): string {
  return letters(BLOCK, 1)
    .repeat(Math.ceil(bytes / BLOCK))
    .slice(0, bytes)
}

function pages(count: number): Buffer {
  const lines = repeated(count * 50 * 90)
    .replace(/[^\n\x20-\x7e]/g, 'e')
    .split('\n')
  return pdf(lines.slice(0, count * 50).join('\n'))
}

/** As a table of text, each figure with its target. */
export function contentTable(rows: readonly ContentRow[]): string {
  const figure = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(0))
  return [
    `${'what is read'.padEnd(40)} ${'median'.padStart(8)} ${'min'.padStart(8)} ${'max'.padStart(8)} ${''.padEnd(8)} ${'of CPU'.padStart(8)} ${'target'.padStart(8)}`,
    ...rows.map(({ name, unit, target, less, summary, perCpu, remark }) => {
      const reached = less ? summary.median <= target : summary.median >= target
      return `${name.padEnd(40)} ${figure(summary.median).padStart(8)} ${figure(summary.min).padStart(8)} ${figure(summary.max).padStart(8)} ${unit.padEnd(8)} ${(perCpu === undefined ? '-' : figure(perCpu)).padStart(8)} ${`${less ? '<' : '>'} ${target}`.padStart(8)} ${reached ? 'reached' : 'MISSED'}  ${remark}`
    }),
    '',
  ].join('\n')
}
