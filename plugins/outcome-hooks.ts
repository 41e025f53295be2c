/**
 * The `delivered`, `deferred` and `bounce` hooks of other plugins. They are told everything Haraka would tell them and
 * their answers are logged, but no answer ends a mail: only our deadline and our recorded report do.
 */
import type { DeliveryResult } from '../lib/deliver/types'
import type { Failure } from '../lib/failure'
import { addressOf, recordOf, type AttemptContext } from './attempt'
import { CODE, type HarakaAddress } from './haraka'
import { runHooks } from './hooks'

/** Properties that Haraka puts on recipients and that bounce plugins read. */
interface DsnProperties {
  dsn_action?: string
  dsn_status?: string
  dsn_code?: number
  dsn_msg?: string
  dsn_smtp_code?: number
  dsn_smtp_extc?: string
  dsn_smtp_response?: string
  dsn_remote_mta?: string
  reason?: string
}

/** Tell `delivered` once per host that took recipients. */
export async function tellDelivered(context: AttemptContext, result: DeliveryResult): Promise<void> {
  const { haraka, item, todo, facts, runtime } = context
  const delivered = result.outcomes.filter((outcome) => outcome.result === 'delivered')
  const byHost = new Map<string, typeof delivered>()
  for (const outcome of delivered) {
    const host = `${outcome.host} ${outcome.address} ${outcome.port}`
    byHost.set(host, [...(byHost.get(host) ?? []), outcome])
  }
  for (const outcomes of byHost.values()) {
    const first = outcomes[0]
    if (first === undefined) continue
    const recipients = outcomes.map((outcome) => addressOf(todo, facts, outcome.recipient))
    const seconds = (runtime.clock.now() - facts.queuedAt) / 1000
    const params = [
      first.host,
      first.address,
      first.response,
      seconds,
      first.port,
      first.lmtp ? 'LMTP' : 'SMTP',
      recipients,
      first.tls !== null,
      first.authenticated,
    ]
    const answer = await runHooks(haraka, item, 'delivered', params)
    if (answer.code !== CODE.cont && answer.code !== CODE.ok) logAnswer(context, 'delivered', answer)
  }
}

/**
 * Tell `deferred`.
 *
 * @returns when to try again: ours, or what a hook asked for with DENYSOFT and a number of seconds, but never after the
 *   mail's own deadline
 */
export async function tellDeferred(
  context: AttemptContext,
  deferred: { at: number; recipients: string[]; failure: Failure },
): Promise<number> {
  const { haraka, item, todo, facts, runtime } = context
  const now = runtime.clock.now()
  const recipients = deferred.recipients.map((recipient) =>
    withDsn(
      addressOf(todo, facts, recipient),
      recordOf(context.progress, recipient).lastFailure ?? deferred.failure,
      'delayed',
    ),
  )
  const params = {
    delay: Math.ceil((deferred.at - now) / 1000),
    err: `${deferred.failure.resultType}: ${deferred.failure.publicText}`,
    fail_recips: recipients,
  }
  const answer = await runHooks(haraka, item, 'deferred', params)
  if (answer.code === CODE.denysoft && !answer.timedOut) {
    const seconds = Number(answer.message)
    if (Number.isFinite(seconds) && seconds >= 1) {
      const deadline = facts.queuedAt + runtime.settings().ndr.undeliverableAfter
      return Math.max(now + 1000, Math.min(now + seconds * 1000, Math.max(deferred.at, deadline)))
    }
  }
  if (answer.code !== CODE.cont) logAnswer(context, 'deferred', answer)
  return deferred.at
}

/** Tell `bounce`, after the report is safely queued. */
export async function tellBounced(context: AttemptContext, failed: readonly string[]): Promise<void> {
  const { haraka, item, todo, facts, progress } = context
  const recipients = failed.map((recipient) => {
    const failure = recordOf(progress, recipient).lastFailure
    const address = addressOf(todo, facts, recipient)
    return failure === undefined ? address : withDsn(address, failure, 'failed')
  })
  const failure = recordOf(progress, failed[0] ?? '').lastFailure
  const error = Object.assign(new Error(failure?.publicText ?? 'not delivered'), {
    bounced_rcpt: recipients,
    deferred_rcpt: [],
  })
  item.bounce_error = error
  const answer = await runHooks(haraka, item, 'bounce', error)
  if (answer.code !== CODE.cont && answer.code !== CODE.ok) logAnswer(context, 'bounce', answer)
}

function withDsn(address: HarakaAddress, failure: Failure, action: 'failed' | 'delayed'): HarakaAddress {
  const properties: DsnProperties = {
    dsn_action: action,
    dsn_status: failure.enhancedCode,
    dsn_code: action === 'failed' ? 550 : 450,
    dsn_msg: failure.publicText,
    reason: failure.publicText,
    ...(failure.mx === undefined ? {} : { dsn_remote_mta: failure.mx }),
    ...(failure.smtp === undefined
      ? {}
      : {
          dsn_smtp_code: failure.smtp.code,
          dsn_smtp_response: failure.smtp.text,
          ...(failure.smtp.enhanced === undefined ? {} : { dsn_smtp_extc: failure.smtp.enhanced }),
        }),
  }
  return Object.assign(address, properties)
}

function logAnswer(context: AttemptContext, hook: string, answer: { code: number; message: unknown }): void {
  context.item.lognotice(
    `secure-mail: a ${hook} hook answered ${answer.code}; noted, but only the deadline and the report of secure-mail end a mail`,
  )
}
