import assert from 'node:assert/strict'
import { createLimiter } from '../../lib/deliver/limiter'

const forever = new AbortController().signal

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
})
