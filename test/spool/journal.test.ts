import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openJournal, type Journal } from '../../lib/spool/journal'
import { mailRecord, newMark } from '../../lib/spool/record'
import { journaledMails, recoverJournals } from '../../lib/spool/recover'
import { isAlive, ownRun, segmentName, type Run } from '../../lib/spool/run'

const turn = () => new Promise((resolve) => setImmediate(resolve))
const DEAD: Run = { pid: 4_000_000, boot: 'deadbeef', start: '1' }

describe('journal of accepted mail', () => {
  let dir: string
  let journal: Journal | undefined
  const problems: Error[] = []
  const open = (options: { segmentBytes?: number; idle?: number; run?: Run } = {}) =>
    (journal = openJournal({ dir, run: DEAD, report: (error) => problems.push(error), idle: 20, ...options }))
  const segments = () => readdirSync(dir).sort()

  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'spool-'))
    problems.length = 0
  })
  afterEach(async () => {
    await journal?.close()
    journal = undefined
    rmSync(dir, { recursive: true, force: true })
  })

  /** What the next process would find. */
  const left = async () =>
    (await journaledMails(dir)).map(({ name, content }) => `${name}=${content.toString('latin1')}`).sort()

  it('opens nothing before the first mail, and keeps each mail for itself', async () => {
    const { add } = open()
    assert.deepEqual(segments(), [])
    await Promise.all([add('a', Buffer.from('one')), add('b', Buffer.from('two'))])
    assert.deepEqual(await left(), ['a=one', 'b=two'])
    assert.equal(statSync(path.join(dir, segments()[0]!)).mode & 0o777, 0o600)
  })

  it('gives back content, and forgets what is done by the end of the turn', async () => {
    const { add, done, read, live } = open()
    const [a, b] = await Promise.all([add('a', Buffer.from('one')), add('b', Buffer.from('two'))])
    assert.equal((await read(b)).toString(), 'two')
    done(a)
    done(a)
    await turn()
    await turn()
    assert.deepEqual(await left(), ['b=two'])
    assert.deepEqual(live(), [b])
  })

  it('goes away when it holds nothing for a while, and comes back', async () => {
    const { add, done } = open()
    done(await add('a', Buffer.from('one')))
    await sleep(100)
    assert.deepEqual(segments(), [])
    await add('b', Buffer.from('two'))
    assert.deepEqual(await left(), ['b=two'])
  })

  it('a full segment gets a successor; one goes only when those before it have gone', async () => {
    const { add, done } = open({ segmentBytes: 10 })
    const a = await add('a', Buffer.alloc(20, 'a'))
    const b = await add('b', Buffer.alloc(20, 'b'))
    const c = await add('c', Buffer.alloc(20, 'c'))
    assert.equal(segments().length, 3)
    done(b)
    await turn()
    await turn()
    // the second one holds nothing, but the record that b is done may be needed as long as the first is there
    assert.equal(segments().length, 3)
    done(a)
    await turn()
    await turn()
    assert.equal(segments().length, 1)
    assert.deepEqual(await left(), [`c=${'c'.repeat(20)}`])
    done(c)
  })

  it('mails that come together are one write, and none waits for another to come', async () => {
    const { add } = open()
    const names = Array.from({ length: 300 }, (_, n) => `mail-${n}`)
    const entries = await Promise.all(names.map((name) => add(name, Buffer.from(name.repeat(20)))))
    assert.equal(new Set(entries.map(({ number }) => number)).size, 300)
    assert.equal((await left()).length, 300)
  })

  it('closing leaves files only for mails that are not done', async () => {
    const first = open()
    first.done(await first.add('a', Buffer.from('one')))
    await first.close()
    assert.deepEqual(segments(), [])
    const second = open()
    await second.add('b', Buffer.from('two'))
    await second.close()
    await assert.rejects(second.add('c', Buffer.from('three')), /closed/)
    assert.deepEqual(await left(), ['b=two'])
  })

  it('a folder that cannot be written to refuses the mail and nothing else happens', async () => {
    rmSync(dir, { recursive: true })
    const { add } = open()
    await assert.rejects(add('a', Buffer.from('one')), { code: 'ENOENT' })
    assert.deepEqual(problems, [])
  })

  describe('after a crash', () => {
    const saved: string[] = []
    const warnings: string[] = []
    const recover = (save?: (name: string) => void) =>
      recoverJournals({
        dir,
        alive: ({ boot }) => boot !== DEAD.boot,
        warn: (text) => warnings.push(text),
        save(name, content) {
          save?.(name)
          saved.push(`${name}=${content.toString('latin1')}`)
          return Promise.resolve()
        },
      })
    beforeEach(() => {
      saved.length = 0
      warnings.length = 0
    })

    it('saves what is not done, removes the journal, and does it once', async () => {
      const { add, done } = open({ segmentBytes: 60 })
      await add('a', Buffer.from('one'))
      done(await add('b', Buffer.from('two')))
      await add('c', Buffer.from('three'))
      await turn()
      await turn()
      assert.equal(await recover(), 2)
      assert.deepEqual(saved, ['a=one', 'c=three'])
      assert.deepEqual(segments(), [])
      assert.equal(await recover(), 0)
      assert.deepEqual(warnings, [])
    })

    it('broken off by a failure it begins again and saves the same', async () => {
      const { add } = open()
      await add('a', Buffer.from('one'))
      await add('b', Buffer.from('two'))
      await assert.rejects(
        recover((name) => {
          if (name === 'b') throw new Error('disk full')
        }),
        /disk full/,
      )
      saved.length = 0
      assert.equal(await recover(), 2)
      assert.deepEqual(saved, ['a=one', 'b=two'])
    })

    it('leaves journals of living processes alone', async () => {
      const { add } = open({ run: ownRun() })
      await add('a', Buffer.from('one'))
      assert.equal(isAlive(ownRun()), true)
      assert.equal(
        await recoverJournals({ dir, warn: () => undefined, save: () => Promise.reject(new Error('no')) }),
        0,
      )
    })

    it('of two that start together one does it', async () => {
      const { add } = open()
      for (let n = 0; n < 50; n++) await add(`m${n}`, Buffer.from('x'))
      const counts = await Promise.all([recover(), recover(), recover()])
      assert.deepEqual(counts.sort(), [0, 0, 50])
      assert.equal(new Set(saved).size, saved.length)
    })

    it('a damaged segment is set aside and told of; what can be read of it is saved', async () => {
      const file = path.join(dir, segmentName(DEAD, 1))
      const mark = newMark()
      const bytes = Buffer.concat([
        mark,
        ...[1, 2, 3].flatMap((n) => mailRecord(mark, n, `m${n}`, Buffer.from(`content ${n}`)).pieces),
      ])
      bytes[bytes.indexOf('content 2')] = 0
      writeFileSync(file, bytes)
      assert.equal(await recover(), 2)
      assert.deepEqual(saved, ['m1=content 1', 'm3=content 3'])
      assert.deepEqual(segments(), [`error.${segmentName(DEAD, 1)}`])
      assert.match(warnings.join(), /damaged/)
      assert.equal(readFileSync(path.join(dir, segments()[0]!)).length, bytes.length)
    })
  })

  it('a process id alone is no process: another start time or boot is another one', () => {
    assert.equal(isAlive({ ...ownRun(), boot: 'deadbeef' }), false)
    assert.equal(isAlive({ ...ownRun(), start: '1' }), process.platform !== 'linux')
    const ended = Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }))
    assert.equal(isAlive({ ...ownRun(), pid: ended, start: ownRun().start }), false)
  })
})
