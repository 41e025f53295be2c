/** `--only encrypt`: a mail of 10 MB encrypted beside `openssl cms -encrypt -stream`; the event loop; memory for 50 MB. */
import { fork, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { withFile } from '../../test/corpus/formats/wrappers'
import { openOffice, openssl, type Correspondent } from '../../test/encrypt/office'
import { pairedRatio, summarise, type Summary } from '../stats'
import { figure, renderTable, spread } from '../table'
import { ENCRYPT_TARGETS, isMet, shown, type Target } from '../targets'
import type { Answer, Question } from './gateway-main'

/** What `--only` is given. */
export const ENCRYPT_TITLE = 'encrypt'

export interface EncryptRow {
  name: string
  unit: string
  /** Of the rounds; one figure where nothing is repeated. */
  summary: Summary
  /** Absent = nothing is promised. */
  target?: Target
  remark: string
}

const BYTES = 10e6
const LARGE_BYTES = 50e6
/** The first ones are the compiler's: a gateway runs for weeks. */
const WARM_UP = 8
const ROUNDS = { full: 15, quick: 7 }
const LIMIT = 60_000

interface Files {
  mail: string
  large: string
  empty: string
  ours: string
  theirs: string
}

/** A mail with an attachment in base64, CRLF, of about so many bytes as it travels. */
function mail(bytes: number): Buffer {
  return withFile('a.bin', 'application/octet-stream', randomBytes(Math.round((bytes * 57) / 78)))
}

function milliseconds(work: () => void): number {
  const began = performance.now()
  work()
  return performance.now() - began
}

/** @throws (rejects) Error when the process ends or does not answer in time */
async function ask(gateway: ChildProcess, question: Question): Promise<Answer> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(LIMIT)])
  const ended = once(gateway, 'exit', { signal }).then(([code]) => {
    throw new Error(`the process that encrypts ended with ${String(code)}`)
  })
  const answered = once(gateway, 'message', { signal }).then(([answer]) => answer as Answer)
  gateway.send(question)
  try {
    return await Promise.race([answered, ended])
  } finally {
    over.abort()
  }
}

/** Without `-binary` OpenSSL takes longer: this is the faster one. */
function encryptWithOpenssl({ certFile }: Correspondent, from: string, to: string): void {
  openssl(['cms', '-encrypt', '-stream', '-binary', '-aes256', '-in', from, '-outform', 'SMIME', '-out', to, certFile])
}

/** What comes out of both is the mail, or nothing that was measured means anything. @throws Error when it is not */
function check({ certFile, keyFile }: Correspondent, { mail, ours, theirs }: Files): void {
  const original = readFileSync(mail)
  const opened = (file: string) =>
    openssl(['cms', '-decrypt', '-binary', '-inform', 'SMIME', '-in', file, '-recip', certFile, '-inkey', keyFile])
  const body = (message: Buffer) => message.subarray(message.indexOf('\r\n\r\n'))
  const inner = opened(ours)
  // the header goes inside in another order, with what marks it as protected
  if (!body(inner).equals(body(original)) || !inner.includes('hp="cipher"'))
    throw new Error('what we encrypted is not the mail when OpenSSL opens it')
  if (!opened(theirs).equals(original)) throw new Error('what OpenSSL encrypted is not the mail')
}

interface Rounds {
  ours: number[]
  theirs: number[]
  start: number[]
}

/** In turn, each round all three. Milliseconds. */
async function measure(person: Correspondent, gateway: ChildProcess, files: Files, rounds: number): Promise<Rounds> {
  const result: Rounds = { ours: [], theirs: [], start: [] }
  const theirs = (from: string) =>
    milliseconds(() => {
      encryptWithOpenssl(person, from, files.theirs)
    })
  for (let round = 0; round < rounds; round++) {
    const { milliseconds } = await ask(gateway, { from: files.mail, to: files.ours, times: 1 })
    result.ours.push(...milliseconds)
    result.theirs.push(theirs(files.mail))
    result.start.push(theirs(files.empty))
  }
  return result
}

/** @throws RangeError when there is nothing */
function summarised(values: readonly number[]): Summary {
  const summary = summarise(values)
  if (summary === undefined) throw new RangeError('nothing was measured')
  return summary
}

/** Rates and ratios of what `measure` gave. */
function speedRows({ ours, theirs, start }: Rounds, bytes: number): EncryptRow[] {
  const rate = (times: readonly number[]) => summarised(times.map((ms) => bytes / 1e3 / ms))
  const ratio = (others: readonly number[]) => pairedRatio(others, ours) ?? summarised([])
  const target = ENCRYPT_TARGETS.ratio
  return [
    {
      name: 'secure-mail',
      unit: 'MB/s',
      summary: rate(ours),
      remark: 'from file to file, canonical line ends, headers protected',
    },
    {
      name: 'openssl cms -encrypt -stream',
      unit: 'MB/s',
      summary: rate(theirs),
      remark: 'from file to file, -binary, start of the process included',
    },
    {
      name: 'openssl, an empty message',
      unit: 'ms',
      summary: summarised(start),
      remark: 'what the start of the process takes',
    },
    { name: 'secure-mail : openssl', unit: 'x', summary: ratio(theirs), target, remark: 'the whole command' },
    {
      name: 'secure-mail : openssl without its start',
      unit: 'x',
      summary: ratio(theirs.map((ms, round) => ms - (start[round] ?? 0))),
      target,
      remark: 'time for an empty message taken off, round by round',
    },
  ]
}

/**
 * @param options `rounds`, and `quick` for fewer
 * @param progress told what is being done
 * @throws (rejects) Error when what was encrypted does not open as the mail it was
 */
export async function runEncrypt(
  options: { rounds: number; quick: boolean },
  progress: (text: string) => void,
): Promise<EncryptRow[]> {
  const office = openOffice()
  const person = office.issue('rsa', 'bo@partner.example')
  const gateway = fork(path.join(__dirname, 'gateway-main.js'), [person.certFile])
  try {
    const files: Files = {
      mail: office.file('mail.eml', mail(BYTES)),
      large: office.file('large.eml', mail(LARGE_BYTES)),
      empty: office.file('empty', ''),
      ours: office.file('ours.eml', ''),
      theirs: office.file('theirs.eml', ''),
    }
    const encrypt = (from: string, times: number) => ask(gateway, { from, to: files.ours, times })
    const rounds = Math.max(options.quick ? ROUNDS.quick : ROUNDS.full, options.rounds)

    progress('warming up')
    await encrypt(files.mail, WARM_UP)
    encryptWithOpenssl(person, files.mail, files.theirs)
    progress('opening both with openssl')
    check(person, files)

    progress('10 MB, in turn')
    const times = await measure(person, gateway, files, rounds)

    progress('event loop')
    const busy = await encrypt(files.mail, rounds)
    const took = busy.milliseconds.reduce((sum, one) => sum + one, 0)
    const idle = await ask(gateway, { idle: took })

    progress('memory')
    const { growth } = await encrypt(files.large, 1)

    return [
      ...speedRows(times, statSync(files.mail).size),
      {
        name: 'secure-mail, CPU per message',
        unit: 'ms',
        summary: summarised([busy.cpu / rounds]),
        remark: 'all threads, one message after the other',
      },
      {
        name: 'event loop, longest delay',
        unit: 'ms',
        summary: summarised([busy.delay]),
        target: ENCRYPT_TARGETS.delay,
        remark: `over ${rounds} messages; doing nothing for as long: ${figure(idle.delay)} ms`,
      },
      {
        name: 'memory for a mail of 50 MB',
        unit: 'MB',
        summary: summarised([growth / 1e6]),
        target: ENCRYPT_TARGETS.memory,
        remark: 'growth of the process that has encrypted the others, at most',
      },
    ]
  } finally {
    gateway.kill()
    office.stop()
  }
}

export function encryptTable(rows: readonly EncryptRow[]): string {
  const table = renderTable(
    [
      { title: 'encryption', align: 'left' },
      { title: 'median (range)', align: 'right' },
      { title: 'unit', align: 'left' },
      { title: 'target', align: 'right' },
      { title: '', align: 'left' },
      { title: 'remark', align: 'left' },
    ],
    rows.map(({ name, unit, summary, target, remark }) => [
      name,
      spread(summary),
      unit,
      target === undefined ? '' : shown(target),
      target === undefined ? '' : isMet(target, summary.median) ? 'met' : 'NOT MET',
      remark,
    ]),
  )
  return `${table}\n`
}
