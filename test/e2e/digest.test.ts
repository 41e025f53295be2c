/** The daily notice to support: a day with three failing partners is one mail, whichever process sends it. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { accepted, letter, withSetting } from './support-mail'
import { startWorld, type World } from './world'
import { ran, schemaErrors } from '../bin/run'
import { parseWithPython, type ParsedPart } from '../internet/clients'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'
import { utcDay } from '../../lib/audit/retention'
import { systemClock } from '../../lib/clock'
import { openStore } from '../../lib/store'
import type { Store } from '../../lib/store/types'

const PARTNERS = ['expired.test', 'notls.test', 'old.test']

/** Every part that is no container, depth first. */
function leaves(part: ParsedPart): ParsedPart[] {
  return part.parts.length === 0 ? [part] : part.parts.flatMap(leaves)
}

describe('the notice to support, two processes', function () {
  this.timeout(150_000)
  const keep = keeper()
  let world: World
  let gateway: Gateway
  const detail = () => gateway.log().slice(-4000)

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
    const settings = withSetting(world.settings(), 'support', 'digest=daily')
    gateway = await keep(startGateway({ settings, nodes: 2, tlsPolicy: 'expired.test verify\n' }))
  })
  after(() => keep.stop())

  async function inStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const store = await openStore({ engine: 'lmdb', path: path.join(gateway.dir, 'store') }, systemClock)
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  }
  const notices = () =>
    world.postfix.mails('uni.test').filter(({ message }) => message.includes('Message-ID: <digest.', 0, 'latin1'))

  it('comes once, after the day: which, why, who is hit, and letters', async () => {
    for (const domain of PARTNERS) await accepted(gateway, letter([`bo@${domain}`]))
    await accepted(gateway, letter(['eva@notls.test'], { from: 'ole@uni.test' }))
    await accepted(gateway, letter(['nobody@good.test']))
    await until('all are given up', () => gateway.events('report-sent').length >= 5, { limit: 60_000, detail })
    await gateway.halt()
    assert.deepEqual(notices(), [], 'nothing about a day that has not ended')

    // the day after
    const yesterday = utcDay(Date.now() - 24 * 3_600_000)
    await inStore(async (store) => {
      const today = await store.list<{ domain: string }>(['digest', utcDay(Date.now())])
      const all = today.length > 0 ? today : await store.list<{ domain: string }>(['digest', yesterday])
      assert.deepEqual(all.map(({ value }) => value.domain).toSorted(), PARTNERS)
      for (const { value } of all) await store.put(['digest', yesterday, value.domain], value)
    })
    const preview = await ran(['digest', 'preview', '--day', yesterday, '--json', '--config', gateway.dir])
    const shown = JSON.parse(preview.out) as { partners: { domain: string; mails: number; senders: number }[] }
    assert.deepEqual(schemaErrors('digest-preview.schema.json', shown), [])
    assert.equal(preview.exitCode, 1)
    const { mails, senders } = shown.partners.find(({ domain }) => domain === 'notls.test') ?? {}
    assert.deepEqual([mails, senders], [2, 2])

    await gateway.start()
    await until('the notice is there', () => notices().length > 0, { limit: 60_000, detail })
    // both processes have had their look by then
    await wait(5000)
    const [notice, ...more] = notices()
    assert.deepEqual(more, [])
    assert.equal(gateway.events('support-digest-sent').length, 1)
    assert.equal(notice!.sender, '')

    const read = await parseWithPython(notice!.message)
    const header = (name: string) => read.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? ''
    assert.match(header('subject'), /Mail til 3 partnere fejlede .*Mail to 3 partners failed/)
    assert.match(header('to'), /support@uni\.test/)
    assert.equal(header('auto-submitted'), 'auto-generated')
    const parts = leaves(read)
    for (const part of parts) assert.deepEqual(part.defects, [])
    const [text, html, ...letters] = parts
    for (const part of [text, html]) for (const domain of PARTNERS) assert.ok(part?.text?.includes(domain), domain)
    assert.match(text?.text ?? '', /2 mails from 2 senders/)
    assert.doesNotMatch(text?.text ?? '', /good\.test/)
    assert.equal(letters.length, 6)
    assert.ok(letters.some((part) => /openssl s_client .*mx\.notls\.test/.test(part.text ?? '')))
    assert.doesNotMatch(notice!.message.toString('latin1'), /bo@|eva@|anne@|ole@/)
  })
})
