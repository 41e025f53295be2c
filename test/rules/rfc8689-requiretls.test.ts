import assert from 'node:assert/strict'
import { readRequest } from '../../lib/gate/request'
import { parseHeader } from '../../lib/message/header'
import type { Settings } from '../../lib/config/settings'
import { decide } from '../../lib/policy/decide'
import type { MtaStsState } from '../../lib/policy/types'
import { prove } from './rule'
import { issued, selfSigned } from '../deliver/support/certificates'
import type { Script, TestServer } from '../deliver/support/server'
import { failureOf, mxHosts, request, settings, world, type World } from '../deliver/support/world'
import { inputs, STS } from '../policy/fixtures'

const OFFERS = ['PIPELINING', '8BITMIME', 'REQUIRETLS']
const BY_STS: MtaStsState = { ...STS, mx: ['*.test'] }
const required = (mtaSts: MtaStsState = BY_STS) =>
  decide(inputs({ recipient: 'rcpt@dest.test', requiretls: true, mtaSts }))
const good: Script = { tls: issued(['mx1.test', 'mx2.test']), offers: OFFERS }

describe('rules: REQUIRETLS', () => {
  let current: World | undefined
  afterEach(async () => {
    await current?.close()
    current = undefined
  })

  async function hosts(mxSecure: boolean, ...scripts: Script[]): Promise<{ at: World; servers: TestServer[] }> {
    await current?.close()
    const at = (current = await world(settings()))
    const names = scripts.map((_, index) => `mx${index + 1}.test`)
    const servers: TestServer[] = []
    for (const [index, script] of scripts.entries()) servers.push(...(await at.host(names[index] ?? '', script)))
    at.mx.set('dest.test', { ...mxHosts(...names), secure: mxSecure })
    return { at, servers }
  }

  /** Offers the keyword before TLS and not after it. */
  const onlyBefore: Script = {
    ...good,
    offers: [],
    on: ({ secure, say }, line) => {
      if (secure || !line.startsWith('EHLO')) return false
      say('250-test\r\n250-REQUIRETLS\r\n250 STARTTLS')
      return true
    },
  }

  const MISSING: [what: string, mxSecure: boolean, mtaSts: MtaStsState, script: Script, code: string][] = [
    ['MX neither by DNSSEC nor by MTA-STS', false, { state: 'absent' }, good, '5.7.30'],
    ['not offered', true, BY_STS, { ...good, offers: ['PIPELINING'] }, '5.7.30'],
    ['offered before TLS alone', true, BY_STS, onlyBefore, '5.7.30'],
    ['certificate not trusted', true, BY_STS, { ...good, tls: selfSigned(['mx1.test']) }, '5.7.10'],
    ['certificate for another name', true, BY_STS, { ...good, tls: issued(['else.test']) }, '5.7.10'],
    ['no TLS', true, BY_STS, { offers: OFFERS }, '5.7.10'],
  ]

  prove('RFC 8689', [
    {
      number: 21,
      section: '4.2.1',
      says: 'secured MX, verified certificate and the keyword after STARTTLS, or QUIT, the next MX, and in the end a report at once',
      async holds() {
        for (const [what, mxSecure, mtaSts, script, code] of MISSING) {
          const { at, servers } = await hosts(mxSecure, script)
          const { outcomes } = await at.deliver(request({ requirement: required(mtaSts) }))
          assert.equal(failureOf(outcomes[0]).enhancedCode, code, what)
          assert.equal(outcomes[0]?.result, 'failed', what)
          const said = servers.flatMap(({ seen }) => seen.flatMap((one) => [...one.clear, ...one.inTls]))
          assert.ok(
            said.every((line) => /^(EHLO gateway\.test|STARTTLS|QUIT)$/.test(line)),
            said.join(', '),
          )
          if (!mxSecure) continue
          const two = await hosts(mxSecure, script, good)
          const { outcomes: next } = await two.at.deliver(request({ requirement: required(mtaSts) }))
          assert.ok(next[0]?.result === 'delivered' && next[0].host === 'mx2.test', what)
          assert.match(two.servers[1]?.seen[0]?.inTls[1] ?? '', /^MAIL FROM:<sender@own\.test>.* REQUIRETLS/)
        }
        // a host that cannot be reached may meet it tomorrow
        const { at } = await hosts(true, { ...good, greeting: '421 4.3.2 not now' })
        const { outcomes } = await at.deliver(request({ requirement: required() }))
        assert.equal(outcomes[0]?.result, 'deferred')
      },
    },
    {
      number: 22,
      section: '3, 4.1, 4.2.2, 8.4',
      says: 'one TLS-Required field, value No, ignored under REQUIRETLS; it waives the recipient’s policy, not the sender’s, and TLS is still tried',
      holds() {
        const gate = {
          override: { tags: ['[unsecure]'], tlsRequiredNo: true },
          category3: { subjectTags: [] },
        } as unknown as Settings
        const asks = (header: string, requiretls = false, by = gate) =>
          readRequest(parseHeader(Buffer.from(`${header}\r\n\r\n`)), by, requiretls).by
        assert.equal(asks('TLS-Required: No'), 'tls-required-no')
        for (const header of [
          'TLS-Required: Yes',
          'TLS-Required: No\r\nTLS-Required: No',
          'TLS-Required:',
          'X-Tls: No',
        ]) {
          assert.equal(asks(header), null, header)
        }
        assert.equal(asks('TLS-Required: No', true), null)
        // it is a request to the gate like any other, and only where the postmaster allows it at all
        const forbidden = { ...gate, override: { ...gate.override, tlsRequiredNo: false } }
        assert.equal(asks('TLS-Required: No', false, forbidden), null)
        const plain = inputs({ mtaSts: STS, overrideMode: 'plaintext' })
        assert.equal(decide({ ...plain, grant: null }).level, 'verify')
        assert.equal(decide({ ...plain, grant: { by: 'tls-required-no' } }).level, 'may')
        const both = decide({ ...plain, grant: { by: 'tls-required-no' }, requiretls: true })
        assert.deepEqual([both.level, both.requiretls], ['verify', true])
      },
    },
    {
      number: 23,
      section: '4.2.1',
      says: 'the null sender’s mail is not discarded for want of REQUIRETLS',
      async holds() {
        const asked = decide(
          inputs({ recipient: 'rcpt@dest.test', requiretls: true, nullSender: true, kind: 'report' }),
        )
        const { at } = await hosts(false, { tls: selfSigned(['mx1.test']) })
        const { outcomes } = await at.deliver(request({ requirement: asked, sender: '' }))
        assert.notEqual(outcomes[0]?.result, 'failed')
      },
    },
  ])
})
