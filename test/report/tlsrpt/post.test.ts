/** Reports by HTTPS, against real servers on loopback. */
import assert from 'node:assert/strict'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type http from 'node:http'
import { isPublicAddress, postReport } from '../../../lib/report/tlsrpt'
import { fakeResolver } from '../../dns/fake'
import { createTestCa, type CertificateFiles, type TestCa } from '../../internet/ca'

const HOST = 'reports.test'

describe('report: TLS reports by HTTPS', () => {
  let ca: TestCa
  let server: https.Server | undefined
  let asked: { request: http.IncomingMessage; body: Buffer }[]
  before(() => {
    ca = createTestCa()
  })
  after(() => ca.stop())
  beforeEach(() => {
    asked = []
  })
  afterEach(async () => {
    server?.closeAllConnections()
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
    server = undefined
  })

  async function serve(
    certificate: CertificateFiles,
    answer: (response: http.ServerResponse) => void,
  ): Promise<string> {
    const { key, cert } = certificate
    server = https.createServer({ key, cert }, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        asked.push({ request, body: Buffer.concat(chunks) })
        answer(response)
      })
    })
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
    return `https://${HOST}:${(server.address() as AddressInfo).port}/v1?x=y`
  }

  const post = (url: string, more: { mayConnect?: () => boolean; deadline?: number } = {}) =>
    postReport(url, Buffer.from('body'), fakeResolver({ [`A ${HOST}`]: { records: ['127.0.0.1'] } }), {
      caFile: ca.file,
      inetPrefer: 'v4',
      mayConnect: () => true,
      deadline: 5_000,
      ...more,
    })

  it('posts the body with its type; any 2xx is good', async () => {
    for (const status of [200, 201, 204]) {
      asked = []
      const url = await serve(ca.good(HOST), (response) => response.writeHead(status).end())
      assert.deepEqual(await post(url), { verified: true })
      const [{ request, body }] = asked as [(typeof asked)[0]]
      assert.equal(`${request.method} ${request.url}`, 'POST /v1?x=y')
      assert.equal(request.headers['content-type'], 'application/tlsrpt+gzip')
      assert.equal(request.headers['content-length'], '4')
      assert.equal(request.headers.host, new URL(url).host)
      assert.equal(body.toString(), 'body')
      await new Promise<void>((resolve) => server?.close(() => resolve()))
    }
  })

  it('a certificate that is not valid keeps no report back (RFC 8460 section 3), and is told', async () => {
    for (const certificate of [ca.expired(HOST), ca.selfSigned(HOST), ca.wrongName()]) {
      const url = await serve(certificate, (response) => response.writeHead(200).end())
      assert.deepEqual(await post(url), { verified: false })
      await new Promise<void>((resolve) => server?.close(() => resolve()))
    }
  })

  it('redirects are not followed, and errors are no success', async () => {
    for (const status of [301, 302, 307, 308, 400, 404, 500, 503]) {
      asked = []
      const url = await serve(ca.good(HOST), (response) =>
        response.writeHead(status, { location: `https://${HOST}/elsewhere` }).end(),
      )
      await assert.rejects(post(url), new RegExp(`status ${status}`))
      assert.equal(asked.length, 1)
      await new Promise<void>((resolve) => server?.close(() => resolve()))
    }
  })

  it('a server that never answers costs its deadline and no more', async () => {
    const url = await serve(ca.good(HOST), () => undefined)
    await assert.rejects(post(url, { deadline: 300 }))
  })

  it('an answer without end is not read to its end', async () => {
    const url = await serve(ca.good(HOST), (response) => {
      response.writeHead(200)
      const more = setInterval(() => response.write(Buffer.alloc(65_536)), 1)
      response.on('close', () => clearInterval(more))
      response.on('error', () => clearInterval(more))
    })
    assert.deepEqual(await post(url), { verified: true })
  })

  it('no address that may be connected to, or none at all: nothing is posted', async () => {
    const url = await serve(ca.good(HOST), (response) => response.end())
    await assert.rejects(post(url, { mayConnect: () => false }), /only addresses that reports do not go to/)
    await assert.rejects(post('https://unknown.test/'), /unknown\.test/)
    assert.deepEqual(asked, [])
  })

  it('addresses in here are not the world', () => {
    const inside = ['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.1.1', '100.64.0.1', '0.0.0.0']
    for (const address of [...inside, '::1', '::', 'fd00::1', 'fe80::1', '::ffff:10.0.0.1', 'x', '']) {
      assert.equal(isPublicAddress(address), false, address)
    }
    for (const address of ['192.0.2.1', '172.32.0.1', '2001:db8::1'])
      assert.equal(isPublicAddress(address), true, address)
  })
})
