/**
 * The answer to a submitting client, in the place of `Connection.queue_outbound_respond`: nothing is queued without our
 * verdict on this very transaction, nobody else's "OK, I have it" is believed, and a queue that cannot be written is
 * 451, never 550.
 */
import { CODE, type Connection, type HarakaModules, type Transaction } from './haraka'
import { advise } from './category3'
import { decisionOn } from './gate-hook'
import type { Runtime } from './runtime'
import { REJECTIONS } from './takeover'

const NO_VERDICT = '4.7.0 the mail was not inspected, try again later'
const QUEUE_TROUBLE = '4.3.0 the mail cannot be queued now, try again later'

/**
 * @param runtime null until this process is ready to take mail
 * @returns the method; `this` is the connection
 */
export function queueOutboundResponder(
  haraka: HarakaModules,
  runtime: () => Runtime | null,
  report: (what: string, error: unknown) => void,
): (this: Connection, code?: number, message?: unknown) => void {
  return function queueOutboundRespond(this: Connection, code?: number, message?: unknown): void {
    if (this.remote.closed === true || this.transaction === null) return
    try {
      answer(haraka, runtime(), this, this.transaction, code, message, report)
    } catch (error) {
      report('queue_outbound', error)
      putOff(this, QUEUE_TROUBLE)
    }
  }
}

function answer(
  haraka: HarakaModules,
  runtime: Runtime | null,
  connection: Connection,
  transaction: Transaction,
  code: number | undefined,
  message: unknown,
  report: (what: string, error: unknown) => void,
): void {
  const rejection = REJECTIONS.get(code ?? CODE.cont)
  const text = connection.queue_msg(code, message) || 'Message Queued'
  connection.store_queue_result(code, text)
  if (rejection !== undefined) {
    connection.lognotice(`secure-mail: queue_outbound answered ${rejection.reply}: ${text}`)
    reject(connection, rejection.reply, text, rejection.disconnect)
    return
  }
  const decision = decisionOn(transaction)
  if (runtime === null || decision === undefined) {
    report('queue_outbound', new Error('a mail came to be queued without a verdict of the gate; it is answered 451'))
    putOff(connection, NO_VERDICT)
    return
  }
  if (code === CODE.ok) {
    if (decision.reportedInstead) haraka.plugins.run_hooks('queue_ok', connection, text)
    else {
      report(
        'queue_outbound',
        new Error('another plugin says that it queued the mail itself; that would bypass TLS, so it is answered 451'),
      )
      putOff(connection, QUEUE_TROUBLE)
    }
    return
  }
  haraka.outbound.send_trans_email(transaction, (queued, reply) => {
    if (queued === CODE.ok) {
      tellAccepted(runtime, transaction, connection)
      void advise(runtime, transaction, decision)
      haraka.plugins.run_hooks('queue_ok', connection, connection.queue_msg(queued, reply))
      return
    }
    report('queue', reply)
    putOff(connection, QUEUE_TROUBLE)
  })
}

function tellAccepted(runtime: Runtime, transaction: Transaction, connection: Connection): void {
  const decision = decisionOn(transaction)
  if (decision === undefined) return
  const { notes, tlsRequired, content } = decision
  runtime.audit.tell({
    action: 'message-accepted',
    message: 'accepted and queued',
    outcome: 'success',
    mailId: notes.mailId,
    caseId: notes.caseId,
    messageId: transaction.header.get('Message-Id').trim(),
    sender: notes.sender,
    recipients: notes.recipients,
    source: {
      ip: connection.remote.ip,
      port: connection.remote.port,
      ...(notes.source?.user === undefined ? {} : { user: notes.source.user }),
    },
    extra: {
      bytes: transaction.data_bytes,
      ...(notes.category === null ? {} : { category: notes.category }),
      ...(content ?? {}),
      ...(notes.requiretls ? { requiretls: true } : {}),
      ...(tlsRequired === undefined ? {} : { tls_required: tlsRequired }),
    },
  })
}

function putOff(connection: Connection, text: string): void {
  reject(connection, 451, text, false)
}

function reject(connection: Connection, reply: number, text: string, disconnect: boolean): void {
  connection.respond(reply, text, () => {
    if (reply >= 500) connection.msg_count.reject++
    else connection.msg_count.tempfail++
    if (connection.transaction !== null) connection.transaction.msg_status = reply >= 500 ? 'rejected' : 'deferred'
    if (disconnect) connection.disconnect()
    else
      connection.reset_transaction(() => {
        connection.resume()
      })
  })
}
