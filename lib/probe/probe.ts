/**
 * Looks at a domain live, as a delivery would see it: names, then every address of every MX host with a session of the
 * delivery room's own making. No envelope is ever sent.
 */
import { setMaxListeners } from 'node:events'
import type { Settings } from '../config/settings'
import { createContexts } from '../deliver/contexts'
import type { Failure } from '../failure'
import type { Values } from '../notify/templates'
import { decide, domainOf, lookUp, type Findings } from '../policy'
import { judgeDomain } from './judge'
import { timedLookUps } from './look-ups'
import { fixOf } from './problems'
import { judgement, plain, probeHost, type ProbeDeps, type Run } from './server'
import type { ProbedServer, ProbeReport, Risk, ToldStep } from './types'
import { serverValues } from './values'

export interface ProbeQuestion {
  /** `local@domain`, or `@domain`; domain in A-labels, lower case. Rows for single addresses count. */
  recipient: string
  /** Only this host: A-labels or a literal address. It need not be one of the domain's MX hosts. */
  mx?: string
}

/** Connections of one probe; a domain with more addresses is judged by the first ones. */
const MAX_CONNECTIONS = 20

/** @throws Error (rejects) only when a callback or look-up breaks its contract; what goes wrong outside is in the report */
export async function probe(question: ProbeQuestion, deps: ProbeDeps): Promise<ProbeReport> {
  const { settings, clock } = deps
  const began = clock.now()
  const domain = domainOf(question.recipient)
  setMaxListeners(0, deps.signal)
  const told: ToldStep[] = []
  const onStep = (step: ToldStep): void => {
    told.push(step)
    deps.onStep(step)
  }
  const lookUps = timedLookUps(deps.lookUps, {
    clock,
    onStep,
    ...(question.mx === undefined ? {} : { only: question.mx }),
  })
  // Monitor mode enforces nothing, so there would be nothing to test: a probe answers what enforcing would do.
  const enforcing: Settings = { ...settings, main: { ...settings.main, mode: 'enforce' } }
  const findings = await lookUp(enforcing, question.recipient, lookUps, began)
  const requirement = decide(findings.inputs)
  const run: Run = {
    ...deps,
    onStep,
    domain,
    findings,
    requirement,
    contexts: createContexts(clock),
    isListed: (host) => lookUps.isListed(host),
    left: MAX_CONNECTIONS,
  }

  const servers: ProbedServer[] = []
  const failures: Failure[] = []
  for (const host of findings.hosts) {
    for (const { server, failure } of await probeHost(run, host, told)) {
      servers.push(server)
      if (failure !== undefined) failures.push(failure)
    }
  }
  const risks = domainRisks(run)
  const { failure, verdict, why } = judgeDomain(servers, failures, noHosts(findings), risks)
  return {
    domain,
    at: new Date(began).toISOString(),
    verdict,
    why,
    required: {
      level: requirement.level,
      source: requirement.source,
      reason: requirement.reason,
      minVersion: requirement.minVersion,
    },
    steps: told.filter(({ host }) => host === undefined).map(plain),
    mx: servers,
    resultType: failure?.resultType ?? null,
    fix: failure === undefined ? '' : fixOf(run.texts, failure.resultType, failureValues(run, failure, servers)),
    risks: [...risks, ...partlyFailing(verdict, servers)],
  }
}

function domainRisks(run: Run): Risk[] {
  const { mtaSts } = run.findings.inputs
  if (mtaSts.state !== 'error') return []
  const { resultType, detail } = mtaSts
  return [{ code: 'mta-sts-unusable', resultType, detail, fix: fixOf(run.texts, resultType, { domain: run.domain }) }]
}

function partlyFailing(verdict: ProbeReport['verdict'], servers: readonly ProbedServer[]): Risk[] {
  if (verdict === 'fails') return []
  return servers
    .filter((server) => server.verdict === 'fails' && server.fault !== 'own')
    .map(({ host, address, resultType, detail, fix }) => ({
      code: 'server-fails',
      resultType,
      detail: `${host}${address === null ? '' : ` [${address}]`}: ${detail}`,
      fix,
    }))
}

/** Why there is no server to try; the same verdicts as in delivery. */
function noHosts({ mx, hosts }: Findings): Failure | undefined {
  switch (mx.kind) {
    case 'hosts':
      return hosts.length > 0 ? undefined : judgement('no-address', 'The domain names no mail server.')
    case 'null-mx':
      return judgement('null-mx', 'The domain says in DNS that it does not accept mail.')
    case 'no-domain':
      return judgement('domain-not-found', mx.detail)
    case 'error':
      return judgement('dns-error', mx.detail)
  }
}

function failureValues(run: Run, failure: Failure, servers: readonly ProbedServer[]): Values {
  const server = servers.find(({ host, resultType }) => host === failure.mx && resultType === failure.resultType)
  return server === undefined ? { domain: run.domain } : serverValues(server, run.domain)
}
