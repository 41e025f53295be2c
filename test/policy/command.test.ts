import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { policyWith } from '../../bin/commands/policy'
import type { Io } from '../../bin/io'
import type { Connect } from '../../bin/look-ups'
import { run } from '../../bin/program'
import { lookupAddresses } from '../../lib/dns/addresses'
import { lookupMx } from '../../lib/dns/mx'
import { lookupTlsa } from '../../lib/dns/tlsa'
import { packageRoot } from '../../lib/package-root'
import type { PolicyReport } from '../../lib/policy/explain'
import { fakeResolver, type FakeZone } from '../dns/fake'

const schema = JSON.parse(readFileSync(path.join(packageRoot(), 'docs/schema/policy.schema.json'), 'utf8')) as object
const bySchema = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema)

const ZONE = {
  'MX good.example': {
    records: [
      { preference: 20, exchange: 'mx2.good.example' },
      { preference: 10, exchange: 'mx1.good.example' },
    ],
    secure: true,
  },
  'A mx1.good.example': { records: ['192.0.2.1'], secure: true },
  'AAAA mx1.good.example': { kind: 'nodata' },
  'A mx2.good.example': { error: 'servfail' },
  'AAAA mx2.good.example': { kind: 'nodata' },
  'MX dane.example': {
    records: [
      { preference: 10, exchange: 'mx1.dane.example' },
      { preference: 20, exchange: 'mx2.dane.example' },
      { preference: 30, exchange: 'mx3.dane.example' },
    ],
    secure: true,
  },
  'A mx1.dane.example': { records: ['192.0.2.1'], secure: true },
  'A mx2.dane.example': { records: ['192.0.2.2'], secure: true },
  'A mx3.dane.example': { records: ['192.0.2.3'] },
  'TLSA _25._tcp.mx1.dane.example': {
    records: [
      { usage: 3, selector: 1, matchingType: 1, data: '00'.repeat(32) },
      { usage: 1, selector: 1, matchingType: 1, data: '00'.repeat(32) },
    ],
    secure: true,
  },
  'TLSA _25._tcp.mx2.dane.example': { error: 'servfail' },
  'MX plain.example': { records: [{ preference: 10, exchange: 'mx.plain.example' }] },
  'A mx.plain.example': { records: ['192.0.2.9'] },
  'AAAA mx.plain.example': { kind: 'nodata' },
  'MX null.example': { records: [{ preference: 0, exchange: '' }] },
  'MX broken.example': { error: 'timeout' },
  'MX here.example': { records: [{ preference: 0, exchange: 'me.here.example' }] },
  'A me.here.example': { records: ['127.0.0.1'] },
  'AAAA me.here.example': { kind: 'nodata' },
} satisfies FakeZone

describe('secure-mail policy', () => {
  let instance: string
  let closed = 0
  const connect: Connect = () => {
    const resolver = fakeResolver(ZONE)
    return {
      lookUps: {
        mx: (domain) => lookupMx(resolver, domain),
        addresses: (host) => lookupAddresses(resolver, host, { inetPrefer: 'v4' }),
        isLocal: (address) => address === '127.0.0.1',
        published: { tlsa: (question) => lookupTlsa(resolver, question) },
      },
      close: () => {
        closed++
        return Promise.resolve()
      },
    }
  }

  before(() => {
    instance = mkdtempSync(path.join(tmpdir(), 'secure-mail-policy-'))
    mkdirSync(path.join(instance, 'config'))
    writeFileSync(path.join(instance, 'config', 'plugins'), 'secure-mail\n')
    writeFileSync(path.join(instance, 'config', 'secure-mail.ini'), '[main]\ninternal_domains[]=own.example\n')
    writeFileSync(
      path.join(instance, 'config', 'secure-mail.tls_policy'),
      'eve@good.example secure note="agreed"\neve@dane.example encrypt\nold.example none note="x" expires=2020-01-01\n',
    )
  })
  after(() => rmSync(instance, { recursive: true }))

  async function call(...args: string[]): Promise<{ out: string; err: string; code: number }> {
    const said = { out: '', err: '' }
    const io: Io = {
      out: (text) => void (said.out += text),
      err: (text) => void (said.err += text),
      color: false,
      stdin: () => Promise.resolve(Buffer.alloc(0)),
      exitCode: 0,
    }
    await run(['policy', '--config', instance, ...args], io, [
      policyWith(connect, { now: () => Date.UTC(2026, 10, 23) }),
    ])
    return { ...said, code: io.exitCode }
  }

  async function report(...args: string[]): Promise<{ reports: PolicyReport[]; code: number }> {
    const { out, err, code } = await call('--json', ...args)
    assert.equal(err, '')
    const reports = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as PolicyReport)
    for (const one of reports) assert.ok(bySchema(one), JSON.stringify(bySchema.errors))
    return { reports, code }
  }

  it('one line of JSON per argument, MX in order, exit code 0', async () => {
    const { reports, code } = await report('Anna@GOOD.example', 'eve@good.example', 'good.example.')
    assert.equal(code, 0)
    assert.deepEqual(
      reports.map((one) => [one.recipient, one.level, one.source, one.deliver]),
      [
        ['Anna@good.example', 'encrypt', 'default', true],
        ['eve@good.example', 'secure', 'map', true],
        ['@good.example', 'encrypt', 'default', true],
      ],
    )
    assert.deepEqual(
      reports[0]!.mx.map((mx) => [mx.host, mx.preference, mx.secure, mx.usable, mx.resultType]),
      [
        ['mx1.good.example', 10, true, true, undefined],
        ['mx2.good.example', 20, false, false, 'dns-error'],
      ],
    )
  })

  for (const domain of ['null.example', 'nowhere.example', 'broken.example', 'here.example']) {
    it(`${domain} would not be delivered: exit code 1`, async () => {
      const { reports, code } = await report('good.example', domain)
      assert.equal(code, 1)
      assert.deepEqual(
        reports.map((one) => one.deliver),
        [true, false],
      )
    })
  }

  it('TLSA records, host by host', async () => {
    const { reports } = await report('dane.example')
    assert.deepEqual(reports[0]!.dane, { enabled: true, applies: true, lookedUp: true, hosts: 1 })
    assert.deepEqual(
      reports[0]!.mx.map(({ tlsa, usable, resultType }) => [tlsa, usable, resultType]),
      [
        [1, true, undefined],
        [0, false, 'dnssec-invalid'],
        [0, true, undefined],
      ],
    )
    const { out } = await call('dane.example')
    assert.match(
      out,
      /mx1\.dane\.example: 1 usable TLSA record at mx1\.dane\.example; mx2\.dane\.example: the look-up failed/,
    )
    assert.match(out, /mx3\.dane\.example: not secured by DNSSEC/)
  })

  it('--requiretls: what would happen to a mail that asks for it (RFC 8689 section 4.2.1)', async () => {
    const { reports, code } = await report('--requiretls', 'good.example', 'plain.example')
    assert.equal(code, 1)
    assert.deepEqual(
      reports.map(({ requiretls, source, auth, deliver, mx }) => [
        requiretls,
        source,
        auth,
        deliver,
        mx[0]?.resultType,
      ]),
      [
        [true, 'requiretls', 'pkix', true, undefined],
        [true, 'requiretls', 'pkix', false, 'requiretls-not-supported'],
      ],
    )
    const { out } = await call('--requiretls', 'plain.example')
    assert.match(out, /reported to its sender at once \(5\.7\.30\)/)
    const plain = await report('plain.example')
    assert.deepEqual([plain.code, plain.reports[0]?.requiretls], [0, undefined])
  })

  it('no TLSA query where a row stands alone', async () => {
    const { reports } = await report('eve@dane.example')
    assert.deepEqual(reports[0]!.dane, { enabled: true, applies: false, lookedUp: false, hosts: 0 })
    assert.deepEqual(
      reports[0]!.mx.map(({ usable }) => usable),
      [true, true, true],
    )
  })

  it('passes expired rows over', async () => {
    const { reports } = await report('old.example')
    assert.equal(reports[0]!.source, 'default')
  })

  it('reads IDN', async () => {
    const { reports } = await report('bo@blåbærgrød.example')
    assert.equal(reports[0]!.recipient, 'bo@xn--blbrgrd-fxak7p.example')
  })

  it('speaks to people', async () => {
    const { out, code } = await call('eve@good.example', 'null.example')
    assert.equal(code, 1)
    assert.match(
      out,
      /^eve@good\.example\n {2}requires +secure: TLS with a valid certificate for the recipient domain\n/,
    )
    assert.match(out, /config\/secure-mail\.tls_policy:1 eve@good\.example asks for secure/)
    assert.match(out, /10 {2}mx1\.good\.example {2}try /)
    assert.match(out, /verdict +delivered if a server meets this; mx1\.good\.example is tried first/)
    assert.match(out, /\nnull\.example\n[^]*takes no mail/)
    // colours begin with ESC
    assert.equal(out.includes('\u001b'), false)
  })

  for (const args of [
    ['@'],
    ['@good.example'],
    ['a b@good.example'],
    ['a@'],
    ['a@b..c'],
    ['good.example', '[192.0.2.999]'],
    [''],
  ]) {
    it(`${JSON.stringify(args)} is a wrong call: exit code 2, nothing else said`, async () => {
      const { out, err, code } = await call(...args)
      assert.deepEqual([out, code], ['', 2])
      assert.match(err, /^secure-mail: .*neither a mail address nor a domain\n$/)
    })
  }

  it('without recipient, without instance, with a bad map: exit code 2', async () => {
    assert.equal((await call()).code, 2)
    const nowhere = await call('--config', path.join(instance, 'nowhere'), 'good.example')
    assert.equal(nowhere.code, 2)
    assert.match(nowhere.err, /no instance/)
    const map = path.join(instance, 'config', 'secure-mail.tls_policy')
    const good = readFileSync(map, 'utf8')
    writeFileSync(map, 'good.example strong\n')
    const bad = await call('good.example')
    writeFileSync(map, good)
    assert.deepEqual([bad.out, bad.code], ['', 2])
    assert.match(bad.err, /secure-mail\.tls_policy:1/)
  })

  it('closes what it opened', async () => {
    const before = closed
    await call('good.example')
    assert.equal(closed, before + 1)
  })
})
