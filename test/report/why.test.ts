import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { openAudit } from '../../lib/audit/open'
import type { AuditEvent } from '../../lib/audit/types'
import { maskCpr } from '../../lib/classify/cpr'
import type { Failure } from '../../lib/failure'
import { caseId } from '../../lib/notify/case-id'
import type { Why } from '../../lib/report'
import { readMailId } from '../../lib/report'
import { ran, schemaErrors } from '../bin/run'
import { queueContent } from '../queue/files'

const MAIL = '0F3A7C11-82DF-489A-B731-8587E5178118.1'
const OTHER = '0F3A7C11-82DF-489A-B731-8587E5178118.2'
const REPORT = '77777777-82DF-489A-B731-8587E5178118.1'
const CASE = caseId(MAIL)
const NO_TLS: Failure = {
  resultType: 'starttls-not-supported',
  enhancedCode: '4.7.4',
  publicText: 'The server does not offer TLS (STARTTLS).',
  mx: 'mx.a.test',
  address: '192.0.2.1',
}

describe('secure-mail why', () => {
  let dir: string
  let now: number

  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-why-'))
    mkdirSync(path.join(dir, 'config'))
    writeFileSync(path.join(dir, 'config', 'plugins'), 'secure-mail\n')
    settings('')
    now = Date.UTC(2026, 10, 22, 23, 59, 0)
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  function settings(more: string): void {
    writeFileSync(
      path.join(dir, 'config', 'secure-mail.ini'),
      `[main]\ninternal_domains[]=own.test\n[audit]\ndir=audit\n${more}`,
    )
  }

  /** What a process writes, each event a second after the one before. */
  async function write(
    label: string,
    events: readonly AuditEvent[],
    recipients: 'clear' | 'domain+hmac' = 'domain+hmac',
  ) {
    const audit = openAudit({
      dir: path.join(dir, 'audit'),
      recipients,
      keepDays: 0,
      digestKey: () => ({ id: 'k1', key: Buffer.alloc(32, 1) }),
      hostname: 'gw.own.test',
      version: '0',
      processLabel: label,
      clock: { now: () => now },
      mask: maskCpr,
      onError: (error) => assert.fail(error),
    })
    for (const event of events) {
      audit.tell(event)
      now += 1_000
    }
    await audit.close()
  }

  const about = (mailId: string, more: Partial<AuditEvent> & Pick<AuditEvent, 'action'>): AuditEvent => ({
    message: 'said',
    mailId,
    caseId: CASE,
    sender: 'anne@own.test',
    ...more,
  })
  const accepted = about(MAIL, {
    action: 'message-accepted',
    messageId: '<One@own.test>',
    recipients: ['bo@a.test', 'eva@b.test'],
    source: { ip: '127.0.0.1', user: 'anne' },
  })
  const deferred = about(MAIL, {
    action: 'delivery-deferred',
    message: NO_TLS.publicText,
    outcome: 'failure',
    failure: NO_TLS,
    recipients: ['bo@a.test'],
    attempt: 1,
  })
  const delivered = about(MAIL, {
    action: 'delivery-succeeded',
    recipients: ['eva@b.test'],
    attempt: 1,
    destination: { host: 'mx.b.test', ip: '192.0.2.2', port: 25 },
    tls: { version: 'TLSv1.3', cipher: 'x', verified: true, resumed: false },
  })
  const failed: AuditEvent = { ...deferred, action: 'delivery-failed', attempt: 5 }
  const reported = about(MAIL, {
    action: 'report-sent',
    recipients: ['bo@a.test'],
    report: { kind: 'tls-not-offered', status: '5.7.4' },
    extra: { report_to: 'anne@own.test' },
  })
  const reportArrived = about(REPORT, {
    action: 'delivery-succeeded',
    sender: '',
    recipients: ['anne@own.test'],
    attempt: 1,
    tls: null,
  })

  async function why(id: string): Promise<{ why: Why; exitCode: number; err: string }> {
    const { out, err, exitCode } = await ran(['why', id, '--json', '--config', dir])
    const found = JSON.parse(out) as Why
    assert.deepEqual(schemaErrors('why.schema.json', found), [])
    return { why: found, exitCode, err }
  }

  it('events of all processes and days in order, the state of each recipient, and the report', async () => {
    await write('w1', [accepted, deferred])
    now = Date.UTC(2026, 10, 23, 0, 10)
    await write('w2', [delivered, failed])
    await write('w1', [reported, reportArrived, about(OTHER, { action: 'message-accepted', caseId: caseId(OTHER) })])
    assert.equal(readdirSync(path.join(dir, 'audit')).length, 3)
    const { why: found, exitCode } = await why(CASE)
    assert.equal(exitCode, 0)
    assert.deepEqual(
      found.mails.map(({ kind, mailId }) => [kind, mailId]),
      [
        ['mail', MAIL],
        ['report', REPORT],
      ],
    )
    const [mail] = found.mails
    assert.deepEqual(
      mail?.events.map(({ action }) => action),
      ['message-accepted', 'delivery-deferred', 'delivery-succeeded', 'delivery-failed', 'report-sent'],
    )
    assert.equal(mail.messageId, '<One@own.test>')
    assert.deepEqual(
      mail.recipients.map(({ recipient, state, attempts, resultType, reported: told }) => [
        recipient,
        state,
        attempts,
        resultType,
        told,
      ]),
      [
        ['a.test', 'failed', 5, 'starttls-not-supported', true],
        ['b.test', 'delivered', 1, null, false],
      ],
    )
    assert.match(mail.events[0]?.text ?? '', /accepted from 127\.0\.0\.1 \(user anne\): anne@own\.test to 2 recipients/)
    assert.match(
      mail.events[1]?.text ?? '',
      /attempt 1, a\.test: not delivered at mx\.a\.test \[192\.0\.2\.1\]: .*starttls-not-supported/,
    )
    assert.match(
      mail.events[2]?.text ?? '',
      /delivered to mx\.b\.test \[192\.0\.2\.2\], TLS 1\.3, certificate verified/,
    )
    assert.match(mail.events[4]?.text ?? '', /report tls-not-offered about a\.test sent to anne@own\.test/)
  })

  for (const id of [
    MAIL,
    MAIL.toLowerCase(),
    `${MAIL}.3`,
    '<One@own.test>',
    'one@own.test',
    CASE,
    CASE.toLowerCase(),
  ]) {
    it(`finds it by ${id}`, async () => {
      await write('main', [accepted, about(OTHER, { action: 'message-accepted', caseId: caseId(OTHER) })])
      const { why: found } = await why(id)
      assert.deepEqual(
        found.mails.map(({ mailId }) => mailId),
        [MAIL],
      )
    })
  }

  it('a connection id: all of its mails', async () => {
    await write('main', [accepted, about(OTHER, { action: 'message-accepted', caseId: caseId(OTHER) })])
    assert.equal((await why(MAIL.replace(/\.1$/, ''))).why.mails.length, 2)
  })

  it('addresses where the log has them', async () => {
    await write('main', [accepted, delivered], 'clear')
    assert.deepEqual(
      (await why(CASE)).why.mails[0]?.recipients.map(({ recipient, state, hmac }) => [recipient, state, hmac]),
      [
        ['bo@a.test', 'queued', undefined],
        ['eva@b.test', 'delivered', undefined],
      ],
    )
  })

  it('a deadline that has passed: the report is the last word; advice is not', async () => {
    await write('main', [accepted, deferred, { ...reported, report: { kind: 'category3-advice', status: '' } }])
    assert.equal((await why(CASE)).why.mails[0]?.recipients[0]?.state, 'deferred')
    await write('w1', [reported])
    const { state, resultType } = (await why(CASE)).why.mails[0]?.recipients[0] ?? {}
    assert.deepEqual([state, resultType], ['failed', 'starttls-not-supported'])
  })

  it('reads compressed files as they are, and each file once', async () => {
    await write('main', [accepted, deferred])
    const [name = ''] = readdirSync(path.join(dir, 'audit'))
    const plain = path.join(dir, 'audit', name)
    writeFileSync(`${plain}.gz`, gzipSync(readFileSync(plain)))
    assert.equal((await why(CASE)).why.mails[0]?.events.length, 2)
    rmSync(plain)
    const { why: found } = await why(CASE)
    assert.equal(found.mails[0]?.events.length, 2)
    assert.equal(found.unreadableLines, 0)
  })

  it('a torn last line is counted and passed over', async () => {
    await write('main', [accepted, deferred])
    const [name = ''] = readdirSync(path.join(dir, 'audit'))
    writeFileSync(path.join(dir, 'audit', name), `{"@timestamp":"2026-11-23T00:0`, { flag: 'a' })
    const { why: found } = await why(CASE)
    assert.equal(found.unreadableLines, 1)
    assert.equal(found.mails[0]?.events.length, 2)
  })

  it('a line without end does not fill the memory', async () => {
    await write('main', [accepted])
    writeFileSync(path.join(dir, 'audit', 'audit-2026-11-24.w9.ndjson'), `${'x'.repeat(5 * 1024 * 1024)}\n`)
    const { why: found } = await why(CASE)
    assert.equal(found.unreadableLines, 1)
    assert.equal(found.mails.length, 1)
  })

  /** A queue file as Haraka writes it. */
  function queue(name: string, uuid: string): void {
    mkdirSync(path.join(dir, 'queue'), { recursive: true })
    writeFileSync(path.join(dir, 'queue', name), queueContent({ uuid, to: ['bo@a.test'] }))
  }

  it('what happens next stands in the name of the queue file; other files and torn ones are passed over', async () => {
    await write('main', [accepted, deferred])
    const next = Date.UTC(2099, 0, 1)
    queue(`1790000000000_${next}_3_1_abcdef_1_gw`, `${MAIL}.1`)
    queue(`1790000000000_${next}_0_1_abcdeg_2_gw`, `${OTHER}.1`)
    queue(`error.1790000000000_${next}_1_1_abcdeh_3_gw`, `${MAIL}.2`)
    writeFileSync(path.join(dir, 'queue', 'torn'), Buffer.from([0, 0]))
    const { why: found } = await why(CASE)
    assert.deepEqual(
      found.mails[0]?.queue.map(({ nextAttempt, attempts }) => [nextAttempt, attempts]).toSorted(),
      [
        ['2099-01-01T00:00:00.000Z', 3],
        [null, 1],
      ].toSorted(),
    )
    const { out } = await ran(['why', CASE, '--config', dir])
    assert.match(out, /next +1 recipient at a\.test: next attempt at 2099-01-01T00:00:00\.000Z \(3 failed attempts\)/)
    assert.match(out, /set aside as error\./)
  })

  it('a mail that is only in the queue is found by its queue id', async () => {
    queue('1790000000000_1790000000001_0_1_abcdef_1_gw', `${MAIL}.1`)
    const { why: found, exitCode } = await why(MAIL)
    assert.equal(exitCode, 0)
    assert.equal(found.mails[0]?.queue.length, 1)
  })

  it('unknown: exit code 1 and a sentence', async () => {
    await write('main', [accepted])
    const { out, err, exitCode } = await ran(['why', 'SM-0000-0000', '--config', dir])
    assert.equal(exitCode, 1)
    assert.equal(out, '')
    assert.match(err, /^secure-mail: no mail with the case id SM-0000-0000 in the audit files in .*\n$/)
    assert.equal((await why('SM-0000-0000')).exitCode, 1)
  })

  it('no id: exit code 2', async () => {
    assert.equal((await ran(['why', 'hello', '--config', dir])).exitCode, 2)
    for (const text of ['', 'SM-1', '@', 'a b@c', '../x']) assert.equal(readMailId(text), null, text)
  })
})
