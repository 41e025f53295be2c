import assert from 'node:assert/strict'
import { CODE, type HarakaModules, type HarakaMx } from '../../plugins/haraka'
import { chooseRoute } from '../../plugins/route'

/** The part of Haraka's class that matters here: objects are taken as they are, strings are `host[:port]`. */
function FakeMx(this: HarakaMx, mx: unknown): void {
  if (typeof mx === 'string') {
    const [exchange, port] = mx.split(':')
    Object.assign(this, { exchange, ...(port === undefined ? {} : { port: Number(port) }) })
  } else if (mx === null) throw new TypeError('null, as the real one throws')
  else Object.assign(this, mx)
}
const haraka = {
  outbound: { net_utils: { HarakaMx: FakeMx as unknown as new (mx: unknown) => HarakaMx } },
} as unknown as HarakaModules

const choose = (code: number, message?: unknown, notes = {}) =>
  chooseRoute(haraka, { code, message, timedOut: false }, 'example.dk', notes)

describe('route from the get_mx hooks', () => {
  it('no opinion: the MX records', () => {
    for (const code of [CODE.cont, CODE.nextHook, 4711]) {
      assert.deepEqual(choose(code), { kind: 'deliver', route: { kind: 'mx' } })
    }
  })

  it('OK: a static route, with port, bind and AUTH', () => {
    const chosen = choose(CODE.ok, {
      exchange: 'Relay.Example.DK.',
      port: '587',
      bind: '127.0.0.2',
      auth_user: 'u',
      auth_pass: 'p',
    })
    assert.deepEqual(chosen, {
      kind: 'deliver',
      route: { kind: 'static', host: 'relay.example.dk' },
      routes: [{ host: 'relay.example.dk', port: 587, lmtp: false, bind: '127.0.0.2', auth: { user: 'u', pass: 'p' } }],
    })
  })

  it('OK with a list keeps the order', () => {
    const chosen = choose(CODE.ok, ['a.example', 'b.example:26'])
    assert.ok(chosen.kind === 'deliver')
    assert.deepEqual(
      chosen.routes?.map((route) => route.host),
      ['a.example', 'b.example'],
    )
  })

  it('a host name in U-labels becomes A-labels', () => {
    const chosen = choose(CODE.ok, 'mx.blåbær.dk')
    assert.ok(chosen.kind === 'deliver' && chosen.route.kind === 'static')
    assert.equal(chosen.route.host, 'mx.xn--blbr-roah.dk')
  })

  for (const [what, mx] of [
    ['a unix socket', { path: '/var/run/lmtp' }],
    ['LMTP on loopback', { exchange: '127.0.0.1', using_lmtp: true, port: 24 }],
    ['LMTP on IPv6 loopback', { exchange: '::1', using_lmtp: true }],
  ] as [string, HarakaMx][]) {
    it(`${what} is local delivery`, () => {
      const chosen = choose(CODE.ok, mx)
      assert.ok(chosen.kind === 'deliver')
      assert.equal(chosen.route.kind, 'local')
    })
  }

  it('LMTP to another machine is not local', () => {
    const chosen = choose(CODE.ok, { exchange: '192.0.2.1', using_lmtp: true })
    assert.ok(chosen.kind === 'deliver')
    assert.equal(chosen.route.kind, 'static')
  })

  for (const [what, code, message, enhanced] of [
    ['DENY', CODE.deny, 'no such partner', '5.4.4'],
    ['DENYSOFT', CODE.denysoft, 'later', '4.4.4'],
    ['OK without a usable route', CODE.ok, {}, '4.4.4'],
    ['OK with local and remote mixed', CODE.ok, [{ path: '/x' }, 'a.example'], '4.4.4'],
  ] as [string, number, unknown, string][]) {
    it(`${what}: no delivery`, () => {
      const chosen = choose(code, message)
      assert.ok(chosen.kind === 'refused')
      assert.equal(chosen.failure.enhancedCode, enhanced)
    })
  }

  it('whatever a plugin answers, nothing is thrown and no half-read route is used', () => {
    const good = { exchange: 'relay.example.dk' }
    const bad: unknown[] = [
      undefined,
      null,
      42,
      '',
      [],
      [null],
      { exchange: 7 },
      { exchange: 'a b' },
      { exchange: 'a\r\nRCPT TO:<x@y>' },
      { exchange: {} },
      { path: 7 },
      { ...good, port: 'x' },
      { ...good, port: 0 },
      { ...good, port: 65_536 },
      { ...good, bind: 'nowhere' },
      { ...good, bind: {} },
      { ...good, bind_helo: 'x\r\nMAIL FROM:<>' },
      { ...good, bind_helo: 5 },
      { ...good, auth_user: {} },
      { ...good, auth_user: 'u', auth_pass: 5 },
    ]
    for (const message of bad) {
      const chosen = choose(CODE.ok, message)
      assert.ok(chosen.kind === 'refused', JSON.stringify(message))
      assert.equal(chosen.failure.enhancedCode, '4.4.4')
    }
    assert.equal(choose(CODE.ok, good, { outbound_helo: 'x\r\nMAIL FROM:<>' }).kind, 'refused')
    // what can be read of a list is used
    const chosen = choose(CODE.ok, [{ exchange: 7 }, good])
    assert.ok(chosen.kind === 'deliver' && chosen.routes?.length === 1)
  })

  it('text of another plugin cannot carry line breaks into logs and reports', () => {
    const chosen = choose(CODE.deny, 'a\r\nX: y')
    assert.ok(chosen.kind === 'refused')
    assert.ok(!/[\r\n]/.test(chosen.failure.publicText))
  })
})
