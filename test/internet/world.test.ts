import assert from 'node:assert/strict'
import { sendWithPython } from './clients'
import { assertNothingInClear, clearTextDeliveries } from './capture'
import { keeper } from './keeper'
import { requirePackages } from './packages'
import { startWorld, type World } from './world'

describe('internet: the whole world', function () {
  this.timeout(30_000)
  const keep = keeper()
  let world: World

  before(async function () {
    await requirePackages(this)
    this.timeout(60_000)
    world = await keep(startWorld())
  })
  after(async function () {
    this.timeout(30_000)
    await keep.stop()
  })

  const mxOf = async (domain: string): Promise<string[]> => {
    const { answer } = await world.dns.dig(domain, 'MX')
    const records = answer.filter((line) => /\sMX\s/.test(line) && !line.includes('RRSIG'))
    return records.map((line) => line.replace(/^.*\sMX\s+/, '')).sort()
  }

  it('DNS leads to the servers', async () => {
    assert.deepEqual(await mxOf('second.test'), ['10 mx1.second.test.', '20 mx2.second.test.'])
    assert.deepEqual(await mxOf('good.test'), ['10 mx.good.test.'])
    assert.equal((await world.dns.dig('nowhere.test', 'MX')).status, 'NXDOMAIN')
    assert.equal((await world.dns.dig('bogus.test', 'MX')).status, 'SERVFAIL')
    assert.equal((await world.dns.dig('insecure.test', 'MX')).ad, false)
    assert.equal((await world.dns.dig('good.test', 'MX')).ad, true)
  })

  const addressOf = async (host: string): Promise<string> => {
    const { answer } = await world.dns.dig(host, 'A')
    return answer.map((line) => /\sA\s+(127\S+)/.exec(line)?.[1]).find((found) => found !== undefined) ?? 'no address'
  }

  it('every recipient takes mail as it should, and the capture tells clear text from TLS', async () => {
    const send = async (host: string, domain: string, tls: 'no' | 'starttls') => {
      const server = `${await addressOf(host)}:${world.port}`
      return sendWithPython({ server, from: 'anna@uni.test', to: [`b@${domain}`], tls })
    }
    for (const domain of ['good.test', 'rsa.test', 'self.test', 'expired.test', 'wrong.test', 'insecure.test'])
      assert.equal((await send(`mx.${domain}`, domain, 'starttls')).code, 0, domain)
    assert.equal((await send('mx2.second.test', 'second.test', 'starttls')).code, 0)
    assert.notEqual((await send('mx1.second.test', 'second.test', 'starttls')).code, 0)
    assert.notEqual((await send('mx.tls10.test', 'tls10.test', 'starttls')).code, 0)
    assert.notEqual((await send('mx.unreachable.test', 'unreachable.test', 'no')).code, 0)
    assert.equal((await world.postfix.waitFor('good.test', 1))[0]!.tls, 'TLSv1.3')
    assert.equal((await world.postfix.waitFor('rsa.test', 1))[0]!.tls, 'TLSv1.2')
    assertNothingInClear(await world.capture.connections(), ['anna@', 'MAIL FROM', 'from Python'])

    assert.equal((await send('mx.plain.test', 'plain.test', 'no')).code, 0)
    assert.equal((await world.postfix.waitFor('plain.test', 1))[0]!.tls, undefined)
    const clear = clearTextDeliveries(await world.capture.connections())
    assert.deepEqual(
      clear.map(({ server }) => server.address),
      [await addressOf('mx.plain.test')],
    )
  })

  it('a bad server is added with its domain', async () => {
    const server = await world.addBadServer('evil.test', 'starttls454')
    assert.deepEqual(await mxOf('evil.test'), ['10 mx.evil.test.'])
    assert.equal(await addressOf('mx.evil.test'), server.address)
    await world.addBadServer('worse.test', 'silent')
    assert.deepEqual(await mxOf('evil.test'), ['10 mx.evil.test.'])
  })

  it('settings: a test’s own lines replace the deadlines, and stand beside what the world needs', () => {
    const text = world.settings({ ndr: 'coalesce=0s', tls: 'min_version=TLSv1.3', main: 'mode=monitor' })
    assert.match(text, /\[ndr\]\ncoalesce=0s\n/)
    assert.match(text, /\[tls\]\nca_file=.*\nmin_version=TLSv1\.3\n/)
    assert.match(text, /\[dns\]\nservers\[\]=127/)
    assert.equal(text.match(/^\[/gm)!.length, new Set(text.match(/^\[.*$/gm)).size)
  })
})
