/** One address: a real session as delivery opens it, told step by step, without an envelope. */
import type { Settings } from '../config/settings'
import type { Clock } from '../clock'
import type { Contexts } from '../deliver/contexts'
import { describe, HostTrouble, localFailure } from '../deliver/failures'
import type { Target } from '../deliver/route'
import { openSession, quit, type SessionDeps, type SessionStep } from '../deliver/session'
import type { SocketFactory } from '../deliver/socket'
import type { Presented } from '../deliver/verify'
import type { Failure, TlsFacts } from '../failure'
import type { HostRequirement } from '../policy/types'
import { oneLine } from '../util/one-line'
import type { ProbeStep, ProbeStepName } from './types'

export interface ConnectDeps {
  settings: Settings
  clock: Clock
  contexts: Contexts
  heloName: string
  signal: AbortSignal
  connect?: SocketFactory
  onStep(step: ProbeStep): void
}

/** What one session showed; `failure` absent = mail could follow. */
export interface Connected {
  failure?: Failure
  facts?: TlsFacts
  presented?: Presented
}

/** Steps of a session in their order: what fails is the one after the last that succeeded. */
const ORDER: readonly ProbeStepName[] = [
  'connect',
  'greeting',
  'ehlo',
  'starttls',
  'handshake',
  'verify',
  'ehlo-in-tls',
]

/** Nobody waits before a screen for as long as a queue does: the longest time for one step, in milliseconds. */
const PATIENCE = 60_000

/** @param target its `need` asks for TLS */
export async function connectTo(target: Target, deps: ConnectDeps): Promise<Connected> {
  const { clock } = deps
  const result: Connected = {}
  const goodbyes: Promise<void>[] = []
  let began = clock.now()
  let done = 0
  const tell = (step: ProbeStepName, ok: boolean, detail: string): void => {
    const now = clock.now()
    deps.onStep({ step, ok, ms: now - began, detail: oneLine(detail).slice(0, 500) })
    began = now
    done = ORDER.indexOf(step) + 1
  }
  const session: SessionDeps = {
    settings: impatient(deps.settings),
    heloName: deps.heloName,
    contexts: deps.contexts,
    clock,
    signal: deps.signal,
    part: (channel) => goodbyes.push(quit(channel)),
    onStep(step) {
      if (step.step === 'handshake') {
        result.facts = step.facts
        result.presented = step.presented
      }
      if (step.step === 'verify') result.facts = step.facts
      tell(step.step === 'ehlo' && step.inTls ? 'ehlo-in-tls' : step.step, true, wordsOf(step, target))
    },
    ...(deps.connect === undefined ? {} : { connect: deps.connect }),
  }
  try {
    const { channel } = await openSession(target, session)
    goodbyes.push(quit(channel))
  } catch (error) {
    const failure =
      error instanceof HostTrouble ? error.failure : localFailure('An unexpected error in the probe itself.', error)
    tell(ORDER[done] ?? 'ehlo-in-tls', false, failureDetail(failure))
    result.failure = failure
    if (!(error instanceof HostTrouble)) result.failure = { ...failure, privateDetail: describe(error) }
  }
  await Promise.all(goodbyes)
  return result
}

/**
 * After no TLS version in common was found: which one does the server speak? Nothing is judged and nothing is said.
 *
 * @returns undefined when it speaks none that this machine knows
 */
export async function olderTls(target: Target, deps: ConnectDeps): Promise<string | undefined> {
  const need: HostRequirement = { ...anyTls(target.need), minVersion: 'TLSv1' }
  const { facts } = await connectTo({ ...target, need }, { ...deps, onStep: () => undefined })
  return facts?.version
}

/** TLS, whoever the server is: where policy forbids a host, the facts about it are still wanted. */
export function anyTls(need: HostRequirement): HostRequirement {
  return { ...need, tls: 'must', auth: 'none', refNames: [], fingerprints: [], tlsa: [], usable: true }
}

/** What happened in words, for a line and for a report. */
export function failureDetail({ publicText, privateDetail, smtp }: Failure): string {
  const said = smtp === undefined ? '' : ` It said: ${smtp.code} ${smtp.text}`
  const more = privateDetail === undefined ? '' : ` (${privateDetail})`
  return `${publicText}${said}${more}`
}

function impatient(settings: Settings): Settings {
  const { timeouts } = settings.delivery
  const { connect, greeting, helo, starttls } = timeouts
  const capped = Object.fromEntries(
    Object.entries({ connect, greeting, helo, starttls }).map(([name, ms]) => [name, Math.min(ms, PATIENCE)]),
  )
  return { ...settings, delivery: { ...settings.delivery, timeouts: { ...timeouts, ...capped } } }
}

function wordsOf(step: SessionStep, target: Target): string {
  switch (step.step) {
    case 'connect':
      return `${target.address} port ${target.port}`
    case 'greeting':
      return `${step.reply.code} ${step.reply.lines[0] ?? ''}`
    case 'ehlo': {
      const offers = [...step.capabilities.keys()]
      if (step.inTls) return offers.join(' ') || 'offers nothing'
      return step.capabilities.has('STARTTLS') ? 'offers STARTTLS' : `does not offer STARTTLS (${offers.join(' ')})`
    }
    case 'starttls':
      return 'the server agrees to start TLS'
    case 'handshake': {
      const { version, cipher, certificate } = step.facts
      if (certificate === undefined) return `${version}, ${cipher}, no certificate`
      const names = certificate.names.slice(0, 5).join(' ') || certificate.subject
      return `${version}, ${cipher}; certificate for ${names}, from ${certificate.issuer}, until ${certificate.notAfter.slice(0, 10)}`
    }
    case 'verify':
      return step.facts.verified ? `the certificate passes (${step.facts.auth ?? ''})` : 'our policy does not check it'
  }
}
