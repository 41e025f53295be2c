import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { EnsureDotStuffed, ensureDotStuffed } from '../../plugins/wire'

async function through(chunks: Buffer[]): Promise<string> {
  const out: Buffer[] = []
  for await (const chunk of Readable.from(chunks).pipe(new EnsureDotStuffed())) out.push(chunk as Buffer)
  return Buffer.concat(out).toString('latin1')
}

function cut(text: string, size: number): Buffer[] {
  const bytes = Buffer.from(text, 'latin1')
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
  return chunks
}

describe('wire form of a queued message (RFC 5321 section 4.5.2)', () => {
  const rows: [string, string, string][] = [
    ['stuffed text passes unchanged', 'a\r\n..\r\n..x\r\nb\r\n', 'a\r\n..\r\n..x\r\nb\r\n'],
    ['a header line with one dot gets the other', '.foo: 1\r\n\r\nx\r\n', '..foo: 1\r\n\r\nx\r\n'],
    ['a lone dot cannot end DATA', 'a\r\n.\r\nMAIL FROM:<x>\r\n', 'a\r\n..\r\nMAIL FROM:<x>\r\n'],
    ['a dot as the very last byte', 'a\r\n.', 'a\r\n..'],
    ['dots inside a line are text', 'a.b\r\nc..d.\r\n', 'a.b\r\nc..d.\r\n'],
    ['nothing', '', ''],
  ]
  for (const [what, input, expected] of rows) {
    it(what, async () => {
      for (const size of [1, 2, 3, 7, 1000])
        assert.equal(await through(cut(input, size)), expected, `chunks of ${size}`)
      assert.equal(ensureDotStuffed(Buffer.from(input, 'latin1')).toString('latin1'), expected, 'in one piece')
    })
  }

  it('in one piece it comes out as in many', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('.', '..', 'a', '\r\n', '\n', '\r', '.\r\n'), { maxLength: 30 }),
        fc.integer({ min: 1, max: 5 }),
        async (pieces, size) => {
          const text = pieces.join('')
          const whole = ensureDotStuffed(Buffer.from(text, 'latin1')).toString('latin1')
          assert.equal(whole, await through(cut(text, size)))
        },
      ),
    )
  })

  it('never lets a line through that is a single dot, and only ever adds dots', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('.', '..', 'a', '\r\n', '\n', '.\r\n'), { maxLength: 30 }),
        fc.integer({ min: 1, max: 5 }),
        async (pieces, size) => {
          const input = pieces.join('')
          const output = await through(cut(input, size))
          assert.ok(!/(^|\n)\.(\r?\n|$)/.test(output), JSON.stringify(output))
          assert.equal(output.replace(/\./g, ''), input.replace(/\./g, ''))
          assert.equal(await through(cut(output, size)), output, 'a second pass changes nothing')
        },
      ),
    )
  })
})
