/** Sending with REQUIRETLS (RFC 8689 section 4.2.1), and reports about such mail (section 5). */
import assert from 'node:assert/strict'
import type { HostAddresses } from '../../lib/dns/types'
import type { TlsaState, Requirement } from '../../lib/policy/types'
import { expired, issued, selfSigned, fingerprints } from './support/certificates'
import type { Script, TestServer } from './support/server'
import { addressesOf, failureOf, MESSAGE, mxHosts, request, requirement, world, type World } from './support/world'

const good = issued(['mx1.test', 'mx2.test'])
const OFFERS = ['PIPELINING', '8BITMIME', 'SIZE', 'DSN', 'REQUIRETLS']
/** Its key stands in TLSA records. */
const ownKey = selfSigned(['elsewhere.test'])
const keeps: Script = { tls: good, offers: OFFERS }
const keepsNot: Script = { tls: good }
const REQUIRED = requirement('verify', { requiretls: true, source: 'requiretls' })
const secureAddresses: HostAddresses = {
  kind: 'addresses',
  addresses: ['192.0.2.1'],
  secure: true,
  secureAlias: false,
  expandedName: 'mx1.test',
}
const secureMx = (...hosts: string[]) => ({ ...mxHosts(...hosts), secure: true })

const ENVELOPE = /^(?:MAIL|RCPT|DATA)/i
const mailLines = (server: TestServer) =>
  server.seen.flatMap((one) => one.inTls.filter((line) => line.startsWith('MAIL')))

describe('deliver: REQUIRETLS (RFC 8689 section 4.2.1)', () => {
  let current: World
  beforeEach(async () => {
    current = await world()
  })
  afterEach(async () => {
    await current.close()
  })

  describe('a host that fails a step gets QUIT and no envelope, and the mail ends at once', () => {
    interface Row {
      what: string
      source: string
      script: Script
      requirement?: Requirement
      insecure?: true
      resultType: string
      code: string
      /** Commands inside TLS; absent = there was none. */
      inTls?: readonly string[]
      /** No connection at all. */
      untouched?: true
    }
    const AFTER_EHLO = ['EHLO gateway.test', 'QUIT']
    const ROWS: Row[] = [
      {
        what: 'nothing vouches for the MX host',
        source: 'step 2',
        script: keeps,
        insecure: true,
        resultType: 'requiretls-not-supported',
        code: '5.7.30',
        untouched: true,
      },
      {
        what: 'MTA-STS does not name the MX host',
        source: 'step 2, RFC 8461 section 4.1',
        script: keeps,
        insecure: true,
        requirement: { ...REQUIRED, sts: { id: '1', mx: ['mx.elsewhere.test'] } },
        resultType: 'validation-failure',
        code: '5.7.10',
        untouched: true,
      },
      {
        what: 'no STARTTLS',
        source: 'step 4',
        script: { ...keeps, starttls: false },
        resultType: 'starttls-not-supported',
        code: '5.7.10',
      },
      {
        what: 'the keyword before STARTTLS only',
        source: 'step 5, RFC 3207 section 4.2',
        script: {
          tls: good,
          on: (talk, line) => {
            if (!line.startsWith('EHLO')) return false
            talk.say(talk.secure ? '250-test\r\n250 SIZE' : '250-test\r\n250-REQUIRETLS\r\n250 STARTTLS')
            return true
          },
        },
        resultType: 'requiretls-not-supported',
        code: '5.7.30',
        inTls: AFTER_EHLO,
      },
      {
        what: 'no keyword',
        source: 'step 5',
        script: keepsNot,
        resultType: 'requiretls-not-supported',
        code: '5.7.30',
        inTls: AFTER_EHLO,
      },
      {
        what: 'expired certificate',
        source: 'step 4',
        script: { ...keeps, tls: expired(['mx1.test']) },
        resultType: 'certificate-expired',
        code: '5.7.10',
        inTls: ['QUIT'],
      },
      {
        what: 'certificate of nobody',
        source: 'step 4',
        script: { ...keeps, tls: selfSigned(['mx1.test']) },
        resultType: 'certificate-not-trusted',
        code: '5.7.10',
        inTls: ['QUIT'],
      },
      {
        what: 'certificate for another host',
        source: 'step 4: MUST match the name from the MX lookup',
        script: { ...keeps, tls: issued(['mx9.test']) },
        resultType: 'certificate-host-mismatch',
        code: '5.7.10',
        inTls: ['QUIT'],
      },
      {
        what: 'TLS 1.1',
        source: 'section 4.2.1 with BCP 195',
        script: { ...keeps, tls: { ...good, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } },
        resultType: 'tls-version-too-low',
        code: '5.7.10',
      },
    ]
    for (const row of ROWS) {
      it(`${row.what}: ${row.resultType}, ${row.code} (${row.source})`, async () => {
        const [server] = await current.host('mx1.test', row.script)
        current.mx.set('dest.test', row.insecure ? mxHosts('mx1.test') : secureMx('mx1.test'))
        const { outcomes } = await current.deliver(request({ requirement: row.requirement ?? REQUIRED }))
        const failure = failureOf(outcomes[0])
        assert.deepEqual(
          [outcomes[0]?.result, failure.resultType, failure.enhancedCode],
          ['failed', row.resultType, row.code],
        )
        await current.stop()
        const { seen } = server!
        await Promise.all(seen.map((one) => one.closed))
        if (row.untouched) {
          assert.deepEqual(seen, [])
          return
        }
        assert.ok(!seen.some((one) => [...one.clear, ...one.inTls].some((line) => ENVELOPE.test(line))))
        assert.deepEqual(
          seen.flatMap((one) => one.inTls),
          row.inTls ?? [],
        )
      })
    }
  })

  describe('a cause that has nothing to do with it keeps the mail waiting', () => {
    const ROWS: [what: string, script: Script | undefined, resultType: string, code: string][] = [
      ['nobody listens', undefined, 'connection-failed', '4.4.1'],
      ['421 for a greeting', { ...keeps, greeting: '421 4.3.2 later' }, 'smtp-deferred', '4.3.2'],
      [
        '454 to STARTTLS (RFC 3207 section 4)',
        { ...keeps, on: (talk, line) => line === 'STARTTLS' && (talk.say('454 4.7.0 later'), true) },
        'starttls-not-supported',
        '4.7.10',
      ],
      [
        '451 to MAIL',
        { ...keeps, on: (talk, line) => line.startsWith('MAIL') && (talk.say('451 4.3.0 later'), true) },
        'smtp-deferred',
        '4.3.0',
      ],
    ]
    for (const [what, script, resultType, code] of ROWS) {
      it(`${what}: ${code}`, async () => {
        if (script === undefined) current.addresses.set('mx1.test', addressesOf('mx1.test', '192.0.2.99'))
        else await current.host('mx1.test', script)
        current.mx.set('dest.test', secureMx('mx1.test'))
        const { outcomes } = await current.deliver(request({ requirement: REQUIRED }))
        const failure = failureOf(outcomes[0])
        assert.deepEqual(
          [outcomes[0]?.result, failure.resultType, failure.enhancedCode],
          ['deferred', resultType, code],
        )
      })
    }

    it('the MX records cannot be looked up: 4.4.3', async () => {
      current.mx.set('dest.test', { kind: 'error', error: 'timeout', detail: 'time-out' })
      const { outcomes } = await current.deliver(request({ requirement: REQUIRED }))
      assert.deepEqual([outcomes[0]?.result, failureOf(outcomes[0]).enhancedCode], ['deferred', '4.4.3'])
    })

    it('the TLSA records cannot be looked up (RFC 7672 section 2.1.2): 4.7.10', async () => {
      await current.host('mx1.test', keeps)
      current.addresses.set('mx1.test', secureAddresses)
      current.tlsa.set('mx1.test', { state: 'error', detail: 'SERVFAIL' })
      current.mx.set('dest.test', secureMx('mx1.test'))
      const { outcomes } = await current.deliver(request({ requirement: { ...REQUIRED, daneRaises: true } }))
      assert.deepEqual([outcomes[0]?.result, failureOf(outcomes[0]).enhancedCode], ['deferred', '4.7.10'])
    })

    it('one host cannot meet it, the other one is not reached: that one may still', async () => {
      await current.host('mx1.test', keepsNot)
      current.addresses.set('mx2.test', addressesOf('mx2.test', '192.0.2.99'))
      current.mx.set('dest.test', secureMx('mx1.test', 'mx2.test'))
      const { outcomes } = await current.deliver(request({ requirement: REQUIRED }))
      assert.deepEqual([outcomes[0]?.result, failureOf(outcomes[0]).resultType], ['deferred', 'connection-failed'])
    })
  })

  describe('all steps met: delivered, and the keyword is on MAIL FROM', () => {
    const DANE: TlsaState = {
      state: 'usable',
      base: 'mx1.test',
      records: [{ usage: 3, selector: 1, matchingType: 1, data: fingerprints(ownKey).spki }],
    }
    const ROWS: [what: string, requirement: Requirement, secure: boolean, tlsa?: TlsaState, script?: Script][] = [
      ['DNSSEC and PKIX', REQUIRED, true],
      ['MTA-STS and PKIX', { ...REQUIRED, sts: { id: '1', mx: ['mx1.test'] } }, false],
      ['DNSSEC and DANE', { ...REQUIRED, daneRaises: true }, true, DANE, { ...keeps, tls: ownKey }],
    ]
    for (const [what, given, secure, tlsa, script] of ROWS) {
      it(what, async () => {
        const [server] = await current.host('mx1.test', script ?? keeps)
        if (tlsa !== undefined) {
          current.tlsa.set('mx1.test', tlsa)
          current.addresses.set('mx1.test', secureAddresses)
        }
        current.mx.set('dest.test', secure ? secureMx('mx1.test') : mxHosts('mx1.test'))
        const { outcomes } = await current.deliver(
          request({ requirement: given, dsn: { ret: 'HDRS', envid: 'e1', rcpt: {} } }),
        )
        assert.equal(outcomes[0]?.result, 'delivered')
        assert.equal(outcomes[0].otherwise, undefined)
        assert.deepEqual(mailLines(server!), [
          `MAIL FROM:<sender@own.test> SIZE=${MESSAGE.length} REQUIRETLS RET=HDRS ENVID=e1`,
        ])
        assert.deepEqual(server!.seen[0]?.clear, ['EHLO gateway.test', 'STARTTLS'])
      })
    }

    it('the first host does not keep it, the second does: delivered by the second', async () => {
      const [first] = await current.host('mx1.test', keepsNot)
      const [second] = await current.host('mx2.test', keeps)
      current.mx.set('dest.test', secureMx('mx1.test', 'mx2.test'))
      const { outcomes, attempts } = await current.deliver(request({ requirement: REQUIRED }))
      assert.equal(outcomes[0]?.result === 'delivered' && outcomes[0].host, 'mx2.test')
      assert.deepEqual([mailLines(first!).length, mailLines(second!).length], [0, 1])
      assert.deepEqual(
        attempts.map(({ host, failure }) => [host, failure?.enhancedCode]),
        [
          ['mx1.test', '5.7.30'],
          ['mx2.test', undefined],
        ],
      )
    })
  })

  it('its connections and those of other mail are never shared', async () => {
    const [server] = await current.host('mx1.test', keeps)
    current.mx.set('dest.test', secureMx('mx1.test'))
    const plain = requirement('verify')
    for (const one of [plain, REQUIRED, plain, REQUIRED]) {
      const { outcomes } = await current.deliver(request({ requirement: one }))
      assert.equal(outcomes[0]?.result, 'delivered')
    }
    await current.stop()
    const flags = server!.seen.map((one) =>
      one.inTls.filter((line) => line.startsWith('MAIL')).map((line) => line.includes('REQUIRETLS')),
    )
    assert.deepEqual(flags, [
      [false, false],
      [true, true],
    ])
  })
})

describe('deliver: reports about REQUIRETLS mail (RFC 8689 sections 4.2.1 and 5)', () => {
  let current: World
  beforeEach(async () => {
    current = await world()
  })
  afterEach(async () => {
    await current.close()
  })
  const REPORT = { ...REQUIRED, otherwise: requirement('encrypt') }
  const report = (more: Partial<Requirement> = {}) => request({ sender: '', requirement: { ...REPORT, ...more } })

  it('where it can be had, the report asks for it', async () => {
    const [server] = await current.host('mx1.test', keeps)
    current.mx.set('dest.test', secureMx('mx1.test'))
    const { outcomes } = await current.deliver(report())
    assert.deepEqual([outcomes[0]?.result, outcomes[0]?.otherwise], ['delivered', undefined])
    assert.match(mailLines(server!)[0] ?? '', /^MAIL FROM:<> .*REQUIRETLS/)
  })

  it('a later host that keeps it comes before an earlier one that does not', async () => {
    const [first] = await current.host('mx1.test', keepsNot)
    const [second] = await current.host('mx2.test', keeps)
    current.mx.set('dest.test', secureMx('mx1.test', 'mx2.test'))
    await current.deliver(report())
    assert.deepEqual([mailLines(first!), mailLines(second!).length], [[], 1])
  })

  for (const [what, script, secure] of [
    ['nobody offers it', keepsNot, true],
    ['nothing vouches for the MX host', keeps, false],
    ['the certificate is of nobody', { ...keeps, tls: selfSigned(['mx1.test']) }, true],
  ] as const) {
    it(`${what}: the report goes out without it, still inside TLS`, async () => {
      const [server] = await current.host('mx1.test', script)
      current.mx.set('dest.test', secure ? secureMx('mx1.test') : mxHosts('mx1.test'))
      const { outcomes, attempts } = await current.deliver(report())
      assert.deepEqual([outcomes[0]?.result, outcomes[0]?.otherwise], ['delivered', true])
      assert.deepEqual(
        attempts.map(({ ok, otherwise }) => [ok, otherwise]),
        [
          [false, undefined],
          [true, true],
        ],
      )
      // section 2: the option MUST only be given in a session that meets all of it
      assert.deepEqual(mailLines(server!), [`MAIL FROM:<> SIZE=${MESSAGE.length}`])
      assert.ok(server!.clear().every((line) => /^(?:EHLO|STARTTLS)/.test(line)))
    })
  }

  it('what is required without it is not waived: no TLS, no report; it waits', async () => {
    const [server] = await current.host('mx1.test', {})
    current.mx.set('dest.test', secureMx('mx1.test'))
    const { outcomes } = await current.deliver(report())
    assert.deepEqual([outcomes[0]?.result, failureOf(outcomes[0]).enhancedCode], ['deferred', '4.7.4'])
    assert.ok(!server!.clear().some((line) => ENVELOPE.test(line)))
  })

  it('a cause that has nothing to do with it is met once, not twice', async () => {
    current.addresses.set('mx1.test', addressesOf('mx1.test', '192.0.2.99'))
    current.mx.set('dest.test', secureMx('mx1.test'))
    const { outcomes, attempts } = await current.deliver(report())
    assert.deepEqual([outcomes[0]?.result, attempts.length], ['deferred', 1])
  })

  it('mail with a sender has no second way', async () => {
    await current.host('mx1.test', keepsNot)
    current.mx.set('dest.test', secureMx('mx1.test'))
    const { outcomes, attempts } = await current.deliver(request({ requirement: REQUIRED }))
    assert.deepEqual([outcomes[0]?.result, attempts.length], ['failed', 1])
  })
})
