/** `secure-mail probe`: what a delivery to a domain meets, live and step by step, and how it is repaired. */
import { Option, type Command } from 'commander'
import { createColors } from 'picocolors'
import { systemClock, type Clock } from '../../lib/clock'
import { formatProblem } from '../../lib/config'
import type { Language } from '../../lib/config/settings'
import { runDirectory, tellProbe } from '../../lib/control'
import type { SocketFactory } from '../../lib/deliver/socket'
import { LANGUAGES, loadTemplates, type Templates } from '../../lib/notify/templates'
import { LETTER_TEXTS, letterFor, probe, type ProbeQuestion, type ProbeReport, type ToldStep } from '../../lib/probe'
import { heloName } from '../instance'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { throughDns, type Connect } from '../look-ups'
import { thisOperator } from '../queue/room'
import { fail, readRecipient, readyInstance, type Ready } from '../ready'

interface ProbeOptions extends CommonOptions {
  mx?: string
  letter?: Language
}

/** What tests put in the place of the network. */
export interface ProbeWorld {
  connect: Connect
  clock: Clock
  socket?: SocketFactory
}

/** Adds `probe`. */
export const registerProbe: RegisterCommand = probeWith({ connect: throughDns, clock: systemClock })

export function probeWith(world: ProbeWorld): RegisterCommand {
  return (program, io) => {
    program
      .command('probe')
      .description('test a domain live: names, connection, STARTTLS, certificate; what is wrong and how to fix it')
      .argument('<domain>', 'domain, or a mail address (then its own policy row counts)')
      .option('--mx <host>', 'only this server, be it one of the MX hosts or not')
      .addOption(new Option('--letter <language>', 'write a letter to the partner').choices([...LANGUAGES]))
      .option('--json', 'print JSON')
      .addHelpText(
        'after',
        '\nNo mail is sent: every conversation ends before MAIL FROM.\nExit code: 0 ok, 1 at risk or failing, 2 wrong call or configuration.',
      )
      .action(async (given: string, _options: unknown, command: Command) => {
        const options = command.optsWithGlobals<ProbeOptions>()
        const question = readQuestion(given, options)
        if (typeof question === 'string') {
          fail(io, [question])
          return
        }
        const ready = readyInstance(options, world.clock)
        if (!ready.ok) {
          fail(io, ready.problems)
          return
        }
        const texts = loadTemplates(ready.instance, LETTER_TEXTS)
        if (!texts.ok) fail(io, texts.problems.map(formatProblem))
        else await answer(question, ready, texts.templates, options, io, world)
      })
  }
}

/** @returns a sentence when the call is wrong */
function readQuestion(given: string, options: ProbeOptions): ProbeQuestion | string {
  const recipient = readRecipient(given)
  if (recipient === null) return `${JSON.stringify(given)} is neither a domain nor a mail address`
  if (options.mx === undefined) return { recipient }
  const mx = readRecipient(options.mx)
  if (mx === null || !mx.startsWith('@')) return `${JSON.stringify(options.mx)} is no host name`
  return { recipient, mx: mx.slice(1) }
}

async function answer(
  question: ProbeQuestion,
  { instance, settings }: Extract<Ready, { ok: true }>,
  texts: Templates,
  options: ProbeOptions,
  io: Io,
  world: ProbeWorld,
): Promise<void> {
  const { json, letter } = options
  // A letter goes to standard output alone, so that it can be put into a file; what happens is told beside it.
  const say = letter === undefined ? io.out.bind(io) : io.err.bind(io)
  const screen = createScreen(say, letter === undefined && io.color)
  const { lookUps, close } = world.connect(settings)
  try {
    if (json !== true) screen.begin(question)
    const report = await probe(question, {
      settings,
      lookUps,
      texts: texts.en,
      clock: world.clock,
      heloName: heloName(instance),
      onStep: (step) => {
        if (json !== true) screen.step(step)
      },
      signal: new AbortController().signal,
      ...(world.socket === undefined ? {} : { connect: world.socket }),
    })
    if (report.verdict !== 'ok') io.exitCode = 1
    await record(question, report, runDirectory(instance), io)
    const written = letter === undefined ? undefined : letterFor(report, texts[letter], settings.support)
    if (json === true) {
      io.out(`${JSON.stringify(written === undefined ? report : { ...report, letter: written })}\n`)
      return
    }
    screen.end(report)
    if (written === null) io.err('secure-mail: no letter: there is nothing that the partner has to correct\n')
    else if (written !== undefined) io.out(written)
  } finally {
    await close()
  }
}

/** The running gateway writes it into its audit log; where none runs there is none to write to. */
async function record({ mx = '' }: ProbeQuestion, report: ProbeReport, runDir: string, io: Io): Promise<void> {
  const { domain, verdict } = report
  const failed = report.mx.find(({ resultType }) => resultType !== null)
  const resultType = report.resultType ?? failed?.resultType ?? ''
  try {
    await tellProbe(runDir, { domain, mx, verdict, resultType }, thisOperator())
  } catch (error) {
    // who may not write to the log may still test
    io.err(`secure-mail: not in the audit log: ${error instanceof Error ? error.message : String(error)}\n`)
  }
}

interface Screen {
  begin(question: ProbeQuestion): void
  step(step: ToldStep): void
  end(report: ProbeReport): void
}

/** Lines for people, each as soon as it can be said. */
function createScreen(say: (text: string) => void, color: boolean): Screen {
  const paint = createColors(color)
  let place = ''
  return {
    begin: ({ recipient }) => say(`${paint.bold(recipient.replace(/^@/, ''))}\n`),
    step(step) {
      const here = step.address === undefined ? '' : `${step.host ?? ''} [${step.address}]`
      if (here !== place) say(`\n${here}\n`)
      place = here
      const state = step.ok ? paint.green('ok    ') : paint.red('FAILED')
      const about = step.address === undefined && step.host !== undefined ? `${step.host}: ` : ''
      say(`  ${state} ${step.step.padEnd(11)} ${`${step.ms} ms`.padStart(8)}  ${about}${step.detail}\n`)
    },
    end(report) {
      const { verdict, why, required } = report
      const tint = verdict === 'ok' ? paint.green : verdict === 'at-risk' ? paint.yellow : paint.red
      say(`\nrequired  ${required.level}: ${required.reason}\nverdict   ${tint(verdict)}: ${why}\n`)
      for (const line of toDo(report)) say(`${line}\n`)
    },
  }
}

/** Every fault and risk once, each with its cure. */
function toDo(report: ProbeReport): string[] {
  const lines = report.mx.flatMap((server) => {
    const where = server.address === null ? server.host : `${server.host} [${server.address}]`
    return [
      ...(server.resultType === null ? [] : [problem(where, server.resultType, server.detail, server.fix)]),
      ...server.risks.map((risk) => problem(where, risk.resultType ?? risk.code, risk.detail, risk.fix)),
    ]
  })
  const ofDomain = report.risks
    .filter(({ code }) => code !== 'server-fails')
    .map((risk) => problem(report.domain, risk.resultType ?? risk.code, risk.detail, risk.fix))
  const none = report.mx.length === 0 && report.resultType !== null
  const whole = none ? [problem(report.domain, report.resultType ?? '', report.why, report.fix)] : []
  return [...whole, ...lines, ...ofDomain]
}

function problem(where: string, name: string, detail: string, fix: string): string {
  return `\n${where}: ${name}\n  ${detail}\n  fix: ${fix}`
}
