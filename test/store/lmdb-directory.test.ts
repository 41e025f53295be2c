import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { systemClock } from '../../lib/clock'
import { openLmdbStore } from '../../lib/store/lmdb'
import { networkFileSystem } from '../../lib/store/lmdb-directory'
import type { Store } from '../../lib/store/types'
import { removeTempDirs, tempDir } from './temp'

const isRoot = process.geteuid?.() === 0
const NOBODY = 65534

const openIn = (dir: string): Promise<Store> => openLmdbStore({ path: dir, clock: systemClock })
const mode = (file: string): number => statSync(file).mode & 0o777

describe('store: the directory of lmdb', function () {
  this.timeout(30_000)
  afterEach(removeTempDirs)

  it('is made with all that leads to it, for the owner alone, whatever the umask', async () => {
    const umask = process.umask(0)
    try {
      const dir = path.join(tempDir(), 'run', 'store')
      const store = await openIn(dir)
      await store.put(['k'], 1)
      await store.close()
      assert.equal(mode(dir), 0o700)
      assert.deepEqual(readdirSync(dir).sort(), ['data.mdb', 'lock.mdb'])
      for (const file of readdirSync(dir)) assert.equal(mode(path.join(dir, file)), 0o600, file)
    } finally {
      process.umask(umask)
    }
  })

  it('is closed to others when it was open, with the files in it', async () => {
    const dir = tempDir()
    await (await openIn(dir)).close()
    chmodSync(dir, 0o755)
    chmodSync(path.join(dir, 'data.mdb'), 0o644)
    await (await openIn(dir)).close()
    assert.equal(mode(dir), 0o700)
    assert.equal(mode(path.join(dir, 'data.mdb')), 0o600)
  })

  it('is refused, and left alone, when others may enter it and it holds other things', async () => {
    const dir = tempDir()
    writeFileSync(path.join(dir, 'precious'), '')
    chmodSync(dir, 0o755)
    await assert.rejects(openIn(dir), /a directory of its own/)
    assert.equal(mode(dir), 0o755)
    assert.deepEqual(readdirSync(dir), ['precious'])
  })

  it('may have a name with a dot in it', async () => {
    const dir = path.join(tempDir(), 'gateway.example')
    await (await openIn(dir)).close()
    assert.ok(statSync(dir).isDirectory())
  })

  it('may be reached by a symbolic link', async () => {
    const real = tempDir()
    const link = path.join(tempDir(), 'link')
    symlinkSync(real, link)
    await (await openIn(link)).close()
    assert.deepEqual(readdirSync(real).sort(), ['data.mdb', 'lock.mdb'])
  })

  it('allocates its lock file at once: on a full disk a hole in it would end the process', async () => {
    const dir = tempDir()
    await (await openIn(dir)).close()
    const { size, blocks } = statSync(path.join(dir, 'lock.mdb'))
    assert.ok(blocks * 512 >= size, `${blocks} blocks for ${size} bytes`)
  })

  const unusable: [string, (dir: string) => string, RegExp][] = [
    ['a file', (dir) => write(path.join(dir, 'file'), ''), /EEXIST|not a directory/],
    ['below a file', (dir) => path.join(write(path.join(dir, 'file'), ''), 'store'), /ENOTDIR/],
    ['data.mdb is a directory', (dir) => withDirectory(dir), /data\.mdb is not a file/],
    [
      'data.mdb is something else',
      (dir) => path.dirname(write(path.join(dir, 'data.mdb'), 'x'.repeat(9000))),
      /data\.mdb: it is no LMDB data file/,
    ],
  ]
  for (const [what, make, reason] of unusable) {
    it(`cannot be used when it is ${what}: says which and why`, async () => {
      const dir = make(tempDir())
      await assert.rejects(openIn(dir), (error: Error) => {
        assert.match(error.message, /^store: cannot (use|open) /)
        assert.ok(error.message.includes(dir))
        assert.match(error.message, reason)
        return true
      })
    })
  }

  it('cannot be used when the end of its data is missing, and can when nothing is', async () => {
    const dir = tempDir()
    const file = path.join(dir, 'data.mdb')
    const store = await openIn(dir)
    for (let n = 0; n < 20; n++) await store.put(['k', n], 'x'.repeat(5000))
    await store.close()
    const whole = readFileSync(file)
    for (const part of [1, 100, 4096, 8191, 8192]) {
      writeFileSync(file, whole.subarray(0, part))
      await assert.rejects(openIn(dir), /data\.mdb: (its end is missing|it is no LMDB)/, `${part} bytes`)
    }
    for (const at of [18, 24, 28, 4096 + 24]) {
      const bad = Buffer.from(whole)
      bad[at] = 0xff ^ (bad[at] ?? 0)
      writeFileSync(file, bad)
      await assert.rejects(openIn(dir), /data\.mdb: it is no LMDB/, `byte ${at}`)
    }
    writeFileSync(file, whole)
    const again = await openIn(dir)
    assert.equal((await again.list([])).length, 20)
    await again.close()
  })

  it('cannot be used by somebody who may not write there', async () => {
    const dir = tempDir()
    const inner = path.join(dir, 'store')
    if (isRoot) process.seteuid?.(NOBODY)
    else chmodSync(dir, 0o500)
    try {
      await assert.rejects(openIn(inner), /store: cannot use .*EACCES/)
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })

  it('opened by root for another user, its new files belong to that user', async () => {
    const dir = tempDir()
    const owner = isRoot ? NOBODY : process.geteuid?.()
    if (isRoot) chownSync(dir, NOBODY, NOBODY)
    await (await openIn(dir)).close()
    for (const file of readdirSync(dir)) assert.equal(statSync(path.join(dir, file)).uid, owner)
  })

  describe('a value that was damaged on the disk', () => {
    const needle = 'a value that is easy to find'

    async function damagedStore(): Promise<Store> {
      const dir = tempDir()
      const store = await openIn(dir)
      await store.put(['good'], 1)
      await store.put(['bad'], needle)
      await store.close()
      const file = path.join(dir, 'data.mdb')
      const data = readFileSync(file)
      for (let at = data.indexOf(needle); at !== -1; at = data.indexOf(needle, at + 1)) data[at] = 0x41
      writeFileSync(file, data)
      return openIn(dir)
    }

    it('rejects wherever it is read, and is never taken for absent', async () => {
      const store = await damagedStore()
      await assert.rejects(store.get(['bad']), /checksum/)
      await assert.rejects(store.list([]), /checksum/)
      await assert.rejects(
        store.update(['bad'], () => 1),
        /checksum/,
      )
      await assert.rejects(store.putIfAbsent(['bad'], 1), /checksum/)
      assert.equal(await store.get(['good']), 1)
      assert.equal(await store.sweep(), 0)
      await store.close()
    })

    it('can be written anew or removed', async () => {
      const store = await damagedStore()
      await store.put(['bad'], 2)
      assert.equal(await store.get(['bad']), 2)
      await store.remove(['bad'])
      assert.equal(await store.get(['bad']), undefined)
      await store.close()
    })
  })
})

describe('store: network file systems', () => {
  const rows: [string, number, string | undefined][] = [
    ['ext4', 0xef53, undefined],
    ['xfs', 0x58465342, undefined],
    ['btrfs', 0x9123683e, undefined],
    ['tmpfs', 0x01021994, undefined],
    ['overlay', 0x794c7630, undefined],
    ['nfs', 0x6969, 'NFS'],
    ['cifs, sign-extended', 0xff534d42 | 0, 'CIFS'],
    ['ceph', 0x00c36400, 'Ceph'],
  ]
  for (const [what, type, name] of rows) {
    it(`${what}: ${name ?? 'local'}`, () => assert.equal(networkFileSystem(type), name))
  }
})

function write(file: string, text: string): string {
  writeFileSync(file, text)
  return file
}

function withDirectory(dir: string): string {
  mkdirSync(path.join(dir, 'data.mdb'))
  return dir
}
