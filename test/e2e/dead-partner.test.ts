/** A queue that is mostly for a partner that does not answer: others are served at once, and nothing of it is lost. */
import assert from 'node:assert/strict'
import { settingsFor } from './settings'
import { letter } from './support-mail'
import { pump } from './support-pump'
import { ran } from '../bin/run'
import { createTestCa } from '../internet/ca'
import { assertNothingInClear, startCapture, type Capture } from '../internet/capture'
import { startDns } from '../internet/dns'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { startBadServer, startMailServer, type MailServer } from '../internet/servers'
import { freePort, until } from '../../demo/processes'
import type { BounceResult } from '../../bin/queue/bounce'
import type { QueueMail } from '../../lib/queue/types'

const ADDRESSES = { silent: '127.0.0.143', notls: '127.0.0.144', good: '127.0.0.145' } as const
type Name = keyof typeof ADDRESSES
const MAILS: Readonly<Record<Name, number>> = { silent: 40, notls: 20, good: 10 }
/** Connections to a destination that nothing is known of. */
const FIRST = 5

describe('partners that do not answer, end to end', function () {
  this.timeout(90_000)
  const keep = keeper()
  const servers = new Map<Name, MailServer>()
  let gateway: Gateway
  let capture: Capture

  before(async function () {
    await requirePackages(this)
    const ca = createTestCa()
    const port = await freePort(Object.values(ADDRESSES))
    capture = await keep(startCapture([port]))
    const names = Object.keys(ADDRESSES) as Name[]
    const zones = names.map((name) => ({ name: `${name}.test`, records: ['@ MX 10 mx', `mx A ${ADDRESSES[name]}`] }))
    const dns = await keep(startDns({ zones }))
    for (const name of names) {
      const options = { address: ADDRESSES[name], port, hostname: `mx.${name}.test` }
      const certificate = ca.good(options.hostname)
      servers.set(
        name,
        await keep(
          name === 'silent'
            ? startBadServer('silent', { ...options, certificate })
            : startMailServer({ ...options, ...(name === 'good' && { certificate }) }),
        ),
      )
    }
    const settings = (paused: string) =>
      settingsFor({ ca, dns, port }, { delivery: { paused, retry: '30m', timeout_greeting: '12s' } })
    gateway = await keep(startGateway({ settings: settings('true') }))
    // the dead ones first
    const letters = names.flatMap((name) =>
      Array.from({ length: MAILS[name] }, (_, n) => letter([`somebody${n}@${name}.test`])),
    )
    const pumping = pump(gateway.address, gateway.port, letters)
    await pumping.done
    assert.deepEqual(pumping.refused, [])
    await gateway.halt()
    gateway.write('secure-mail.ini', settings('false'))
    await gateway.start()
  })
  after(() => keep.stop())

  const server = (name: Name) => servers.get(name) ?? assert.fail(name)
  const detail = () => gateway.log().slice(-4_000)
  async function waiting(name: Name): Promise<QueueMail[]> {
    const { out, err } = await ran(['queue', 'list', '--domain', `${name}.test`, '--json', '--config', gateway.dir])
    assert.notEqual(out, '', err)
    return (JSON.parse(out) as { mails: QueueMail[] }).mails
  }

  it('the partner that answers has all its mail while the silent one is still waited for', async () => {
    await until('its mail is there', () => server('good').mails.length === MAILS.good, { limit: 20_000, detail })
    const mails = await waiting('silent')
    assert.equal(mails.length, MAILS.silent)
    assert.equal(mails.filter(({ state }) => state === 'delivering').length, FIRST)
    assert.equal(mails.filter(({ state }) => state === 'due').length, MAILS.silent - FIRST)
  })

  it('a mail that stands aside can be ended', async () => {
    const aside = (await waiting('silent')).find(({ state }) => state === 'due') ?? assert.fail()
    const { out } = await ran(['queue', 'bounce', aside.queueId, '--yes', '--json', '--config', gateway.dir])
    assert.equal((JSON.parse(out) as BounceResult).mails[0]?.result, 'ended')
    assert.equal((await waiting('silent')).length, MAILS.silent - 1)
  })

  it('one time-out for all of them: each is put off with its own record, and nobody else connected', async () => {
    for (const [name, left, cause] of [
      ['silent', MAILS.silent - 1, 'connection-failed'],
      ['notls', MAILS.notls, 'starttls-not-supported'],
    ] as const) {
      const mails = await until(
        `all mail for ${name} has been put off`,
        async () => {
          const all = await waiting(name)
          return all.every(({ state }) => state === 'waiting') && all
        },
        { limit: 30_000, every: 500, detail },
      )
      assert.equal(mails.length, left)
      for (const { tries, recipients } of mails) {
        assert.equal(tries, 1)
        assert.equal(recipients[0]?.lastFailure?.resultType, cause)
      }
      assert.ok(server(name).connections() <= FIRST, `${server(name).connections()} connections to ${name}`)
    }
    const failed = gateway.events('tls-failed').length
    assert.equal(failed, server('notls').connections(), 'one event for each connection')
  })

  it('`queue retry` tries anew, and one attempt is enough to know', async () => {
    const before = server('notls').connections()
    await ran(['queue', 'retry', 'notls.test', '--config', gateway.dir])
    await until(
      'all have been tried twice',
      async () => {
        const all = await waiting('notls')
        return all.length === MAILS.notls && all.every(({ state, tries }) => state === 'waiting' && tries === 2)
      },
      { limit: 30_000, every: 500, detail },
    )
    const again = server('notls').connections() - before
    assert.ok(again >= 1 && again <= FIRST, `${again} connections`)
  })

  it('nothing of envelope or content was on the wire in clear text', async () => {
    assertNothingInClear(await capture.connections(), ['Nobody else may read this', 'somebody'])
    assert.equal(server('notls').mails.length, 0)
  })
})
