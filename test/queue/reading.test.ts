import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { givenUpAt } from '../../lib/deliver/deadline'
import { listDirectory, strayFile } from '../../lib/queue/directory'
import { readQueueContent, readQueueFile } from '../../lib/queue/envelope'
import { parseFileName } from '../../lib/queue/file-name'
import { isWanted } from '../../lib/queue/find'
import { queuedMails, type QueueEntry, type QueueSources } from '../../lib/queue/mails'
import { createSummary } from '../../lib/queue/summary'
import type { QueueMail } from '../../lib/queue/types'
import { freshRecord } from '../../lib/store/recipient-record'
import type { RecipientRecord } from '../../lib/store/types'
import { queueContent, queueFileName, writeQueueFile } from './files'

const HOUR = 3_600_000
const settings = {
  ndr: { tlsFailureAfter: 4 * HOUR, undeliverableAfter: 23 * HOUR, delayNoticeAfter: 2 * HOUR },
  delivery: { retry: [60_000] },
} as unknown as QueueSources['settings']

describe('queue: names of files', () => {
  it('identity stays when a file is renamed for its next try or by another process', () => {
    const names = [{}, { nextTry: 5, tries: 9 }, { pid: 1234 }].map((change) => queueFileName(change))
    assert.deepEqual(new Set(names.map((name) => parseFileName(name)?.identity)), new Set(['1000000_AbCdEf']))
    assert.deepEqual(parseFileName(names[0]!), {
      name: names[0],
      identity: '1000000_AbCdEf',
      arrival: 1_000_000,
      nextTry: 2_000_000,
      tries: 3,
      pid: 77,
    })
  })

  for (const name of [
    `error.${queueFileName()}`,
    `.${queueFileName()}`,
    'notes.txt',
    '',
    '1_2_3_4_5_6',
    '1_2_3_4_A/B_6_h',
    'x_2_3_4_A_6_h',
    '99999999999999999_2_3_4_A_6_h',
    '1_9999999999999999_3_4_A_6_h',
    '1'.repeat(300),
  ]) {
    it(`${JSON.stringify(name.slice(0, 40))} is none`, () => {
      assert.equal(parseFileName(name), null)
    })
  }
})

describe('queue: what a file holds', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-queue-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  it('envelope and size, from the file as from memory', async () => {
    const options = { from: '', to: ['Bo@Partner.Test', 'å@bücher.test'], notes: { secure_mail: { kind: 'report' } } }
    const name = writeQueueFile(dir, options)
    const content = await readQueueFile(path.join(dir, name))
    assert.ok(content.ok)
    assert.deepEqual(content, readQueueContent(queueContent(options)))
    assert.equal(content.size, 'Subject: x\r\n\r\nx\r\n'.length)
    assert.deepEqual(content.envelope.recipients, ['Bo@partner.test', 'å@xn--bcher-kva.test'])
    assert.equal(content.envelope.sender, '')
    assert.equal(content.envelope.kind, 'report')
  })

  const whole = queueContent()
  const DAMAGED: [string, Buffer][] = [
    ['an empty file', Buffer.alloc(0)],
    ['a cut-off prefix', whole.subarray(0, 3)],
    ['a cut-off envelope', whole.subarray(0, 50)],
    ['a length of zero', Buffer.alloc(20)],
    ['a length that cannot be', Buffer.alloc(20, 0xff)],
    ['no JSON', Buffer.concat([whole.subarray(0, 4), Buffer.alloc(whole.length - 4, 0x41)])],
    ['no recipients', queueContent({ to: [], domain: 'x.test' })],
    ['a time that is none', queueContent({ queuedAt: 1e300 })],
  ]
  for (const [what, bytes] of DAMAGED) {
    it(`${what}: damaged, with a reason`, async () => {
      writeFileSync(path.join(dir, 'file'), bytes)
      const content = await readQueueFile(path.join(dir, 'file'))
      assert.ok(!content.ok && content.problem === 'damaged' && content.detail !== '')
    })
  }

  it('gone and unreadable are told apart', async () => {
    assert.deepEqual((await readQueueFile(path.join(dir, 'none'))).ok, false)
    mkdirSync(path.join(dir, 'folder'))
    for (const [name, problem] of [
      ['none', 'gone'],
      ['folder', 'unreadable'],
    ] as const) {
      const content = await readQueueFile(path.join(dir, name))
      assert.ok(!content.ok)
      assert.equal(content.problem, problem)
    }
  })

  it('any bytes: an envelope or a reason, never an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(whole.length - 1), (bytes, at) => {
        const broken = Buffer.from(whole)
        broken.set(bytes.slice(0, whole.length - at), at)
        readQueueContent(broken)
        readQueueContent(Buffer.from(bytes))
      }),
      { numRuns: 300 },
    )
  })

  it('files that are no mail: why, and what to do', async () => {
    const now = Date.now()
    writeQueueFile(dir, { prefix: 'error.', unique: 'mail11' })
    writeQueueFile(dir, { prefix: 'error.', unique: 'report', notes: { secure_mail: { kind: 'report' } } })
    writeFileSync(path.join(dir, 'error.x'), 'x')
    writeFileSync(path.join(dir, 'notes.txt'), 'x')
    writeFileSync(path.join(dir, '.young'), 'x')
    writeFileSync(path.join(dir, '.old'), 'x')
    utimesSync(path.join(dir, '.old'), new Date(now - 2 * HOUR), new Date(now - 2 * HOUR))
    mkdirSync(path.join(dir, 'folder'))
    writeFileSync(path.join(dir, 'journal.0abc-1-2.0'), 'x')
    const { others } = await listDirectory(dir)
    const told = await Promise.all(others.map((name) => strayFile(dir, name, now)))
    const reasons = told.flatMap((one) =>
      one === undefined ? [] : [[one.file.replace(/\d.*_(\w{6})_.*/, '$1'), one.reason]],
    )
    assert.deepEqual(reasons.sort(), [
      ['.old', 'unfinished'],
      ['error.mail11', 'set-aside'],
      ['error.report', 'undeliverable-report'],
      ['error.x', 'damaged'],
      ['folder', 'foreign'],
      ['notes.txt', 'foreign'],
    ])
    assert.equal(await strayFile(dir, 'gone', now), undefined)
  })
})

describe('queue: mails in the order of their next try', () => {
  let dir: string
  const now = 5_000_000
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-queue-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  const sources = (more: Partial<QueueSources> = {}): QueueSources => ({
    dir,
    records: null,
    settings,
    clock: { now: () => now },
    held: null,
    silent: new Set(),
    ...more,
  })

  async function all(from: QueueSources, between?: () => void): Promise<QueueEntry[]> {
    const { mails } = await listDirectory(dir)
    between?.()
    const entries: QueueEntry[] = []
    for await (const entry of queuedMails(from, mails)) entries.push(entry)
    return entries
  }
  const mailsOf = (entries: QueueEntry[]): QueueMail[] =>
    entries.flatMap((entry) => ('mail' in entry ? [entry.mail] : []))

  it('order, whatever the order of names', async () => {
    for (const [n, nextTry] of [900, 20, 3_000_000, 100].entries()) {
      writeQueueFile(dir, { arrival: 1_000_000 + n, nextTry, unique: `mail0${n}` })
    }
    const times = mailsOf(await all(sources())).map(({ nextTryAt }) => Date.parse(nextTryAt ?? ''))
    assert.deepEqual(times, [20, 100, 900, 3_000_000])
  })

  it('renamed meanwhile: comes last, once; delivered meanwhile: does not come; damaged: told as a file', async () => {
    const stays = writeQueueFile(dir, { unique: 'stays1', nextTry: 9 })
    const renamed = writeQueueFile(dir, { unique: 'rename', nextTry: 1 })
    const gone = writeQueueFile(dir, { unique: 'gone11', nextTry: 2 })
    writeFileSync(path.join(dir, queueFileName({ unique: 'broken', nextTry: 3 })), '')
    const to = queueFileName({ unique: 'rename', nextTry: 7, tries: 4 })
    const entries = await all(sources(), () => {
      renameSync(path.join(dir, renamed), path.join(dir, to))
      unlinkSync(path.join(dir, gone))
    })
    assert.deepEqual(
      entries.map((entry) => ('mail' in entry ? entry.mail.file : entry.stray.reason)),
      ['damaged', stays, to],
    )
  })

  it('what is known of each recipient, with the time at which it is given up', async () => {
    const failing: RecipientRecord = {
      ...freshRecord(1_000_000),
      attempts: 3,
      tlsFailingSince: 2_000_000,
      lastFailure: {
        resultType: 'starttls-not-supported',
        enhancedCode: '4.7.4',
        publicText: 'no TLS',
        mx: 'mx.partner.test',
        smtp: { code: 220, text: 'hello' },
      },
    }
    const delivered: RecipientRecord = { ...freshRecord(1_000_000), state: 'delivered', attempts: 1 }
    const records = {
      load: (_mail: string, recipient: string, queuedAt = 0) =>
        recipient.startsWith('broken')
          ? Promise.reject(new Error('damaged'))
          : Promise.resolve(
              recipient.startsWith('a@') ? failing : recipient.startsWith('b@') ? delivered : freshRecord(queuedAt),
            ),
    } as unknown as QueueSources['records']
    writeQueueFile(dir, { to: ['a@p.test', 'b@p.test', 'c@p.test', 'a@p.test'] })
    const [mail] = mailsOf(await all(sources({ records })))
    assert.ok(mail)
    assert.deepEqual(
      mail.recipients.map(({ address, state, finalAt }) => [address, state, finalAt && Date.parse(finalAt)]),
      [
        ['a@p.test', 'open', 2_000_000 + 4 * HOUR],
        ['b@p.test', 'delivered', null],
        ['c@p.test', 'open', 1_000_000 + 23 * HOUR],
      ],
    )
    assert.equal(givenUpAt(failing, now, settings), 2_000_000 + 4 * HOUR)
    assert.deepEqual(mail.recipients[0]?.lastFailure, {
      resultType: 'starttls-not-supported',
      enhancedCode: '4.7.4',
      text: 'no TLS',
      mx: 'mx.partner.test',
      address: null,
      reply: '220 hello',
    })
    assert.equal(mail.recordProblem, null)
    writeQueueFile(dir, { to: ['broken@p.test'], unique: 'broken', nextTry: 1 })
    const [broken] = mailsOf(await all(sources({ records })))
    assert.equal(broken?.recordProblem, 'damaged')
  })

  const HELD = new Map([['1000000_AbCdEf', { state: 'delivering' as const, pid: 9, nextTry: 1 }]])
  const STATES: [string, Partial<QueueSources>, string][] = [
    ['no gateway', {}, 'stopped'],
    ['held', { held: HELD }, 'delivering'],
    ['a gateway that does not hold it', { held: new Map() }, 'not-held'],
    ['its process is silent', { held: new Map(), silent: new Set([77]) }, 'unknown'],
    ['another process is silent', { held: new Map(), silent: new Set([78]) }, 'not-held'],
  ]
  for (const [what, more, state] of STATES) {
    it(`${what}: ${state}`, async () => {
      writeQueueFile(dir)
      const [mail] = mailsOf(await all(sources(more)))
      assert.equal(mail?.state, state)
      assert.equal(mail.nextTryAt === null, state === 'delivering')
    })
  }

  it('who is meant by an id, a domain', async () => {
    writeQueueFile(dir)
    const [mail] = mailsOf(await all(sources()))
    assert.ok(mail)
    for (const id of [mail.mailId, mail.queueId, mail.caseId, mail.file ?? '', mail.mailId.toLowerCase()]) {
      assert.ok(isWanted({ by: 'id', id }, mail), id)
    }
    assert.ok(!isWanted({ by: 'id', id: mail.mailId.slice(0, -1) }, mail))
    assert.ok(isWanted({ by: 'domain', domain: 'partner.test' }, mail))
    assert.ok(!isWanted({ by: 'domain', domain: 'tner.test' }, mail))
  })

  it('the summary: counts, earliest times, most frequent cause; finished recipients do not count', async () => {
    for (const [n, to] of [['a@p.test', 'b@p.test'], ['a@p.test'], ['a@q.test']].entries()) {
      writeQueueFile(dir, { unique: `sum00${n}`, to, nextTry: 100 * (3 - n), queuedAt: 1000 * (n + 1) })
    }
    const summary = createSummary()
    for (const mail of mailsOf(await all(sources()))) summary.add(mail)
    const [first, second] = summary.destinations()
    assert.deepEqual(
      [
        first?.domain,
        first?.mails,
        first?.recipients,
        Date.parse(first?.oldestAt ?? ''),
        Date.parse(first?.nextTryAt ?? ''),
      ],
      ['p.test', 2, 3, 1000, 200],
    )
    assert.deepEqual([second?.domain, second?.mails, second?.cause], ['q.test', 1, null])
    assert.equal(summary.mails(), 3)
  })
})
