import assert from 'node:assert/strict'
import type { StaticRoute } from '../../lib/deliver/types'
import type { Route } from '../../lib/policy/types'
import { policyDomain } from '../../plugins/mta-sts'

describe('MTA-STS: the policy domain (RFC 8461 section 3.4)', () => {
  const to = (...hosts: string[]): StaticRoute[] => hosts.map((host) => ({ host, lmtp: false }))
  const TABLE: [what: string, route: Route, routes: StaticRoute[] | undefined, domain: string | undefined][] = [
    ['MX records: the recipient domain', { kind: 'mx' }, undefined, 'example.org'],
    ['a smart host: its own', { kind: 'static', host: 'relay.example' }, to('relay.example'), 'relay.example'],
    [
      'the same smart host twice: its own',
      { kind: 'static', host: 'relay.example' },
      to('relay.example', 'relay.example'),
      'relay.example',
    ],
    ['several smart hosts: none', { kind: 'static', host: 'a.example' }, to('a.example', 'b.example'), undefined],
    ['an address: none', { kind: 'static', host: '192.0.2.1' }, to('192.0.2.1'), undefined],
    ['local delivery: none', { kind: 'local' }, [{ path: '/run/lmtp', lmtp: true }], undefined],
  ]
  for (const [what, route, routes, domain] of TABLE) {
    it(what, () => assert.equal(policyDomain('example.org', route, routes), domain))
  }
})
