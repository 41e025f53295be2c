/** The Sigma rules: of the form that the specification asks for, about fields that there are, right about true and benign. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parseAllDocuments } from 'yaml'
import type { AuditEvent } from '../../lib/audit/types'
import { packageRoot } from '../../lib/package-root'
import { CONTEXT, TLS, toEcs } from '../audit/fixtures'
import { correlates, matches, valueAt, type Line, type Rule } from './evaluate'
import { CORRELATION, RULE } from './schema'

const DIR = path.join(packageRoot(), 'contrib', 'sigma')
const FILES = readdirSync(DIR).filter((name) => name.endsWith('.yml'))
const ALL = FILES.flatMap((name) =>
  parseAllDocuments(readFileSync(path.join(DIR, name), 'utf8')).map((document) => {
    assert.deepEqual(document.errors, [], name)
    return document.toJS() as Rule
  }),
)
const BY_NAME = new Map(ALL.map((rule) => [rule.name ?? rule.title, rule]))

const START = Date.UTC(2026, 10, 23)
let sequence = 0
/** A line as the audit log has it, `hours` after the start. */
function line(event: AuditEvent, hours = 0): Line {
  const id = '0d9c1b1e-30f5-4a7e-9a37-6f6f0e0c7a11'
  return toEcs(event, CONTEXT, { now: START + hours * 3_600_000, sequence: ++sequence, id, prevHash: '0'.repeat(64) })
}
const times = (count: number, make: (n: number) => Line) => Array.from({ length: count }, (_, n) => make(n))

const mail = {
  message: 'x',
  mailId: 'F35304E8-4DF4-4DEA-8AEA-A1788CEA53B3.1',
  caseId: 'SM-7F3K-0Q2Z',
  sender: 'anne@uni.example',
  recipients: ['bo@partner.example'],
}
const host = { destination: { host: 'mx.partner.example', ip: '198.51.100.7' } }
const row = { source: 'map' as const, level: 'may' as const, rule: 'config/secure-mail.tls_policy:3 x.example' }
const failed = (resultType: 'starttls-not-supported' | 'certificate-expired') => ({
  failure: { resultType, enhancedCode: '4.7.10', publicText: 'x' },
})
const asked = (sender: string, hours: number) => line({ ...mail, action: 'optout-requested', sender }, hours)
const refused = (code: 'cpr' | 'no-public-marker', hours: number) =>
  line({ ...mail, action: 'optout-refused', optOut: { by: null, granted: false, refusals: [code] } }, hours)
const clear = (sender: string, hours: number) =>
  line({ ...mail, ...host, action: 'plaintext-delivered', sender, tls: null, policy: row }, hours)
const session = (issuer: string, hours: number, name = 'mx.partner.example') =>
  line(
    {
      ...mail,
      action: 'tls-negotiated',
      destination: { host: name },
      tls: { ...TLS, certificate: { ...TLS.certificate!, issuer } },
    },
    hours,
  )
const lost = (hours: number, name = 'mx.partner.example') =>
  line(
    {
      ...mail,
      action: 'tls-failed',
      destination: { host: name, ip: '198.51.100.7' },
      tls: null,
      ...failed('starttls-not-supported'),
    },
    hours,
  )
const report = (hours: number) =>
  line({ ...mail, action: 'report-sent', queueAge: hours * 3_600_000, report: { kind: 'expired', status: '5.4.7' } })
const changed = (level: 'may' | 'secure', change: string) =>
  line({
    action: 'config-loaded',
    message: 'x',
    policy: { ...row, level },
    extra: { change, row: 'x.example', expires: '2026-12-31', file_owner: 'root' },
  })
const setting = (name: string, value: string) =>
  line({
    action: 'config-loaded',
    message: 'x',
    extra: { change: 'changed', setting: name, value, file_owner: 'root' },
  })
const broken = (extra: AuditEvent['extra']) => line({ action: 'plugin-error', message: 'x', extra: extra ?? {} })

/** By title: lines on which the rule must speak, and such that look alike on which it must not. */
const CASES: Readonly<Record<string, { yes: Line[][]; no: Line[][] }>> = {
  'Many Opt-Outs by One Sender': {
    yes: [times(10, (n) => asked('anne@uni.example', n / 20))],
    no: [
      times(9, () => asked('anne@uni.example', 0)),
      times(10, (n) => asked('anne@uni.example', n)),
      times(10, (n) => asked(`p${n}@uni.example`, 0)),
    ],
  },
  'CPR Numbers in Opt-Outs Again and Again': {
    yes: [times(3, (n) => refused('cpr', n))],
    no: [times(2, (n) => refused('cpr', n)), times(9, (n) => refused('no-public-marker', n))],
  },
  'Partner Lost TLS': {
    yes: [[session('CN=A', 0), lost(5)]],
    no: [
      [lost(0), session('CN=A', 5)],
      [session('CN=A', 0), lost(5, 'mx.other.example')],
      [session('CN=A', 0), lost(200)],
    ],
  },
  'Issuer of a Certificate Changed': {
    yes: [[session('CN=A', 0), session('CN=B', 24)]],
    no: [times(5, (n) => session('CN=A', n)), [session('CN=A', 0), session('CN=B', 1, 'mx.other.example')]],
  },
  'Many Mails in Clear Text by One Sender': {
    yes: [times(10, (n) => clear('anne@uni.example', n / 20))],
    no: [times(10, (n) => clear(`p${n}@uni.example`, 0)), times(9, () => clear('anne@uni.example', 0))],
  },
  'Opt-Out of TLS Requested': { yes: [[asked('anne@uni.example', 0)]], no: [[refused('cpr', 0)]] },
  'Opt-Out Refused for CPR Numbers': { yes: [[refused('cpr', 0)]], no: [[refused('no-public-marker', 0)]] },
  'TLS Session With a Host': { yes: [[session('CN=A', 0)]], no: [[lost(0)]] },
  'Host Without STARTTLS': {
    yes: [[lost(0)]],
    no: [[line({ ...mail, ...host, action: 'tls-failed', tls: TLS, ...failed('certificate-expired') })]],
  },
  'Certificate of a Host': { yes: [[session('CN=A', 0)]], no: [[lost(0)]] },
  'Mail Delivered in Clear Text': {
    yes: [[clear('anne@uni.example', 0)]],
    no: [[line({ ...mail, ...host, action: 'plaintext-permitted', policy: row })]],
  },
  'Sender Told Late': { yes: [[report(20)], [report(25)]], no: [[report(19.9)]] },
  'Failure of the Gateway': { yes: [[broken({ what: 'store' })]], no: [[broken({ lost_events: 3 })]] },
  'Audit Events Lost': { yes: [[broken({ lost_events: 3 })]], no: [[broken({ what: 'store' })]] },
  'Configuration Rejected': {
    yes: [[line({ action: 'config-rejected', message: 'x' })]],
    no: [[line({ action: 'config-loaded', message: 'x' })]],
  },
  'Policy Row Permits Clear Text': {
    yes: [[changed('may', 'added')], [changed('may', 'changed')]],
    no: [[changed('secure', 'added')], [changed('may', 'removed')]],
  },
  'Policy Row Past Its Last Day': {
    yes: [
      [line({ action: 'override-expired', message: 'x', policy: row, extra: { row: 'x', expires: '2026-11-22' } })],
    ],
    no: [[changed('may', 'changed')]],
  },
  'Enforcement Switched Off': {
    yes: [[setting('main.mode', 'monitor')]],
    no: [[setting('main.mode', 'enforce')], [setting('main.level', 'monitor')]],
  },
}

describe('contrib/sigma', () => {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  const form = { rule: ajv.compile(RULE), correlation: ajv.compile(CORRELATION) }

  it('has rules of the form of Sigma 2.1, each with an id and a name of its own', () => {
    for (const rule of ALL) {
      const validate = rule.correlation === undefined ? form.rule : form.correlation
      assert.ok(validate(rule), `${rule.title}: ${JSON.stringify(validate.errors)}`)
    }
    assert.equal(new Set(ALL.map(({ id }) => id)).size, ALL.length)
    assert.equal(BY_NAME.size, ALL.length)
    for (const { correlation } of ALL) for (const name of correlation?.rules ?? []) assert.ok(BY_NAME.has(name), name)
    assert.deepEqual(ALL.map(({ title }) => title).toSorted(), Object.keys(CASES).toSorted(), 'each has its cases')
  })

  it('the schema refuses what is no rule', () => {
    const good = ALL.find(({ detection }) => detection !== undefined)!
    for (const bad of [
      { ...good, level: 'urgent' },
      { ...good, id: 'x' },
      { ...good, detection: {} },
    ]) {
      assert.equal(form.rule(bad), false)
    }
  })

  for (const rule of ALL) {
    const { yes, no } = CASES[rule.title] ?? { yes: [], no: [] }
    const speaks = (lines: Line[]) =>
      rule.correlation === undefined
        ? lines.some((one) => matches(rule.detection!, one))
        : correlates(rule, BY_NAME, lines)

    it(`${rule.title}: speaks of what it is for, and not of what looks alike`, () => {
      for (const [n, lines] of yes.entries()) assert.ok(speaks(lines), `true case ${n}`)
      for (const [n, lines] of no.entries()) assert.ok(!speaks(lines), `benign case ${n}`)
    })

    it(`${rule.title}: names fields that the events have`, () => {
      const searches = Object.entries(rule.detection ?? {}).flatMap(([name, search]) =>
        typeof search === 'string' || name === 'filter' ? [] : Object.keys(search),
      )
      const { correlation } = rule
      const counted = correlation?.condition?.field
      const named = [
        ...searches.map((key) => key.split('|')[0]!),
        ...(rule.fields ?? []),
        ...(correlation?.['group-by'] ?? []),
        ...(counted === undefined ? [] : [counted]),
      ]
      for (const field of named) {
        const there = yes.flat().some((one) => valueAt(one, field) !== undefined)
        assert.ok(there, `${field} is in an event that the rule is for`)
      }
    })
  }
})
