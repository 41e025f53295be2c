import assert from 'node:assert/strict'
import sinon from 'sinon'
import type { AuditEvent } from '../../lib/audit/types'
import { decide, type GateDecision } from '../../plugins/decisions'
import { CODE, type Connection, type HarakaModules, type Transaction } from '../../plugins/haraka'
import type { Runtime } from '../../plugins/runtime'
import { queueOutboundResponder } from '../../plugins/submission'

const NOTES: GateDecision['notes'] = {
  v: 1,
  mailId: '0F3A7C11-82DF-489A-B731-8587E5178118.1',
  sender: 'anne@uni.example',
  recipients: ['bo@partner.example'],
  kind: 'mail',
  caseId: 'SM-7F3K-0Q2Z',
  category: null,
  grant: null,
  requiretls: false,
  optOut: { requested: false, refusals: [] },
  acceptedAt: 0,
}

describe('the answer to a client', () => {
  let told: AuditEvent[]
  let write: () => void
  let hooks: string[]
  let replies: number[]
  let transaction: Transaction
  let connection: Connection

  beforeEach(() => {
    told = []
    hooks = []
    replies = []
    transaction = { header: { get: () => '<1@uni.example>\n' }, data_bytes: 10 } as unknown as Transaction
    decide(transaction, { notes: NOTES, digestAtVerdict: null, reportedInstead: false })
    connection = {
      transaction,
      remote: { ip: '192.0.2.1', port: 40_000 },
      msg_count: { accept: 0, tempfail: 0, reject: 0 },
      queue_msg: () => 'Message Queued',
      store_queue_result: () => undefined,
      lognotice: () => undefined,
      respond: (code: number) => replies.push(code),
    } as unknown as Connection
  })

  function answer(code: number | undefined): { report: sinon.SinonSpy } {
    const written = new Promise<void>((resolve) => (write = resolve))
    const report = sinon.spy()
    const haraka = {
      outbound: { send_trans_email: (_: Transaction, done: (code: number) => void) => done(CODE.ok) },
      plugins: { run_hooks: (hook: string) => hooks.push(hook) },
    } as unknown as HarakaModules
    const runtime = {
      audit: { tell: (event: AuditEvent) => told.push(event), written: () => written },
    } as unknown as Runtime
    queueOutboundResponder(haraka, () => runtime, report).call(connection, code)
    return { report }
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve))

  it('says that a mail was accepted once the event of it is written', async () => {
    answer(undefined)
    await turn()
    assert.deepEqual([told.map(({ action }) => action), hooks], [['message-accepted'], []])
    write()
    await turn()
    assert.deepEqual(hooks, ['queue_ok'])
  })

  it('refuses a mail once what was told of it is written', async () => {
    answer(CODE.deny)
    await turn()
    assert.deepEqual(replies, [])
    write()
    await turn()
    assert.deepEqual(replies, [550])
  })

  it('says nothing to a client that has gone meanwhile', async () => {
    const { report } = answer(undefined)
    connection.transaction = null
    write()
    await turn()
    assert.deepEqual(hooks, [])
    sinon.assert.notCalled(report)
  })
})
