import assert from 'node:assert/strict'
import { utf16Text } from '../../lib/message/utf16'

describe('UTF-16 in files', () => {
  it('from any place to any place, whole characters only', () => {
    const bytes = Buffer.from('aæΩ1', 'utf16le')
    const rows: [from: number, to: number, text: string][] = [
      [0, 8, 'aæΩ1'],
      [0, 7, 'aæΩ'],
      [2, 100, 'æΩ1'],
      [1, 4, '\ue600'],
      [5, 5, ''],
      [8, 9, ''],
      [9, 4, ''],
      [0, 1, ''],
    ]
    for (const [from, to, text] of rows) assert.equal(utf16Text(bytes, from, to), text, `${from} to ${to}`)
  })

  it('odd lengths at odd addresses leave the memory of others alone', () => {
    // Node 24 would write a byte too many for each of these, and end the process at the latest after a few hundred
    const bytes = Buffer.alloc(4096, 'ab')
    const text = bytes.subarray(1, -1).toString('latin1')
    for (let size = 513; size < 4094; size += 2) {
      const read = utf16Text(bytes, 1, 1 + size)
      assert.equal(read.length, (size - 1) / 2)
      assert.equal(Buffer.from(read, 'utf16le').toString('latin1'), text.slice(0, size - 1))
    }
  })
})
