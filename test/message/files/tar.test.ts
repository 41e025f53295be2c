import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, gzipSync } from 'node:zlib'
import { readGzip } from '../../../lib/message/files/gzip'
import { readTar } from '../../../lib/message/files/tar'
import { docx, tarGz } from '../../corpus/formats/office'
import { paxHeader, writeTar } from '../../corpus/formats/tar-writer'
import { countingBudget, CPR, fileOf, openAll, placesOf, readWith, reasonsOf } from './office-helpers'

const text = `CPR ${CPR}\n`
const long = `${'mappe/'.repeat(30)}${CPR}.txt`

/** A gzip header with these fields set (RFC 1952 section 2.3). */
function gzip(data: string, flags: number, fields: Buffer = Buffer.alloc(0)): Buffer {
  const plain = gzipSync(Buffer.from(data))
  const header = Buffer.from(plain.subarray(0, 10))
  header[3] = flags
  const head = Buffer.concat([header, fields])
  const check = Buffer.alloc((flags & 2) === 0 ? 0 : 2)
  if (check.length > 0) check.writeUInt16LE(crc32(head) & 0xffff, 0)
  return Buffer.concat([head, check, plain.subarray(10)])
}

describe('gzip', () => {
  const found: readonly (readonly [name: string, file: Buffer])[] = [
    ['one member', gzipSync(text)],
    ['two members', Buffer.concat([gzipSync('CPR 2110'), gzipSync('62-5629\n')])],
    ['name', gzip('hej', 8, Buffer.from(`${CPR}.txt\0`))],
    ['comment', gzip('hej', 16, Buffer.from(`${CPR}\0`))],
    ['checksum of the header', gzip(text, 2)],
    ['zeros behind it', Buffer.concat([gzipSync(text), Buffer.alloc(600)])],
    ['tar inside', tarGz([{ name: 'a.txt', bytes: Buffer.from(text) }])],
    ['document in tar inside', tarGz([{ name: 'a', bytes: docx({ text: CPR }) }])],
  ]
  for (const [name, file] of found) {
    it(`reads: ${name}`, async () => {
      const all = await openAll(file)
      assert.notDeepEqual(placesOf(all), [])
      assert.deepEqual(all.uninspected, [])
    })
  }

  const plain = gzipSync(text)
  const changed = (at: number, byte: number) => {
    const copy = Buffer.from(plain)
    copy[at < 0 ? copy.length + at : at] = byte
    return copy
  }
  const refused: readonly (readonly [name: string, file: Buffer, reason: RegExp])[] = [
    ['bytes behind it', Buffer.concat([plain, Buffer.from(CPR)]), /follow/],
    ['bytes behind zeros', Buffer.concat([plain, Buffer.alloc(8), Buffer.from(CPR)]), /follow/],
    ['extra field', gzip('hej', 4, Buffer.from('0400414200', 'hex')), /fields/],
    ['flags that are not known', gzip('hej', 0x20), /fields/],
    ['wrong checksum', changed(-8, 0), /checksum/],
    ['wrong size', changed(-4, 99), /checksum/],
    ['other compression', changed(2, 7), /broken/],
    [
      'wrong checksum of the header',
      Buffer.concat([gzip('hej', 2).subarray(0, 10), Buffer.from('ffff', 'hex'), gzip('hej', 2).subarray(12)]),
      /broken/,
    ],
    ['cut off', plain.subarray(0, -3), /broken|unpacked/],
    ['cut off in the header', plain.subarray(0, 12), /broken/],
    ['name without its end', gzip('hej', 8, Buffer.from('abc')).subarray(0, 13), /broken/],
  ]
  for (const [name, file, reason] of refused) {
    it(`refuses: ${name}`, async () => assert.match(reasonsOf(await openAll(file)).join('; '), reason))
  }

  it('stops a bomb at the budget', () => {
    const { budget } = countingBudget({ bytes: 1_000_000 })
    const reading = readGzip(fileOf(gzipSync(Buffer.alloc(5_000_000))), budget)
    assert.ok(reading !== null)
    assert.deepEqual(reading.embedded, [])
    assert.match(reading.uninspected[0]?.reason ?? '', /too large/)
  })

  it('names what is inside', async () => {
    const name = async (file: Buffer, outer: string) => (await readWith(readGzip, file, outer)).embedded[0]?.name
    assert.equal(await name(gzipSync('x'), 'a.tgz'), 'a.tar')
    assert.equal(await name(gzipSync('x'), 'a.txt.gz'), 'a.txt')
    assert.equal(await name(gzip('x', 8, Buffer.from('b.txt\0')), 'a.gz'), 'b.txt')
  })
})

describe('tar', () => {
  const found: readonly (readonly [name: string, file: Buffer])[] = [
    ['member', writeTar([{ name: 'a.txt', data: text }])],
    ['name', writeTar([{ name: `${CPR}.txt`, data: 'hej' }])],
    ['name in two parts', writeTar([{ name: 'a.txt', data: 'hej', prefix: CPR }])],
    ['folder', writeTar([{ name: `${CPR}/`, type: '5' }])],
    ['link', writeTar([{ name: 'a', type: '2', link: CPR }])],
    [
      'long name of GNU',
      writeTar([
        { name: '././@LongLink', type: 'L', data: `${long}\0` },
        { name: 'm', data: 'hej' },
      ]),
    ],
    [
      'long link of GNU',
      writeTar([
        { name: '././@LongLink', type: 'K', data: `${long}\0` },
        { name: 'm', type: '2' },
      ]),
    ],
    ['name of pax', writeTar([paxHeader({ path: long }), { name: 'm', data: 'hej' }])],
    ['comment of pax', writeTar([paxHeader({ comment: CPR }), { name: 'm', data: 'hej' }])],
    ['comment for all', writeTar([paxHeader({ comment: CPR }, 'g'), { name: 'm', data: 'hej' }])],
    ['GNU form', writeTar([{ name: 'a.txt', data: text, magic: 'ustar  \0' }])],
    [
      'old form',
      writeTar([{ name: 'a.txt', data: text, magic: '\0\0\0\0\0\0\0\0', type: '\0' }])
        .fill(0, 265, 329)
        .fill(0, 148, 156),
    ],
    ['no blocks at the end', writeTar([{ name: 'a.txt', data: text }], Buffer.alloc(0))],
    ['document', writeTar([{ name: 'a', data: docx({ text: CPR }) }])],
  ]
  for (const [name, file] of found) {
    it(`reads: ${name}`, async () => {
      if (name === 'old form') checksum(file)
      const all = await openAll(file)
      assert.notDeepEqual(placesOf(all), [])
      assert.deepEqual(all.uninspected, [])
    })
  }

  const one = { name: 'a.txt', data: 'hej' }
  const refused: readonly (readonly [name: string, file: Buffer, reason: RegExp])[] = [
    ['bytes behind the end', writeTar([one], Buffer.concat([Buffer.alloc(1024), Buffer.from(CPR)])), /follow/],
    ['bytes between members', writeTar([one, one]).fill('x', 600, 700), /between/],
    ['header with a wrong checksum', writeTar([one, { ...one, checksum: 7 }]), /header/],
    ['cut off', writeTar([{ name: 'a', data: 'x'.repeat(2000) }]).subarray(0, 1500), /cut off/],
    ['cut off in a block', writeTar([one], Buffer.alloc(100)), /cut off/],
    ['sparse file of GNU', writeTar([{ ...one, type: 'S' }]), /this kind/],
    ['sparse file of pax', writeTar([paxHeader({ 'GNU.sparse.major': '1' }), one]), /this kind/],
    ['member of a volume', writeTar([{ ...one, type: 'M' }]), /this kind/],
    ['link with content', writeTar([{ ...one, type: '2' }]), /without content/],
    ['size of pax that is none', writeTar([paxHeader({ size: '-1' }), one]), /header/],
    ['size of pax beyond the end', writeTar([paxHeader({ size: '99999' }), one]), /cut off/],
    ['one name for all', writeTar([paxHeader({ path: 'x' }, 'g'), one]), /all members/],
    ['pax that does not parse', writeTar([{ name: 'x', type: 'x', data: '99 a=b\n' }, one]), /header/],
    ['long name with a NUL', writeTar([{ name: 'x', type: 'L', data: 'a\0b\0' }, one]), /header/],
    ['two members of one name', writeTar([one, one]), /same name/],
    ['too many members', writeTar(Array.from({ length: 5001 }, (_one, n) => ({ name: `${n}` }))), /too many/],
  ]
  for (const [name, file, reason] of refused) {
    it(`refuses: ${name}`, async () => assert.match(reasonsOf(await openAll(file)).join('; '), reason))
  }

  it('takes a size of pax for the one of the header', async () => {
    const file = writeTar([paxHeader({ size: '3' }), { ...one, size: 0 }])
    assert.equal((await readWith(readTar, file)).embedded[0]?.bytes.toString(), 'hej')
  })

  it('is no tar file', () => {
    for (const bytes of ['', 'hej', 'x'.repeat(600), '\0'.repeat(1024)])
      assert.equal(readTar(fileOf(Buffer.from(bytes)), countingBudget().budget), null)
  })

  it("reads what Python's tarfile writes, in each of its formats", async () => {
    const directory = mkdtempSync(join(tmpdir(), 'secure-mail-tar-'))
    try {
      const script = `
import tarfile, io
for name, form in (('u', tarfile.USTAR_FORMAT), ('g', tarfile.GNU_FORMAT), ('p', tarfile.PAX_FORMAT)):
    for mode in ('w', 'w:gz'):
        with tarfile.open(name + mode.replace(':', '-') + '.tar', mode, format=form) as t:
            data = b'CPR ${CPR} '
            for path in ('a.txt', 'b/' * 40 + 'c.txt' if name == 'u' else 'b/' * 90 + 'æ.txt'):
                info = tarfile.TarInfo(path); info.size = len(data); t.addfile(info, io.BytesIO(data))
            info = tarfile.TarInfo('d'); info.type = tarfile.DIRTYPE; t.addfile(info)
            info = tarfile.TarInfo('l'); info.type = tarfile.SYMTYPE; info.linkname = 'x' * (90 if name == 'u' else 150); t.addfile(info)
`
      writeFileSync(join(directory, 'make.py'), script)
      execFileSync('python3', ['make.py'], { cwd: directory })
      for (const name of ['u', 'g', 'p'].flatMap((form) => [`${form}w.tar`, `${form}w-gz.tar`])) {
        const all = await openAll(readFileSync(join(directory, name)))
        assert.deepEqual(all.uninspected, [], name)
        assert.equal(placesOf(all).length, 2, name)
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

/** Put the right sum into the first header. */
function checksum(file: Buffer): void {
  file.fill(0x20, 148, 156)
  const sum = file.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  file.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
}
