import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { Writable } from 'node:stream'
import fc from 'fast-check'
import type { MessageStream as StreamType, PipeOptions } from '../../plugins/haraka'
import { plainLines } from '../../plugins/intake'
import { HELD_AT_MOST, MessageBuffer } from '../../plugins/message-buffer'

const Stock = createRequire(__filename)('haraka-message-stream') as new (
  config: object,
  id: string,
  headers: string[],
) => StreamType

/** All that a stream gives, or the error it ends with. */
function gathered(stream: StreamType, options: PipeOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    stream.on('error', reject)
    stream.pipe(
      new Writable({
        write(piece: Buffer, _encoding, done) {
          pieces.push(piece)
          done()
        },
        final(done) {
          resolve(Buffer.concat(pieces).toString('latin1'))
          done()
        },
      }),
      options,
    )
  })
}

/** The same lines into Haraka's stream and into ours. */
function both(headers: string[], lines: readonly string[]): { stock: StreamType; ours: MessageBuffer } {
  const stock = new Stock({}, 'stock', headers)
  const ours = new MessageBuffer(new Stock({}, 'ours', headers))
  for (const stream of [stock, ours]) {
    for (const line of lines) stream.add_line(Buffer.from(line, 'latin1'))
    stream.add_line_end()
  }
  return { stock, ours }
}

const OPTIONS: readonly PipeOptions[] = [
  {},
  { dot_stuffed: false },
  { dot_stuffed: true },
  { dot_stuffing: true },
  { dot_stuffing: false },
  { line_endings: '\n' },
  { skip_headers: true },
  { ending_dot: true },
  { clamd_style: true },
]

describe('a message held in one piece', () => {
  const line = fc.constantFrom(
    '\r\n',
    '.\r\n',
    '..\r\n',
    '...x\r\n',
    '.a\r\n',
    'text\r\n',
    'æ\xff\r\n',
    '--b\r\n',
    '--b--\r\n',
  )
  const field = fc.constantFrom('A: b\n', 'Subject: .x\n', '.odd: y\n', 'Long: a\n\tb\n', 'X: ..\r\n')

  it('gives exactly what Haraka gives, asked in any way, again and again', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(field, { maxLength: 4 }),
        fc.array(line, { maxLength: 12 }),
        fc.constantFrom(...OPTIONS),
        fc.constantFrom(...OPTIONS),
        async (headers, lines, first, second) => {
          const { stock, ours } = both(headers, lines)
          for (const options of [first, second]) {
            assert.equal(await gathered(ours, options), await gathered(stock, options))
          }
          stock.destroy()
          ours.destroy()
        },
      ),
      { numRuns: 300 },
    )
  })

  it('shows the header list as it is when asked, not as it was', async () => {
    const headers = ['Subject: one\n']
    const { ours } = both(headers, ['Subject: raw\r\n', '\r\n', 'body\r\n'])
    headers[0] = 'Subject: two\n'
    assert.equal(await gathered(ours, {}), 'Subject: two\r\n\r\nbody\r\n')
    assert.equal(Buffer.concat(ours.wire()).toString(), 'Subject: two\r\n\r\nbody\r\n')
  })

  it('a large message goes on in the stream of Haraka, whole', async () => {
    const lines = Array.from({ length: 5000 }, (_, n) => `${n} ${'x'.repeat(70)}\r\n`)
    assert.ok(lines.join('').length > HELD_AT_MOST)
    const { stock, ours } = both(['A: b\n'], ['A: b\r\n', '\r\n', ...lines])
    assert.equal(ours.held, false)
    assert.throws(() => ours.wire(), /not held/)
    assert.equal(await gathered(ours, {}), await gathered(stock, {}))
    assert.equal(ours.bytes_read, stock.bytes_read)
    stock.destroy()
    ours.destroy()
  })

  it('one at a time, as with Haraka; a reader that was called off gets nothing', async () => {
    const { ours } = both(['A: b\n'], ['A: b\r\n', '\r\n', 'body\r\n'])
    const got: string[] = []
    const reader = () =>
      new Writable({
        write(piece: Buffer, _encoding, done) {
          got.push(piece.toString())
          done()
        },
      })
    ours.pipe(reader())
    assert.throws(() => ours.pipe(reader()), /Cannot pipe/)
    ours.unpipe()
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(got, [])
    assert.equal(await gathered(ours, {}), 'A: b\r\n\r\nbody\r\n')
  })

  it('knows where the parts of a message are when a plugin asks', () => {
    const { ours, stock } = both(['A: b\n'], ['A: b\r\n', '\r\n', '--part\r\n', 'x\r\n', '--part--\r\n'])
    assert.deepEqual(ours.idx, stock.idx)
  })

  it('gives the whole to whoever wants it at once, and by iteration', async () => {
    const { ours } = both(['A: b\n'], ['A: b\r\n', '\r\n', '..x\r\n'])
    assert.equal(
      await new Promise<string>((done) => ours.get_data((data) => done(data.toString()))),
      'A: b\r\n\r\n.x\r\n',
    )
    const pieces: Buffer[] = []
    for await (const piece of ours) pieces.push(piece)
    assert.equal(Buffer.concat(pieces).toString(), 'A: b\r\n\r\n.x\r\n')
  })
})

describe('lines that are nothing but text', () => {
  const LONG = `${'x'.repeat(950)}\r\n`
  for (const [what, data, expected] of [
    ['whole lines', 'a\r\nb\r\n', 6],
    ['a line that is not whole yet stays', 'a\r\nb', 3],
    ['not the end of the message', 'a\r\n.\r\n', 3],
    ['not what comes behind it', '.\r\nMAIL FROM:<x@y>\r\n', 0],
    ['a stuffed dot is text', '..\r\n.a\r\n', 8],
    ['not a bare line feed', 'a\r\nb\nc\r\n', 3],
    ['not a bare line feed before the dot', 'a\r\n\n.\r\n', 3],
    ['a bare carriage return is text', 'a\rb\r\n', 5],
    ['not a long line', `a\r\n${LONG}`, 3],
    ['empty lines', '\r\n\r\n', 4],
    ['nothing', '', 0],
    ['a line feed alone', '\n', 0],
  ] as const) {
    it(what, () => {
      assert.equal(plainLines(Buffer.from(data)), expected)
    })
  }
})
