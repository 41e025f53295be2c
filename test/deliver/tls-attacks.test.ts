/**
 * Each way in which TLS can fail or be attacked under a requirement that TLS must be. In every row: the right name of
 * the failure, the next MX is tried, the mail is deferred and never failed, and nothing but EHLO, STARTTLS and QUIT was
 * ever written in clear text.
 */
import assert from 'node:assert/strict'
import type { Settings } from '../../lib/config/settings'
import type { Requirement } from '../../lib/policy/types'
import { expired, fingerprints, issued, selfSigned } from './support/certificates'
import type { Script, TestServer } from './support/server'
import {
  addressesOf,
  failureOf,
  MESSAGE,
  mxHosts,
  request,
  requirement,
  settings,
  SHORT,
  world,
  type World,
} from './support/world'

const good = issued(['mx1.test', 'mx2.test'])
const GARBAGE = Buffer.from('16030300054142434445', 'hex')

interface Row {
  name: string
  source: string
  script: Script
  requirement?: Requirement
  resultType: string
  code: string
  timeouts?: Partial<Settings['delivery']['timeouts']>
}

/** After STARTTLS, do something else than a handshake. */
function after220(act: (say: (bytes: string | Buffer) => void, cut: () => void) => void): Script {
  return {
    tls: good,
    on: (conversation, line) => {
      if (line !== 'STARTTLS') return false
      act(conversation.rawSay, conversation.cut)
      return true
    },
  }
}

function answerStartTls(answer: string): Script {
  return after220((say) => say(answer))
}

const verify = requirement('verify')
const encrypt = requirement('encrypt')

const rows: Row[] = [
  {
    name: 'STARTTLS stripped from EHLO',
    source: 'RFC 3207 section 6',
    script: { tls: good, starttls: false },
    resultType: 'starttls-not-supported',
    code: '4.7.4',
  },
  {
    name: 'STARTTLS overwritten (XXXXXXXA)',
    source: 'RFC 3207 section 6',
    script: { offers: ['XXXXXXXA'] },
    resultType: 'starttls-not-supported',
    code: '4.7.4',
  },
  {
    name: 'only HELO known (EHLO refused 502)',
    source: 'RFC 5321 section 3.2',
    script: { on: (c, line) => line.startsWith('EHLO') && (c.say('502 what?'), true) },
    resultType: 'smtp-rejected',
    code: '4.0.0',
  },
  {
    name: '454 to STARTTLS',
    source: 'RFC 3207 section 4',
    script: answerStartTls('454 4.7.0 TLS not available\r\n'),
    resultType: 'starttls-not-supported',
    code: '4.7.4',
  },
  {
    name: '502 to STARTTLS',
    source: 'RFC 3207 section 4',
    script: answerStartTls('502 5.5.1 no\r\n'),
    resultType: 'starttls-not-supported',
    code: '4.7.4',
  },
  {
    name: '250 to STARTTLS',
    source: 'RFC 3207 section 4: only 220',
    script: answerStartTls('250 ok\r\n'),
    resultType: 'starttls-not-supported',
    code: '4.7.4',
  },
  {
    name: 'garbage to STARTTLS',
    source: 'RFC 5321 section 4.2',
    script: answerStartTls('\u0000\u0001garbage\r\n'),
    resultType: 'starttls-not-supported',
    code: '4.7.4',
  },
  {
    name: 'no answer to STARTTLS',
    source: 'RFC 5321 section 4.5.3.2',
    script: after220(() => undefined),
    timeouts: { starttls: SHORT },
    resultType: 'starttls-not-supported',
    code: '4.7.4',
  },
  {
    name: 'connection cut at STARTTLS',
    source: 'RFC 3207 section 4',
    script: after220((_say, cut) => cut()),
    resultType: 'starttls-not-supported',
    code: '4.7.4',
  },
  {
    name: 'full reply injected with 220',
    source: 'RFC 3207 section 6',
    script: answerStartTls('220 go\r\n250 injected\r\n'),
    resultType: 'starttls-injection',
    code: '4.7.5',
  },
  {
    name: 'rejection injected with 220',
    source: 'RFC 3207 section 6',
    script: answerStartTls('220 go\r\n550 5.7.1 injected\r\n'),
    resultType: 'starttls-injection',
    code: '4.7.5',
  },
  {
    name: 'half a line injected with 220',
    source: 'RFC 3207 section 6',
    script: answerStartTls('220 go\r\n250 injec'),
    resultType: 'starttls-injection',
    code: '4.7.5',
  },
  {
    name: 'one byte injected with 220',
    source: 'RFC 3207 section 6',
    script: answerStartTls('220 go\r\n2'),
    resultType: 'starttls-injection',
    code: '4.7.5',
  },
  {
    name: 'reply injected in a later segment',
    source: 'RFC 3207 section 6',
    script: after220((say) => {
      say('220 go\r\n')
      setTimeout(() => say('250 injected later\r\n'), 30)
    }),
    resultType: 'starttls-injection',
    code: '4.7.5',
  },
  {
    name: 'handshake cut',
    source: 'RFC 3207 section 4.1',
    script: after220((say, cut) => {
      say('220 go\r\n')
      setTimeout(cut, 30)
    }),
    resultType: 'validation-failure',
    code: '4.7.5',
  },
  {
    name: 'broken TLS records',
    source: 'RFC 8446 section 5',
    script: after220((say) => {
      say('220 go\r\n')
      setTimeout(() => say(GARBAGE), 30)
    }),
    resultType: 'validation-failure',
    code: '4.7.5',
  },
  {
    name: 'handshake hangs',
    source: 'RFC 5321 section 4.5.3.2',
    script: answerStartTls('220 go\r\n'),
    timeouts: { starttls: SHORT },
    resultType: 'validation-failure',
    code: '4.7.5',
  },
  {
    name: 'TLS 1.1 only',
    source: 'RFC 8996',
    script: { tls: { ...good, maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } },
    resultType: 'tls-version-too-low',
    code: '4.7.5',
  },
  {
    name: 'TLS 1.2 where 1.3 is required',
    source: 'map protocols=>=TLSv1.3',
    script: { tls: { ...good, maxVersion: 'TLSv1.2' } },
    requirement: requirement('encrypt', { minVersion: 'TLSv1.3' }),
    resultType: 'tls-version-too-low',
    code: '4.7.5',
  },
  {
    name: 'expired certificate',
    source: 'RFC 5280 section 6.1.3',
    script: { tls: expired(['mx1.test']) },
    requirement: verify,
    resultType: 'certificate-expired',
    code: '4.7.5',
  },
  {
    name: 'certificate not valid yet',
    source: 'RFC 5280 section 6.1.3',
    script: { tls: issued(['mx1.test'], { notBefore: Date.now() + 86_400_000 }) },
    requirement: verify,
    resultType: 'certificate-not-trusted',
    code: '4.7.5',
  },
  {
    name: 'self-signed certificate',
    source: 'RFC 5280 section 6',
    script: { tls: selfSigned(['mx1.test']) },
    requirement: verify,
    resultType: 'certificate-not-trusted',
    code: '4.7.5',
  },
  {
    name: 'certificate for another name',
    source: 'RFC 6125 section 6',
    script: { tls: issued(['other.test']) },
    requirement: verify,
    resultType: 'certificate-host-mismatch',
    code: '4.7.5',
  },
  {
    name: 'right name only as common name',
    source: 'RFC 9525 section 2',
    script: { tls: issued(undefined, { cn: 'mx1.test' }) },
    requirement: verify,
    resultType: 'certificate-host-mismatch',
    code: '4.7.5',
  },
  {
    name: 'fingerprint of another certificate',
    source: 'level fingerprint',
    script: { tls: good },
    requirement: requirement('fingerprint', { fingerprints: ['00'.repeat(32)] }),
    resultType: 'fingerprint-mismatch',
    code: '4.7.5',
  },
  {
    name: 'dane-only without TLSA',
    source: 'RFC 7672 section 2.2',
    script: { tls: good },
    requirement: requirement('dane-only'),
    resultType: 'dane-required',
    code: '4.7.5',
  },
]

describe('deliver: TLS must be, and is attacked', () => {
  let current: World | undefined
  afterEach(async () => {
    await current?.close()
    current = undefined
  })

  /** Every byte before the TLS handshake, and that the handshake is all that follows. */
  function assertNothingLeaked(server: TestServer): void {
    for (const seen of server.seen) {
      for (const line of seen.clear) assert.match(line, /^(?:EHLO gateway\.test|STARTTLS|QUIT)$/u)
      const raw = Buffer.concat(seen.raw)
      const text = raw.toString('latin1')
      for (const secret of ['MAIL', 'RCPT', 'DATA', 'secret', 'sender@', 'rcpt@', 'HELO ', 'AUTH']) {
        assert.ok(!text.replaceAll('EHLO ', '').includes(secret), `${secret} in clear text`)
      }
      // What is not one of the three commands is a TLS record: handshake (22), alert (21), change cipher spec (20), or
      // application data (23), and none of it was readable above.
      const rest = text.replace(/^(?:(?:EHLO gateway\.test|STARTTLS|QUIT)\r\n)*/u, '')
      if (rest.length > 0) assert.match(rest, /^[\x14-\x17]\x03[\x01-\x04]/u)
    }
  }

  for (const row of rows) {
    it(`${row.name} (${row.source}): ${row.resultType}, deferred, nothing in clear`, async () => {
      current = await world(settings({ timeouts: { ...settings().delivery.timeouts, ...row.timeouts } }))
      const [server] = await current.host('mx1.test', row.script)
      current.mx.set('dest.test', mxHosts('mx1.test'))
      const result = await current.deliver(request({ requirement: row.requirement ?? encrypt }))
      const failure = failureOf(result.outcomes[0])
      assert.equal(result.outcomes.length, 1)
      assert.equal(result.outcomes[0]?.result, 'deferred')
      assert.equal(failure.resultType, row.resultType)
      assert.equal(failure.enhancedCode, row.code)
      assert.equal(failure.mx, 'mx1.test')
      assert.equal(result.attempts.length, 1)
      assert.equal(result.attempts[0]?.ok, false)
      if (row.requirement?.level !== 'dane-only') assert.equal(server!.seen.length, 1)
      // Nothing is left open, whatever went wrong.
      await Promise.all(server!.seen.map((seen) => seen.closed))
      await current.close()
      assertNothingLeaked(server!)
      assert.deepEqual(
        server!.seen.flatMap((seen) => seen.inTls),
        [],
      )
      current = undefined
    })

    it(`${row.name}: the next MX gets the mail`, async () => {
      current = await world(settings({ timeouts: { ...settings().delivery.timeouts, ...row.timeouts } }))
      const fingerprint = row.requirement?.level === 'fingerprint'
      // For the second MX to be good under fingerprint, its key is the pinned one.
      const partner = issued(['mx2.test'])
      const needed = fingerprint
        ? requirement('fingerprint', { fingerprints: [fingerprints(partner).certificate] })
        : (row.requirement ?? encrypt)
      const [bad] = await current.host('mx1.test', row.script)
      const [second] = await current.host('mx2.test', { tls: partner })
      current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
      const result = await current.deliver(request({ requirement: needed }))
      if (row.requirement?.level === 'dane-only') {
        assert.equal(failureOf(result.outcomes[0]).resultType, 'dane-required')
        return
      }
      const outcome = result.outcomes[0]
      assert.ok(outcome?.result === 'delivered', JSON.stringify(result))
      assert.equal(outcome.host, 'mx2.test')
      assert.equal(outcome.tls?.verified, needed.level !== 'encrypt')
      assert.deepEqual(
        result.attempts.map((attempt) => [attempt.host, attempt.ok]),
        [
          ['mx1.test', false],
          ['mx2.test', true],
        ],
      )
      assert.deepEqual(second!.seen[0]?.data, [`${MESSAGE}.\r\n`])
      assertNothingLeaked(bad!)
      assertNothingLeaked(second!)
    })
  }

  it('the next address of the same host is tried too', async () => {
    current = await world()
    const [, second] = await current.host('mx1.test', { starttls: false }, { tls: good })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request())
    assert.equal(result.outcomes[0]?.result, 'delivered')
    assert.equal(second!.seen.length, 1)
  })

  it('all MX bad: deferred with the most telling failure, a mix with other causes is marked', async () => {
    current = await world()
    await current.host('mx1.test', { starttls: false })
    await current.host('mx2.test', { tls: expired(['mx2.test']) })
    current.addresses.set('mx3.test', addressesOf('mx3.test', '198.51.100.1'))
    current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test', 'mx3.test'))
    const result = await current.deliver(request({ requirement: requirement('verify') }))
    const outcome = result.outcomes[0]
    assert.equal(failureOf(outcome).resultType, 'certificate-expired')
    assert.equal(outcome?.result === 'deferred' && outcome.onEveryHost, false)
    assert.deepEqual(
      result.attempts.map((attempt) => attempt.failure?.resultType),
      ['starttls-not-supported', 'certificate-expired', 'connection-failed'],
    )
    const shown = result.attempts[1]?.tls
    assert.deepEqual([shown?.verified, shown?.certificate?.names], [false, ['mx2.test']])
  })

  it('RFC 3207 section 4.2: EHLO is said again inside TLS and only what is offered there counts', async () => {
    current = await world()
    const [server] = await current.host('mx1.test', {
      tls: good,
      offers: [],
      on: (c, line) => {
        if (!line.startsWith('EHLO') || c.secure) return false
        c.say('250-test\r\n250-PIPELINING\r\n250-SIZE 10\r\n250-DSN\r\n250 STARTTLS')
        return true
      },
    })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request({ dsn: { ret: 'HDRS', rcpt: {} } }))
    assert.equal(result.outcomes[0]?.result, 'delivered')
    await current.close()
    assert.deepEqual(server!.seen[0]!.clear, ['EHLO gateway.test', 'STARTTLS'])
    assert.deepEqual(server!.seen[0]!.inTls, [
      'EHLO gateway.test',
      'MAIL FROM:<sender@own.test>',
      'RCPT TO:<rcpt@dest.test>',
      'DATA',
      'QUIT',
    ])
    current = undefined
  })

  it('an answer that nobody asked for inside TLS ends the session before the envelope', async () => {
    current = await world()
    const [server] = await current.host('mx1.test', {
      tls: good,
      on: (c, line) => {
        if (!line.startsWith('EHLO') || !c.secure) return false
        c.say('250 test\r\n250 too much')
        return true
      },
    })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request())
    assert.equal(failureOf(result.outcomes[0]).resultType, 'protocol-error')
    assert.deepEqual(server!.seen[0]!.inTls, ['EHLO gateway.test'])
  })

  it('a handshake that drips a byte at a time ends at its deadline', async () => {
    current = await world(settings({ timeouts: { ...settings().delivery.timeouts, starttls: 2 * SHORT } }))
    let drip: NodeJS.Timeout | undefined
    await current.host(
      'mx1.test',
      after220((say) => {
        say('220 go\r\n')
        say(Buffer.from('1603030fff', 'hex'))
        drip = setInterval(() => say(Buffer.from([2])), 20)
      }),
    )
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request())
    clearInterval(drip)
    assert.equal(failureOf(result.outcomes[0]).resultType, 'validation-failure')
  })

  it('REQUIRETLS (RFC 8689 section 4.2.1) that the server does not offer is final at once', async () => {
    current = await world()
    const [server] = await current.host('mx1.test', { tls: good })
    current.mx.set('dest.test', { ...mxHosts('mx1.test'), secure: true })
    const result = await current.deliver(request({ requirement: requirement('encrypt', { requiretls: true }) }))
    assert.equal(result.outcomes[0]?.result, 'failed')
    assert.equal(failureOf(result.outcomes[0]).resultType, 'requiretls-not-supported')
    assert.equal(failureOf(result.outcomes[0]).enhancedCode, '5.7.30')
    await current.close()
    assert.deepEqual(server!.seen[0]!.inTls, ['EHLO gateway.test', 'QUIT'])
    current = undefined
  })
})
