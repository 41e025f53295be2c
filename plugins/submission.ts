/**
 * The answer to a submitting client, in the place of `Connection.queue_outbound_respond`: nothing is queued without our
 * verdict on this very transaction, nobody else's "OK, I have it" is believed, and a queue that cannot be written is
 * 451, never 550.
 */
import { CODE, type Connection, type HarakaModules, type Transaction } from './haraka'
import { advise } from './category3'
import { decisionOn, type EncryptionFacts, type GateDecision, type PendingCopy } from './decisions'
import { withDeadline } from './guard'
import { HOOK_CHAIN_DEADLINE } from './hooks'
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
    onceWritten(runtime, connection, report, () => {
      reject(connection, rejection.reply, text, rejection.disconnect)
    })
    return
  }
  const decision = decisionOn(transaction)
  if (runtime === null || decision === undefined) {
    report('queue_outbound', new Error('a mail came to be queued without a verdict of the gate; it is answered 451'))
    putOff(connection, NO_VERDICT)
    return
  }
  if (code === CODE.ok) {
    if (decision.reportedInstead) {
      onceWritten(runtime, connection, report, () => {
        haraka.plugins.run_hooks('queue_ok', connection, text)
      })
    } else {
      report(
        'queue_outbound',
        new Error('another plugin says that it queued the mail itself; that would bypass TLS, so it is answered 451'),
      )
      putOff(connection, QUEUE_TROUBLE)
    }
    return
  }
  const queueItself = () => {
    haraka.outbound.send_trans_email(transaction, (queued, reply) => {
      if (queued === CODE.ok) {
        tellAccepted(runtime, transaction, connection)
        void advise(runtime, transaction, decision)
        onceWritten(runtime, connection, report, () => {
          haraka.plugins.run_hooks('queue_ok', connection, connection.queue_msg(queued, reply))
        })
        return
      }
      report('queue', reply)
      putOff(connection, QUEUE_TROUBLE)
    })
  }
  if (decision.copies === undefined) {
    queueItself()
    return
  }
  queueCopies(haraka, runtime, connection, decision.copies).then(
    () => {
      // the client may have gone meanwhile, and its mail with it: it was told nothing, and sends again
      if (connection.transaction === transaction) queueItself()
    },
    (error: unknown) => {
      report('encryption', error)
      if (connection.transaction === transaction) putOff(connection, QUEUE_TROUBLE)
    },
  )
}

/**
 * Answer once what was told about the mail is written, so that no client knows more than the log; unless the client has
 * gone meanwhile, and its transaction with it.
 */
function onceWritten(
  runtime: Runtime | null,
  connection: Connection,
  report: (what: string, error: unknown) => void,
  respond: () => void,
): void {
  if (runtime === null) {
    respond()
    return
  }
  const { transaction } = connection
  runtime.audit
    .written()
    .then(() => {
      if (connection.transaction === transaction) respond()
    })
    .catch((error: unknown) => {
      report('queue_outbound', error)
      // whether the client has its answer is not known: a second one could be taken for that of the next mail
      connection.disconnect()
    })
    .catch((error: unknown) => {
      report('queue_outbound', error)
    })
}

/**
 * The messages for recipients whose certificates the others do not see, one after the other, before the mail itself.
 * When one cannot be queued the client sends the mail again: the earlier ones may then come twice, and none is lost.
 */
async function queueCopies(
  haraka: HarakaModules,
  runtime: Runtime,
  connection: Connection,
  copies: readonly PendingCopy[],
): Promise<void> {
  for (const { make } of copies) {
    const copy = await make()
    const queued = new Promise<void>((resolve, reject) => {
      haraka.outbound.send_trans_email(copy, (code, text) => {
        if (code === CODE.ok) resolve()
        else reject(new Error(`an encrypted message could not be queued: ${String(text)}`))
      })
    })
    await withDeadline(queued, HOOK_CHAIN_DEADLINE, 'queueing an encrypted message')
    tellAccepted(runtime, copy, connection)
    copy.message_stream.destroy()
  }
}

function tellAccepted(runtime: Runtime, transaction: Transaction, connection: Connection): void {
  const decision = decisionOn(transaction)
  if (decision === undefined) return
  const { notes, tlsRequired, content, encrypted } = decision
  if (encrypted !== undefined) tellEncrypted(runtime, decision, encrypted)
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

function tellEncrypted(runtime: Runtime, { notes }: GateDecision, facts: EncryptionFacts): void {
  runtime.audit.tell({
    action: 'category3-encrypted',
    message: `encrypted with S/MIME to ${facts.fingerprints.length} certificate(s)`,
    outcome: 'success',
    mailId: notes.mailId,
    caseId: notes.caseId,
    sender: notes.sender,
    recipients: notes.recipients,
    extra: {
      category: 3,
      recipient_count: notes.recipients.length,
      algorithm: 'aes256-cbc',
      certificates: facts.fingerprints.join(','),
      signed: facts.signed,
      subject_hidden: facts.subjectHidden,
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
