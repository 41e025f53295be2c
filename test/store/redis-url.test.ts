import assert from 'node:assert/strict'
import { parseRedisUrl, travelsInClear, type RedisTarget } from '../../lib/store/redis-url'

const tcp = (host: string, port = 6379, tls = false): RedisTarget['place'] => ({ kind: 'tcp', host, port, tls })

describe('store: redis_url', () => {
  const good: [string, Omit<RedisTarget, 'shown'>, string][] = [
    ['redis://localhost', { place: tcp('localhost'), database: 0 }, 'redis://localhost:6379/0'],
    ['redis://h:1/7', { place: tcp('h', 1), database: 7 }, 'redis://h:1/7'],
    ['rediss://h/', { place: tcp('h', 6379, true), database: 0 }, 'rediss://h:6379/0'],
    ['redis://[::1]:1', { place: tcp('::1', 1), database: 0 }, 'redis://[::1]:1/0'],
    ['redis://:p%40@h', { place: tcp('h'), password: 'p@', database: 0 }, 'redis://h:6379/0'],
    ['redis://u:p@h', { place: tcp('h'), username: 'u', password: 'p', database: 0 }, 'redis://h:6379/0'],
    [
      'unix:///run/redis.sock',
      { place: { kind: 'unix', path: '/run/redis.sock' }, database: 0 },
      'unix:///run/redis.sock?db=0',
    ],
    [
      'unix:///r%20s?db=2&username=u&password=p%26',
      { place: { kind: 'unix', path: '/r s' }, username: 'u', password: 'p&', database: 2 },
      'unix:///r s?db=2',
    ],
  ]
  for (const [text, target, shown] of good) {
    it(`takes ${text}`, () => assert.deepEqual(parseRedisUrl(text), { ...target, shown }))
  }

  const wrong: [string, RegExp][] = [
    ['', /no address of a Redis server/],
    ['localhost:6379', /no address of a Redis server/],
    ['http://localhost', /no address of a Redis server/],
    ['redis://a b', /no address of a Redis server/],
    ['redis://h:99999', /no address of a Redis server/],
    ['redis://', /no address of a Redis server|names no host/],
    ['redis://h:0', /no port/],
    ['redis://h/one', /no number of a database/],
    ['redis://h/-1', /no number of a database/],
    ['redis://h/0/1', /no number of a database/],
    ['redis://h/0?db=1', /after the database/],
    ['redis://:50%@h', /%25/],
    ['unix://host/path', /names no socket/],
    ['unix:///', /names no socket/],
    ['unix:///s?db=x', /db is no number/],
    ['unix:///s?tls=1', /tls is none of/],
  ]
  for (const [text, why] of wrong) {
    it(`refuses "${text}"`, () => {
      const target = parseRedisUrl(text)
      assert.ok('why' in target, JSON.stringify(target))
      assert.match(target.why, why)
    })
  }

  const clear: [string, boolean][] = [
    ['redis://localhost', false],
    ['redis://127.8.9.1', false],
    ['redis://[::1]', false],
    ['unix:///s', false],
    ['rediss://redis.example', false],
    ['redis://redis.example', true],
    ['redis://10.0.0.1', true],
    ['redis://127.0.0.1.example', true],
  ]
  for (const [text, expected] of clear) {
    it(`${text} ${expected ? 'is' : 'is not'} clear text on a network`, () => {
      const target = parseRedisUrl(text)
      assert.ok(!('why' in target))
      assert.equal(travelsInClear(target), expected)
    })
  }
})
