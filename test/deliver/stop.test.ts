/** The word to stop: who is told, once, and that nothing stays behind. */
import assert from 'node:assert/strict'
import sinon from 'sinon'
import { RoomStops, Stop } from '../../lib/deliver/stop'
import { issued } from './support/certificates'
import { mxHosts, request, settings, world, type World } from './support/world'

describe('stop', () => {
  it('tells every listener once, and none that went or came too late', () => {
    const stop = new Stop()
    const told: string[] = []
    const gone = (): void => void told.push('gone')
    const twice = (): void => void told.push('twice')
    stop.addEventListener('abort', gone)
    stop.addEventListener('abort', twice)
    stop.addEventListener('abort', twice)
    stop.removeEventListener('abort', gone)
    assert.equal(stop.aborted, false)
    stop.abort()
    stop.abort()
    stop.addEventListener('abort', () => told.push('late'))
    assert.equal(stop.aborted, true)
    assert.deepEqual(told, ['twice'])
    assert.equal(stop.listening, 0)
  })

  it('is aborted already when the first listener is told, which can take back another', () => {
    const stop = new Stop()
    const told: string[] = []
    const second = (): void => void told.push('second')
    stop.addEventListener('abort', () => {
      told.push(`first, aborted: ${stop.aborted}`)
      stop.removeEventListener('abort', second)
    })
    stop.addEventListener('abort', second)
    stop.abort()
    assert.deepEqual(told, ['first, aborted: true'])
  })

  it('a listener that throws keeps the word from nobody', async () => {
    const stop = new Stop()
    let told = false
    stop.addEventListener('abort', () => {
      throw new Error('of a listener')
    })
    stop.addEventListener('abort', () => (told = true))
    const others = process.rawListeners('uncaughtException') as NodeJS.UncaughtExceptionListener[]
    process.removeAllListeners('uncaughtException')
    const thrown = new Promise<Error>((resolve) => process.once('uncaughtException', resolve))
    try {
      stop.abort()
      assert.equal((await thrown).message, 'of a listener')
    } finally {
      for (const other of others) process.on('uncaughtException', other)
    }
    assert.equal(told, true)
  })
})

describe('stops of a room', () => {
  it('one for each signal, and a signal stops only its own', () => {
    const room = new RoomStops()
    const [first, second] = [new AbortController(), new AbortController()]
    const one = room.join(first.signal)
    assert.equal(room.join(first.signal), one)
    const other = room.join(second.signal)
    const none = room.join(undefined)
    assert.equal(room.join(undefined), none)
    first.abort()
    assert.deepEqual([one.aborted, other.aborted, none.aborted], [true, false, false])
    assert.equal(room.join(first.signal).aborted, true)
  })

  it('closing stops all that are held, and whoever joins later', () => {
    const room = new RoomStops()
    const { signal } = new AbortController()
    const held = [room.join(signal), room.join(undefined)]
    // two deliveries hold it, one is over
    room.leave(room.join(signal))
    room.close()
    assert.ok(held.every((stop) => stop.aborted))
    assert.equal(room.join(undefined).aborted, true)
    assert.equal(room.join(signal).aborted, true)
    assert.equal(room.join(new AbortController().signal).aborted, true)
  })

  it('a signal that was there before is given already', () => {
    assert.equal(new RoomStops().join(AbortSignal.abort()).aborted, true)
  })

  it('is told in the same turn by a delivery that was told of the signal before the room was', () => {
    const room = new RoomStops()
    const abort = new AbortController()
    let aborted: boolean | undefined
    abort.signal.addEventListener('abort', () => (aborted = room.join(abort.signal).aborted))
    room.join(abort.signal)
    abort.abort()
    assert.equal(aborted, true)
  })
})

describe('deliver: listeners', () => {
  let current: World
  afterEach(() => current.close())

  it('a room adds one listener to a signal, however many deliveries come with it', async () => {
    current = await world()
    await current.host('mx1.test', { tls: issued(['mx1.test']) })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const { signal } = new AbortController()
    let added = 0
    const add = signal.addEventListener.bind(signal)
    signal.addEventListener = (...given: Parameters<typeof add>) => {
      added += 1
      add(...given)
    }
    for (let round = 0; round < 2; round += 1) {
      const results = await Promise.all(Array.from({ length: 10 }, () => current.deliver(request({ signal }))))
      assert.ok(results.every((result) => result.outcomes[0]?.result === 'delivered'))
    }
    assert.equal(added, 1)
  })

  it('none is left behind by waiting, connecting, handing on, resting and parting', async () => {
    current = await world(settings({ connectionsPerDestination: 1 }))
    await current.host('mx1.test', { tls: issued(['mx1.test']) })
    await current.host('mx2.test', { greeting: '554 no' })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    current.mx.set('other.test', mxHosts('mx2.test'))
    const stops = new Set<Stop>()
    const add = sinon.stub(Stop.prototype, 'addEventListener').callsFake(function (this: Stop, type, listener) {
      stops.add(this)
      add.wrappedMethod.call(this, type, listener)
    })
    try {
      const { signal } = new AbortController()
      const mails = ['dest.test', 'dest.test', 'other.test', 'dest.test'].map((domain, i) =>
        current.deliver(request({ domain, ...(i % 2 === 0 ? { signal } : {}) })),
      )
      const results = (await Promise.all(mails)).map(({ outcomes }) => outcomes[0]!.result)
      assert.deepEqual(results, ['delivered', 'delivered', 'deferred', 'delivered'])
      assert.ok(stops.size >= 2)
      await current.stop()
      assert.deepEqual(
        [...stops].map((stop) => stop.listening).filter((left) => left > 0),
        [],
      )
    } finally {
      add.restore()
    }
  })
})
