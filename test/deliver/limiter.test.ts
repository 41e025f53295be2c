import assert from 'node:assert/strict'
import { createLimiter, type Release } from '../../lib/deliver/limiter'

const forever = new AbortController().signal

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('deliver: limit per destination', () => {
  it('lets only so many in, in the order of asking, and other destinations past', async () => {
    const limiter = createLimiter()
    const order: string[] = []
    const two = (): number => 2
    const enter = (key: string, name: string): Promise<() => void> =>
      limiter.acquire(key, two, forever).then((release) => {
        order.push(name)
        return release
      })
    const a = await enter('x', 'a')
    const b = await enter('x', 'b')
    const c = enter('x', 'c')
    const d = enter('x', 'd')
    await enter('y', 'other')
    assert.deepEqual(order, ['a', 'b', 'other'])
    b()
    b()
    await c
    assert.deepEqual(order, ['a', 'b', 'other', 'c'])
    a()
    await d
    assert.deepEqual(order, ['a', 'b', 'other', 'c', 'd'])
  })

  it('a wait that is aborted gives its place away', async () => {
    const limiter = createLimiter()
    const stop = new AbortController()
    const release = await limiter.acquire('x', () => 1, forever)
    const waiting = limiter.acquire('x', () => 1, stop.signal)
    const next = limiter.acquire('x', () => 1, forever)
    stop.abort()
    await assert.rejects(waiting, /stopped/)
    release()
    ;(await next)()
    await assert.rejects(
      limiter.acquire('x', () => 1, stop.signal),
      /stopped/,
    )
    ;(await limiter.acquire('x', () => 0, forever))()
  })

  it('begins with a few, grows with every delivery that got through, falls back to one when nobody answers', async () => {
    const limiter = createLimiter()
    const twenty = (): number => 20
    const inside: Release[] = []
    const waits: number[] = []
    const enter = (n: number): void =>
      void limiter.acquire('x', twenty, forever, () => waits.push(n)).then((release) => inside.push(release))
    for (let n = 0; n < 40; n += 1) enter(n)
    await settled()
    assert.equal(inside.length, 5)
    assert.equal(waits.length, 35, 'whoever has to wait is told at once')
    inside.shift()!('reached')
    inside.shift()!('reached')
    await settled()
    assert.equal(limiter.running('x'), 7)
    inside.shift()!('unreachable')
    await settled()
    assert.equal(limiter.running('x'), 6)
    for (const release of inside.splice(0, 5)) release()
    await settled()
    assert.equal(limiter.running('x'), 1, 'one at a time until it can be reached again')
    inside.shift()!('reached')
    await settled()
    assert.equal(limiter.running('x'), 2)
  })

  it('somebody says that it is well again: a few at a time at once, never more than the limit', async () => {
    for (const [limit, expected] of [
      [20, 5],
      [3, 3],
    ] as const) {
      const limiter = createLimiter()
      const inside: Release[] = []
      const enter = (): void => void limiter.acquire('x', () => limit, forever).then((release) => inside.push(release))
      for (let n = 0; n < 20; n += 1) enter()
      await settled()
      for (const release of inside.splice(0)) release('unreachable')
      await settled()
      assert.equal(limiter.running('x'), 1)
      limiter.ease('x')
      limiter.ease('another')
      await settled()
      assert.equal(limiter.running('x'), expected)
    }
  })

  it('with places short over all, every destination gets its turn: a thousand mails to one hold nobody else up', async () => {
    const limiter = createLimiter(4)
    const order: string[] = []
    const releases: Release[] = []
    const enter = (key: string): void =>
      void limiter
        .acquire(key, () => 10, forever)
        .then((release) => {
          order.push(key)
          releases.push(release)
        })
    for (let n = 0; n < 1000; n += 1) enter('busy')
    for (const key of ['a', 'b', 'c', 'a', 'b', 'c']) enter(key)
    await settled()
    assert.deepEqual(order, ['busy', 'busy', 'busy', 'busy'])
    for (let n = 0; n < 12; n += 1) {
      releases.shift()!()
      await settled()
    }
    const others = order.filter((key) => key !== 'busy')
    assert.deepEqual(others.sort(), ['a', 'a', 'b', 'b', 'c', 'c'])
    while (releases.length > 0) {
      releases.shift()!()
      await settled()
    }
    assert.equal(order.length, 1006)
    assert.equal(limiter.running('busy'), 0)
  })
})
