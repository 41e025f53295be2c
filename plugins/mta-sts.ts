/** MTA-STS in the running gateway: opened with the runtime, asked once per attempt, told of in log and audit log. */
import { isIP } from 'node:net'
import type { Audit, AuditEvent } from '../lib/audit/types'
import type { Clock } from '../lib/clock'
import type { Settings } from '../lib/config/settings'
import type { Resolver } from '../lib/dns/types'
import type { Failure } from '../lib/failure'
import { createSts, stsFetchOptions, type Sts, type StsEvent } from '../lib/policy/sts'
import type { MtaStsState, Route } from '../lib/policy/types'
import type { SessionCounter } from '../lib/report/tlsrpt'
import type { Store } from '../lib/store/types'
import type { StaticRoute } from '../lib/deliver/types'
import type { HarakaPlugin } from './haraka'
import type { GatewayMetrics } from './metrics'
import { countPolicyFailure } from './tls-sessions'

export function openSts(
  plugin: HarakaPlugin,
  runtime: {
    settings(): Settings
    resolver(): Resolver
    store: Store
    clock: Clock
    audit: Audit
    sessions: SessionCounter
    metrics: Pick<GatewayMetrics, 'lookedUp'>
  },
): Sts {
  const { clock, store, audit } = runtime
  return createSts({
    resolver: () => runtime.resolver(),
    store,
    clock,
    fetchOptions: () => stsFetchOptions(runtime.settings(), process.env.SECURE_MAIL_STS_PORT),
    log(level, message) {
      const line = `secure-mail: ${message}`
      if (level === 'error') plugin.logerror(line)
      else if (level === 'warn') plugin.logwarn(line)
      else plugin.logdebug(line)
    },
    onEvent(event) {
      audit.tell(auditEvent(event))
      countPolicyFailure(runtime.sessions, event)
    },
    onLookUp: (hit) => {
      runtime.metrics.lookedUp('mta-sts', hit)
    },
    refresh: true,
  })
}

function auditEvent(event: StsEvent): AuditEvent {
  const base = { action: 'policy-resolved' as const, recipients: [`@${event.domain}`] }
  switch (event.kind) {
    case 'fetched':
      return {
        ...base,
        outcome: 'success',
        message: `${event.domain} publishes the MTA-STS policy ${event.id}, mode ${event.mode}`,
        extra: {
          sts_event: event.kind,
          sts_id: event.id,
          sts_mode: event.mode,
          sts_max_age: event.maxAge,
          sts_mx: event.mx.slice(0, 20).join(' '),
        },
      }
    case 'fetch-failed': {
      const instead = event.cached === undefined ? 'going on as without one' : `${event.cached} stays in force`
      return {
        ...base,
        outcome: 'failure',
        message: `the MTA-STS policy ${event.id} of ${event.domain} cannot be had: ${instead}`,
        failure: policyFailure(event.resultType, event.detail),
        extra: { sts_event: event.kind, sts_id: event.id },
      }
    }
    case 'outage':
    case 'outage-ignored':
      return {
        ...base,
        outcome: 'failure',
        message: `whether ${event.domain} has an MTA-STS policy cannot be looked up: ${
          event.kind === 'outage' ? 'its mail waits' : 'it has been so for too long, going on as without one'
        }`,
        failure: policyFailure('dns-error', event.detail),
        extra: { sts_event: event.kind, sts_failing_s: Math.round((Date.now() - event.since) / 1000) },
      }
  }
}

/** Why a recipient waits whose domain's policy is not known. */
export function policyFailure(resultType: Failure['resultType'], detail: string): Failure {
  return {
    resultType,
    // RFC 3463: X.4.3, a directory server (here DNS or the policy host) failed
    enhancedCode: '4.4.3',
    publicText: 'It could not be found out which protection the domain asks for (MTA-STS).',
    privateDetail: detail,
  }
}

/**
 * The policy of the next hop, looked up when it is first asked for and then once.
 *
 * @param domain recipient domain
 */
export function policyOnDemand(
  runtime: { settings(): Settings; sts: Sts },
  domain: string,
  route: Route,
  routes: readonly StaticRoute[] | undefined,
): () => Promise<MtaStsState> {
  let asked: Promise<MtaStsState> | undefined
  return () => (asked ??= look())

  function look(): Promise<MtaStsState> {
    const name = policyDomain(domain, route, routes)
    if (!runtime.settings().tls.mtaSts || name === undefined) return Promise.resolve({ state: 'absent' })
    return runtime.sts.lookup(name)
  }
}

/**
 * RFC 8461 section 3.4: the next-hop domain. A smart host is its own policy domain; where there are several of them, or
 * addresses, there is none that one policy could speak for.
 */
export function policyDomain(
  domain: string,
  route: Route,
  routes: readonly StaticRoute[] | undefined,
): string | undefined {
  switch (route.kind) {
    case 'mx':
      return domain
    case 'static': {
      const hosts = new Set((routes ?? []).map(({ host }) => host ?? ''))
      return hosts.size > 1 || route.host === '' || isIP(route.host) !== 0 ? undefined : route.host
    }
    case 'local':
      return undefined
  }
}
