/** `secure-mail digest preview`: what support is told of partners that failed, looked at before it is sent. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Option, type Command } from 'commander'
import { utcDay } from '../../lib/audit/retention'
import { systemClock, type Clock } from '../../lib/clock'
import { formatProblem } from '../../lib/config'
import { composeDigest, DIGEST_TEXTS, digestText, factsOfDay, type DigestTexts } from '../../lib/digest'
import { loadTemplates } from '../../lib/notify/templates'
import { LETTER_TEXTS } from '../../lib/probe'
import { openStore } from '../../lib/store'
import { heloName } from '../instance'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { fail, readyInstance, type Ready } from '../ready'

interface PreviewOptions extends CommonOptions {
  day?: string
  format: 'text' | 'html' | 'eml'
}

/** Adds `digest preview`. */
export const registerDigest: RegisterCommand = digestWith(systemClock)

/** @param clock says what today is */
export function digestWith(clock: Clock): RegisterCommand {
  return (program, io) => {
    program
      .command('digest')
      .description('the daily notice to support about partners that failed')
      .command('preview')
      .description('show the notice of a day, with your own texts and settings')
      .option('--day <day>', 'YYYY-MM-DD, UTC (default: today, so far)')
      .addOption(new Option('--format <format>', 'text, html or eml').choices(['text', 'html', 'eml']).default('text'))
      .option('--json', 'print JSON')
      .addHelpText(
        'after',
        '\nReads the store; nothing is sent or changed.\nExit code: 0 nothing failed, 1 partners failed, 2 wrong call or configuration, or no store.',
      )
      .action(async (_options: unknown, command: Command) => {
        const options = command.optsWithGlobals<PreviewOptions>()
        const day = options.day ?? utcDay(clock.now())
        if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) {
          fail(io, [`--day ${JSON.stringify(day)} is no day; write it like 2026-11-23`])
          return
        }
        const ready = readyInstance(options, clock)
        if (!ready.ok) fail(io, ready.problems)
        else await show(ready, day, options, io, clock)
      })
  }
}

async function show(
  { instance, settings }: Extract<Ready, { ok: true }>,
  day: string,
  { format, json }: PreviewOptions,
  io: Io,
  clock: Clock,
): Promise<void> {
  const digest = loadTemplates(instance, DIGEST_TEXTS)
  const letter = loadTemplates(instance, LETTER_TEXTS)
  if (!digest.ok || !letter.ok) {
    fail(io, [...(digest.ok ? [] : digest.problems), ...(letter.ok ? [] : letter.problems)].map(formatProblem))
    return
  }
  if (settings.store.engine === 'lmdb' && !existsSync(path.join(settings.store.path, 'data.mdb'))) {
    fail(io, [`there is no store in ${settings.store.path}; start the gateway once`])
    return
  }
  const store = await openStore(settings.store, clock)
  try {
    const partners = await factsOfDay(store, day)
    if (partners.length > 0) io.exitCode = 1
    const texts: DigestTexts = { digest: digest.templates, letter: letter.templates }
    const input = { day, partners, settings, hostname: heloName(instance), now: clock.now() }
    if (json === true) {
      const { subject, text, letters } = digestText(input, texts)
      const failing = partners.map(({ domain, since, mails, senders, givenUp, last }) => ({
        domain,
        resultType: last.resultType,
        detail: last.publicText,
        mx: last.mx ?? null,
        since: new Date(since).toISOString(),
        mails: mails.length,
        senders: senders.length,
        givenUp,
      }))
      io.out(`${JSON.stringify({ day, partners: failing, subject, text, letters })}\n`)
    } else if (partners.length === 0) io.err(`secure-mail: no partner failed on ${day}: no notice is sent\n`)
    else if (format === 'eml') io.out((await composeDigest(input, texts)).toString('utf8'))
    else io.out(digestText(input, texts)[format])
  } finally {
    await store.close()
  }
}
