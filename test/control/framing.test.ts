import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeLine, FramingError, lineReader } from '../../lib/control/framing'
import {
  MAX_MAILS,
  parseReply,
  parseRequest,
  RequestError,
  requestLine,
  type Request,
} from '../../lib/control/protocol'
import { MAX_REQUEST } from '../../lib/control/framing'

const operator = { uid: 0, name: 'root' }
const identity = '1700000000000_AbCdEf'

describe('control: lines', () => {
  it('what goes in comes out, however it is cut into pieces', () => {
    const values = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 5 })
    fc.assert(
      fc.property(values, fc.array(fc.nat(40), { maxLength: 30 }), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map((value) => encodeLine(value, 1_000_000)))
        const read = lineReader(1_000_000)
        const received: object[] = []
        let from = 0
        for (const cut of cuts) {
          received.push(...read(bytes.subarray(from, from + cut)))
          from += cut
        }
        received.push(...read(bytes.subarray(from)))
        assert.deepEqual(received, JSON.parse(JSON.stringify(sent)))
      }),
      { numRuns: 200 },
    )
  })

  const BAD: [string, string | Buffer][] = [
    ['no JSON', 'GET / HTTP/1.1\r\n'],
    ['an array', '[]\n'],
    ['a number', '1\n'],
    ['null', 'null\n'],
    ['an empty line', '\n'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22, 0x0a])],
    ['a line that is too long', `${'x'.repeat(200)}\n`],
    ['a line without end that is too long', 'x'.repeat(200)],
  ]
  for (const [what, bytes] of BAD) {
    it(`${what} is refused`, () => {
      assert.throws(() => lineReader(100)(Buffer.from(bytes)), FramingError)
    })
  }

  it('a long line is refused before it is there, also byte by byte', () => {
    const read = lineReader(100)
    assert.throws(() => {
      for (let n = 0; n < 100; n++) read(Buffer.from('x'))
    }, FramingError)
  })

  it('the longest line goes, one byte more does not', () => {
    const line = encodeLine({ a: 'x'.repeat(91) }, 100)
    assert.equal(line.length, 100)
    assert.equal(lineReader(100)(line).length, 1)
    assert.throws(() => encodeLine({ a: 'x'.repeat(92) }, 100), RangeError)
  })
})

describe('control: requests', () => {
  const GOOD: Request[] = [
    { op: 'state' },
    { op: 'describe', mails: [identity] },
    { op: 'retry', mails: [], operator: { uid: null, name: '' } },
    { op: 'retry', mails: Array.from({ length: MAX_MAILS }, (_, n) => `${1e15 + n}_${'Z'.repeat(40)}`), operator },
    { op: 'bounce', mail: identity, recipients: null, reason: '', operator },
    { op: 'bounce', mail: identity, recipients: ['bo@x.example'], reason: 'sent twice', operator },
    { op: 'probed', probe: { domain: 'x.example', mx: '', verdict: 'ok', resultType: '' }, operator },
  ]
  for (const request of GOOD) {
    it(`${request.op} passes and fits into a line`, () => {
      const line = encodeLine(requestLine(request), MAX_REQUEST)
      assert.deepEqual(parseRequest(JSON.parse(line.toString()) as object), request)
    })
  }

  const BAD: [string, object, RequestError['code']][] = [
    ['no version', { op: 'state' }, 'unknown-version'],
    ['another version', { v: 2, op: 'state' }, 'unknown-version'],
    ['no order', { v: 1 }, 'bad-request'],
    ['an unknown order', { v: 1, op: 'flush' }, 'bad-request'],
    ['a field too many', { v: 1, op: 'state', and: 1 }, 'bad-request'],
    ['a path for an identity', { v: 1, op: 'describe', mails: ['../../etc/passwd'] }, 'bad-request'],
    ['too many mails', { v: 1, op: 'describe', mails: Array(MAX_MAILS + 1).fill(identity) }, 'bad-request'],
    ['mails that are no list', { v: 1, op: 'describe', mails: { length: 1 } }, 'bad-request'],
    ['no operator', { v: 1, op: 'retry', mails: [] }, 'bad-request'],
    ['a user name that steers', { v: 1, op: 'retry', mails: [], operator: { uid: 0, name: 'a\nb' } }, 'bad-request'],
    ['a user id below zero', { v: 1, op: 'retry', mails: [], operator: { uid: -1, name: '' } }, 'bad-request'],
    [
      'a reason that is too long',
      { v: 1, op: 'bounce', mail: identity, recipients: null, reason: 'x'.repeat(301), operator },
      'bad-request',
    ],
    [
      'an address with a line break',
      { v: 1, op: 'bounce', mail: identity, recipients: ['a@b\r\nc'], reason: '', operator },
      'bad-request',
    ],
    [
      'a domain that is none',
      { v: 1, op: 'probed', probe: { domain: 'x y', mx: '', verdict: 'ok', resultType: '' }, operator },
      'bad-request',
    ],
    [
      'a verdict that is none',
      { v: 1, op: 'probed', probe: { domain: 'x.example', mx: '', verdict: 'good', resultType: '' }, operator },
      'bad-request',
    ],
    ['__proto__', JSON.parse('{"v":1,"op":"state","__proto__":{}}') as object, 'bad-request'],
  ]
  for (const [what, value, code] of BAD) {
    it(`${what}: ${code}`, () => {
      assert.throws(
        () => parseRequest(value),
        (error) => error instanceof RequestError && error.code === code,
      )
    })
  }

  it('a reason is one line without anything invisible', () => {
    const value = { v: 1, op: 'bounce', mail: identity, recipients: null, reason: 'a\u202e\nb\u0000', operator }
    const request = parseRequest(value)
    assert.equal(request.op === 'bounce' && request.reason, 'a b')
  })

  it('whatever comes, it is a request or a refusal; never another error', () => {
    fc.assert(
      fc.property(
        fc.object({ maxDepth: 2 }),
        fc.constantFrom('state', 'describe', 'retry', 'bounce', 'probed'),
        (more, op) => {
          try {
            parseRequest({ ...more, v: 1, op })
          } catch (error) {
            assert.ok(error instanceof RequestError)
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('control: answers', () => {
  const GOOD = [
    { kind: 'process', pid: 1, label: 'main', version: '1.0.0', paused: false },
    { kind: 'held', state: 'waiting', mails: [[identity, 1]] },
    { kind: 'retried', started: [identity], due: [], delivering: [], unknown: [] },
    { kind: 'bounced', bounced: { result: 'ended', recipients: ['a@b'], left: 0, nextTry: null } },
    { kind: 'bounced', bounced: { result: 'unreported', why: 'disk full' } },
    { kind: 'bounced', bounced: { result: 'delivering' } },
    { kind: 'working' },
    { kind: 'end' },
    { kind: 'error', code: 'internal', message: 'x' },
  ]
  for (const reply of GOOD) {
    it(`${reply.kind} passes`, () => {
      assert.deepEqual(parseReply(reply), reply)
    })
  }

  const BAD: object[] = [
    { kind: 'held', state: 'waiting', mails: [[identity, null]] },
    { kind: 'held', state: 'gone', mails: [] },
    { kind: 'held', state: 'due', mails: [['../x', 1]] },
    { kind: 'bounced', bounced: { result: 'ended' } },
    { kind: 'process', pid: 1.5, label: 'main', version: '1.0.0', paused: false },
    { kind: 'what' },
  ]
  for (const reply of BAD) {
    it(`${JSON.stringify(reply)} does not`, () => {
      assert.throws(() => parseReply(reply))
    })
  }
})
