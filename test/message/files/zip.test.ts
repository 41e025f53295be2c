import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { fromBuffer } from 'yauzl'
import { readZip } from '../../../lib/message/files/zip'
import { zipLayout } from '../../../lib/message/files/zip-layout'
import { docx } from '../../corpus/formats/office'
import { writeZip, type ZipEntry } from '../../corpus/formats/zip-writer'
import { countingBudget, CPR, fileOf, openAll, outcomeOf, placesOf, readWith, reasonsOf } from './office-helpers'

const A: ZipEntry = { name: 'a.txt', data: 'hej' }
const B: ZipEntry = { name: 'b.txt', data: 'verden '.repeat(20) }
const number: ZipEntry = { name: 'list.txt', data: `CPR ${CPR}\n` }
const field = (id: number, data: Buffer) => {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(id, 0)
  head.writeUInt16LE(data.length, 2)
  return Buffer.concat([head, data])
}

describe('zip: archives that are read', () => {
  const rows: readonly (readonly [name: string, file: Buffer])[] = [
    ['deflated', writeZip([A, number, B])],
    ['stored', writeZip([{ ...number, method: 0 }])],
    ['sizes behind the content, with a signature', writeZip([{ ...number, descriptor: 'signed' }, B])],
    ['sizes behind the content, without one', writeZip([{ ...number, descriptor: 'plain' }, B])],
    ['zip64 sizes', writeZip([{ ...number, zip64: true }, B])],
    ['zip64 directory', writeZip([number, B], { zip64: true })],
    ['comment', writeZip([number], { comment: 'hej' })],
    [
      'folders',
      writeZip([
        { name: 'x/', data: '' },
        { ...number, name: 'x/y.txt' },
      ]),
    ],
    [
      'times of Unix',
      writeZip([{ ...number, headerExtra: field(0x5455, Buffer.alloc(9)), extra: field(0x5455, Buffer.alloc(5)) }]),
    ],
    ['room to grow', writeZip([{ ...number, headerExtra: field(0xa220, Buffer.from('28a0000000000000', 'hex')) }])],
    ['name in Unicode beside it', writeZip([{ ...number, extra: field(0x7075, Buffer.from('\x01....ø.txt')) }])],
    ['archive in an archive', writeZip([{ name: 'x.zip', data: writeZip([number]), method: 0 }])],
    ['document in an archive', writeZip([{ name: 'x', data: docx({ text: CPR }) }])],
    ['number in a name', writeZip([{ name: `${CPR}.txt`, data: 'hej' }])],
    ['number in the name of a folder', writeZip([{ name: `${CPR}/`, data: '' }])],
    ['number in a comment', writeZip([A], { comment: CPR })],
    ['number in the comment of a member', writeZip([{ ...A, comment: CPR }])],
    ['number in a name in Unicode', writeZip([{ ...A, extra: field(0x7075, Buffer.from(`\x01....${CPR}`)) }])],
  ]
  for (const [name, file] of rows) {
    it(name, async () => {
      const found = await openAll(file)
      assert.notDeepEqual(placesOf(found), [])
      assert.deepEqual(found.uninspected, [])
    })
  }

  it('an archive with nothing in it', async () => {
    assert.deepEqual((await openAll(writeZip([]))).uninspected, [])
  })

  it('hands members on with their place, as a level of archives', async () => {
    const { embedded } = await readWith(readZip, writeZip([A, { name: 'x\n\u202ey/z.txt', data: 'z' }]))
    assert.deepEqual(
      embedded.map(({ where, name, archive, bytes }) => [where, name, archive, bytes.toString()]),
      [
        ['file > a.txt', 'a.txt', true, 'hej'],
        ['file > x y/z.txt', 'x\n\u202ey/z.txt', true, 'z'],
      ],
    )
  })
})

describe('zip: archives that are refused', () => {
  const zeros = Buffer.alloc(1_000_000)
  const bomb = deflateRawSync(zeros)
  const rows: readonly (readonly [name: string, file: Buffer, reason: RegExp])[] = [
    ['bytes in front, counted', writeZip([A], { prefix: Buffer.from('PK\x03\x04x') }), /between the records/],
    [
      'bytes in front, not counted',
      writeZip([A], { uncountedPrefix: Buffer.from('PK\x03\x04x') }),
      /between the records/,
    ],
    ['bytes behind', writeZip([A], { trailing: Buffer.from(CPR) }), /follow/],
    ['bytes between members', writeZip([A, { ...B, gap: Buffer.from('x') }]), /between the records/],
    ['bytes before the directory', writeZip([A], { beforeDirectory: Buffer.from(CPR) }), /between the records/],
    ['bytes behind the directory', writeZip([A], { afterDirectory: Buffer.from('xxxx') }), /between the records/],
    [
      'member that is not in the directory',
      Buffer.concat([writeZip([number]).subarray(0, 40), writeZip([A])]),
      /between|not where/,
    ],
    [
      'archive behind an archive',
      Buffer.concat([writeZip([number]), writeZip([A])]),
      /between the records|two directories/,
    ],
    [
      'directory in the comment',
      writeZip([A], { comment: writeZip([B]).toString('latin1') }),
      /follow|cut off|between|two directories/,
    ],
    ['too few members told', writeZip([A, B], { count: 1 }), /number of members/],
    ['too many members told', writeZip([A, B], { count: 3 }), /number of members/],
    ['other name in the header', writeZip([{ ...A, header: { name: 'b.txt' } }]), /do not agree/],
    ['other size in the header', writeZip([{ ...A, header: { size: 2 } }]), /do not agree/],
    ['other packed size in the header', writeZip([{ ...A, header: { packedSize: 2 } }]), /do not agree/],
    ['other method in the header', writeZip([{ ...A, header: { method: 8 } }]), /do not agree/],
    ['other flags in the header', writeZip([{ ...A, header: { flags: 0 } }]), /do not agree/],
    ['other checksum in the header', writeZip([{ ...A, header: { crc: 1 } }]), /do not agree/],
    ['wrong checksum', writeZip([{ ...A, crc: 1 }]), /size and checksum/],
    ['sizes behind the content that lie', writeZip([{ ...A, descriptor: 'wrong' }]), /do not agree/],
    ['less content than told', writeZip([{ ...A, size: 4 }]), /size and checksum/],
    ['more content than told', writeZip([{ ...B, size: 10 }]), /size and checksum/],
    [
      'something behind the deflated content',
      writeZip([{ ...B, packed: Buffer.concat([deflateRawSync(Buffer.from(B.data)), Buffer.from(CPR)]) }]),
      /size and checksum/,
    ],
    [
      'deflated content that is cut off',
      writeZip([{ ...B, packed: deflateRawSync(Buffer.from(B.data)).subarray(0, 5) }]),
      /size and checksum/,
    ],
    [
      'bomb that says it is small',
      writeZip([{ name: 'x', data: zeros, packed: bomb, method: 8, size: 1000 }]),
      /size and checksum/,
    ],
    [
      'bomb that says it is huge',
      writeZip([{ name: 'x', data: zeros, packed: bomb, method: 8, size: 0x7fffffff }]),
      /too large/,
    ],
    [
      'size that deflate cannot reach',
      writeZip([{ name: 'x', data: 'a', method: 8, size: 60_000_000 }]),
      /size and checksum/,
    ],
    ['overlapping members', writeZip([A, { ...A, name: 'c.txt', sameAs: 0 }]), /overlap/],
    ['quoted overlap', quoted(), /overlap/],
    ['two members of one name', writeZip([A, { ...B, name: 'a.txt' }]), /same name/],
    ['folder with content', writeZip([{ name: 'a/', data: CPR }]), /folder/],
    ['other compression', writeZip([{ ...A, method: 12, packed: Buffer.from('hej') }]), /compression/],
    ['deflate64', writeZip([{ ...A, method: 9, packed: Buffer.from('hej') }]), /compression/],
    ['flags that are not known', writeZip([{ ...A, flags: 0x10 }]), /flags/],
    ['patched data', writeZip([{ ...A, flags: 0x20 }]), /flags/],
    ['fields that are not known', writeZip([{ ...A, extra: field(0x4242, Buffer.from(CPR)) }]), /fields/],
    ['known field that is too long', writeZip([{ ...A, extra: field(0x5455, Buffer.from(`${CPR}${CPR}`)) }]), /fields/],
    [
      'room to grow that is not empty',
      writeZip([{ ...A, headerExtra: field(0xa220, Buffer.from(`0000${CPR}`)) }]),
      /fields/,
    ],
    ['field that is cut off', writeZip([{ ...A, extra: field(0x5455, Buffer.alloc(9)).subarray(0, 8) }]), /fields/],
    [
      'field twice',
      writeZip([{ ...A, extra: Buffer.concat([field(0x5455, Buffer.alloc(5)), field(0x5455, Buffer.alloc(5))]) }]),
      /fields/,
    ],
    ['name with a NUL', writeZip([{ ...A, name: 'a\0b' }]), /name/],
    ['no name', writeZip([{ ...A, name: '' }]), /name/],
    ['no directory', writeZip([A]).subarray(0, 60), /directory/],
    ['first byte missing', writeZip([A, B]).subarray(0, -1), /cut off|directory/],
    ['too many members', writeZip(Array.from({ length: 5001 }, (_one, n) => ({ name: `${n}`, data: '' }))), /too many/],
    ['archives nested too deep', nested(7), /too deep/],
  ]
  for (const [name, file, reason] of rows) {
    it(name, async () => {
      const found = await openAll(file)
      assert.match(reasonsOf(found).join('; '), reason)
    })
  }

  it('says that the rest is uninspected when the budget is spent, and unpacks no more', () => {
    const file = fileOf(writeZip([B, { ...B, name: 'c.txt' }]))
    for (const [limits, embedded] of [
      [{ parts: 1 }, 1],
      [{ bytes: 150 }, 1],
      [{ times: 1 }, 1],
    ] as const) {
      const { budget } = countingBudget(limits)
      const reading = readZip(file, budget)
      assert.equal(reading?.embedded.length, embedded)
      assert.equal(reading.uninspected.length, 1)
    }
  })

  it('never unpacks more than a member says that it holds', () => {
    const { budget, spent } = countingBudget()
    readZip(fileOf(writeZip([{ name: 'x', data: zeros, packed: bomb, method: 8, size: 1000 }])), budget)
    assert.equal(spent.bytes, 1000)
  })

  it('is no zip file', () => {
    for (const bytes of ['', 'P', 'hej', '%PDF-1.4'])
      assert.equal(readZip(fileOf(Buffer.from(bytes)), countingBudget().budget), null)
  })
})

describe('zip: encryption (reference, section 9)', () => {
  const noise = Buffer.from('1f3c5a7781fe0c44aa10938b2d6e51f07b', 'hex')
  const aes = {
    method: 99,
    extra: field(0x9901, Buffer.from('02004145030800', 'hex')),
    headerExtra: field(0x9901, Buffer.from('02004145030800', 'hex')),
  }
  const protectedFiles: readonly (readonly [name: string, file: Buffer])[] = [
    ['traditional (bit 0)', writeZip([{ name: 'a.txt', data: 'hej', packed: noise, flags: 1 }])],
    ['AES (method 99)', writeZip([{ name: 'a.txt', data: 'hej', packed: noise, flags: 1, ...aes }])],
    ['strong encryption (bit 6)', writeZip([{ name: 'a.txt', data: 'hej', packed: noise, flags: 0x41 }])],
    ['masked headers (bit 13)', writeZip([{ name: 'a.txt', data: 'hej', packed: noise, flags: 0x2041 }])],
    [
      'with folders',
      writeZip([
        { name: 'x/', data: '' },
        { name: 'x/a.txt', data: 'hej', packed: noise, flags: 1 },
      ]),
    ],
  ]
  for (const [name, file] of protectedFiles) {
    it(name, async () => {
      const found = await openAll(file)
      assert.deepEqual(found.protection, [{ where: 'file', kind: 'zip-encrypted' }])
      assert.deepEqual(found.uninspected, [])
    })
  }

  it('names stay readable', async () => {
    const found = await openAll(writeZip([{ name: `${CPR}.txt`, data: 'hej', packed: noise, flags: 1 }]))
    assert.equal(outcomeOf(found), 'found')
    assert.equal(found.protection.length, 1)
  })

  it('content that only says that it is encrypted is not protected', async () => {
    for (const entry of [
      { ...number, flags: 1 },
      { ...number, method: 0, flags: 1 },
      { ...A, data: '', flags: 1 },
    ]) {
      const found = await openAll(writeZip([entry]))
      assert.deepEqual(found.protection, [])
      assert.match(reasonsOf(found).join(), /only says/)
    }
  })

  it('an archive of which a part is encrypted is not protected, and its other members are read', async () => {
    const found = await openAll(writeZip([{ name: 'a.txt', data: 'hej', packed: noise, flags: 1 }, number]))
    assert.deepEqual(found.protection, [])
    assert.match(reasonsOf(found).join(), /some of the content/)
    assert.notDeepEqual(placesOf(found), [])
  })
})

describe('zip: beside other programs', () => {
  it("reads what Python's zipfile writes, streamed and not", async () => {
    const directory = mkdtempSync(join(tmpdir(), 'secure-mail-zip-'))
    try {
      const script = `
import sys, zipfile, io
class Pipe(io.RawIOBase):
    def __init__(self, f): self.f = f
    def writable(self): return True
    def write(self, b): return self.f.write(b)
for name, stream in (('plain.zip', False), ('stream.zip', True)):
    with open(name, 'wb') as f:
        with zipfile.ZipFile(Pipe(f) if stream else f, 'w', zipfile.ZIP_DEFLATED) as z:
            z.writestr('æøå.txt', 'CPR ${CPR} ' * 30)
            z.writestr('b/', '')
            with z.open('big.txt', 'w', force_zip64=True) as m: m.write(b'x ' * 500)
            z.comment = b'hej'
`
      writeFileSync(join(directory, 'make.py'), script)
      execFileSync('python3', ['make.py'], { cwd: directory })
      for (const name of ['plain.zip', 'stream.zip']) {
        const found = await openAll(readFileSync(join(directory, name)))
        assert.deepEqual(found.uninspected, [], name)
        assert.notDeepEqual(placesOf(found), [], name)
        assert.ok(found.texts.some(({ text }) => text.includes('æøå.txt')))
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('gives the same members as yauzl', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.record({
            name: fc.stringMatching(/^[a-z]{1,12}$/),
            data: fc.uint8Array({ maxLength: 300 }),
            method: fc.constantFrom(0, 8),
          }),
          { selector: ({ name }) => name, maxLength: 6 },
        ),
        async (entries) => {
          const file = writeZip(entries.map((entry) => ({ ...entry, data: Buffer.from(entry.data) })))
          const layout = zipLayout(file)
          assert.deepEqual(layout?.problems, [])
          assert.deepEqual(
            layout.members.map(({ name, size, method }) => [name, size, method]),
            await namesByYauzl(file),
          )
        },
      ),
      { numRuns: 40 },
    )
  })
})

function namesByYauzl(file: Buffer): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    fromBuffer(file, { lazyEntries: false }, (error, archive) => {
      if (error !== null) {
        reject(error)
        return
      }
      const names: unknown[] = []
      archive.on('entry', (entry) => names.push([entry.fileName, entry.uncompressedSize, entry.compressionMethod]))
      archive.on('end', () => resolve(names))
      archive.on('error', reject)
    })
  })
}

/** Each member holds the headers of the next as a stored block: one kernel serves them all ("a better zip bomb"). */
function quoted(): Buffer {
  const inner = writeZip([{ name: 'k', data: 'x'.repeat(100), method: 0 }])
  const local = inner.subarray(0, inner.indexOf('PK\x01\x02', 0, 'latin1'))
  const file = writeZip([
    { name: 'a', data: local, method: 0 },
    { name: 'k', data: 'x'.repeat(100), method: 0, sameAs: 0 },
  ])
  // the second member begins inside the content of the first
  const entry = file.lastIndexOf('PK\x01\x02', undefined, 'latin1')
  file.writeUInt32LE(31, entry + 42)
  return file
}

function nested(levels: number): Buffer {
  let file = writeZip([number])
  for (let n = 0; n < levels; n++) file = writeZip([{ name: 'x.zip', data: file }])
  return file
}
