/** What the `get_mx` hooks answered, as a route that delivery understands. */
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import type { StaticRoute } from '../lib/deliver/types'
import type { Failure } from '../lib/failure'
import type { Route } from '../lib/policy/types'
import { CODE, type HarakaModules, type HarakaMx, type Notes } from './haraka'
import type { HookAnswer } from './hooks'

export type ChosenRoute =
  { kind: 'deliver'; route: Route; routes?: StaticRoute[] } | { kind: 'refused'; failure: Failure }

/**
 * OK names a static route, which is honoured (how the connection is protected stays ours to decide). DENY and DENYSOFT
 * are a plugin's word that there is no way, final or for now. Everything else is: the MX records of the domain.
 *
 * @param notes the transaction's notes; `outbound_helo` there is Haraka's older way to name HELO
 */
export function chooseRoute(
  haraka: Pick<HarakaModules, 'outbound'>,
  answer: HookAnswer,
  domain: string,
  notes: Notes,
): ChosenRoute {
  switch (answer.code) {
    case CODE.ok: {
      const answers = Array.isArray(answer.message) ? (answer.message as unknown[]) : [answer.message]
      const routes = answers.map((mx) => staticRoute(new haraka.outbound.net_utils.HarakaMx(mx), notes))
      const usable = routes.filter((route) => route !== null)
      const first = usable[0]
      if (first === undefined) return refused(false, `a get_mx plugin named a route that cannot be read for ${domain}`)
      if (usable.every(isLocal)) return { kind: 'deliver', route: { kind: 'local' }, routes: usable }
      if (usable.some(isLocal)) return refused(false, `a get_mx plugin mixed local and remote routes for ${domain}`)
      return { kind: 'deliver', route: { kind: 'static', host: first.host ?? '' }, routes: usable }
    }
    case CODE.deny:
      return refused(true, `a get_mx plugin refused to route ${domain}: ${hookText(answer.message)}`)
    case CODE.denysoft:
      return refused(false, `a get_mx plugin has no route to ${domain} now: ${hookText(answer.message)}`)
    default:
      return { kind: 'deliver', route: { kind: 'mx' } }
  }
}

function refused(permanent: boolean, text: string): ChosenRoute {
  return {
    kind: 'refused',
    // RFC 3463: X.4.4 unable to route
    failure: { resultType: 'no-route', enhancedCode: permanent ? '5.4.4' : '4.4.4', publicText: text },
  }
}

function hookText(message: unknown): string {
  const text = typeof message === 'string' ? message : message instanceof Error ? message.message : 'no reason given'
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ').slice(0, 200)
}

function staticRoute(mx: HarakaMx, notes: Notes): StaticRoute | null {
  const host = mx.exchange?.toLowerCase().replace(/\.$/, '')
  const path = typeof mx.path === 'string' && mx.path !== '' ? mx.path : undefined
  if (path === undefined && (host === undefined || host === '')) return null
  const ascii = host === undefined || isIP(host) ? host : domainToASCII(host)
  if (path === undefined && ascii === '') return null
  const helo = typeof notes.outbound_helo === 'string' ? notes.outbound_helo : mx.bind_helo
  return {
    ...(path === undefined ? { host: ascii } : { path }),
    ...(mx.port === undefined ? {} : { port: Number(mx.port) }),
    lmtp: mx.using_lmtp === true,
    ...(mx.bind === undefined ? {} : { bind: mx.bind }),
    ...(helo === undefined ? {} : { bindHelo: helo }),
    ...(mx.auth_user === undefined
      ? {}
      : {
          auth: {
            user: mx.auth_user,
            pass: mx.auth_pass ?? '',
            ...(mx.auth_type === undefined ? {} : { type: mx.auth_type }),
          },
        }),
  }
}

/** A unix socket, or LMTP on a loopback address: the mail does not leave the machine. */
function isLocal(route: StaticRoute): boolean {
  if (route.path !== undefined) return true
  return route.lmtp && route.host !== undefined && /^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(route.host)
}
