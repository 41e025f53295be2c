import assert from 'node:assert/strict'
import type { AuditEvent } from '../../lib/audit/types'
import { decide } from '../../lib/policy/decide'
import type { MtaStsState } from '../../lib/policy/types'
import { buildReport, reportMail } from '../../lib/report/tlsrpt'
import { claim, conclude, TRY_FOR } from '../../lib/report/tlsrpt/jobs'
import { readTlsrptRecords } from '../../lib/report/tlsrpt/record'
import type { PolicyCounts } from '../../lib/report/tlsrpt/types'
import { openMemoryStore } from '../../lib/store/memory'
import { freshRecord } from '../../lib/store/recipient-record'
import type { HarakaModules, HMailItem } from '../../plugins/haraka'
import type { MailFacts } from '../../plugins/mail-facts'
import { createReporter } from '../../plugins/reporter'
import type { Runtime } from '../../plugins/runtime'
import { countingOf } from '../../plugins/tls-sessions'
import { prove } from './rule'
import { inputs, mapOf, requirement, row, STS } from '../policy/fixtures'
import { goodReports } from '../report/tlsrpt/judge'

const party = { organization: 'Uni', contact: 'tls@uni.test', from: 'tls@uni.test', submitter: 'uni.test' }
const counts = (type: PolicyCounts['policy']['type'], ...strings: string[]): PolicyCounts => ({
  policy: { type, domain: 'partner.test', strings, mxHosts: [] },
  successes: 1,
  failures: [],
})
const sts = (mode: string) => counts('sts', 'version: STSv1', `mode: ${mode}`, 'mx: mx.partner.test', 'max_age: 86400')
const report = (...policies: PolicyCounts[]) =>
  buildReport({ party, day: '2026-11-22', domain: 'partner.test', policies, key: Buffer.alloc(32) })

describe('rules: TLS reporting', () => {
  prove('RFC 8460', [
    {
      number: 18,
      section: '3',
      says: 'exactly one record v=TLSRPTv1 counts; report mail is from the domain that is to sign it',
      async holds() {
        const one = 'v=TLSRPTv1; rua=mailto:tls@partner.test'
        assert.equal(readTlsrptRecords(['v=spf1 -all', one]).kind, 'record')
        for (const records of [[], [one, one], [one, 'v=TLSRPTv1; rua=https://partner.test/']]) {
          assert.equal(readTlsrptRecords(records).kind, 'none')
        }
        // that it is signed, without l=, and verifies, is shown by the end-to-end test with the dkim plugin
        const mail = (await reportMail(report(counts('no-policy-found')), 'tls@partner.test', 0)).toString()
        assert.match(mail, /^From: .*@uni\.test>?\r$/m)
        assert.match(mail, /^TLS-Report-Submitter: uni\.test\r$/m)
      },
    },
    {
      number: 19,
      section: '3 and 5.3',
      says: 'no TLS policy stops a report, its sessions are in no report, nobody is mailed about it; multipart/report, gzip',
      async holds() {
        const policies: MtaStsState[] = [{ state: 'absent' }, STS]
        for (const mtaSts of policies) {
          for (const level of ['encrypt', 'dane-only', 'fingerprint', 'secure', 'verify'] as const) {
            for (const mode of ['enforce', 'monitor'] as const) {
              const decided = decide(inputs({ kind: 'tlsrpt', mtaSts, mode, map: mapOf(row({ level })) }))
              assert.deepEqual([decided.level, decided.daneRaises, decided.sts], ['may', false, undefined])
            }
          }
        }
        const told: AuditEvent[] = []
        const runtime = {
          settings: () => ({ main: { internalDomains: [] } }),
          audit: { tell: (event: AuditEvent) => told.push(event) },
          clock: { now: () => 0 },
        } as unknown as Runtime
        const counted = (kind: MailFacts['kind']) =>
          countingOf(
            { runtime, facts: { kind, domain: 'partner.test' } as MailFacts },
            { requirement: requirement() },
            { route: { kind: 'mx' } },
            { mtaSts: undefined, published: undefined },
          )
        assert.equal(counted('tlsrpt').onSession, undefined)
        assert.notEqual(counted('mail').onSession, undefined)

        const queued: unknown[] = []
        const haraka = { outbound: { send_email: () => queued.push(1) } } as unknown as HarakaModules
        const facts = {
          kind: 'tlsrpt',
          sender: '',
          recipients: ['tls@partner.test'],
          queuedAt: 0,
        } as unknown as MailFacts
        await createReporter(haraka, runtime).notDelivered(facts, {} as unknown as HMailItem, [
          { recipient: 'tls@partner.test', record: freshRecord(0) },
        ])
        assert.deepEqual(queued, [])
        assert.deepEqual(
          told.map(({ action }) => action),
          ['report-undeliverable'],
        )
        goodReports([{ mail: await reportMail(report(counts('no-policy-found')), 'tls@partner.test', 0) }])
      },
    },
    {
      number: 20,
      section: '5.5 and 4',
      says: 'delivery is tried for 24 hours at most; one entry in policies for each policy that was applied',
      async holds() {
        let now = 0
        const store = openMemoryStore({ clock: { now: () => now } })
        const about = { day: '2026-11-22', domain: 'partner.test', uri: 'mailto:tls@partner.test' }
        const tries: number[] = []
        for (now = 0; now < 3 * TRY_FOR; now += 60_000) {
          const mine = await claim(store, about, `p${now}`, now, false)
          if (mine === undefined) continue
          tries.push(now)
          await conclude(store, mine, now, 'no')
        }
        assert.ok(tries.length > 5)
        assert.ok(Math.max(...tries) <= TRY_FOR && Math.max(...tries) > TRY_FOR / 2, String(tries))
        await store.close()

        const { json } = report(counts('no-policy-found'), sts('testing'), sts('enforce'))
        const { policies } = JSON.parse(json) as { policies: { policy: { 'policy-string'?: string[] } }[] }
        assert.deepEqual(
          policies.map(({ policy }) => policy['policy-string']?.[1]),
          [undefined, 'mode: testing', 'mode: enforce'],
        )
      },
    },
  ])
})
