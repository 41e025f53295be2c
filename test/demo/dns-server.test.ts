import assert from 'node:assert/strict'
import net from 'node:net'
import dnsPacket from 'dns-packet'
import { systemClock } from '../../lib/clock'
import { createResolver, lookupMx, type Resolver } from '../../lib/dns'
import { startDnsServer, type DnsServer } from '../../demo/dns-server'

describe('demo: name server, asked by the gateway’s own resolver', () => {
  let server: DnsServer
  let resolver: Resolver

  before(async () => {
    server = await startDnsServer({
      'partner.example': {
        mx: [
          { preference: 10, exchange: 'mx1.partner.example' },
          { preference: 20, exchange: 'mx2.partner.example' },
        ],
        txt: ['v=hello'],
      },
      'mx1.partner.example': { a: ['127.0.0.11'] },
      'unsigned.example': { a: ['127.0.0.12'], insecure: true },
      'long.example': { txt: Array.from({ length: 40 }, (_, n) => `${n} ${'x'.repeat(100)}`) },
    })
    resolver = createResolver({ servers: [server.server], trustAd: 'loopback', timeout: 2_000, clock: systemClock })
  })
  after(async () => {
    await resolver.close()
    await server.stop()
  })

  it('MX records in order, secure', async () => {
    const answer = await lookupMx(resolver, 'partner.example')
    assert.ok(answer.kind === 'hosts')
    assert.deepEqual(answer.hosts, [
      { host: 'mx1.partner.example', preference: 10 },
      { host: 'mx2.partner.example', preference: 20 },
    ])
    assert.equal(answer.secure, true)
  })

  it('what does not exist does not exist; what has another type only has no such record', async () => {
    assert.equal((await resolver.resolve('misspelt.example', 'MX')).kind, 'nxdomain')
    assert.equal((await resolver.resolve('partner.example', 'TLSA')).kind, 'nodata')
    // RFC 8020: mx1.partner.example exists, so everything above it does.
    assert.equal((await resolver.resolve('example', 'MX')).kind, 'nodata')
  })

  it('AD is missing where the zone is declared insecure', async () => {
    const answer = await resolver.resolve('unsigned.example', 'A')
    assert.equal(answer.kind === 'records' && answer.secure, false)
  })

  it('what does not fit UDP comes over TCP, whole', async () => {
    const socket = net.connect(server.port, server.address)
    const query = dnsPacket.streamEncode({ type: 'query', id: 7, questions: [{ type: 'TXT', name: 'long.example' }] })
    const chunks: Buffer[] = []
    const reply = await new Promise<Buffer>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        const all = Buffer.concat(chunks)
        if (all.length >= 2 && all.length >= all.readUInt16BE(0) + 2) resolve(all)
      })
      // in two pieces, as TCP may
      socket.write(query.subarray(0, 5))
      setTimeout(() => socket.write(query.subarray(5)), 20)
    })
    socket.destroy()
    const packet = dnsPacket.streamDecode(reply)
    assert.equal(packet.id, 7)
    assert.equal(packet.answers?.length, 40)
    const answer = await resolver.resolve('long.example', 'TXT')
    assert.equal(answer.kind === 'records' && answer.records.length, 40)
  })
})
