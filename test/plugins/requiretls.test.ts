/** REQUIRETLS on the submitting side (RFC 8689), without Haraka around it; test/e2e/requiretls.test.ts has it around. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { contentDigest } from '../../lib/message/digest'
import { packageRoot } from '../../lib/package-root'
import { sealNotes } from '../../lib/store/seal'
import { dsnParameters, keepMailParameters } from '../../plugins/envelope-hooks'
import {
  CODE,
  type Connection,
  type HarakaAddress,
  type HarakaHeader,
  type HarakaModules,
  type HMailItem,
  type Todo,
  type Transaction,
} from '../../plugins/haraka'
import { examine } from '../../plugins/mail-facts'
import { NOTES_KEY } from '../../plugins/notes-key'
import { keepRequiretlsHere, offerRequiretls, requiretlsOf } from '../../plugins/requiretls'
import { settleTlsRequired } from '../../plugins/tls-required-edit'

const haraka = createRequire(`${packageRoot()}/node_modules/haraka/`)('haraka-dsn') as HarakaModules['DSN']
const SENDER = { user: 'anne', host: 'uni.test', isNull: () => false } as unknown as HarakaAddress

function connection(state: { tls: boolean; relaying: boolean; capabilities?: string[] }): Connection & {
  transaction: Transaction
} {
  const { tls, relaying, capabilities } = state
  return { tls: { enabled: tls }, relaying, capabilities, transaction: {} } as unknown as Connection & {
    transaction: Transaction
  }
}

const mailFrom = (on: Connection, params?: Record<string, string | null>) =>
  keepMailParameters({ DSN: haraka }, on, params === undefined ? [SENDER] : [SENDER, params])

/** `code text` of a refusal, as Haraka would send it. */
function answer(result: readonly [code?: number, message?: unknown]): string {
  const [code, message] = result
  if (code === undefined) return 'go on'
  assert.equal(code, CODE.deny)
  const { code: reply, reply: text } = message as { code: number; reply: string }
  // what makes Haraka take its code instead of 550
  assert.equal((message as object).constructor.name, 'DSN')
  return `${reply} ${text}`
}

describe('REQUIRETLS offered in EHLO (RFC 8689 section 2)', () => {
  const ROWS: [what: string, state: Parameters<typeof connection>[0], offered: boolean][] = [
    ['TLS, relaying', { tls: true, relaying: true, capabilities: ['SIZE 1'] }, true],
    ['TLS, may log in', { tls: true, relaying: false, capabilities: ['AUTH PLAIN LOGIN'] }, true],
    ['TLS, can neither', { tls: true, relaying: false, capabilities: ['SIZE 1'] }, false],
    ['clear text, relaying', { tls: false, relaying: true, capabilities: ['STARTTLS'] }, false],
    ['clear text, may log in', { tls: false, relaying: false, capabilities: ['AUTH PLAIN'] }, false],
    ['no EHLO under way', { tls: true, relaying: true }, false],
  ]
  for (const [what, state, offered] of ROWS) {
    it(`${what}: ${offered ? 'offered' : 'not offered'}`, () => {
      const on = connection(state)
      assert.deepEqual(offerRequiretls(on), [])
      assert.equal(on.capabilities?.includes('REQUIRETLS') ?? false, offered)
    })
  }
})

describe('REQUIRETLS on MAIL FROM (RFC 8689 sections 2 and 4.1)', () => {
  const RELAY = { tls: true, relaying: true }
  const ROWS: [
    source: string,
    state: Parameters<typeof connection>[0],
    params: Record<string, string | null> | undefined,
    answered: string | RegExp,
    tagged: boolean,
  ][] = [
    ['4.1: tagged', RELAY, { REQUIRETLS: null }, 'go on', true],
    ['4.1: tagged, among others', RELAY, { SIZE: '9', REQUIRETLS: null, ENVID: 'x', RET: 'HDRS' }, 'go on', true],
    ['4.1: not given', RELAY, { SIZE: '9' }, 'go on', false],
    ['4.1: no parameters', RELAY, undefined, 'go on', false],
    ['2: no value is associated with it', RELAY, { REQUIRETLS: 'yes' }, /^501 5\.5\.4 /, false],
    [
      '2: a value, and clear text: the syntax first',
      { tls: false, relaying: true },
      { REQUIRETLS: '1' },
      /^501 5\.5\.4 /,
      false,
    ],
    ['2: only inside TLS', { tls: false, relaying: true }, { REQUIRETLS: null }, /^530 5\.7\.10 /, false],
    [
      'RFC 5321 4.1.1.11: not offered to who does not relay',
      { tls: true, relaying: false },
      { REQUIRETLS: null },
      /^555 5\.5\.4 /,
      false,
    ],
    ['another keyword', RELAY, { XREQUIRETLS: null }, 'go on', false],
  ]
  for (const [source, state, params, answered, tagged] of ROWS) {
    it(`${source}: ${String(answered)}`, () => {
      const on = connection(state)
      const said = answer(mailFrom(on, params))
      if (typeof answered === 'string') assert.equal(said, answered)
      else assert.match(said, answered)
      assert.equal(requiretlsOf(on, on.transaction), tagged)
    })
  }

  it('belongs to one transaction: the next one on the connection has none', () => {
    const on = connection(RELAY)
    mailFrom(on, { REQUIRETLS: null })
    const first = on.transaction
    on.transaction = {} as Transaction
    mailFrom(on, {})
    assert.deepEqual([requiretlsOf(on, first), requiretlsOf(on, on.transaction)], [true, false])
  })

  it('a MAIL command that nobody looked at: unknown inside TLS, certainly not in clear text', () => {
    const inTls = connection(RELAY)
    const inClear = connection({ tls: false, relaying: true })
    assert.equal(requiretlsOf(inTls, inTls.transaction), undefined)
    assert.equal(requiretlsOf(inClear, inClear.transaction), false)
  })

  it('section 5: RET=FULL is disregarded with REQUIRETLS, and only with it; ENVID stays', () => {
    const kept = (params: Record<string, string | null>) => {
      const on = connection(RELAY)
      mailFrom(on, params)
      return dsnParameters(on.transaction)
    }
    assert.deepEqual(kept({ RET: 'FULL', ENVID: 'e1', REQUIRETLS: null }), { ret: 'HDRS', envid: 'e1', rcpt: {} })
    assert.deepEqual(kept({ RET: 'FULL', REQUIRETLS: null }), { ret: 'HDRS', rcpt: {} })
    assert.deepEqual(kept({ RET: 'FULL' }), { ret: 'FULL', rcpt: {} })
    assert.equal(kept({ REQUIRETLS: null }), undefined)
  })

  it('a mail that is not queued here after all is refused instead of leaving without the promise', () => {
    const tagged = connection(RELAY)
    mailFrom(tagged, { REQUIRETLS: null })
    assert.match(answer(keepRequiretlsHere({ DSN: haraka }, tagged)), /^550 5\.7\.30 /)
    const plain = connection(RELAY)
    mailFrom(plain, {})
    assert.equal(answer(keepRequiretlsHere({ DSN: haraka }, plain)), 'go on')
  })
})

describe('the header field TLS-Required on its way out (RFC 8689 sections 3 and 8.4)', () => {
  const NO = 'TLS-Required: No\n'
  const SIGNED = 'DKIM-Signature: v=1; h=from:tls-required; b=x\n'
  const ENFORCE = { allowed: true, enforce: true }
  const ROWS: [
    what: string,
    fields: string[],
    granted: boolean,
    rules: typeof ENFORCE,
    fate: ReturnType<typeof settleTlsRequired>,
  ][] = [
    ['there is none', [], false, ENFORCE, undefined],
    ['granted', [NO], true, ENFORCE, 'granted'],
    ['refused', [NO], false, ENFORCE, 'removed'],
    ['not allowed here', [NO], false, { allowed: false, enforce: true }, 'removed'],
    ['not allowed here, a tag was granted', [NO], true, { allowed: false, enforce: true }, 'removed'],
    ['two of them, a tag was granted', [NO, NO], true, ENFORCE, 'removed'],
    ['another value, a tag was granted', ['TLS-Required: Yes\n'], true, ENFORCE, 'removed'],
    ['folded, odd case', ['tls-REQUIRED:\n No\n'], false, ENFORCE, 'removed'],
    ['blank before the colon', ['TLS-Required : No\n'], false, ENFORCE, 'removed'],
    ['refused, a signature covers it', [SIGNED, NO], false, ENFORCE, 'signed'],
    ['refused, a signature covers others', ['DKIM-Signature: h=from; b=x\n', NO], false, ENFORCE, 'removed'],
    ['refused, an unreadable signature', ['ARC-Message-Signature: x\n', NO], false, ENFORCE, 'signed'],
    ['refused, monitor mode', [NO], false, { allowed: true, enforce: false }, 'monitored'],
  ]
  for (const [what, fields, granted, rules, fate] of ROWS) {
    it(`${what}: ${fate ?? 'nothing'}`, () => {
      const others = ['From: <anne@uni.test>\n', 'Subject: a\n b\n', 'X-TLS-Required: stays\n']
      const list = [others[0]!, ...fields, ...others.slice(1)]
      const header = {
        header_list: list,
        headers: { from: ['x'], 'tls-required': ['No'] },
        headers_decoded: { 'tls-required': ['No'] },
      } as unknown as HarakaHeader
      const before = [...list]
      assert.equal(settleTlsRequired({ header }, granted, rules), fate)
      // the very list that Haraka writes from
      assert.equal(header.header_list, list)
      assert.deepEqual(list, fate === 'removed' ? before.filter((field) => !/^tls-required/i.test(field)) : before)
      assert.equal('tls-required' in header.headers, fate !== 'removed')
      assert.equal('tls-required' in header.headers_decoded, fate !== 'removed')
    })
  }
})

describe('REQUIRETLS in the queue file', () => {
  const key = Buffer.alloc(32, 7)
  const message = 'From: <anne@uni.test>\r\nSubject: x\r\n\r\nhello\r\n'
  const sealed = sealNotes(
    {
      v: 1,
      mailId: 'M1',
      sender: 'anne@uni.test',
      recipients: ['bo@partner.test'],
      kind: 'mail',
      caseId: 'SM-0000-0000',
      category: null,
      grant: null,
      requiretls: true,
      optOut: { requested: false, refusals: [] },
      acceptedAt: 1,
      digest: contentDigest(Buffer.from(message)),
    },
    key,
  )
  let dir: string
  before(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'requiretls-'))
    writeFileSync(path.join(dir, 'as-queued'), message)
    writeFileSync(path.join(dir, 'changed'), message.replace('hello', 'other'))
  })
  after(() => rmSync(dir, { recursive: true }))

  const ROWS: [what: string, file: string, notes: unknown, required: boolean, problem: boolean][] = [
    ['as it was sealed', 'as-queued', sealed, true, false],
    ['the content was changed', 'changed', sealed, true, true],
    ['the record was changed', 'as-queued', { ...sealed, sender: 'eve@uni.test' }, true, true],
    ['claimed by somebody without the key', 'as-queued', { requiretls: true }, true, true],
    ['no record', 'as-queued', undefined, false, true],
    ['a record that makes no sense', 'as-queued', { requiretls: 'yes' }, false, true],
  ]
  for (const [what, file, notes, required, problem] of ROWS) {
    it(`${what}: ${required ? 'required' : 'not required'}`, async () => {
      const item = { path: path.join(dir, file), data_start: 0 } as unknown as HMailItem
      const todo = {
        uuid: 'M1.1',
        queue_time: 1,
        domain: 'partner.test',
        mail_from: SENDER,
        rcpt_to: [{ user: 'bo', host: 'partner.test', isNull: () => false }],
        notes: { [NOTES_KEY]: notes },
      } as unknown as Todo
      const facts = await examine(item, todo, key)
      assert.deepEqual([facts.requiretls, facts.sealProblem !== null, facts.grant], [required, problem, null])
    })
  }
})
