import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import type { AuditEvent } from '../../lib/audit/types'
import { maskCpr } from '../../lib/classify/cpr'
import { loadConfig } from '../../lib/config'
import type { Settings } from '../../lib/config/settings'
import {
  addFacts,
  composeDigest,
  DIGEST_TEXTS,
  digestText,
  factsOf,
  factsOfDay,
  failingNow,
  recovered,
  type PartnerFacts,
} from '../../lib/digest'
import type { Failure } from '../../lib/failure'
import { loadTemplates, type Templates } from '../../lib/notify/templates'
import { packageRoot } from '../../lib/package-root'
import { LETTER_TEXTS } from '../../lib/probe'
import { openMemoryStore } from '../../lib/store/memory'
import { TLS } from '../audit/fixtures'

const NOW = Date.UTC(2026, 10, 23, 12)
const DAY = '2026-11-23'
const clock = { now: () => NOW }

function texts(format: typeof DIGEST_TEXTS): Templates {
  const loaded = loadTemplates(undefined, format)
  assert.ok(loaded.ok)
  return loaded.templates
}
function settings(): Settings {
  const loaded = loadConfig(packageRoot(), clock)
  assert.ok(loaded.ok)
  const support = { name: 'IT-support', address: 'help@uni.test', phone: '', digest: 'daily' as const }
  return { ...loaded.settings, support }
}
const input = (partners: readonly PartnerFacts[]) => ({
  day: DAY,
  partners,
  settings: settings(),
  hostname: 'mx.uni.test',
  now: NOW,
})
const TEXTS = { digest: texts(DIGEST_TEXTS), letter: texts(LETTER_TEXTS) }

const failure: Failure = {
  resultType: 'certificate-expired',
  enhancedCode: '4.7.5',
  publicText: 'the certificate of mx.partner.test expired on 2026-11-01',
  mx: 'mx.partner.test',
  address: '198.51.100.7',
  port: 25,
  tls: TLS,
}
function failed(change: Partial<AuditEvent> = {}): AuditEvent {
  return {
    action: 'delivery-deferred',
    message: '',
    mailId: 'M1',
    sender: 'anne@uni.test',
    recipients: ['bo@partner.test'],
    failure,
    ...change,
  }
}
const facts = (change: Partial<AuditEvent> = {}, at = NOW) => factsOf(failed(change), at, maskCpr)

describe('facts for support', () => {
  it('are the failures that a partner is at fault for', () => {
    assert.equal(facts()?.domain, 'partner.test')
    const unreachable: Failure = { resultType: 'connection-failed', enhancedCode: '4.4.1', publicText: 'no answer' }
    const rows: [Partial<AuditEvent>, boolean][] = [
      [{}, true],
      [{ action: 'delivery-failed' }, true],
      [{ failure: unreachable }, false],
      [{ failure: unreachable, action: 'delivery-failed' }, true],
      [{ failure: { ...failure, resultType: 'smtp-rejected' }, action: 'delivery-failed' }, false],
      [{ action: 'tls-failed' }, false],
      [{ recipients: [] }, false],
    ]
    for (const [change, counted] of rows) assert.equal(facts(change) !== undefined, counted, JSON.stringify(change))
  })

  it('count each mail and sender once, keep the first time and the last failure, and are bounded', async () => {
    const store = openMemoryStore({ clock })
    const add = (change: Partial<AuditEvent>, at: number) => addFacts(store, DAY, facts(change, at)!)
    await add({}, NOW)
    await add({}, NOW + 1)
    await add({ mailId: 'M2', action: 'delivery-failed' }, NOW + 2)
    await add({ mailId: 'M3', sender: 'Eva@uni.test', failure: { ...failure, publicText: 'later' } }, NOW + 3)
    const [partner, ...none] = await factsOfDay(store, DAY)
    assert.deepEqual(none, [])
    assert.equal(partner!.mails.length, 3)
    assert.equal(partner!.senders.length, 2)
    assert.equal(partner!.givenUp, 1)
    assert.equal(partner!.since, NOW)
    assert.equal(partner!.last.publicText, 'later')
    for (let n = 0; n < 600; n++) await add({ mailId: `X${n}` }, NOW)
    assert.equal((await factsOfDay(store, DAY))[0]!.mails.length, 500)
    assert.deepEqual(await factsOfDay(store, '2026-11-24'), [])
  })

  it('know since when over days, and begin anew after a delivery', async () => {
    const store = openMemoryStore({ clock })
    const day = 24 * 3_600_000
    await addFacts(store, DAY, facts({}, NOW)!)
    await addFacts(store, '2026-11-24', facts({}, NOW + day)!)
    assert.equal((await factsOfDay(store, '2026-11-24'))[0]!.since, NOW)
    assert.deepEqual(await failingNow(store), ['partner.test'])
    await recovered(store, 'partner.test')
    await addFacts(store, '2026-11-25', facts({}, NOW + 2 * day)!)
    assert.equal((await factsOfDay(store, '2026-11-25'))[0]!.since, NOW + 2 * day)
  })

  it('hold no address of a recipient, and no CPR number', () => {
    const text = '550 <bo@partner.test> 070761-4285: no'
    const kept = JSON.stringify(facts({ failure: { ...failure, smtp: { code: 550, text }, publicText: text } }))
    assert.doesNotMatch(kept, /0707614285|070761-4285|anne@/)
    assert.doesNotMatch(JSON.parse(kept).last.smtp.text as string, /bo@/)
  })
})

describe('the notice to support', () => {
  const three = (): PartnerFacts[] => [
    facts({ recipients: ['a@one.test'] })!,
    facts({ recipients: ['a@two.test'], failure: { ...failure, resultType: 'starttls-not-supported' } })!,
    facts({ recipients: ['a@three.test'], action: 'delivery-failed' })!,
  ]

  it('says in both languages which, why, since when and who is hit, with a letter for each', () => {
    const { subject, text, html, letters } = digestText(input(three()), TEXTS)
    assert.equal(subject, `Mail til 3 partnere fejlede den ${DAY} / Mail to 3 partners failed on ${DAY}`)
    for (const body of [text, html]) {
      for (const needle of ['one.test', 'two.test', 'three.test', 'starttls-not-supported', 'mx.partner.test']) {
        assert.ok(body.split(needle).length >= 3, `${needle} in both languages`)
      }
      assert.match(body, /1 mails from 1 senders; 1 recipients given up/)
    }
    assert.deepEqual(
      letters.map(({ name }) => name),
      [
        'one.test-da.txt',
        'one.test-en.txt',
        'two.test-da.txt',
        'two.test-en.txt',
        'three.test-da.txt',
        'three.test-en.txt',
      ],
    )
    assert.match(letters[1]!.text, /^Subject: .*one\.test/)
    assert.match(letters[1]!.text, /openssl s_client .*mx\.partner\.test/)
    assert.match(letters[1]!.text, /valid until Jan {2}1 00|valid until/)
    assert.doesNotMatch(letters[1]!.text, / 0 ms/)
  })

  it('is a mail that Python takes apart', async () => {
    const message = await composeDigest(input(three()), TEXTS)
    const script = `
import sys,email,email.policy,json
m=email.message_from_bytes(sys.stdin.buffer.read(),policy=email.policy.default)
p=[(x.get_content_type(),x.get_filename(),len(x.get_content())) for x in m.walk() if not x.is_multipart()]
print(json.dumps({'to':str(m['to']),'auto':m['auto-submitted'],'subject':m['subject'],'type':m.get_content_type(),'parts':p,'defects':[str(d) for x in m.walk() for d in x.defects]}))`
    const read = JSON.parse(execFileSync('python3', ['-c', script], { input: message }).toString()) as {
      to: string
      auto: string
      type: string
      parts: [string, string | null, number][]
      defects: string[]
    }
    assert.deepEqual(read.defects, [])
    assert.equal(read.to, 'IT-support <help@uni.test>')
    assert.equal(read.auto, 'auto-generated')
    assert.equal(read.type, 'multipart/mixed')
    assert.deepEqual(
      read.parts.map(([type, name]) => [type, name]),
      [
        ['text/plain', null],
        ['text/html', null],
        ...['one', 'two', 'three'].flatMap((name) => ['da', 'en'].map((l) => ['text/plain', `${name}.test-${l}.txt`])),
      ],
    )
    assert.deepEqual(await composeDigest(input(three()), TEXTS), message, 'the same facts give the same bytes')
  })

  it('has no CPR number, tag or header of others in it, whatever servers and certificates say', async () => {
    const hostile = fc.constantFrom(
      '070761-4285',
      'x 0707614285 y',
      '<script>alert(1)</script>',
      'a\r\nBcc: eve@evil.test\r\n\r\nx',
      '\u202e070761-4285',
    )
    await fc.assert(
      fc.asyncProperty(hostile, hostile, hostile, async (said, name, host) => {
        const bad: Failure = {
          ...failure,
          publicText: said,
          mx: host,
          smtp: { code: 454, text: said },
          tls: { ...TLS, certificate: { ...TLS.certificate!, subject: name, issuer: name, names: [name] } },
        }
        const kept = facts({ failure: bad, recipients: [`a@${name}`] })
        if (kept === undefined) return
        const { subject, text, html, letters } = digestText(input([kept]), TEXTS)
        for (const part of [subject, text, html, ...letters.map((letter) => letter.text)]) {
          assert.doesNotMatch(part, /070761-?4285/)
        }
        assert.doesNotMatch(html, /<script>/)
        const message = (await composeDigest(input([kept]), TEXTS)).toString('latin1')
        assert.doesNotMatch(message.slice(0, message.indexOf('\r\n\r\n')), /^Bcc:/im)
      }),
      { numRuns: 60 },
    )
  })
})
