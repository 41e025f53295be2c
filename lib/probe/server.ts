/** One MX host: its addresses, one after the other, and what is to be said of each. */
import { isIP } from 'node:net'
import type { Clock } from '../clock'
import type { Settings } from '../config/settings'
import type { SocketFactory } from '../deliver/socket'
import { verifyPeer, type Verdict } from '../deliver/verify'
import type { Failure } from '../failure'
import type { LanguageTemplates } from '../notify/template-format'
import type { Values } from '../notify/templates'
import {
  forHost,
  hindranceOf,
  hostInputs,
  type Findings,
  type HostFindings,
  type HostRequirement,
  type LookUps,
  type Requirement,
} from '../policy'
import { anyTls, connectTo, failureDetail, olderTls, type ConnectDeps, type Connected } from './connect'
import { daysLeft, judgeServer, type Suspicion } from './judge'
import { fixOf, type Problem } from './problems'
import type { ProbedServer, ProbedTls, ProbeStep, Risk, ToldStep } from './types'
import { serverValues } from './values'

/** What a probe needs from the rest of the house. */
export interface ProbeDeps {
  settings: Settings
  lookUps: LookUps
  /** Texts of `fix`. */
  texts: LanguageTemplates
  clock: Clock
  heloName: string
  /** Told of every step as soon as it is done. */
  onStep(step: ToldStep): void
  signal: AbortSignal
  /** `net.connect` or a test's own. */
  connect?: SocketFactory
}

/** One probe under way. */
export type Run = ProbeDeps & {
  domain: string
  findings: Findings
  requirement: Requirement
  contexts: ConnectDeps['contexts']
  isListed(host: string): boolean
  /** Connections that may still be made. */
  left: number
}

/** One address; the failure as the delivery room would have it. */
export interface Probed {
  server: ProbedServer
  failure?: Failure
}

/** Every address of one host, one after the other. */
export async function probeHost(run: Run, host: HostFindings, told: readonly ToldStep[]): Promise<Probed[]> {
  const lookedUp = told.filter((step) => step.host === host.host).map(plain)
  const need = forHost(run.requirement, hostInputs(run.findings, host))
  const hindrance = hindranceOf(host)
  if (hindrance !== undefined || host.addresses.kind !== 'addresses') {
    const failure = judgement(hindrance?.resultType ?? 'no-address', hindrance?.why ?? 'no address')
    return [finish(run, host, need, { address: null, at: run.clock.now(), steps: lookedUp, connected: { failure } })]
  }
  const addresses = host.addresses.addresses.filter(
    (address) => run.settings.delivery.localMxOk || !run.lookUps.isLocal(address),
  )
  const probed: Probed[] = []
  for (const address of addresses) {
    if (run.left <= 0) break
    run.left -= 1
    probed.push(await probeAddress(run, host, need, address, lookedUp))
  }
  return probed
}

async function probeAddress(
  run: Run,
  host: HostFindings,
  need: HostRequirement,
  address: string,
  lookedUp: readonly ProbeStep[],
): Promise<Probed> {
  const at = run.clock.now()
  const steps: ProbeStep[] = [...lookedUp]
  const onStep = (step: ProbeStep): void => {
    steps.push(step)
    run.onStep({ ...step, host: host.host, address })
  }
  onStep({ step: 'policy', ok: need.usable, ms: 0, detail: need.why })
  // What policy forbids, or does not ask for, is looked at all the same: the facts help to repair it.
  const asked: HostRequirement = need.usable ? { ...need, tls: 'must' } : anyTls(withSni(need, host.host))
  const deps: ConnectDeps = { ...run, onStep }
  const target = { host: host.host, address, port: run.settings.delivery.port, lmtp: false, need: asked }
  const connected = await connectTo(target, deps)
  if (connected.failure?.resultType === 'tls-version-too-low' && connected.facts === undefined && run.left > 0) {
    run.left -= 1
    const began = run.clock.now()
    const version = await olderTls(target, deps)
    const detail = version === undefined ? 'no TLS version that this machine knows' : `the server speaks ${version}`
    onStep({ step: 'older-tls', ok: version !== undefined, ms: run.clock.now() - began, detail })
  }
  // Our policy's own word comes first: without it there would be no connection.
  if (!need.usable) connected.failure = judgement(need.resultType ?? 'validation-failure', need.why)
  return finish(run, host, need, { address, at, steps, connected })
}

function withSni(need: HostRequirement, host: string): HostRequirement {
  return isIP(host) === 0 ? { ...need, sni: host } : need
}

interface Outcome {
  address: string | null
  /** Milliseconds. */
  at: number
  steps: ProbeStep[]
  connected: Connected
}

function finish(run: Run, host: HostFindings, need: HostRequirement, outcome: Outcome): Probed {
  const { connected, address } = outcome
  const now = run.clock.now()
  const verifiable =
    connected.presented === undefined ? undefined : verifyPeer(connected.presented, verifyNeed(run, host), now)
  const judged = judgeServer({ ...connected, address, need, now, ...(verifiable === undefined ? {} : { verifiable }) })
  const tls = tlsOf(connected, verifiable, now)
  const { failure } = judged
  const server: ProbedServer = {
    host: host.host,
    preference: run.isListed(host.host) ? host.preference : null,
    address,
    port: run.settings.delivery.port,
    at: new Date(outcome.at).toISOString(),
    verdict: judged.verdict,
    fault: judged.fault,
    required: { tls: need.tls, auth: need.auth, minVersion: need.minVersion, why: need.why, names: need.refNames },
    steps: outcome.steps,
    tls,
    verifiable: verifiable === undefined ? null : verdictOf(verifiable),
    resultType: failure?.resultType ?? null,
    detail: failure === undefined ? '' : failureDetail(failure),
    ...(failure?.smtp === undefined ? {} : { smtp: failure.smtp }),
    fix: '',
    risks: [],
  }
  const values = serverValues(server, run.domain)
  if (failure !== undefined) server.fix = fixOf(run.texts, failure.resultType, values)
  server.risks = judged.suspicions.map((suspicion) => riskOf(run, suspicion, values))
  return { server, ...(failure === undefined ? {} : { failure: { ...failure, mx: host.host } }) }
}

/** What the level `verify` asks of the host, whatever else holds for it. */
function verifyNeed({ findings, requirement }: Run, host: HostFindings): HostRequirement {
  const { minVersion, ca, servername, source, reason } = requirement
  return forHost(
    {
      level: 'verify',
      minVersion,
      names: [],
      fingerprints: [],
      ...(ca === undefined ? {} : { ca }),
      ...(servername === undefined ? {} : { servername }),
      requiretls: false,
      source,
      reason,
      daneRaises: false,
      overrideForbidden: false,
    },
    hostInputs(findings, host),
  )
}

function verdictOf(verdict: Verdict): NonNullable<ProbedServer['verifiable']> {
  if (verdict.ok) return { ok: true, resultType: null, detail: 'the certificate would pass' }
  return { ok: false, resultType: verdict.resultType, detail: verdict.text }
}

function tlsOf({ facts }: Connected, verifiable: Verdict | undefined, now: number): ProbedTls | null {
  if (facts === undefined) return null
  const { certificate, ...rest } = facts
  return {
    ...rest,
    verified: rest.verified || verifiable?.ok === true,
    ...(certificate === undefined
      ? {}
      : { certificate: { ...certificate, daysLeft: daysLeft(certificate.notAfter, now) } }),
  }
}

function riskOf(run: Run, { code, problem, detail }: Suspicion, values: Values): Risk {
  const resultType = resultTypeOf(problem)
  return { code, resultType, detail, fix: fixOf(run.texts, problem, values) }
}

function resultTypeOf(problem: Problem): Risk['resultType'] {
  return problem === 'certificate-expires-soon' || problem === 'only-oldest-tls' ? null : problem
}

/** A failure that is known without a connection; its code is never shown. */
export function judgement(resultType: Failure['resultType'], publicText: string): Failure {
  return { resultType, enhancedCode: '4.0.0', publicText }
}

/** Without the names of what it is about. */
export function plain({ step, ok, ms, detail }: ToldStep): ProbeStep {
  return { step, ok, ms, detail }
}
