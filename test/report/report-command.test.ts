import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { reportWith } from '../../bin/commands/report'
import { openAudit } from '../../lib/audit/open'
import type { AuditEvent } from '../../lib/audit/types'
import { maskCpr } from '../../lib/classify/cpr'
import { packageRoot } from '../../lib/package-root'
import { QUESTIONS, type Answer } from '../../lib/report/analysis'
import { COLOURS } from '../../lib/report/analysis/page-style'
import { ran, schemaErrors, type Ran } from '../bin/run'
import { reportSchema } from './schema'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOW = Date.UTC(2026, 10, 23, 12)
const COMMAND = [reportWith({ now: () => NOW })]
const MAIL = '0F3A7C11-82DF-489A-B731-8587E5178118.1'

describe('secure-mail report: files, formats, limits', function () {
  this.timeout(120_000)
  let dir: string
  beforeEach(() => (dir = fs.mkdtempSync(path.join(os.tmpdir(), 'secure-mail-report-test-'))))
  afterEach(() => fs.rmSync(dir, { recursive: true }))

  /** A day's file of one process. @returns its path */
  async function write(at: number, events: readonly AuditEvent[], label = 'w1'): Promise<string> {
    let now = at
    const audit = openAudit({
      dir,
      recipients: 'domain+hmac',
      keepDays: 0,
      digestKey: () => ({ id: 'k1', key: Buffer.alloc(32, 1) }),
      hostname: 'gw.own.test',
      version: '0',
      processLabel: label,
      clock: { now: () => now },
      mask: maskCpr,
      onError: (error) => assert.fail(error),
    })
    for (const event of events) {
      audit.tell(event)
      now += 1000
    }
    await audit.close()
    return path.join(dir, `audit-${new Date(at).toISOString().slice(0, 10)}.${label}.ndjson`)
  }

  const delivered = (more: Partial<AuditEvent> = {}): AuditEvent => ({
    action: 'delivery-succeeded',
    message: 'delivered to mx.a.test: 250 ok',
    mailId: MAIL,
    sender: 'anne@own.test',
    recipients: ['bo@a.test'],
    destination: { host: 'mx.a.test', ip: '192.0.2.1', port: 25 },
    policy: { source: 'default', level: 'encrypt' },
    tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: false, pkix: 'ok', resumed: false },
    ...more,
  })
  const three = [delivered(), delivered({ recipients: ['eva@b.test'] }), delivered({ sender: 'ole@own.test' })]

  const report = (...args: string[]): Promise<Ran> => ran(['report', ...args, '--logs', dir], COMMAND)

  async function json(...args: string[]): Promise<Answer> {
    const { out, err, exitCode } = await report('--json', ...args)
    assert.ok(exitCode < 2, err)
    return JSON.parse(out) as Answer
  }

  const rows = (answer: Answer, section: string) =>
    answer.sections.find(({ name }) => name === section)?.rows ?? assert.fail(section)

  const transmissions = async (...args: string[]) => (await json('proof', ...args)).sections[0]?.rows.length

  it('a copy of a day that is over is kept, private, used, and made anew when its source changes', async () => {
    const file = await write(NOW - 2 * DAY, three)
    await write(NOW - HOUR, three)
    const cache = path.join(dir, 'report-cache')
    const copies = async (...args: string[]) => (await json('coverage', ...args)).log
    assert.deepEqual(await copies('--no-cache'), { files: 2, lines: 6, damagedLines: 0, keptCopies: 0 })
    assert.ok(!fs.existsSync(cache))
    assert.equal((await copies()).keptCopies, 0)
    assert.equal((await copies()).keptCopies, 1)
    assert.equal(fs.statSync(cache).mode & 0o777, 0o700)
    assert.deepEqual(
      fs.readdirSync(cache).map((name) => fs.statSync(path.join(cache, name)).mode & 0o777),
      [0o600, 0o600],
    )
    // the same size and time, another content
    const { atime, mtime } = fs.statSync(file)
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replaceAll('a.test', 'c.test'))
    fs.utimesSync(file, atime, mtime)
    const changed = await json('proof', '--domain', 'c.test')
    assert.deepEqual([changed.log.keptCopies, rows(changed, 'deliveries').length], [0, 2])
    // a copy that was damaged, and one without its note
    fs.truncateSync(path.join(cache, `${path.basename(file)}.parquet`), 100)
    assert.deepEqual([await transmissions(), await transmissions()], [6, 6])
    // nothing is kept longer than its source
    fs.rmSync(file)
    assert.equal(await transmissions(), 3)
    assert.deepEqual(fs.readdirSync(cache), [])
  })

  it('what is damaged is passed over, counted, and told by log-health; the rest is answered', async () => {
    const first = await write(NOW - 3 * DAY, three)
    const second = await write(NOW - 2 * DAY, three)
    await write(NOW - DAY, three)
    const lines = fs.readFileSync(first, 'utf8').split('\n')
    fs.writeFileSync(
      first,
      [lines[0], '{"torn":', '\0\0\0', '[1]', '', 'text \xff', ...lines.slice(2)].join('\n'),
      'latin1',
    )
    const packed = gzipSync(fs.readFileSync(second))
    fs.writeFileSync(`${second}.gz`, packed.subarray(0, packed.length - 12))
    fs.rmSync(second)
    const { out, exitCode } = await report('log-health', '--json')
    assert.equal(exitCode, 1)
    const files = rows(JSON.parse(out) as Answer, 'files')
    const byDay = new Map(files.map((row) => [row['day'], row]))
    const torn = byDay.get('2026-11-20')
    assert.deepEqual([torn?.['damaged'], torn?.['chain'], torn?.['lines']], [4, 'broken', 6])
    assert.match(String(byDay.get('2026-11-21')?.['cut']), /unexpected end/)
    // what it should follow is lost
    assert.equal(byDay.get('2026-11-22')?.['link'], 'not-checked')
    assert.ok(Number(await transmissions()) >= 7)
  })

  it('a line that was taken out, changed or written twice, and a day that is gone, are told', async () => {
    const files = []
    for (const day of [4, 3, 2, 1]) files.push(await write(NOW - day * DAY, three))
    const [one = '', two = '', , four = ''] = files
    const edit = (file: string, change: (lines: string[]) => string[]) =>
      fs.writeFileSync(file, `${change(fs.readFileSync(file, 'utf8').trimEnd().split('\n')).join('\n')}\n`)
    edit(one, ([a = '', , c = '']) => [a, c])
    edit(two, ([a = '', b = '', c = '']) => [a, b.replace('b.test', 'x.test'), c])
    edit(four, ([a = '', b = '', c = '']) => [a, b, b, c])
    const found = rows(await json('log-health'), 'files').map((row) =>
      ['day', 'missing', 'repeated', 'chain', 'broken_at', 'link'].map((name) => row[name]),
    )
    assert.deepEqual(found, [
      ['2026-11-19', 1, 0, 'broken', [2], 'not-checked'],
      ['2026-11-20', 0, 0, 'broken', [3], 'whole'],
      ['2026-11-22', 0, 1, 'broken', [3], 'whole'],
      ['2026-11-21', 0, 0, 'whole', [], 'whole'],
    ])
    fs.rmSync(files[2] ?? '')
    const last = rows(await json('log-health'), 'files').find((row) => row['day'] === '2026-11-22')
    assert.equal(last?.['link'], 'broken')
  })

  it('--since, --until, --domain and --sender', async () => {
    for (const day of [3, 2, 1]) await write(NOW - day * DAY, three)
    assert.equal(await transmissions('--since', '47h'), 3)
    assert.equal(await transmissions('--since', '2026-11-20', '--until', '2026-11-21'), 6)
    assert.equal(await transmissions('--since', '2026-11-21T12:00:01Z', '--until', '2026-11-21T12:00:02Z'), 1)
    assert.equal(await transmissions('--domain', 'B.test'), 3)
    assert.equal(await transmissions('--domain', '.test'), 9)
    assert.equal(await transmissions('--domain', 'test'), 0)
    assert.equal(await transmissions('--sender', 'Ole@own.test'), 3)
    assert.equal(await transmissions('--sender', '@own.test', '--domain', 'b.test'), 3)
    assert.equal(await transmissions('--sender', "o'hara@own.test"), 0)
  })

  it('proof of one mail: by queue id and case; exit 1 where it went in clear, was not delivered, or is not there', async () => {
    await write(NOW - DAY, [
      ...three,
      delivered({ mailId: MAIL.replace('.1', '.2'), tls: null, caseId: 'SM-0000-0001' }),
    ])
    const asked = async (id: string) => {
      const { exitCode, out } = await report('proof', '--mail', id, '--json')
      return [exitCode, (JSON.parse(out) as Answer).verdict?.good]
    }
    assert.deepEqual(await asked(MAIL), [0, true])
    assert.deepEqual(await asked('SM-0000-0001'), [1, false])
    assert.deepEqual(await asked('SM-0000-0002'), [1, false])
  })

  it('clear text without its permission on record is bad news', async () => {
    const clear = { tls: null, policy: { source: 'map', level: 'may', rule: 'f:1 a.test' } } as const
    await write(NOW - DAY, [
      delivered({ ...clear, action: 'plaintext-permitted' }),
      delivered({ ...clear, action: 'plaintext-delivered' }),
    ])
    assert.equal((await report('clear-text')).exitCode, 0)
    await write(NOW - DAY, [delivered({ ...clear, action: 'plaintext-delivered', mailId: MAIL.replace('.1', '.3') })])
    assert.equal((await report('clear-text')).exitCode, 1)
  })

  it('CSV: RFC 4180, and nothing that a spreadsheet would calculate', async () => {
    await write(NOW - DAY, [
      delivered({ sender: '=cmd|calc!A0@own.test', message: 'said "a, b"' }),
      delivered({ sender: '@SUM(A1)' }),
    ])
    const { out } = await report('proof', '--format', 'csv')
    const [head, ...lines] = out.split('\r\n')
    assert.match(head ?? '', /^time,mail_id,/)
    assert.ok(lines.some((line) => line.includes(",'=cmd|calc!A0@own.test,") && line.includes('"said ""a, b"""')))
    assert.ok(lines.some((line) => line.includes(",'@SUM(A1),")))
    assert.equal(out.replaceAll('\r\n', '').includes('\n'), false)
  })

  it('--sql: a query over the views; nothing else is read or written', async () => {
    await write(NOW - DAY, three)
    const { rows: found } =
      (
        await json(
          '--sql',
          'SELECT domain, count(*) AS n, min(time)::DATE AS day FROM deliveries GROUP BY 1 ORDER BY 1',
        )
      ).sections[0] ?? assert.fail()
    assert.deepEqual(found, [
      { domain: 'a.test', n: 2, day: '2026-11-22' },
      { domain: 'b.test', n: 1, day: '2026-11-22' },
    ])
    const target = path.join(dir, 'out.csv')
    for (const sql of [
      "SELECT * FROM read_text('/etc/passwd')",
      "SELECT * FROM '/etc/passwd'",
      `COPY (SELECT 1) TO '${target}'`,
      'SELECT 1; SELECT 2',
      "SET memory_limit = '90GB'",
      "ATTACH '/tmp/x.db'",
      'DROP VIEW log',
      'SELEC',
    ]) {
      const { exitCode, err, out } = await report('--sql', sql)
      assert.deepEqual([exitCode, out], [2, ''], sql)
      assert.match(err, /^secure-mail: --sql: /)
    }
    assert.ok(!fs.existsSync(target))
  })

  it('mistakes in the call are exit 2 with a line that says what to write', async () => {
    const wrong: [string[], RegExp][] = [
      [['clear-txt'], /did you mean clear-text/],
      [['--since', 'yesterday'], /is no time/],
      [['--since', '2026-02-30'], /is no time/],
      [['--since', '1d', '--until', '2d'], /not before/],
      [['--domain', 'a b'], /no domain/],
      [['log-health', '--domain', 'a.test'], /changes nothing/],
      [['proof', '--mail', 'x'], /no queue id/],
      [['coverage', '--level', 'verify'], /belongs to the question what-if/],
      [['--json', '--format', 'csv'], /do not go together/],
      [['--format', 'csv', '--section', 'none'], /overview has figures/],
    ]
    for (const [args, said] of wrong) {
      const { exitCode, err, out } = await report(...args)
      assert.deepEqual([exitCode, out], [2, ''], args.join(' '))
      assert.match(err, said)
    }
  })

  it('without any log there are answers, too', async () => {
    const { exitCode, out } = await report()
    assert.equal(exitCode, 0)
    assert.match(out, /0 files/)
    assert.equal((await report('log-health')).exitCode, 1)
  })

  describe('the page', () => {
    let page: string
    beforeEach(async () => {
      await write(NOW - DAY, [...three, delivered({ sender: '"<script>alert(1)</script>"@own.test' })])
      page = (await report('coverage', '--format', 'html')).out
    })

    it('loads nothing, runs nothing, and forbids itself to', () => {
      assert.match(page, /Content-Security-Policy" content="default-src 'none'/)
      assert.doesNotMatch(page, /<(script|link|img|iframe|object|embed|video|audio|form|base)\b/i)
      assert.doesNotMatch(page, /(src|href|srcset|action|poster)=|url\(|@import|https?:|\son\w+=/i)
    })

    it('text from outside is text', async () => {
      const { out } = await report('proof', '--format', 'html')
      assert.ok(out.includes('&lt;script&gt;alert(1)&lt;/script&gt;'))
      assert.doesNotMatch(out, /<script/i)
    })

    it('each picture has a table beside it, and a caption', () => {
      const sections = page.split('<section').slice(1)
      assert.ok(sections.some((section) => section.includes('<figure>')))
      for (const section of sections) {
        if (section.includes('<figure>')) assert.match(section, /<figcaption>[^<]+<[\s\S]*<table>/)
      }
    })

    it('contrast is that of WCAG 2.1 AA, in light and dark: 4.5 for text, 3 for pictures', () => {
      for (const side of [0, 1] as const) {
        const colour = (name: string) => COLOURS[name]?.[side] ?? assert.fail(name)
        for (const text of ['ink', 'muted', 'good', 'bad']) {
          for (const ground of ['paper', 'raised']) {
            assert.ok(contrast(colour(text), colour(ground)) >= 4.5, `${text} on ${ground}`)
          }
        }
        for (const series of ['s1', 's2', 's3', 's4', 's5', 's6']) {
          assert.ok(contrast(colour(series), colour('paper')) >= 3, series)
        }
      }
    })
  })

  it('docs/schema/report.schema.json is that of the questions', async () => {
    const file = path.join(packageRoot(), 'docs', 'schema', 'report.schema.json')
    assert.deepEqual(JSON.parse(fs.readFileSync(file, 'utf8')), reportSchema())
    assert.deepEqual(schemaErrors('report.schema.json', await json()), [])
  })

  it('docs/report.md names every question', () => {
    const text = fs.readFileSync(path.join(packageRoot(), 'docs', 'report.md'), 'utf8')
    for (const { name } of QUESTIONS) assert.ok(text.includes(`### ${name}`), name)
  })
})

/** WCAG 2.1: contrast ratio of two colours. */
function contrast(a: string, b: string): number {
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (light + 0.05) / (dark + 0.05)
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
