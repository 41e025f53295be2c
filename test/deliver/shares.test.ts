/** Processes that divide the connections of a destination through a store, under a fake clock. */
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import fc from 'fast-check'
import sinon from 'sinon'
import { createLimiter, type Limiter, type Release } from '../../lib/deliver/limiter'
import { createShares, type Shares } from '../../lib/deliver/shares'
import { openMemoryStore } from '../../lib/store/memory'
import type { Store } from '../../lib/store/types'

const KEY = 'dest.test'
const forever = new AbortController().signal
setMaxListeners(0, forever)

/** How the store behaves towards one process. */
interface Line {
  /** Milliseconds until an answer. */
  delay: number
  /** `lost`: written, and the answer is not heard. */
  state: 'up' | 'away' | 'lost'
}

/** A process that delivers to one destination: as `deliver.ts` wires it, with numbers in the place of connections. */
class Process {
  readonly line: Line = { delay: 0, state: 'up' }
  readonly running = new Set<Release>()
  waiting = 0
  resting = 0
  served = 0
  dead = false
  /** When the store last answered. */
  heard = Date.now()
  calls = 0
  readonly limiter: Limiter
  readonly shares: Shares

  constructor(
    readonly store: Store,
    readonly limit: () => number,
    readonly skew: number,
    id: string,
  ) {
    this.limiter = createLimiter(1000, (key, wanted) => this.shares.places(key, wanted))
    this.shares = createShares({
      store: { update: (key, change, options) => this.update(key, change, options) },
      clock: { now: () => Date.now() + this.skew },
      limit,
      use: () => ({ used: Math.max(this.running.size, this.sockets()), want: this.limiter.demand(KEY) }),
      onChange: () => {
        this.shrink()
        this.limiter.admit(KEY)
      },
      log: () => undefined,
      id,
    })
  }

  sockets = (): number => this.running.size + this.resting

  /** What `deliver.ts` does before it opens one more connection, or when there are fewer places. */
  shrink(): void {
    const most = Math.max(this.running.size, this.shares.places(KEY, this.limiter.demand(KEY)))
    this.resting = Math.max(0, Math.min(this.resting, most - this.running.size))
  }

  update: Store['update'] = async (key, change, options) => {
    if (this.dead) throw new Error('this process is dead')
    this.calls++
    const { delay, state } = this.line
    if (state === 'away') throw new Error('away')
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay))
    // who died meanwhile has still written
    const result = await this.store.update(key, change, options)
    if (state === 'lost') throw new Error('no answer')
    this.heard = Date.now()
    return result
  }

  ask(count: number): void {
    for (let n = 0; n < count; n++) {
      this.waiting++
      void this.limiter.acquire(KEY, this.limit, forever).then((release) => {
        this.waiting--
        if (this.dead) return
        // a connection that rests is taken, or one is opened
        if (this.resting > 0) this.resting--
        this.running.add(release)
        this.shrink()
      })
    }
  }

  finish(count: number, rests: boolean): void {
    for (const release of [...this.running].slice(0, count)) {
      this.running.delete(release)
      if (rests) this.resting++
      this.served++
      release('reached')
    }
  }

  /** kill -9: its connections are gone, what it leased stays. */
  die(): void {
    this.dead = true
    this.running.clear()
    this.resting = 0
    void this.shares.close()
  }
}

describe('deliver: connections shared between processes', function () {
  // hours of a fake clock
  this.timeout(60_000)
  let timers: sinon.SinonFakeTimers
  let store: Store
  let processes: Process[]

  beforeEach(() => {
    timers = sinon.useFakeTimers({
      now: 1_700_000_000_000,
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'],
    })
    store = openMemoryStore({ clock: { now: () => Date.now() } })
    processes = []
  })
  afterEach(async () => {
    for (const process of processes) if (!process.dead) process.die()
    await timers.tickAsync(30_000)
    timers.restore()
  })

  function begin(limit = 20, skew = 0): Process {
    const process = new Process(store, () => limit, skew, `p${processes.length}`)
    processes.push(process)
    return process
  }
  const total = (): number => processes.reduce((sum, process) => sum + process.sockets(), 0)
  /** Everybody's deliveries take a second. */
  async function work(seconds: number, check: () => void = () => undefined): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      await timers.tickAsync(1_000)
      for (const process of processes) {
        check()
        process.finish(process.running.size, false)
      }
      await timers.tickAsync(0)
      check()
    }
  }

  it('one that is alone has them all, and asks the store once for a burst and then only to renew', async () => {
    const one = begin()
    one.ask(1000)
    await work(20)
    const before = one.calls
    await work(20)
    assert.equal(one.running.size, 20)
    assert.ok(one.calls - before <= 10, `${one.calls - before} calls for 400 deliveries`)
  })

  it('two that are busy have half each, soon after the second one comes', async () => {
    const one = begin()
    one.ask(5000)
    await work(10)
    const two = begin()
    two.ask(5000)
    await work(12, () => assert.ok(total() <= 20, `${total()}`))
    assert.deepEqual([one.running.size, two.running.size], [10, 10])
  })

  it('a place is kept free for a process that is known and has none: its first mail does not wait', async () => {
    const [one, two] = [begin(), begin()]
    await timers.tickAsync(25_000)
    one.ask(1000)
    await work(20)
    assert.equal(one.running.size, 19)
    two.ask(1)
    await timers.tickAsync(10)
    assert.equal(two.running.size, 1)
  })

  it('what is not used is given back', async () => {
    const [one, two] = [begin(), begin()]
    one.ask(60)
    await work(20)
    two.ask(1000)
    await work(20, () => assert.ok(total() <= 20))
    assert.ok(two.running.size >= 19, `${two.running.size}`)
  })

  it('connections that rest are kept while nobody else wants their place, and closed when somebody does', async () => {
    const [one, two] = [begin(), begin()]
    one.ask(100)
    for (let n = 0; n < 10; n++) {
      await timers.tickAsync(1_000)
      one.finish(20, true)
    }
    const resting = one.resting
    assert.ok(resting >= 10, `${resting}`)
    await timers.tickAsync(10_000)
    assert.equal(one.resting, resting)
    two.ask(1000)
    await work(20, () => assert.ok(total() <= 20, `${total()}`))
    assert.ok(two.running.size >= 19, `${one.resting} rest, ${two.running.size} run`)
  })

  it('the places of one that was killed are free when its lease has run out', async () => {
    const [one, two] = [begin(), begin()]
    one.ask(1000)
    two.ask(1000)
    await work(15)
    one.die()
    const before = two.running.size
    await work(35)
    assert.equal(before, 10)
    assert.ok(two.running.size >= 19, String(two.running.size))
  })

  it('one that ends gives its places back at once', async () => {
    const [one, two] = [begin(), begin()]
    one.ask(10)
    await work(3)
    assert.deepEqual(Object.keys((await store.get<object>(['connections', KEY])) ?? {}), ['p0'])
    const closing = one.shares.close()
    await timers.tickAsync(10)
    await closing
    assert.deepEqual(await store.get(['connections', KEY]), undefined)
    assert.deepEqual(Object.keys((await store.get<object>(['processes'])) ?? {}), ['p1'])
    two.ask(1000)
    await work(20)
    assert.equal(two.running.size, 20)
  })

  it('one place, three processes: each has its turn', async () => {
    const all = [begin(1), begin(1), begin(1)]
    for (const process of all) process.ask(1000)
    await work(90, () => assert.ok(total() <= 1))
    for (const process of all) assert.ok(process.served >= 8, all.map(({ served }) => served).join())
  })

  it('the store goes away: what is leased stays in use, then each has its part, then all is shared again', async () => {
    const [one, two] = [begin(), begin()]
    await timers.tickAsync(25_000)
    one.ask(5000)
    await work(20)
    for (const { line } of processes) line.state = 'away'
    two.ask(5000)
    await work(60, () => assert.ok(total() <= 20, `${total()}`))
    assert.deepEqual([one.running.size, two.running.size], [10, 10])
    for (const { line } of processes) line.state = 'up'
    two.die()
    await work(40)
    assert.ok(one.sockets() >= 19)
  })

  it('a store that was away from the beginning, and one value that cannot be read, hold no mail up', async () => {
    const one = begin()
    one.line.state = 'away'
    one.ask(100)
    await work(40)
    assert.ok(one.served > 0)
    one.line.state = 'up'
    const update = one.update
    one.update = (key, ...rest) =>
      key[0] === 'processes' ? update(key, ...rest) : Promise.reject(new Error('damaged'))
    one.ask(1000)
    const before = one.served
    await work(60)
    assert.ok(one.served > before + 20)
  })

  it('a destination that nothing goes to any more is forgotten, here and in the store', async () => {
    const one = begin()
    one.ask(3)
    await work(20)
    assert.deepEqual(await store.list(['connections']), [])
    const before = one.calls
    await timers.tickAsync(15_000)
    assert.ok(one.calls - before <= 1, 'nothing but a sign of life')
  })

  it('slow, deaf, away, killed, with wrong clocks: never above the limit, and everybody goes on when it is over (property)', async () => {
    const step = fc.record({
      who: fc.nat({ max: 3 }),
      asks: fc.constantFrom(0, 0, 1, 3, 40),
      finishes: fc.constantFrom(0, 1, 5, 40),
      rests: fc.boolean(),
      delay: fc.constantFrom(0, 1, 50, 2_000),
      // not "away" for longer than a lease: each then has its part, whatever the others hold (see the test above)
      state: fc.constantFrom<Line['state']>('up', 'up', 'up', 'lost', 'away'),
      dies: fc.integer({ min: 0, max: 30 }).map((n) => n === 0),
      pause: fc.constantFrom(0, 10, 500, 1_000, 4_000),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 24 }),
        fc.array(fc.integer({ min: -2_000, max: 2_000 }), { minLength: 4, maxLength: 4 }),
        fc.array(step, { minLength: 10, maxLength: 40 }),
        async (limit, skews, steps) => {
          await store.close()
          store = openMemoryStore({ clock: { now: () => Date.now() } })
          processes = skews.map((skew, n) => new Process(store, () => limit, skew, `p${n}`))
          const within = (): void => assert.ok(total() <= limit, `${total()} of ${limit}`)
          for (const { who, asks, finishes, rests, delay, state, dies, pause } of steps) {
            const process = processes[who]!
            if (process.dead) continue
            Object.assign(process.line, { delay, state })
            process.ask(asks)
            process.finish(finishes, rests)
            if (dies) process.die()
            await timers.tickAsync(pause)
            // nobody stays without the store for as long as a lease lasts
            for (const { line, heard } of processes) {
              if (Date.now() - heard > 10_000) Object.assign(line, { delay: 0, state: 'up' })
            }
            within()
          }
          for (const { line } of processes) Object.assign(line, { delay: 0, state: 'up' })
          const alive = processes.filter(({ dead }) => !dead)
          const before = alive.map(({ served }) => served)
          for (const process of alive) process.ask(120)
          await work(60 + 20 * alive.length, within)
          for (const [n, process] of alive.entries()) assert.ok(process.served > before[n]!, `${n} of ${alive.length}`)
          for (const process of alive) process.die()
          await timers.tickAsync(3_000)
        },
      ),
      { numRuns: 40, endOnFailure: true },
    )
  })
})
