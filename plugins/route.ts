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
      const routes = answers.map((mx) => staticRoute(haraka, mx, notes))
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

/** What a plugin may say of a route, before anything of it is believed: the types of its fields are hope, not fact. */
type Claimed = Readonly<Partial<Record<keyof HarakaMx, unknown>>>

/**
 * @param mx what the plugin answered: anything at all
 * @returns null when no route can be made of it, or when a part of it could not be meant as it stands
 */
function staticRoute(haraka: Pick<HarakaModules, 'outbound'>, mx: unknown, notes: Notes): StaticRoute | null {
  const claimed = readMx(haraka, mx)
  if (claimed === null) return null
  const { bind, auth_user: user, auth_pass: pass, auth_type: type } = claimed
  const path = typeof claimed.path === 'string' && /^[^\0]+$/.test(claimed.path) ? claimed.path : undefined
  const host = hostOf(claimed.exchange)
  const port = claimed.port === undefined ? undefined : Number(claimed.port)
  const helo = notes.outbound_helo === undefined ? claimed.bind_helo : notes.outbound_helo
  if (path === undefined && host === undefined) return null
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) return null
  if (bind !== undefined && (typeof bind !== 'string' || isIP(bind) === 0)) return null
  // it goes into a command line: RFC 5321 section 4.1.1.1
  if (helo !== undefined && word(helo) === undefined) return null
  if (![user, pass, type].every((text) => text === undefined || typeof text === 'string')) return null
  return {
    ...(path === undefined ? { host } : { path }),
    ...(port === undefined ? {} : { port }),
    lmtp: claimed.using_lmtp === true,
    ...(bind === undefined ? {} : { bind }),
    ...(helo === undefined ? {} : { bindHelo: word(helo) }),
    ...(typeof user === 'string'
      ? { auth: { user, pass: typeof pass === 'string' ? pass : '', ...(typeof type === 'string' ? { type } : {}) } }
      : {}),
  }
}

function readMx(haraka: Pick<HarakaModules, 'outbound'>, mx: unknown): Claimed | null {
  try {
    return new haraka.outbound.net_utils.HarakaMx(mx)
  } catch {
    // Haraka's own class throws at null and at URLs that are none
    return null
  }
}

/** A host name in A-labels, or an address. */
function hostOf(exchange: unknown): string | undefined {
  const name = word(exchange)?.toLowerCase().replace(/\.$/, '')
  if (name === undefined || name === '') return undefined
  return isIP(name) === 0 ? domainToASCII(name) || undefined : name
}

/** A non-empty text without blanks and control characters. */
function word(text: unknown): string | undefined {
  return typeof text === 'string' && text !== '' && !/[\p{Cc}\s]/u.test(text) ? text : undefined
}

/** A unix socket, or LMTP on a loopback address: the mail does not leave the machine. */
function isLocal(route: StaticRoute): boolean {
  if (route.path !== undefined) return true
  return route.lmtp && route.host !== undefined && /^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(route.host)
}
