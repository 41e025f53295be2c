/** `--only scan`: the search for CPR numbers beside ripgrep with the simple pattern, on the same text, in turn. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { findCpr } from '../lib/classify/cpr'
import { validNumber, split } from '../test/corpus/text-numbers'
import { seededRandom } from '../test/corpus/text-random'
import { letters } from './corpus'
import { summarise } from './stats'

/** What `--only` is given. */
export const SCAN_TITLE = 'scan'

export interface ScanRow {
  name: string
  /** Bytes of the text as UTF-8, in millions. */
  megabytes: number
  /** MB/s, the median. */
  ours: number
  /** MB/s of `rg -j1 -c`, start of the process included; absent = not measured. */
  ripgrep?: number
  /** Median of the ratios within the rounds. */
  ratio?: number
  /** What was found. */
  remark: string
}

const PATTERN = '[0-9]{6}-?[0-9]{4}'
const MEGABYTES = { full: 200, quick: 50 }
/** Different text before it repeats. */
const BLOCK = 2_000_000
const WARM_UP = 8
const DENSE_MEGABYTES = 20
/** Nobody is born after this, so that runs are alike. */
const TODAY = Date.UTC(2026, 10, 23)

/** Ordinary letters, and now and then a number as people write it. */
function mail(bytes: number, typographic: boolean): string {
  const random = seededRandom(1)
  const number = () =>
    `${random.pick(['CPR ', 'vedr. ', 'cpr-nr. ', ''])}${split(validNumber(random), random.pick(['-', '-', '']))}`
  const plain = letters(Math.min(bytes, BLOCK), 1, 'NUMBER').replace(/NUMBER/g, number)
  const block = typographic ? plain.replace(/ med /g, ' – ”med” ') : plain
  return block.repeat(Math.max(1, Math.round(bytes / Buffer.byteLength(block))))
}

/** Texts of nothing but what takes longest. */
function denseTexts(bytes: number): [name: string, text: string][] {
  const random = seededRandom(2)
  const repeat = (one: () => string) => {
    const block = Array.from({ length: 2000 }, one).join('')
    return block.repeat(Math.ceil(bytes / block.length))
  }
  return [
    ['nothing but CPR numbers', repeat(() => `${split(validNumber(random), '-')}\n`)],
    ['numbers of ten digits', repeat(() => `${random.digits(10)} `)],
    ['digits without end', repeat(() => random.digits(80))],
    ['single digits', repeat(() => `${random.digits(1)} `)],
    [
      'CSV of amounts',
      repeat(() => `${random.digits(4)};${random.digits(6)};${random.digits(5)},${random.digits(2)}\n`),
    ],
    ['hexadecimal', repeat(() => Buffer.from(random.digits(8)).toString('hex'))],
  ]
}

function seconds(work: () => unknown): number {
  const began = performance.now()
  work()
  return (performance.now() - began) / 1000
}

/** @returns false when ripgrep is neither there nor to be had */
function ensureRipgrep(progress: (text: string) => void): boolean {
  const there = () => spawnSync('rg', ['--version']).status === 0
  if (there()) return true
  if (process.getuid?.() === 0) {
    progress('installing ripgrep')
    spawnSync('apt-get', ['install', '-y', '-q', 'ripgrep'], { stdio: 'ignore', timeout: 120_000 })
  }
  return there()
}

function besideRipgrep(name: string, file: string, rounds: number, isThere: boolean): ScanRow {
  const text = readFileSync(file, 'utf8')
  const megabytes = Buffer.byteLength(text) / 1e6
  let found = 0
  const ours = () => seconds(() => (found = findCpr(text, TODAY).length))
  const theirs = () => seconds(() => spawnSync('rg', ['-j1', '-c', PATTERN, file]))
  // the first ones are the compiler's and the page cache's: a gateway runs for weeks
  for (let n = 0; n < WARM_UP; n++) ours()
  if (isThere) theirs()
  const pairs = Array.from({ length: rounds }, () => ({ ours: ours(), theirs: isThere ? theirs() : Number.NaN }))
  const median = (values: number[]) => summarise(values)?.median ?? Number.NaN
  return {
    name,
    megabytes,
    ours: median(pairs.map((pair) => megabytes / pair.ours)),
    ...(isThere && {
      ripgrep: median(pairs.map((pair) => megabytes / pair.theirs)),
      ratio: median(pairs.map((pair) => pair.theirs / pair.ours)),
    }),
    remark: `${found} numbers`,
  }
}

/**
 * @param options `rounds`, and `quick` for a smaller text
 * @param progress told what is being done
 */
export function runScan(options: { rounds: number; quick: boolean }, progress: (text: string) => void): ScanRow[] {
  const isThere = ensureRipgrep(progress)
  if (!isThere) progress('NO COMPARISON: not installed: rg (Debian: ripgrep)')
  const folder = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-scan-'))
  const file = path.join(folder, 'letters.txt')
  const rows: ScanRow[] = []
  try {
    const bytes = (options.quick ? MEGABYTES.quick : MEGABYTES.full) * 1e6
    for (const [name, typographic] of [
      ['letters', false],
      ['letters with dashes and quotes of typography', true],
    ] as const) {
      progress(name)
      writeFileSync(file, mail(bytes, typographic))
      rows.push(besideRipgrep(name, file, Math.max(5, options.rounds), isThere))
    }
    for (const [name, text] of denseTexts(DENSE_MEGABYTES * 1e6)) {
      progress(name)
      const megabytes = Buffer.byteLength(text) / 1e6
      let found = 0
      const search = () => seconds(() => (found = findCpr(text, TODAY).length))
      search()
      const took = search()
      rows.push({
        name,
        megabytes,
        ours: megabytes / took,
        remark: `${found} numbers${found >= 100_000 ? ', then it stops' : ''}`,
      })
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return rows
}

export function scanTable(rows: readonly ScanRow[]): string {
  const number = (value: number | undefined, digits = 0) =>
    (value === undefined ? '-' : value.toFixed(digits)).padStart(9)
  return [
    `${'text'.padEnd(46)} ${'MB'.padStart(6)} ${'ours MB/s'.padStart(9)} ${'rg MB/s'.padStart(9)} ${'ratio'.padStart(9)}`,
    ...rows.map(
      ({ name, megabytes, ours, ripgrep, ratio, remark }) =>
        `${name.padEnd(46)} ${megabytes.toFixed(0).padStart(6)} ${number(ours)} ${number(ripgrep)} ${number(ratio, 2)}  ${remark}`,
    ),
    '',
  ].join('\n')
}
