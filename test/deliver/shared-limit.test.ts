/** Two rooms that deliver to one destination through one store: what its server sees. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { openMemoryStore } from '../../lib/store/memory'
import { issued } from './support/certificates'
import { startServer } from './support/server'
import { mxHosts, request, requirement, settings, world } from './support/world'

const tls = issued(['mx1.test'])
const LIMIT = 4

describe('deliver: a limit that two rooms share', function () {
  this.timeout(30_000)
  it('together never more connections than allowed, resting and closing ones included; all mail is delivered', async () => {
    let open = 0
    let most = 0
    const server = await startServer({
      tls,
      on: async (c, line) => {
        if (line.startsWith('EHLO') && !c.secure) {
          most = Math.max(most, (open += 1))
          void c.seen.closed.then(() => (open -= 1))
        }
        if (line.startsWith('MAIL')) await new Promise((resolve) => setTimeout(resolve, 20))
        return false
      },
    })
    const clock = { now: () => Date.now() }
    const store = openMemoryStore({ clock })
    const room = async () => {
      const made = await world(settings({ connectionsPerDestination: LIMIT }), {
        sharedWith: store,
        connect: () => connect({ host: '127.0.0.1', port: server.port }),
      })
      made.mx.set('dest.test', mxHosts('mx1.test'))
      made.addresses.set('mx1.test', {
        kind: 'addresses',
        addresses: ['192.0.2.1'],
        secure: false,
        secureAlias: false,
        expandedName: 'mx1.test',
      })
      return made
    }
    const rooms = [await room(), await room()]
    try {
      const results = await Promise.all(
        Array.from({ length: 80 }, (_, n) =>
          // two requirements, so that connections have to make way for others
          rooms[n % 2]!.deliver(request({ requirement: requirement(n % 3 === 0 ? 'verify' : 'encrypt') })),
        ),
      )
      for (const { outcomes } of results) assert.equal(outcomes[0]!.result, 'delivered', JSON.stringify(outcomes))
      assert.ok(most <= LIMIT, `${most} connections at once`)
      assert.ok(most >= 2, 'both had some')
    } finally {
      for (const one of rooms) await one.close()
      await server.close()
    }
    assert.deepEqual(await store.list([]), [], 'everything is given back')
    await store.close()
  })
})
