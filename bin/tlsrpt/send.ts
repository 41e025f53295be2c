/** `secure-mail tlsrpt send`: the running gateway sends, so that each report goes out once. */
import type { Clock } from '../../lib/clock'
import { ControlFailure, runDirectory, sendTlsReports, type TlsReportsSent } from '../../lib/control'
import type { SendResult } from '../../lib/report/tlsrpt'
import type { WantedReports } from '../commands/tlsrpt'
import type { CommonOptions, Io } from '../io'
import { thisOperator } from '../queue/room'
import { fail, readyInstance } from '../ready'

/** `secure-mail tlsrpt send --json`. */
export interface TlsrptSent {
  day: string
  reports: SendResult[]
}

export async function sendReports(
  options: CommonOptions,
  { day, domain, json }: WantedReports,
  clock: Clock,
  io: Io,
): Promise<void> {
  const ready = readyInstance(options, clock)
  if (!ready.ok) {
    fail(io, ready.problems)
    return
  }
  let sent: TlsReportsSent | null
  try {
    sent = await sendTlsReports(runDirectory(ready.instance), day, domain ?? null, thisOperator())
  } catch (error) {
    if (!(error instanceof ControlFailure)) throw error
    fail(io, [`${error.message}; secure-mail tlsrpt preview --day ${day} shows what was sent`])
    return
  }
  if (sent === null) {
    fail(io, [`the gateway of ${ready.instance} does not run; reports go out through it alone`])
    return
  }
  if (sent.refused !== null) {
    fail(io, [sent.refused])
    return
  }
  const { reports } = sent
  if (reports.some(({ state }) => BAD.has(state)) || (domain !== undefined && reports.length === 0)) io.exitCode = 1
  if (json) io.out(`${JSON.stringify({ day, reports } satisfies TlsrptSent, null, 2)}\n`)
  else show(reports, day, domain, io)
}

/** Wanted, and not sent. */
const BAD: ReadonlySet<SendResult['state']> = new Set(['waiting', 'claimed', 'given-up', 'unknown'])

const WORDS: Readonly<Record<SendResult['state'], string>> = {
  sent: 'sent',
  'sent-before': 'sent before',
  waiting: 'not sent, tried again later',
  claimed: 'being sent by another process, or left behind by one that died: taken over after 15 minutes',
  'given-up': 'given up',
  'not-wanted': 'no report',
  'nothing-to-report': 'no report',
  excluded: 'no report',
  unknown: 'not sent, it could not be found out where to',
}

function show(reports: readonly SendResult[], day: string, domain: string | undefined, io: Io): void {
  if (reports.length === 0) {
    io.err(`secure-mail: no session with ${domain ?? 'any domain'} was counted on ${day} (UTC)\n`)
    return
  }
  for (const { domain: about, to, state, why } of reports) {
    const place = to === undefined ? '' : ` to ${to}`
    io.out(`${about}: ${WORDS[state]}${place}${why === undefined || why === '' ? '' : ` (${why})`}\n`)
  }
}
