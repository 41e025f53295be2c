import assert from 'node:assert/strict'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { createTestCa, type TestCa } from '../../internet/ca'
import { fakeResolver, type FakeZone } from '../../dns/fake'
import { fetchPolicy, type Fetched, type FetchOptions } from '../../../lib/policy/sts/fetch'
import { fetchOptions, POLICY, policyAnswer, startPolicyHost, type Answer, type PolicyHost } from './support'

const ZONE: FakeZone = {
  'A mta-sts.example.test': { records: ['127.0.0.1'] },
  'AAAA mta-sts.example.test': { kind: 'nodata' },
}

describe('MTA-STS: the policy over HTTPS (RFC 8461 section 3.3)', () => {
  let ca: TestCa
  let host: PolicyHost
  const stops: (() => Promise<void> | void)[] = []

  before(async () => {
    ca = createTestCa()
    host = await startPolicyHost(ca.good('mta-sts.example.test'))
  })
  beforeEach(() => {
    host.answer = policyAnswer(POLICY)
    host.requests.length = 0
  })
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
  })
  after(async () => {
    await host.stop()
    ca.stop()
  })

  function get(more: Partial<FetchOptions> = {}, zone: FakeZone = ZONE, port = host.port): Promise<Fetched> {
    return fetchPolicy('example.test', fakeResolver(zone), fetchOptions(ca.file, port, more))
  }

  function refused(result: Fetched, resultType: string, detail: RegExp): void {
    assert.ok(!result.ok, JSON.stringify(result))
    assert.equal(result.resultType, resultType, result.detail)
    assert.match(result.detail, detail)
  }

  it('3.3: asks the policy host for the well-known path, under its name', async () => {
    const result = await get()
    assert.deepEqual(result, { ok: true, policy: { mode: 'enforce', maxAge: 86_400, mx: ['mx.example.test'] } })
    assert.deepEqual(host.requests, ['GET https://mta-sts.example.test/.well-known/mta-sts.txt'])
    assert.equal(host.names.at(-1), 'mta-sts.example.test')
  })

  it('3.3: text/plain with parameters is text/plain', async () => {
    host.answer = policyAnswer(POLICY, { type: 'Text/Plain; charset=utf-8' })
    assert.equal((await get()).ok, true)
  })

  it('an answer in chunks of one byte, in time, is an answer', async () => {
    host.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      for (const character of POLICY) response.write(character)
      response.end()
    }
    assert.equal((await get()).ok, true)
  })

  const redirect: Answer = (request, response) => {
    if (request.url === '/elsewhere') policyAnswer(POLICY)(request, response)
    else response.writeHead(302, { location: '/elsewhere', 'content-type': 'text/plain' }).end(POLICY)
  }

  const ANSWERS: [section: string, what: string, answer: Answer, resultType: string, detail: RegExp][] = [
    [
      '3.3',
      '301 with a policy in it',
      policyAnswer(POLICY, { status: 301, headers: { location: '/x' } }),
      'sts-policy-fetch-error',
      /status 301/,
    ],
    ['3.3', '302', redirect, 'sts-policy-fetch-error', /status 302/],
    ['3.3', '404', policyAnswer('no', { status: 404 }), 'sts-policy-fetch-error', /status 404/],
    ['3.3', '500', policyAnswer('no', { status: 500 }), 'sts-policy-fetch-error', /status 500/],
    [
      '3.3',
      '203, which is 2xx but not 200',
      policyAnswer(POLICY, { status: 203 }),
      'sts-policy-fetch-error',
      /status 203/,
    ],
    ['3.3', '206', policyAnswer(POLICY, { status: 206 }), 'sts-policy-fetch-error', /status 206/],
    ['3.3', '304', policyAnswer('', { status: 304 }), 'sts-policy-fetch-error', /status 304/],
    ['3.3', 'text/html', policyAnswer(POLICY, { type: 'text/html' }), 'sts-policy-fetch-error', /text\/html/],
    ['3.3', 'text/plainer', policyAnswer(POLICY, { type: 'text/plainer' }), 'sts-policy-fetch-error', /media type/],
    ['3.3', 'no media type', (_q, response) => response.end(POLICY), 'sts-policy-fetch-error', /media type/],
    [
      '3.3',
      'compressed',
      policyAnswer(POLICY, { headers: { 'content-encoding': 'gzip' } }),
      'sts-policy-fetch-error',
      /compressed/,
    ],
    ['3.2', 'empty', policyAnswer(''), 'sts-policy-invalid', /version/],
    ['3.2', 'HTML said to be text/plain', policyAnswer('<html><body>Hi</body></html>'), 'sts-policy-invalid', /line 1/],
    ['3.3', 'oversized by one byte', policyAnswer('a'.repeat(65_537)), 'sts-policy-fetch-error', /larger than 65536/],
    [
      '3.3',
      'endless',
      (_q, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' })
        const more = (): void => {
          if (!response.destroyed) response.write('x: y\n'.repeat(10_000), more)
        }
        more()
      },
      'sts-policy-fetch-error',
      /larger than 65536/,
    ],
    [
      '3.3',
      'cut short',
      (_q, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', 'content-length': POLICY.length + 20 })
        response.write(POLICY, () => response.destroy())
      },
      'sts-policy-fetch-error',
      /./,
    ],
    ['-', 'no answer at all', (_q, response) => response.destroy(), 'sts-policy-fetch-error', /./],
    ['-', 'another protocol', (request) => request.socket.end('220 mx ESMTP\r\n'), 'sts-policy-fetch-error', /./],
    [
      '-',
      '101',
      (request) =>
        void request.socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
      'sts-policy-fetch-error',
      /./,
    ],
  ]
  for (const [section, what, answer, resultType, detail] of ANSWERS) {
    it(`${section}: ${what}: ${resultType}`, async () => {
      host.answer = answer
      refused(await get(), resultType, detail)
      assert.equal(host.requests.length, 1)
    })
  }

  const drip: Answer = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    const timer = setInterval(() => response.write('x'), 20)
    response.on('close', () => clearInterval(timer))
  }
  for (const [what, answer] of [
    ['a byte now and then', drip],
    [
      'silence after the header',
      (_q, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders()
      },
    ],
    ['silence', () => undefined],
  ] satisfies [string, Answer][]) {
    it(`3.3: ${what}: one deadline ends it`, async () => {
      host.answer = answer
      refused(await get({ deadline: 300 }), 'sts-policy-fetch-error', /within 0\.3 s/)
    })
  }

  it('the deadline ends a TLS handshake that is not answered', async () => {
    const silent = net.createServer((socket) => socket.on('error', () => socket.destroy()))
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve)
    })
    const sockets: net.Socket[] = []
    silent.on('connection', (socket) => sockets.push(socket))
    stops.push(() => {
      for (const socket of sockets) socket.destroy()
      silent.close()
    })
    const { port } = silent.address() as AddressInfo
    refused(await get({ deadline: 300 }, ZONE, port), 'sts-policy-fetch-error', /within 0\.3 s/)
  })

  it('the deadline ends a look-up that is not answered', async () => {
    const resolver = { resolve: () => new Promise<never>(() => undefined), close: () => Promise.resolve() }
    const result = await fetchPolicy('example.test', resolver, fetchOptions(ca.file, host.port, { deadline: 50 }))
    refused(result, 'sts-policy-fetch-error', /within 0\.05 s/)
  })

  it('can be broken off from outside', async () => {
    host.answer = () => undefined
    const stop = new AbortController()
    const running = fetchPolicy('example.test', fakeResolver(ZONE), fetchOptions(ca.file, host.port), stop.signal)
    stop.abort()
    refused(await running, 'sts-policy-fetch-error', /shutting down/)
  })

  const CERTIFICATES: [what: string, certificate: () => ReturnType<TestCa['good']>, detail: RegExp][] = [
    ['self-signed', () => ca.selfSigned('mta-sts.example.test'), /SELF_SIGNED/],
    ['of another authority', () => ca.otherCa('mta-sts.example.test'), /UNABLE_TO|SELF_SIGNED/],
    ['expired', () => ca.expired('mta-sts.example.test'), /EXPIRED/],
    ['not yet valid', () => ca.notYetValid('mta-sts.example.test'), /NOT_YET_VALID/],
    ['for the domain, not the policy host', () => ca.good('example.test'), /not for mta-sts\.example\.test/],
    ['for somebody else', () => ca.wrongName(), /not for mta-sts\.example\.test/],
    ['with a wildcard above', () => ca.good('*.test'), /not for mta-sts\.example\.test/],
  ]
  for (const [what, certificate, detail] of CERTIFICATES) {
    it(`3.3: a certificate ${what}: sts-webpki-invalid, and nothing is asked`, async () => {
      const bad = await startPolicyHost(certificate())
      stops.push(() => bad.stop())
      refused(await get({}, ZONE, bad.port), 'sts-webpki-invalid', detail)
      assert.deepEqual(bad.requests, [])
    })
  }

  it('3.3: a wildcard for the left-most label is for the policy host', async () => {
    const wild = await startPolicyHost(ca.good('*.example.test'))
    stops.push(() => wild.stop())
    assert.equal((await get({}, ZONE, wild.port)).ok, true)
  })

  it('7.2: TLS 1.1 is not spoken', async () => {
    const old = await startPolicyHost(ca.good('mta-sts.example.test'), {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    })
    stops.push(() => old.stop())
    refused(await get({}, ZONE, old.port), 'sts-policy-fetch-error', /./)
    assert.deepEqual(old.requests, [])
  })

  it('roots that cannot be read are no other roots', async () => {
    refused(await get({ caFile: `${ca.file}.gone` }), 'sts-policy-fetch-error', /cannot be used/)
    assert.deepEqual(host.requests, [])
  })

  it("without a file only Node's roots count", async () => {
    const options: FetchOptions = { port: host.port, inetPrefer: 'v4', mayConnect: () => true }
    refused(await fetchPolicy('example.test', fakeResolver(ZONE), options), 'sts-webpki-invalid', /./)
  })

  const ADDRESSES: [what: string, zone: FakeZone, ok: boolean][] = [
    ['the policy host does not exist', {}, false],
    ['its addresses are in doubt', { 'A mta-sts.example.test': { error: 'servfail' } }, false],
    [
      'the first address refuses, the second answers',
      {
        'A mta-sts.example.test': { records: ['127.0.0.254', '127.0.0.1'] },
        'AAAA mta-sts.example.test': { kind: 'nodata' },
      },
      true,
    ],
  ]
  for (const [what, zone, ok] of ADDRESSES) {
    it(`${what}: ${ok ? 'fetched' : 'sts-policy-fetch-error'}`, async () => {
      const result = await get({}, zone)
      if (ok) assert.equal(result.ok, true)
      else refused(result, 'sts-policy-fetch-error', /mta-sts\.example\.test/)
    })
  }

  it('an address that may not be connected to is not', async () => {
    refused(await get({ mayConnect: () => false }), 'sts-policy-fetch-error', /addresses of this machine/)
    assert.deepEqual(host.requests, [])
  })
})
