/** One question to the configured resolvers: one after the other, each at most twice, all within a bound. */
import { randomInt } from 'node:crypto'
import type { RecordType as PacketType } from 'dns-packet'
import { exchange, type Exchanged } from './exchange'
import { serverText, type Server } from './servers'
import type { DnsErrorKind } from './types'
import { encodeQuery, RCODE, type Reply } from './wire'

export type Asked = { ok: true; reply: Reply; server: Server } | { ok: false; error: DnsErrorKind; detail: string }

const ROUNDS = 2
/** The whole question may take this many times the time-out of one try. */
const TOTAL_TIMEOUTS = 4

/**
 * A server that fails, refuses or answers SERVFAIL is not asked again; one that stays silent gets a second chance after
 * the others.
 *
 * @param name normalised
 * @param timeout milliseconds per try
 */
export async function ask(
  servers: readonly Server[],
  name: string,
  type: PacketType,
  timeout: number,
  signal: AbortSignal,
): Promise<Asked> {
  const end = performance.now() + timeout * TOTAL_TIMEOUTS
  const faults: string[] = []
  let error: DnsErrorKind = 'unreachable'
  let candidates = servers
  for (let round = 0; round < ROUNDS; round++) {
    const silent: Server[] = []
    for (const server of candidates) {
      const left = end - performance.now()
      if (left <= 0 || signal.aborted) break
      const query = encodeQuery(randomInt(0x10000), name, type)
      const fault = judge(await exchange(server, query, Math.min(timeout, left), signal))
      if (fault.ok) return { ok: true, reply: fault.reply, server }
      error = fault.error
      faults.push(`${serverText(server)}: ${fault.detail}`)
      if (fault.error === 'timeout') silent.push(server)
    }
    candidates = silent
  }
  return { ok: false, error, detail: faults.length > 0 ? faults.join('; ') : 'the resolver was closed' }
}

/** What another server might answer better counts as a fault here. */
function judge(exchanged: Exchanged): Exchanged {
  if (!exchanged.ok) return exchanged
  switch (exchanged.reply.rcode) {
    case RCODE.noError:
    case RCODE.nxDomain:
      return exchanged
    case RCODE.servFail:
      // also what a validating resolver says of forged or broken data (RFC 4035 section 5.5)
      return { ok: false, error: 'servfail', detail: 'SERVFAIL' }
    case RCODE.refused:
      return { ok: false, error: 'refused', detail: 'REFUSED' }
    default:
      return { ok: false, error: 'servfail', detail: `response code ${exchanged.reply.rcode}` }
  }
}
