/**
 * REQUIRETLS as submitting clients see it (RFC 8689 sections 2, 4.1 and 4.3): offered after STARTTLS, taken on MAIL FROM,
 * remembered for the transaction. Taking it is a promise for every hop to come, so it is only given where this gateway
 * queues the mail itself.
 */
import type { HookResult } from './guard'
import { CODE, type Connection, type HarakaModules, type Transaction } from './haraka'

type Parameters = Readonly<Record<string, string | null | undefined>>

const KEYWORD = 'REQUIRETLS'

/** Transactions whose MAIL parameters were looked at, and what was found. */
const seen = new WeakMap<Transaction, boolean>()

/** `hook_capabilities`, after the plugins that offer AUTH. */
export function offerRequiretls(connection: Connection): HookResult {
  const { capabilities } = connection
  // RFC 8689 section 2: the option has no meaning outside TLS, so it is not offered there
  if (capabilities === undefined || connection.tls?.enabled !== true) return []
  if (mayRelay(connection)) capabilities.push(KEYWORD)
  return []
}

/**
 * Who can neither relay nor log in to relay hands its mail to somebody else's queue, for which nothing can be promised.
 * To be asked in `hook_capabilities`, after the plugins that offer AUTH.
 */
export function mayRelay({ relaying, capabilities = [] }: Connection): boolean {
  return relaying || capabilities.some((line) => /^AUTH[ =]/i.test(line))
}

/**
 * `hook_mail`: take the parameter, or refuse the command.
 *
 * @param params as Haraka parses them: keywords in upper case, null = no value. `REQUIRETLS=` without a value does not
 *   come this far: Haraka itself answers 501.
 */
export function takeRequiretls(
  { DSN }: Pick<HarakaModules, 'DSN'>,
  connection: Connection,
  params: Parameters = {},
): HookResult {
  const { transaction } = connection
  if (transaction === null) return []
  seen.set(transaction, false)
  if (!Object.hasOwn(params, KEYWORD)) return []
  if (params[KEYWORD] != null) {
    // RFC 8689 section 2: the parameter has no value; RFC 3463: X.5.4, invalid command arguments
    return [CODE.deny, DSN.create(501, 'REQUIRETLS takes no value', 5, 4)]
  }
  if (connection.tls?.enabled !== true) {
    // RFC 8689 section 2: only in a session that employs TLS; RFC 5248 registry: X.7.10, encryption needed
    return [CODE.deny, DSN.create(530, 'REQUIRETLS needs STARTTLS first', 7, 10)]
  }
  if (!connection.relaying) {
    // RFC 5321 section 4.1.1.11: 555 where a parameter cannot be implemented
    return [CODE.deny, DSN.create(555, 'REQUIRETLS is for mail that is relayed from here', 5, 4)]
  }
  seen.set(transaction, true)
  return []
}

/**
 * Was REQUIRETLS given with this mail?
 *
 * @returns undefined when nobody knows, because another plugin kept the MAIL command from being looked at
 */
export function requiretlsOf(connection: Connection, transaction: Transaction): boolean | undefined {
  // outside TLS it was never offered, and would have been refused
  return seen.get(transaction) ?? (connection.tls?.enabled === true ? undefined : false)
}

/** `hook_queue`: a mail with REQUIRETLS that is no relayed mail any more would leave our hands and the promise with it. */
export function keepRequiretlsHere({ DSN }: Pick<HarakaModules, 'DSN'>, connection: Connection): HookResult {
  const { transaction } = connection
  if (transaction === null || seen.get(transaction) !== true) return []
  // RFC 8689 section 6: X.7.30, the mail cannot be passed on with REQUIRETLS
  return [CODE.deny, DSN.create(550, 'REQUIRETLS cannot be kept for this mail', 7, 30)]
}
