import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createLineWatch } from '../../lib/deliver/content'

function watch(...chunks: string[]): string {
  const lines = createLineWatch()
  for (const chunk of chunks) lines.push(Buffer.from(chunk, 'latin1'))
  return lines.finalDot()
}

describe('deliver: the end of the data', () => {
  const rows: { name: string; chunks: string[]; dot: string }[] = [
    { name: 'ends in CRLF: no blank line is added', chunks: ['a\r\n'], dot: '.\r\n' },
    { name: 'CRLF in two chunks', chunks: ['a\r', '\n'], dot: '.\r\n' },
    { name: 'no line end', chunks: ['a'], dot: '\r\n.\r\n' },
    { name: 'ends in CR', chunks: ['a\r'], dot: '\n.\r\n' },
    { name: 'ends in a bare LF', chunks: ['a\n'], dot: '\r\n.\r\n' },
    { name: 'nothing at all', chunks: [], dot: '.\r\n' },
    { name: 'stuffed dot lines', chunks: ['..\r\n', '..x\r\n', '...\r\n'], dot: '.\r\n' },
  ]
  for (const row of rows) it(row.name, () => assert.equal(watch(...row.chunks), row.dot))

  const smuggled: string[][] = [
    ['.\r\n'],
    ['a\r\n.\r\nMAIL FROM:<x@y>\r\n'],
    ['a\r\n.', '\r\n'],
    ['a\r\n', '.', '\r\n'],
    ['a\r\n', '.\r\nb'],
    ['a\r', '\n.\r\nb'],
    ['a\n.\nb'],
    ['a\n.\r\nb'],
    ['a\r\n.\nb'],
    ['a\r\n.\rb'],
    ['a\r\n.'],
  ]
  for (const chunks of smuggled) {
    it(`refuses ${JSON.stringify(chunks)} (SMTP smuggling)`, () => assert.throws(() => watch(...chunks)))
  }

  it('however it is cut: what passes holds no end of data but our own', () => {
    const piece = fc.constantFrom('a', '.', '\r', '\n', '\r\n', '..', '\r\n.')
    fc.assert(
      fc.property(fc.array(fc.array(piece).map((pieces) => pieces.join(''))), (chunks) => {
        let dot: string
        try {
          dot = watch(...chunks.filter((chunk) => chunk.length > 0))
        } catch {
          return
        }
        const wire = `\r\n${chunks.join('')}${dot}`
        assert.equal(wire.indexOf('\r\n.\r\n'), wire.length - 5)
        assert.equal(/\n\.[\r\n]/u.exec(wire)?.index, wire.length - 4)
      }),
    )
  })
})
