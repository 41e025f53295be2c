import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { scanWith, type ScanReport } from '../../bin/commands/scan'
import type { Io } from '../../bin/io'
import { run } from '../../bin/program'
import { packageRoot } from '../../lib/package-root'
import { msg } from '../corpus/formats/legacy'
import { msgFile, type MapiContent } from '../corpus/formats/mapi-writer'
import { xlsx } from '../corpus/formats/office'
import { pdfFile } from '../corpus/formats/pdf'
import { writeZip } from '../corpus/formats/zip-writer'
import { clock, CPR, mail, syntheticCpr } from './support'

const schema = JSON.parse(readFileSync(path.join(packageRoot(), 'docs/schema/scan.schema.json'), 'utf8')) as object
const bySchema = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema)

describe('secure-mail scan', function () {
  // threads start slowly where the machine has other work
  this.timeout(30_000)
  let dir: string
  before(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'secure-mail-scan-'))
    mkdirSync(path.join(dir, 'config'))
    writeFileSync(path.join(dir, 'config', 'plugins'), 'secure-mail\n')
    writeFileSync(path.join(dir, 'config', 'secure-mail.ini'), '[main]\ninternal_domains[]=uni.example\n')
    writeFileSync(path.join(dir, 'granted.eml'), mail({}, 'The canteen is open.\n'))
    writeFileSync(path.join(dir, 'refused.eml'), mail({ From: 'eve@elsewhere.example' }, `CPR ${CPR}\n`))
    writeFileSync(path.join(dir, 'plain.eml'), mail({ Subject: 'x' }, `CPR ${CPR}\n`))
    const list = [0, 1, 2, 3, 4, 5].map((nth) => syntheticCpr('150380', 1, nth)).join('\n')
    writeFileSync(path.join(dir, 'list.eml'), mail({ Subject: 'x' }, `${list}\n`))
  })
  after(() => rmSync(dir, { recursive: true }))

  async function call(
    args: string[],
    stdin: Buffer = Buffer.alloc(0),
    progress?: (line: string) => void,
  ): Promise<{ out: string; err: string; code: number }> {
    const said = { out: '', err: '' }
    const io: Io = {
      out: (text) => void (said.out += text),
      err: (text) => void (said.err += text),
      color: false,
      ...(progress === undefined ? {} : { progress }),
      stdin: () => Promise.resolve(stdin),
      exitCode: 0,
    }
    await run(['scan', '--config', dir, ...args], io, [scanWith(clock)])
    return { ...said, code: io.exitCode }
  }
  const file = (name: string) => path.join(dir, name)

  it('prints one line of JSON per file, in order, as its schema says', async () => {
    const { out, code } = await call(['--json', file('granted.eml'), file('refused.eml'), file('list.eml')])
    const reports = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as ScanReport)
    for (const report of reports) assert.ok(bySchema(report), JSON.stringify(bySchema.errors))
    assert.deepEqual(
      reports.map(({ file: name, category, override, persons }) => [
        path.basename(name),
        category,
        override.granted,
        persons,
      ]),
      [
        ['granted.eml', 1, true, 0],
        ['refused.eml', 2, false, 1],
        ['list.eml', 2, false, 6],
      ],
    )
    assert.equal(code, 1)
    assert.doesNotMatch(out, /4285/)
  })

  const CODES: [name: string, args: string[], code: number][] = [
    ['an opt-out that is granted', ['granted.eml'], 0],
    ['an opt-out that is refused', ['refused.eml'], 1],
    ['one person, nothing asked', ['plain.eml'], 0],
    ['more persons than the limit', ['list.eml'], 1],
    ['more persons, inside', ['--to', 'bo@uni.example', 'list.eml'], 0],
    ['a granted one among others', ['granted.eml', 'refused.eml'], 1],
    ['no such file', ['none.eml'], 2],
    ['no mail address', ['--from', 'nobody', 'granted.eml'], 2],
    ['no file', [], 2],
  ]
  for (const [name, args, code] of CODES) {
    it(`exit code ${code}: ${name}`, async () => {
      assert.equal((await call(args.map((arg) => (arg.endsWith('.eml') ? file(arg) : arg)))).code, code)
    })
  }

  it('takes From as inside without --from, and the envelope sender as given with it', async () => {
    const codesOf = async (...args: string[]) => {
      const { out } = await call(['--json', ...args, file('refused.eml')])
      return (JSON.parse(out) as ScanReport).override.refusals.map(({ code }) => code)
    }
    assert.deepEqual(await codesOf(), ['cpr'])
    assert.deepEqual(await codesOf('--from', 'eve@elsewhere.example'), [
      'sender-not-allowed',
      'sender-not-allowed',
      'cpr',
    ])
    assert.deepEqual(await codesOf('--from', 'anna@uni.example'), ['sender-not-allowed', 'cpr'])
  })

  it('reads loose files as attachments of nothing, with the place inside', async () => {
    writeFileSync(path.join(dir, 'liste æ.pdf'), pdfFile({ pages: [{ lines: ['a'] }, { notes: [`CPR ${CPR}`] }] }))
    const { out, code } = await call(['--json', file('liste æ.pdf')])
    const report = JSON.parse(out) as ScanReport
    assert.ok(bySchema(report), JSON.stringify(bySchema.errors))
    assert.deepEqual(
      report.findings.map(({ where, masked }) => [where, masked]),
      [['attachment liste æ.pdf > page 2', '070761-****']],
    )
    assert.deepEqual([report.override.requested, report.uninspected, code], [false, [], 0])
  })

  it('names sheet and cell, the message inside a .msg, and the path through archives', async () => {
    const book = xlsx({
      tables: [
        [
          ['Navn', 'CPR'],
          ['Ole', CPR],
        ],
      ],
    })
    const files: [name: string, bytes: Buffer, where: RegExp][] = [
      ['liste.xlsx', book, /^attachment liste\.xlsx > .*!B2$/],
      ['alt.zip', writeZip([{ name: 'a/liste.xlsx', data: book }]), /^attachment alt\.zip > a\/liste\.xlsx > .*!B2$/],
      ['brev.msg', msg(`Kære Ole\n\nCPR ${CPR}\n`), /^attachment brev\.msg/],
    ]
    for (const [name, bytes, where] of files) {
      writeFileSync(path.join(dir, name), bytes)
      const { out } = await call(['--json', file(name)])
      const report = JSON.parse(out) as ScanReport
      assert.ok(bySchema(report), JSON.stringify(bySchema.errors))
      assert.match(report.findings[0]?.where ?? '', where)
      assert.equal(report.persons, 1, name)
      assert.match((await call([file(name)])).out, /070761-\*{4} high: attachment /)
    }
  })

  it('tells where in an Outlook message a number stands', async () => {
    const rows = [
      ['Navn', 'CPR'],
      ['Ole', CPR],
    ]
    const content: MapiContent = {
      subject: CPR,
      text: `a\n\n${CPR}`,
      html: `<p>x<p>${CPR}`,
      recipients: ['bo@partner.example', CPR],
      header: `X-Note: ${CPR}`,
      named: { Note: CPR },
      attachments: [
        { name: 'liste.txt', bytes: Buffer.from(`x\n${CPR}`) },
        { name: 'liste.xlsx', bytes: xlsx({ tables: [rows] }) },
      ],
      messages: [{ subject: 'Indre', text: CPR, recipients: [CPR] }],
    }
    writeFileSync(path.join(dir, 'x.msg'), msgFile(content))
    const { out } = await call(['--json', file('x.msg')])
    const places = (JSON.parse(out) as ScanReport).findings.map(({ where }) => where)
    assert.deepEqual(
      places.sort(),
      [
        'attachment 3 > recipient 1',
        'attachment 3 > text line 1',
        'attachment liste.txt line 2',
        'attachment liste.xlsx > Ark1!B2',
        'header',
        'html',
        'properties',
        'recipient 2',
        'subject',
        'text line 3',
      ].map((place) => `attachment x.msg > ${place}`),
    )
  })

  it('shows how far it has come, where somebody watches and there are many files', async () => {
    const lines: string[] = []
    const many = Array.from({ length: 12 }, () => file('granted.eml'))
    await call(many, undefined, (line) => lines.push(line))
    assert.equal(lines[0], '1 of 12  granted.eml')
    assert.equal(lines.at(-1), '')
    lines.length = 0
    await call([file('granted.eml')], undefined, (line) => lines.push(line))
    assert.deepEqual(lines, [''])
  })

  it('reads standard input', async () => {
    const { out, code } = await call(['--json', '-'], mail({}, 'x'))
    assert.equal((JSON.parse(out) as ScanReport).file, '-')
    assert.equal(code, 0)
  })

  it('is readable', async () => {
    const { out } = await call([file('refused.eml')])
    assert.match(out, /category {4}2 \(encrypted during transport\)/)
    assert.match(out, /opt-out {5}refused \(subject-tag\)/)
    assert.match(out, /cpr: text part 1 line 1:/)
    assert.match(out, /070761-\*{4} high: text part 1 line 1 \(dash, mod11, keyword:cpr\)/)
  })
})
