import assert from 'node:assert/strict'
import { decide } from '../../lib/policy/decide'
import { forHost } from '../../lib/policy/for-host'
import { compareStrength } from '../../lib/policy/strength'
import { tlsToken } from '../../lib/policy/tls-token'
import { LEVELS } from '../../lib/policy/types'
import { prove } from './rule'
import { issued, selfSigned } from '../deliver/support/certificates'
import type { Script } from '../deliver/support/server'
import { failureOf, mxHosts, request, requirement, settings, world, type World } from '../deliver/support/world'
import { host, inputs, mapOf, row } from '../policy/fixtures'

const good = { tls: issued(['mx.test']) }

describe('rules: STARTTLS', () => {
  let current: World | undefined
  afterEach(async () => {
    await current?.close()
    current = undefined
  })

  async function oneHost(script: Script) {
    await current?.close()
    current = await world(settings())
    const [server] = await current.host('mx.test', script)
    current.mx.set('dest.test', mxHosts('mx.test'))
    assert.ok(server)
    return { server, at: current }
  }

  /** `220` with something behind it. */
  const injecting = (bytes: string): Script => ({
    ...good,
    on: ({ rawSay, startTls, secure }, line) => {
      if (secure || line !== 'STARTTLS') return false
      rawSay(`220 2.0.0 go${bytes}`)
      startTls()
      return true
    },
  })

  prove('RFC 3207', [
    {
      number: 24,
      section: '4, 4.2, 6',
      says: 'what came before TLS is forgotten, buffered bytes included, and EHLO said again; nothing is pipelined behind STARTTLS',
      async holds() {
        for (const bytes of ['\r\n250 injected\r\n', '\r\n250 injected-par', '\r\n550 5.7.1 rejected\r\n']) {
          const { at, server } = await oneHost(injecting(bytes))
          const { outcomes } = await at.deliver(request())
          assert.equal(failureOf(outcomes[0]).resultType, 'starttls-injection', bytes)
          assert.equal(outcomes[0]?.result, 'deferred')
          assert.deepEqual(server.clear(), ['EHLO gateway.test', 'STARTTLS'])
        }
        // SIZE is offered before TLS only, so it is not used inside
        const { at, server } = await oneHost({
          ...good,
          on: ({ secure, say }, line) => {
            if (!line.startsWith('EHLO') || secure) return false
            say('250-test\r\n250-SIZE 1000\r\n250-DSN\r\n250 STARTTLS')
            return true
          },
          offers: [],
        })
        const { outcomes } = await at.deliver(request({ dsn: { ret: 'HDRS', rcpt: {} } }))
        assert.equal(outcomes[0]?.result, 'delivered')
        assert.deepEqual(server.clear(), ['EHLO gateway.test', 'STARTTLS'])
        assert.deepEqual(server.seen[0]?.inTls.slice(0, 2), ['EHLO gateway.test', 'MAIL FROM:<sender@own.test>'])
      },
    },
    {
      number: 25,
      section: '4, 4.1, 6',
      says: 'TLS of adequate strength can be required of selected hosts; too little ends the session right after the handshake',
      async holds() {
        const strict = decide(inputs({ map: mapOf(row({ level: 'verify', minVersion: 'TLSv1.3' })) }))
        const need = forHost(strict, host())
        assert.deepEqual([need.tls, need.auth, need.minVersion], ['must', 'pkix', 'TLSv1.3'])
        for (const [script, wanted, resultType] of [
          [{ tls: selfSigned(['mx.test']) }, requirement('verify'), 'certificate-not-trusted'],
          [
            { tls: { ...issued(['mx.test']), maxVersion: 'TLSv1.2' } },
            requirement('encrypt', { minVersion: 'TLSv1.3' }),
            'tls-version-too-low',
          ],
          [{}, requirement('encrypt'), 'starttls-not-supported'],
        ] as const) {
          const { at, server } = await oneHost(script)
          const { outcomes } = await at.deliver(request({ requirement: wanted }))
          assert.equal(failureOf(outcomes[0]).resultType, resultType)
          assert.deepEqual(
            server.seen.flatMap(({ inTls }) => inTls),
            [],
          )
          assert.ok(server.clear().every((line) => /^(EHLO gateway\.test|STARTTLS|QUIT)$/.test(line)))
        }
      },
    },
    {
      number: 26,
      section: '7435 section 3',
      says: 'opportunistic security never weakens an explicit policy, and is not shown as secure',
      async holds() {
        for (const level of LEVELS.filter((one) => one !== 'none' && one !== 'may')) {
          const own = decide(inputs({ map: mapOf(row({ level, match: ['ab'] })) }))
          const monitored = decide(
            inputs({ map: mapOf(row({ level, match: ['ab'] })), mode: 'monitor', defaultLevel: 'may' }),
          )
          assert.equal(compareStrength(monitored, own), 'equal', level)
          assert.equal(forHost(own, host({ mxSecure: false })).tls, 'must', level)
        }
        const { at } = await oneHost({ tls: selfSigned(['mx.test']) })
        const may = requirement('may', { source: 'default' })
        const { outcomes } = await at.deliver(request({ requirement: may }))
        assert.ok(outcomes[0]?.result === 'delivered')
        assert.deepEqual([outcomes[0].tls?.verified, tlsToken(may, outcomes[0].tls)], [false, 'tls=may'])
      },
    },
  ])
})
