import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import * as packet from 'dns-packet'
import type { DnsAnswer, RecordType } from '../../lib/dns/types'
import { a, aaaa, bench, cname, framed, mx, replyTo, soa, zone, type Asked } from './server'

/** Short, because it must pass before the test can go on. */
const IMPATIENT = { timeout: 300 } // long enough for a busy machine

const tlsa = (name: string, bytes: number[]): packet.Answer => ({
  type: 'TLSA',
  name,
  ttl: 300,
  data: { usage: bytes[0]!, selector: bytes[1]!, matchingType: bytes[2]!, certificate: Buffer.from(bytes.slice(3)) },
})

function kindOf(answer: DnsAnswer<RecordType>): string {
  return answer.kind === 'error' ? answer.error : answer.kind
}

describe('dns: resolver', () => {
  const { server, resolver, close } = bench()
  afterEach(close)

  describe('what is read from an answer', () => {
    const TABLE: [RecordType, packet.Answer[], unknown][] = [
      ['A', [a('example.org', '192.0.2.1'), a('EXAMPLE.org', '192.0.2.2')], ['192.0.2.1', '192.0.2.2']],
      ['AAAA', [aaaa('example.org', '2001:db8:0:0:0:0:0:1')], ['2001:db8::1']],
      ['MX', [mx('example.org', 10, 'MX.Example.org')], [{ preference: 10, exchange: 'mx.example.org' }]],
      ['MX', [mx('example.org', 0, '.')], [{ preference: 0, exchange: '' }]],
      ['CNAME', [cname('example.org', 'x.example.org')], ['x.example.org']],
      // RFC 8461 section 3.1: strings of one record are joined, records are not
      [
        'TXT',
        [
          { type: 'TXT', name: 'example.org', ttl: 1, data: ['v=STSv1; ', 'id=1;'] },
          { type: 'TXT', name: 'example.org', ttl: 1, data: 'other' },
        ],
        ['v=STSv1; id=1;', 'other'],
      ],
      [
        'TLSA',
        [tlsa('example.org', [3, 1, 1, 0xab, 0xcd])],
        [{ usage: 3, selector: 1, matchingType: 1, data: 'abcd' }],
      ],
      // RFC 6698 section 2.1: no data at all is a record that matches nothing, not a crash
      ['TLSA', [tlsa('example.org', [3, 1, 1])], [{ usage: 3, selector: 1, matchingType: 1, data: '' }]],
    ]
    for (const [type, answers, wanted] of TABLE) {
      it(`${type} ${JSON.stringify(wanted)}`, async () => {
        const dns = await server((asked) => asked.send(replyTo(asked, answers)))
        const answer = await resolver([dns]).resolve('Example.ORG.', type)
        assert.ok(answer.kind === 'records', JSON.stringify(answer))
        assert.deepEqual(answer.records, wanted)
      })
    }

    it('a TLSA record of two bytes is no TLSA record', async () => {
      const dns = await server((asked) => {
        const short: packet.Answer = { type: 'NULL', name: asked.name, ttl: 1, data: Buffer.from([3, 1]) }
        const bytes = replyTo(asked, [short])
        // type NULL (10) becomes TLSA (52)
        bytes.writeUInt16BE(52, bytes.length - 2 - 10)
        asked.send(bytes)
      })
      assert.equal(kindOf(await resolver([dns]).resolve('_25._tcp.mx.example.org', 'TLSA')), 'malformed')
    })

    it('no such type, no such name', async () => {
      const dns = await server(zone({ 'example.org A': [a('example.org', '192.0.2.1')] }))
      const stub = resolver([dns])
      assert.deepEqual(await stub.resolve('example.org', 'AAAA'), {
        kind: 'nodata',
        secure: false,
        chain: [],
        name: 'example.org',
        ttl: 300,
      })
      assert.equal(kindOf(await stub.resolve('nowhere.example.org', 'A')), 'nxdomain')
    })

    it('records of other names and types are not ours', async () => {
      const dns = await server((asked) =>
        asked.send(
          replyTo(asked, [a('evil.example', '192.0.2.66'), mx('example.org', 1, 'mx')], { authorities: [soa('org')] }),
        ),
      )
      assert.equal(kindOf(await resolver([dns]).resolve('example.org', 'A')), 'nodata')
    })

    it('a label with a dot in it is not two labels', async () => {
      const dns = await server((asked) => {
        const bytes = replyTo(asked, [a('evilxexample.org', '192.0.2.66')], { authorities: [soa('org')] })
        const at = bytes.indexOf('evilxexample')
        bytes.writeUInt8('.'.charCodeAt(0), at + 4)
        asked.send(bytes)
      })
      assert.equal(kindOf(await resolver([dns]).resolve('evil.example.org', 'A')), 'nodata')
    })

    it('RFC 2308 section 2.2: a referral is not "no such type"', async () => {
      const ns: packet.Answer = { type: 'NS', name: 'org', ttl: 60, data: 'ns.example.org' }
      const dns = await server((asked) => asked.send(replyTo(asked, [], { authorities: [ns] })))
      assert.equal(kindOf(await resolver([dns]).resolve('example.org', 'MX')), 'servfail')
    })

    it('asks as it should: RD, AD, EDNS with DO and 1232 bytes', async () => {
      const dns = await server(zone({}))
      await resolver([dns]).resolve('blåbærgrød.example.org', 'MX')
      const query = packet.decode(dns.queries[0]!.bytes)
      assert.deepEqual([query.flag_rd, query.flag_ad, query.flag_cd, query.flag_qr], [true, true, false, false])
      assert.deepEqual(query.questions, [{ name: 'xn--blbrgrd-fxak7p.example.org', type: 'MX', class: 'IN' }])
      const opt = query.additionals![0]!
      assert.ok(opt.type === 'OPT')
      assert.deepEqual([opt.udpPayloadSize, opt.flag_do, opt.ednsVersion], [1232, true, 0])
    })

    it('RFC 5452 section 9: ids and ports differ from query to query', async () => {
      const dns = await server(zone({}))
      const stub = resolver([dns])
      for (let i = 0; i < 12; i++) await stub.resolve(`n${i}.example.org`, 'A')
      // twelve draws from 2^16 and from some 28,000 ports: equal all over only when they are not drawn
      assert.ok(new Set(dns.queries.map((query) => query.id)).size > 6)
      assert.ok(new Set(dns.queries.map((query) => query.from.port)).size > 3)
    })
  })

  describe('names', () => {
    for (const name of [
      '',
      'a..b',
      `${'a'.repeat(64)}.org`,
      `${'abcdefg.'.repeat(32)}org`,
      'a b.org',
      '192.0.2.1',
      'a@b',
      '１.２.３.４',
    ]) {
      it(`${JSON.stringify(name).slice(0, 30)} is no name, and is not asked for`, async () => {
        const dns = await server(zone({}))
        assert.equal(kindOf(await resolver([dns]).resolve(name, 'A')), 'invalid-name')
        assert.deepEqual(dns.seen, [])
      })
    }
  })

  describe('who answers', () => {
    const good = (asked: Asked) => asked.send(replyTo(asked, [a(asked.name, '192.0.2.1')]))
    const bad = [a('example.org', '192.0.2.66')]

    const FORGED: [string, (asked: Asked) => Buffer][] = [
      ['another id', (asked) => replyTo(asked, bad, { id: asked.id ^ 1 })],
      ['another question', (asked) => replyTo(asked, bad, { question: { name: 'example.net', type: 'A' } })],
      ['another type', (asked) => replyTo(asked, bad, { question: { name: 'example.org', type: 'AAAA' } })],
      ['other capitals', (asked) => replyTo(asked, bad, { question: { name: 'Example.org', type: 'A' } })],
      ['no question', (asked) => packet.encode({ type: 'response', id: asked.id, answers: bad })],
      ['a query', (asked) => asked.bytes],
      ['another opcode', (asked) => withByte(replyTo(asked, bad), 2, 0x28 | 0x81)],
      ['garbage', () => Buffer.from('garbage')],
      ['nothing', () => Buffer.alloc(0)],
      ['a header alone', (asked) => replyTo(asked, bad).subarray(0, 12)],
      ['a cut record', (asked) => replyTo(asked, bad).subarray(0, -1)],
      ['more records than there are', (asked) => withByte(replyTo(asked, bad), 7, 200)],
    ]
    for (const [what, forged] of FORGED) {
      it(`ignores ${what}, and takes the right answer after it`, async () => {
        const dns = await server((asked) => {
          asked.send(forged(asked))
          good(asked)
        })
        const answer = await resolver([dns]).resolve('example.org', 'A')
        assert.deepEqual(answer.kind === 'records' && answer.records, ['192.0.2.1'])
      })

      it(`${what} alone is an error`, async () => {
        const dns = await server((asked) => asked.send(forged(asked)))
        const answer = await resolver([dns], IMPATIENT).resolve('example.org', 'A')
        assert.ok(answer.kind === 'error' && ['timeout', 'malformed'].includes(answer.error), JSON.stringify(answer))
      })
    }

    it('ignores another source (RFC 5452 section 9.1)', async () => {
      const other = createSocket('udp4')
      other.bind(0, '127.0.0.1')
      await once(other, 'listening')
      const dns = await server((asked) => {
        other.send(replyTo(asked, bad), asked.from.port, asked.from.address, () => good(asked))
      })
      const answer = await resolver([dns]).resolve('example.org', 'A')
      other.close()
      assert.deepEqual(answer.kind === 'records' && answer.records, ['192.0.2.1'])
    })

    it('a late answer comes to a socket that is gone; the second try is answered', async () => {
      const dns = await server((asked) => {
        if (dns.seen.length === 1) setTimeout(() => asked.send(replyTo(asked, bad)), 400)
        else setTimeout(() => good(asked), 200)
      })
      const answer = await resolver([dns], IMPATIENT).resolve('example.org', 'A')
      assert.deepEqual(answer.kind === 'records' && answer.records, ['192.0.2.1'])
      assert.equal(dns.seen.length, 2)
    })
  })

  describe('faults', () => {
    const rcode = (code: number) => (asked: Asked) => asked.send(replyTo(asked, [], { rcode: code }))
    const answering = (asked: Asked) => asked.send(replyTo(asked, [a(asked.name, '192.0.2.1')]))

    const TABLE: [string, (asked: Asked) => void, string][] = [
      ['SERVFAIL', rcode(2), 'servfail'],
      ['REFUSED', rcode(5), 'refused'],
      ['FORMERR', rcode(1), 'servfail'],
      ['NOTIMP', rcode(4), 'servfail'],
      ['silence', () => undefined, 'timeout'],
    ]
    for (const [what, script, wanted] of TABLE) {
      it(`${what} is an error, and is not kept`, async () => {
        const dns = await server(script)
        const stub = resolver([dns], IMPATIENT)
        assert.equal(kindOf(await stub.resolve('example.org', 'MX')), wanted)
        dns.script = zone({ 'example.org MX': [mx('example.org', 1, 'mx.example.org')] })
        assert.equal(kindOf(await stub.resolve('example.org', 'MX')), 'records')
      })

      it(`${what}, then another server`, async () => {
        const [first, second] = [await server(script), await server(answering)]
        assert.equal(kindOf(await resolver([first, second], IMPATIENT).resolve('example.org', 'A')), 'records')
        assert.equal(first.seen.length, 1)
      })
    }

    it('RFC 6891 section 6.1.3: BADVERS is no NOERROR', async () => {
      const dns = await server((asked) => {
        const bytes = replyTo(asked, [a(asked.name, '192.0.2.1')])
        // OPT: root, type 41, size, then extended code 1, version, flags, no data
        bytes.writeUInt16BE(1, 10)
        asked.send(Buffer.concat([bytes, Buffer.from([0, 0, 41, 4, 0, 1, 0, 0, 0, 0, 0])]))
      })
      assert.equal(kindOf(await resolver([dns]).resolve('example.org', 'A')), 'servfail')
    })

    it('nobody listens', async () => {
      const elsewhere = bench()
      const gone = await elsewhere.server(answering)
      await elsewhere.close()
      assert.equal(kindOf(await resolver([gone]).resolve('example.org', 'A')), 'unreachable')
    })

    it('a silent server is asked twice, a failing one once', async () => {
      const [silent, failing] = [await server(() => undefined), await server(rcode(2))]
      const answer = await resolver([silent, failing], IMPATIENT).resolve('example.org', 'A')
      assert.deepEqual([silent.seen.length, failing.seen.length], [2, 1])
      assert.ok(answer.kind === 'error' && answer.detail.includes('SERVFAIL') && answer.detail.includes('no reply'))
    })

    it('closing ends what is under way, and later questions', async () => {
      const dns = await server(() => undefined)
      const stub = resolver([dns], { timeout: 60_000 })
      const running = stub.resolve('example.org', 'A')
      await stub.close()
      assert.equal(kindOf(await running), 'unreachable')
      assert.equal(kindOf(await stub.resolve('example.net', 'A')), 'unreachable')
    })
  })

  describe('truncation (RFC 7766 section 5)', () => {
    const short = (asked: Asked) => asked.send(replyTo(asked, [a(asked.name, '192.0.2.66')], { tc: true }))
    const many = Array.from({ length: 200 }, (_, i) => a('example.org', `192.0.2.${i}`))
    const overTcp = (reply: (asked: Asked) => void) => (asked: Asked) =>
      asked.transport === 'udp' ? short(asked) : reply(asked)

    it('asks again over TCP', async () => {
      const dns = await server(overTcp((asked) => asked.send(replyTo(asked, many))))
      const answer = await resolver([dns]).resolve('example.org', 'A')
      assert.equal(answer.kind === 'records' && answer.records.length, 200)
      assert.deepEqual(dns.seen, ['example.org A udp', 'example.org A tcp'])
    })

    it('takes a reply in pieces', async () => {
      const dns = await server(
        overTcp((asked) => {
          const bytes = framed(replyTo(asked, many))
          const pieces = [bytes.subarray(0, 1), bytes.subarray(1, 30), bytes.subarray(30)]
          pieces.forEach((piece, i) => setTimeout(() => asked.socket?.write(piece), 10 * i))
        }),
      )
      const answer = await resolver([dns]).resolve('example.org', 'A')
      assert.equal(answer.kind === 'records' && answer.records.length, 200)
    })

    it('also when the cut message ends in the middle of a record', async () => {
      const dns = await server((asked) => {
        if (asked.transport === 'tcp') asked.send(replyTo(asked, many))
        else asked.send(replyTo(asked, many.slice(0, 9), { tc: true }).subarray(0, -2))
      })
      assert.equal(kindOf(await resolver([dns]).resolve('example.org', 'A')), 'records')
    })

    const BROKEN: [string, (asked: Asked) => void, string][] = [
      ['cut', (asked) => asked.socket?.end(framed(replyTo(asked, many)).subarray(0, 100)), 'unreachable'],
      ['closed at once', (asked) => asked.socket?.end(), 'unreachable'],
      ['reset', (asked) => asked.socket?.resetAndDestroy(), 'unreachable'],
      ['silent', () => undefined, 'timeout'],
      ['another id', (asked) => asked.send(replyTo(asked, many, { id: asked.id ^ 1 })), 'malformed'],
      ['truncated again', (asked) => asked.send(replyTo(asked, [], { tc: true })), 'malformed'],
      ['garbage', (asked) => asked.socket?.write('GET / HTTP/1.0\r\n\r\n'.repeat(2000)), 'malformed'],
      ['an empty message', (asked) => asked.send(Buffer.alloc(0)), 'malformed'],
    ]
    for (const [what, script, wanted] of BROKEN) {
      it(`TCP ${what}: an error, never the cut answer`, async () => {
        const dns = await server(overTcp(script))
        assert.equal(kindOf(await resolver([dns], { timeout: 150 }).resolve('example.org', 'A')), wanted)
      })
    }
  })

  describe('AD', () => {
    const signed = (asked: Asked) => asked.send(replyTo(asked, [a(asked.name, '192.0.2.1')], { ad: true }))
    const unsigned = (asked: Asked) => asked.send(replyTo(asked, [a(asked.name, '192.0.2.1')]))

    // RFC 7672 section 2.1.3
    const TABLE: ['loopback' | 'always' | 'never', (asked: Asked) => void, boolean][] = [
      ['loopback', signed, true],
      ['always', signed, true],
      ['never', signed, false],
      ['loopback', unsigned, false],
      ['always', unsigned, false],
    ]
    for (const [trustAd, script, secure] of TABLE) {
      it(`trust_ad=${trustAd}, ${script === signed ? 'AD' : 'no AD'}: ${secure ? 'secure' : 'insecure'}`, async () => {
        const answer = await resolver([await server(script)], { trustAd }).resolve('example.org', 'A')
        assert.equal(answer.kind === 'records' && answer.secure, secure)
      })
    }

    it('also for what does not exist', async () => {
      const dns = await server(zone({}, () => true))
      const answer = await resolver([dns]).resolve('example.org', 'A')
      assert.equal(answer.kind === 'nxdomain' && answer.secure, true)
    })
  })

  describe('aliases', () => {
    it('are followed inside one reply, AD is of all of it', async () => {
      const dns = await server((asked) =>
        asked.send(
          replyTo(
            asked,
            [a('c.example', '192.0.2.1', 7), cname('b.example', 'c.example'), cname('a.example', 'b.example')],
            {
              ad: true,
            },
          ),
        ),
      )
      assert.deepEqual(await resolver([dns]).resolve('a.example', 'A'), {
        kind: 'records',
        records: ['192.0.2.1'],
        secure: true,
        chain: [
          { from: 'a.example', to: 'b.example' },
          { from: 'b.example', to: 'c.example' },
        ],
        name: 'c.example',
        ttl: 7,
      })
    })

    // RFC 7672 section 2.1.3: one insecure step makes it all insecure
    for (const [insecure, secure] of [
      ['none', true],
      ['a.example', false],
      ['b.example', false],
      ['c.example', false],
    ] as const) {
      it(`are followed across queries; insecure: ${insecure}`, async () => {
        const data = {
          'a.example CNAME': [cname('a.example', 'b.example')],
          'b.example CNAME': [cname('b.example', 'c.example')],
          'c.example A': [a('c.example', '192.0.2.1')],
        }
        const dns = await server(zone(data, (name) => name !== insecure))
        const answer = await resolver([dns]).resolve('a.example', 'A')
        assert.ok(answer.kind === 'records')
        assert.deepEqual([answer.records, answer.secure, answer.name], [['192.0.2.1'], secure, 'c.example'])
        assert.equal(dns.seen.length, 3)
      })
    }

    it('to a name without the type, and to no name (RFC 6604 section 3)', async () => {
      const dns = await server((asked) =>
        asked.send(
          replyTo(asked, [cname('a.example', 'b.example')], {
            rcode: asked.type === 'A' ? 3 : 0,
            authorities: [soa('example')],
          }),
        ),
      )
      const stub = resolver([dns])
      const gone = await stub.resolve('a.example', 'A')
      assert.deepEqual([gone.kind, gone.kind === 'nxdomain' && gone.name], ['nxdomain', 'b.example'])
      const empty = await stub.resolve('a.example', 'MX')
      assert.deepEqual([empty.kind, empty.kind === 'nodata' && empty.name], ['nodata', 'b.example'])
    })

    const LOOPS: [string, Record<string, packet.Answer[]>][] = [
      ['to itself', { 'a.example CNAME': [cname('a.example', 'a.example')] }],
      ['in one reply', { 'a.example CNAME': [cname('a.example', 'b.example'), cname('b.example', 'a.example')] }],
      [
        'across queries',
        { 'a.example CNAME': [cname('a.example', 'b.example')], 'b.example CNAME': [cname('b.example', 'a.example')] },
      ],
      [
        'without end',
        Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${name(i)} CNAME`, [cname(name(i), name(i + 1))]])),
      ],
    ]
    for (const [what, data] of LOOPS) {
      it(`in a circle ${what}`, async () => {
        const dns = await server(zone(data))
        assert.equal(kindOf(await resolver([dns]).resolve('a.example', 'A')), 'cname-loop')
        assert.ok(dns.seen.length <= 11)
      })
    }

    it('two at one name are an error (RFC 2181 section 10.1)', async () => {
      const dns = await server(
        zone({ 'a.example CNAME': [cname('a.example', 'b.example'), cname('a.example', 'c.example')] }),
      )
      assert.equal(kindOf(await resolver([dns]).resolve('a.example', 'A')), 'malformed')
    })

    it('to what is no name', async () => {
      const dns = await server(zone({ 'a.example CNAME': [cname('a.example', 'b c.example')] }))
      assert.equal(kindOf(await resolver([dns]).resolve('a.example', 'A')), 'invalid-name')
    })

    it('an error at the end of the chain is an error', async () => {
      const dns = await server((asked) =>
        asked.send(
          asked.name === 'a.example'
            ? replyTo(asked, [cname('a.example', 'b.example')])
            : replyTo(asked, [], { rcode: 2 }),
        ),
      )
      assert.equal(kindOf(await resolver([dns]).resolve('a.example', 'A')), 'servfail')
    })
  })

  describe('cache', () => {
    const ttls = (asked: Asked) => {
      const ttl = Number(/^t(\d+)/.exec(asked.name)![1])
      if (asked.type === 'A') asked.send(replyTo(asked, [a(asked.name, '192.0.2.1', ttl)]))
      else
        asked.send(
          replyTo(asked, [], {
            rcode: asked.type === 'MX' ? 3 : 0,
            authorities: ttl === 1 ? [] : [soa('example', 86400, ttl)],
          }),
        )
    }

    // [TTL in the answer, seconds it is kept]; 0 = not at all
    const TABLE: [string, RecordType, number, number][] = [
      ['positive', 'A', 300, 300],
      ['positive, at least 5 s', 'A', 0, 5],
      ['positive, at most 1 h', 'A', 86400, 3600],
      ['negative (RFC 2308 section 5)', 'AAAA', 300, 300],
      ['negative, at most 15 min', 'AAAA', 86400, 900],
      ['negative, at least 5 s', 'AAAA', 2, 5],
      ['negative without SOA: not at all (RFC 2308 section 5)', 'AAAA', 1, 0],
      ['no such name', 'MX', 300, 300],
    ]
    for (const [what, type, ttl, kept] of TABLE) {
      it(`${what}: ${ttl} -> ${kept}`, async () => {
        const dns = await server(ttls)
        const clock = { time: 1_000_000, now: () => clock.time }
        const looked: boolean[] = []
        const stub = resolver([dns], { clock, onLookUp: (hit) => looked.push(hit) })
        await stub.resolve(`t${ttl}.example`, type)
        clock.time += kept * 1000 - 1
        await stub.resolve(`T${ttl}.example.`, type)
        assert.equal(dns.seen.length, kept === 0 ? 2 : 1)
        clock.time += 1
        await stub.resolve(`t${ttl}.example`, type)
        assert.equal(dns.seen.length, kept === 0 ? 3 : 2)
        assert.deepEqual(looked, [false, kept !== 0, false])
      })
    }

    it('gives what is left of the TTL, and nothing that a caller could change', async () => {
      const clock = { time: 0, now: () => clock.time }
      const stub = resolver([await server(ttls)], { clock })
      const first = await stub.resolve('t300.example', 'A')
      assert.ok(first.kind === 'records')
      assert.throws(() => (first.records as string[]).pop(), TypeError)
      assert.throws(() => (first.chain as unknown[]).push('x'), TypeError)
      clock.time += 100_000
      const second = await stub.resolve('t300.example', 'A')
      assert.deepEqual(second.kind === 'records' && [second.records, second.ttl], [['192.0.2.1'], 200])
    })

    it('forgets everything when it is told to', async () => {
      const dns = await server(ttls)
      const stub = resolver([dns])
      for (const name of ['t300.example', 't300.example']) await stub.resolve(name, 'A')
      assert.equal(dns.seen.length, 1)
      stub.forget?.()
      await stub.resolve('t300.example', 'A')
      assert.equal(dns.seen.length, 2)
    })

    it('forgets the least recently used first', async () => {
      const dns = await server(ttls)
      const stub = resolver([dns], { cacheEntries: 2 })
      for (const name of [
        't100.example',
        't200.example',
        't100.example',
        't300.example',
        't100.example',
        't200.example',
      ]) {
        await stub.resolve(name, 'A')
      }
      assert.deepEqual(
        dns.seen.map((line) => line.split('.')[0]),
        ['t100', 't200', 't300', 't200'],
      )
    })

    it('asks once for what many want at the same time', async () => {
      const dns = await server(ttls)
      const stub = resolver([dns])
      const answers = await Promise.all(Array.from({ length: 50 }, () => stub.resolve('t300.example', 'A')))
      assert.deepEqual(dns.seen, ['t300.example A udp'])
      // one for all, so nobody may change it
      assert.ok(answers.every((answer) => answer.kind === 'records' && Object.isFrozen(answer)))
      assert.ok(answers.every((answer) => answer.kind === 'records' && Object.isFrozen(answer.records)))
    })

    it('many different questions wait in line, and all are answered', async () => {
      const dns = await server(ttls)
      const stub = resolver([dns], { timeout: 5000 })
      const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => stub.resolve(`t300.n${i}.example`, 'A')))
      assert.ok(answers.every((answer) => answer.kind === 'records'))
      assert.ok(new Set(dns.seen).size === 500)
    })
  })
})

function name(i: number): string {
  return i === 0 ? 'a.example' : `n${i}.example`
}

function withByte(bytes: Buffer, offset: number, value: number): Buffer {
  bytes.writeUInt8(value, offset)
  return bytes
}
