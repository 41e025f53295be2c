import assert from 'node:assert/strict'
import { decode } from 'dns-packet'
import fc from 'fast-check'
import { interpret } from '../../lib/dns/interpret'
import { normaliseName } from '../../lib/dns/names'
import { decodeReply, encodeQuery, isReplyTo, readName } from '../../lib/dns/wire'
import type { RecordType } from '../../lib/dns/types'
import { a, bench, cname, mx, replyTo, soa, type Asked } from './server'

const TYPES: RecordType[] = ['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'TLSA']
const type = fc.constantFrom(...TYPES)

function attempt<R>(work: () => R): R | 'RangeError' {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError) return 'RangeError'
    throw error
  }
}

describe('dns: properties', () => {
  const { server, resolver, close } = bench()
  after(close)

  it('bytes that are not a reply to the question are never taken for one', () => {
    const query = encodeQuery(4711, 'example.org', 'MX')
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => !isReplyTo(query, Buffer.from(bytes))))
  })

  it('whatever follows a right header and question: an interpretation or a RangeError, nothing else', () => {
    fc.assert(
      fc.property(
        type,
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.nat(4), { minLength: 3, maxLength: 3 }),
        (wanted, tail, counts) => {
          const query = encodeQuery(1, 'a.example', wanted)
          const header = Buffer.from([0, 1, 0x81, 0x80, 0, 1, 0, counts[0]!, 0, counts[1]!, 0, counts[2]!])
          const bytes = Buffer.concat([header, query.question, Buffer.from(tail)])
          assert.ok(isReplyTo(query, bytes))
          const reply = attempt(() => decodeReply(query, bytes))
          if (reply === 'RangeError') return
          assert.equal(typeof interpret(reply, 'a.example', wanted).kind, 'string')
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('a well-formed reply with some bytes changed still never does anything else', () => {
    const query = encodeQuery(7, 'a.example', 'MX')
    const asked = { id: 7, name: 'a.example', type: 'MX' } as Asked
    const good = replyTo(
      asked,
      [cname('a.example', 'b.example'), mx('b.example', 5, 'mx.b.example'), a('x.b.example', '192.0.2.1')],
      {
        authorities: [soa('example')],
      },
    )
    const change = fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255) })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Buffer.from(good)
        for (const { at, to } of changes) bytes[at] = to
        if (!isReplyTo(query, bytes)) return
        const reply = attempt(() => decodeReply(query, bytes))
        if (reply !== 'RangeError') assert.equal(typeof interpret(reply, 'a.example', 'MX').kind, 'string')
      }),
      { numRuns: 3000 },
    )
  })

  it('reads names as dns-packet does, where both can', () => {
    const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/)
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 6 }), (labels) => {
        const name = labels.join('.')
        const { bytes } = encodeQuery(1, name, 'A')
        assert.equal(readName(bytes, 12).name, name)
        assert.equal(decode(bytes).questions![0]!.name, name)
      }),
    )
  })

  it('pointers and labels never lead out of the message or around', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(199), (bytes, at) => {
        const got = attempt(() => readName(Buffer.from(bytes), at))
        if (got !== 'RangeError') assert.ok(got.next > at && got.next <= bytes.length && got.name.length <= 4 * 255)
      }),
      { numRuns: 3000 },
    )
  })

  it('a normalised name is normal, and fits the wire', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        const name = normaliseName(text)
        if (name === null) return
        assert.equal(normaliseName(name === '' ? '.' : name), name)
        assert.ok(encodeQuery(1, name, 'A').question.length <= 255 + 4)
      }),
      { numRuns: 500 },
    )
  })

  it('arbitrary bytes as the only reply: an error, never an answer, never an exception', async () => {
    let reply = Buffer.alloc(0)
    const dns = await server((asked) => asked.send(reply))
    const stub = resolver([dns], { timeout: 5 })
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), type, async (bytes, wanted) => {
        reply = Buffer.from(bytes)
        assert.equal((await stub.resolve('example.org', wanted)).kind, 'error')
      }),
      { numRuns: 40 },
    )
  })
})
