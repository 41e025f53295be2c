/**
 * RFC 3461 and RFC 8689 parameters of MAIL and RCPT. Haraka parses and forgets them; they are kept in the transaction's
 * notes, because properties of address objects do not survive the queue file.
 */
import type { DsnParameters } from '../lib/store/notes'
import type { Connection, HarakaAddress, HarakaModules, Transaction } from './haraka'
import type { HookResult } from './guard'
import { envelopeAddress } from './mail-facts'
import { requiretlsOf, takeRequiretls } from './requiretls'

/** As Haraka parses them: keywords in upper case, null = no value. */
type Parameters = Readonly<Record<string, string | null | undefined>>

const kept = new WeakMap<Transaction, DsnParameters>()

/** Longest parameter value that is believed (RFC 3461 section 4.4: ENVID 100, ORCPT 500 characters). */
const LIMIT = 500

/** `hook_mail`: REQUIRETLS, RET and ENVID. */
export function keepMailParameters(
  haraka: Pick<HarakaModules, 'DSN'>,
  connection: Connection,
  params: readonly [HarakaAddress, Parameters?],
): HookResult {
  const { transaction } = connection
  const given = params[1]
  const refusal = takeRequiretls(haraka, connection, given)
  if (refusal.length > 0 || transaction === null || given === undefined) return refusal
  const asked = given.RET?.toUpperCase()
  // RFC 8689 section 5: with REQUIRETLS, RET=FULL is disregarded and HDRS it is
  const ret = asked === 'FULL' && requiretlsOf(connection, transaction) === true ? 'HDRS' : asked
  const envid = bounded(given.ENVID)
  if (ret !== 'FULL' && ret !== 'HDRS' && envid === undefined) return []
  kept.set(transaction, {
    ...(ret === 'FULL' || ret === 'HDRS' ? { ret } : {}),
    ...(envid === undefined ? {} : { envid }),
    rcpt: {},
  })
  return []
}

/** `hook_rcpt`: NOTIFY and ORCPT. */
export function keepRcptParameters(connection: Connection, params: readonly [HarakaAddress, Parameters?]): HookResult {
  const { transaction } = connection
  const given = params[1]
  if (transaction === null || given === undefined) return []
  const notify = bounded(given.NOTIFY)?.toUpperCase()
  const orcpt = bounded(given.ORCPT)
  if (notify === undefined && orcpt === undefined) return []
  const before = kept.get(transaction) ?? { rcpt: {} }
  const address = envelopeAddress(params[0])
  kept.set(transaction, {
    ...before,
    rcpt: {
      ...before.rcpt,
      [address]: { ...(notify === undefined ? {} : { notify }), ...(orcpt === undefined ? {} : { orcpt }) },
    },
  })
  return []
}

/** What was given for this transaction, if anything. */
export function dsnParameters(transaction: Transaction): DsnParameters | undefined {
  return kept.get(transaction)
}

function bounded(value: string | null | undefined): string | undefined {
  return value != null && value.length > 0 && value.length <= LIMIT && /^[\x21-\x7e]+$/.test(value) ? value : undefined
}
