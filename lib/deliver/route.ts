/**
 * Which hosts and addresses are tried, in which order (RFC 5321 section 5.1). Lazy: a second MX host is only looked up
 * when the first one did not take the mail.
 */
import { isIP } from 'node:net'
import type { Settings } from '../config/settings'
import type { AtOnce } from '../dns/at-once'
import { addressLiteral } from '../dns/names'
import type { HostAddresses } from '../dns/types'
import type { Failure } from '../failure'
import { usesDane } from '../policy/for-host'
import type { HostInputs, HostRequirement, Requirement, TlsaState } from '../policy/types'
import { tlsFailure } from './failures'
import type { DelivererDeps, DeliveryRequest, StaticRoute } from './types'

/** One address to connect to, and what it must show. */
export interface Target {
  host: string
  /** IP address, or the path of a unix socket. */
  address: string
  /** 0 for a unix socket. */
  port: number
  path?: string
  lmtp: boolean
  bind?: string
  bindHelo?: string
  auth?: NonNullable<StaticRoute['auth']>
  need: HostRequirement
  /** mode=monitor: what enforcing would ask of this host, where that differs; found out while the mail goes its way. */
  enforced?: Promise<HostRequirement>
  /** The same of `DeliveryRequest.published`. */
  published?: Promise<HostRequirement>
}

/** A step of the way: an address to try, or a host (or the whole domain) that cannot be tried. */
export type Hop =
  | { kind: 'target'; target: Target }
  /** `ruledOut`: what it was asked for and cannot show. */
  | { kind: 'dead'; host?: string; failure: Failure; ruledOut?: Target }

/** RFC 2033 section 5 reserves no port; 24 is the registered one for private mail. */
const LMTP_PORT = 24

type RouteDeps = Pick<DelivererDeps, 'lookupMx' | 'lookupAddresses' | 'lookupTlsa' | 'isLocalAddress' | 'forHost'> & {
  resolver: ReturnType<DelivererDeps['resolver']>
  settings: Settings
}

/** What makes a host a target, besides its addresses. */
interface HostPlan {
  target: Omit<Target, 'address' | 'need' | 'enforced' | 'published'>
  nextHop: NextHop
  fromDns: boolean
}

/** What led to a host, as far as its requirement depends on it. */
type NextHop = Pick<HostInputs, 'domain' | 'mxSecure' | 'expandedDomain'> & {
  /** The domain has no MX records: its own name, or what that is an alias of, is the host. */
  implicit: boolean
}

/** A way step by step; a promise is to be awaited before the next step, and is none itself. */
type Way<R = void> = Generator<Hop | Promise<void>, R, undefined>

/**
 * Not asynchronous: where DNS has all answers at hand, a mail comes to its first address without waiting.
 *
 * @returns hops, and promises in between that are to be awaited before going on; one that rejects ends the way
 */
export function* hops(request: DeliveryRequest, deps: RouteDeps): Way {
  if (request.routes) {
    if (request.routes.length === 0)
      yield { kind: 'dead', failure: noRoute('No route was given for this destination.') }
    for (const route of request.routes) yield* staticHops(route, request, deps)
    return
  }
  const answer = yield* arrived(deps.lookupMx(deps.resolver, request.domain))
  switch (answer.kind) {
    case 'null-mx':
      // RFC 7505 section 3
      yield dead('null-mx', '5.1.10', 'The domain says in DNS that it does not accept mail.')
      return
    case 'no-domain':
      yield dead('domain-not-found', '5.1.2', 'The domain does not exist.', answer.detail)
      return
    case 'error':
      yield dead('dns-error', '4.4.3', 'The mail servers of the domain could not be looked up.', answer.detail)
      return
    case 'hosts': {
      const { secure: mxSecure, expandedDomain, implicit } = answer
      const expanded = mxSecure && expandedDomain !== request.domain ? { expandedDomain } : {}
      const nextHop = { domain: request.domain, mxSecure, implicit, ...expanded }
      for (const mx of answer.hosts) {
        const target = { host: mx.host, port: deps.settings.delivery.port, lmtp: false }
        yield* hostHops({ target, nextHop, fromDns: true }, request, deps)
      }
      return
    }
  }
}

/** What a promise comes to, and anything else at once. */
function* arrived<T>(value: AtOnce<T>): Way<T> {
  if (!(value instanceof Promise)) return value
  let result: { value: T } | undefined
  yield value.then((one) => void (result = { value: one }))
  if (result === undefined) throw new Error('nobody waited for what was looked up')
  return result.value
}

function* staticHops(route: StaticRoute, request: DeliveryRequest, deps: RouteDeps): Way {
  const common = {
    lmtp: route.lmtp,
    ...(route.bind === undefined ? {} : { bind: route.bind }),
    ...(route.bindHelo === undefined ? {} : { bindHelo: route.bindHelo }),
    ...(route.auth === undefined ? {} : { auth: route.auth }),
  }
  if (route.path !== undefined) {
    const need = deps.forHost(request.requirement, {
      host: 'localhost',
      domain: request.domain,
      mxSecure: true,
      addressSecure: false,
      tlsa: { state: 'absent' },
    })
    yield usable({ host: 'localhost', ...common, address: route.path, path: route.path, port: 0, need })
    return
  }
  if (route.host === undefined || route.host === '') {
    yield { kind: 'dead', failure: noRoute('The route for this destination names no host.') }
    return
  }
  const host = (addressLiteral(route.host) ?? route.host).toLowerCase().replace(/\.$/u, '')
  const port = route.port ?? (route.lmtp ? LMTP_PORT : deps.settings.delivery.port)
  // RFC 7672 section 2.2.2: the configuration is trusted, and what it names is the next-hop domain
  const nextHop = { domain: host, mxSecure: true, implicit: false }
  yield* hostHops({ target: { host, ...common, port }, nextHop, fromDns: false }, request, deps)
}

/** The addresses of one host, as they are; own ones left out where DNS named the host. */
function* hostHops(plan: HostPlan, request: DeliveryRequest, deps: RouteDeps): Way {
  const { target, fromDns } = plan
  const { host, bind } = target
  const { inetPrefer, localMxOk } = deps.settings.delivery
  const found = yield* arrived(deps.lookupAddresses(deps.resolver, host, { inetPrefer }))
  if (found.kind === 'none') {
    yield dead('no-address', '5.4.4', 'The mail server of the domain has no address.', found.detail, host)
    return
  }
  if (found.kind === 'error') {
    yield dead('dns-error', '4.4.3', 'The address of the mail server could not be looked up.', found.detail, host)
    return
  }
  const family = bind === undefined ? 0 : isIP(bind)
  const need = yield* arrived(requirementFor(request.requirement, plan, found, deps))
  const enforced = besideDelivery(request.requirement.enforced, plan, found, deps)
  const published = besideDelivery(request.published, plan, found, deps)
  const beside = { ...(enforced === undefined ? {} : { enforced }), ...(published === undefined ? {} : { published }) }
  let tried = 0
  let own = 0
  for (const address of found.addresses) {
    if (family !== 0 && isIP(address) !== family) continue
    tried += 1
    // Mail for a domain whose MX is ourselves would go round in circles; and a stranger's MX record must not be able
    // to point us at services on this machine.
    if (fromDns && !localMxOk && deps.isLocalAddress(address)) {
      own += 1
      continue
    }
    yield usable({ address, ...target, need, ...beside })
  }
  if (tried === 0) {
    yield dead('no-route', '4.4.4', 'The mail server has no address that can be reached from here.', bind, host)
  } else if (own === tried) {
    yield { kind: 'dead', host, failure: noRoute('The mail server of the domain is this gateway itself.') }
  }
}

function requirementFor(
  requirement: Requirement,
  { target: { host, port }, nextHop }: HostPlan,
  addresses: Extract<HostAddresses, { kind: 'addresses' }>,
  deps: RouteDeps,
): AtOnce<HostRequirement> {
  const { implicit, ...mx } = nextHop
  // RFC 7672 section 2.1.3: a secure alias of an insecure name can have TLSA records of its own
  const addressSecure = addresses.secure || addresses.secureAlias
  const under = (tlsa: TlsaState): HostRequirement => deps.forHost(requirement, { host, ...mx, addressSecure, tlsa })
  // A row that stands alone costs no query, and cannot fail by one.
  if (!usesDane(requirement)) return under({ state: 'absent' })
  const { mxSecure, expandedDomain } = mx
  const aliasOf = implicit && expandedDomain === host ? { aliasOf: mx.domain } : {}
  const tlsa = deps.lookupTlsa(deps.resolver, { host, addresses, mxSecure, port, ...aliasOf })
  return tlsa instanceof Promise ? tlsa.then(under) : under(tlsa)
}

/** Monitor mode and TLS reports look up what enforcing would need, and nobody waits for it: see `monitor.ts`. */
function besideDelivery(
  requirement: Requirement | undefined,
  plan: HostPlan,
  addresses: Extract<HostAddresses, { kind: 'addresses' }>,
  deps: RouteDeps,
): Promise<HostRequirement> | undefined {
  if (requirement === undefined) return undefined
  const look = (async () => await requirementFor(requirement, plan, addresses, deps))()
  // whoever asks for it is told of a failure; perhaps nobody does
  look.catch(() => undefined)
  return look
}

/** A requirement that this host cannot meet is found out without connecting to it. */
function usable(target: Target): Hop {
  const { need, host, auth } = target
  if (!need.usable) {
    const failure = tlsFailure(need.resultType ?? 'validation-failure', need.why)
    return { kind: 'dead', host, failure, ruledOut: target }
  }
  if (auth === undefined) return { kind: 'target', target }
  // A password in clear text is never sent: TLS becomes a must, and where policy forbids TLS there is no way.
  if (need.tls === 'none') {
    return { kind: 'dead', host, failure: noRoute('The route needs a login, which is only sent inside TLS.') }
  }
  return { kind: 'target', target: { ...target, need: { ...need, tls: 'must' } } }
}

function dead(
  resultType: Failure['resultType'],
  enhancedCode: string,
  publicText: string,
  privateDetail?: string,
  host?: string,
): Hop {
  const failure: Failure = {
    resultType,
    enhancedCode,
    publicText,
    ...(privateDetail === undefined ? {} : { privateDetail }),
  }
  return { kind: 'dead', ...(host === undefined ? {} : { host }), failure }
}

/** RFC 3463 section 3.5: X.4.6, routing loop detected; temporary, since DNS and maps get repaired. */
function noRoute(publicText: string): Failure {
  return { resultType: 'no-route', enhancedCode: '4.4.6', publicText }
}
