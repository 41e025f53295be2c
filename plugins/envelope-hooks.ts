/**
 * RFC 3461 and RFC 8689 parameters of MAIL and RCPT. Haraka parses and forgets them; they are kept in the transaction's
 * notes, because properties of address objects do not survive the queue file.
 *
 * Where DSN is offered, a parameter that is not as RFC 3461 wants it is a syntax error of the client. Where it is not
 * offered, and given all the same, it is as if it had not been given: a sender is then told of failures.
 */
import { readEnvid, readNotify, readOrcpt, readRet } from '../lib/deliver/dsn-parameters'
import type { DsnParameters } from '../lib/store/notes'
import { CODE, type Connection, type HarakaAddress, type HarakaModules, type Transaction } from './haraka'
import type { HookResult } from './guard'
import { envelopeAddress } from './mail-facts'
import { mayRelay, requiretlsOf, takeRequiretls } from './requiretls'

/** As Haraka parses them: keywords in upper case, null = no value. */
type Parameters = Readonly<Record<string, string | null | undefined>>

const kept = new WeakMap<Transaction, DsnParameters>()

/** Connections that were offered DSN. */
const offered = new WeakSet<Connection>()

/** `hook_capabilities`: offer DSN to who may relay (RFC 3461 section 4), with `ndr.dsn=advertise`. */
export function offerDsn(connection: Connection, dsn: 'honour' | 'advertise' | 'ignore' | undefined): HookResult {
  if (dsn !== 'advertise' || connection.capabilities === undefined || !mayRelay(connection)) return []
  connection.capabilities.push('DSN')
  offered.add(connection)
  return []
}

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
  const ret = read(given, 'RET', readRet)
  const envid = read(given, 'ENVID', readEnvid)
  for (const one of [ret, envid]) if (one.wrong && offered.has(connection)) return syntaxError(haraka, one.keyword)
  if (ret.value === undefined && envid.value === undefined) return []
  // RFC 8689 section 5: with REQUIRETLS, RET=FULL is disregarded and HDRS it is
  const wanted = ret.value === 'FULL' && requiretlsOf(connection, transaction) === true ? 'HDRS' : ret.value
  kept.set(transaction, {
    ...(wanted === undefined ? {} : { ret: wanted }),
    ...(envid.value === undefined ? {} : { envid: envid.value }),
    rcpt: {},
  })
  return []
}

/** `hook_rcpt`: NOTIFY and ORCPT. */
export function keepRcptParameters(
  haraka: Pick<HarakaModules, 'DSN'>,
  connection: Connection,
  params: readonly [HarakaAddress, Parameters?],
): HookResult {
  const { transaction } = connection
  const given = params[1]
  if (transaction === null || given === undefined) return []
  const notify = read(given, 'NOTIFY', readNotify)
  const orcpt = read(given, 'ORCPT', readOrcpt)
  for (const one of [notify, orcpt]) if (one.wrong && offered.has(connection)) return syntaxError(haraka, one.keyword)
  if (notify.value === undefined && orcpt.value === undefined) return []
  const before = kept.get(transaction) ?? { rcpt: {} }
  const address = envelopeAddress(params[0])
  kept.set(transaction, {
    ...before,
    rcpt: {
      ...before.rcpt,
      [address]: {
        ...(notify.value === undefined ? {} : { notify: notify.value }),
        ...(orcpt.value === undefined ? {} : { orcpt: orcpt.value }),
      },
    },
  })
  return []
}

/** What was given for this transaction, if anything. */
export function dsnParameters(transaction: Transaction): DsnParameters | undefined {
  return kept.get(transaction)
}

function read<T>(
  given: Parameters,
  keyword: string,
  reader: (value: string) => T | undefined,
): { keyword: string; value: T | undefined; wrong: boolean } {
  const text = given[keyword]
  const value = typeof text === 'string' ? reader(text) : undefined
  return { keyword, value, wrong: text !== undefined && value === undefined }
}

/** RFC 3461 section 4 and RFC 3463 X.5.4: invalid command arguments. */
function syntaxError({ DSN }: Pick<HarakaModules, 'DSN'>, keyword: string): HookResult {
  return [CODE.deny, DSN.create(501, `${keyword} is not as RFC 3461 section 4 wants it`, 5, 4)]
}
