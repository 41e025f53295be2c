import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { reportText } from '../../lib/notify/compose'
import { REPORT_KINDS } from '../../lib/notify/kinds'
import { KIND_PARTS, parseTemplates, REQUIRED_SECTIONS } from '../../lib/notify/template-format'
import { loadTemplates } from '../../lib/notify/templates'
import { packageTemplates, report } from './fixtures'

describe('report texts', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-ndr-'))
    mkdirSync(path.join(dir, 'config', 'secure-mail.ndr'), { recursive: true })
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  const file = (language: string) => path.join(dir, 'config', 'secure-mail.ndr', `${language}.txt`)
  const problemsOf = (text: string): string[] => {
    writeFileSync(file('da'), text)
    const loaded = loadTemplates(dir)
    return loaded.ok ? [] : loaded.problems.map(({ line, message }) => `${line}: ${message}`)
  }

  it('are complete in the package, for every kind and language', () => {
    const { da, en } = packageTemplates()
    for (const section of REQUIRED_SECTIONS) {
      assert.ok(da.has(section) && en.has(section), section)
    }
    for (const kind of REPORT_KINDS) {
      for (const part of KIND_PARTS) {
        assert.ok((da.get(`${kind}.${part}`) ?? []).length > 0, `${kind}.${part}`)
      }
      for (const part of ['title', 'subject', 'what', 'why', 'next']) {
        const section = `${kind}.${part}`
        assert.notDeepEqual(da.get(section), en.get(section), `${section} is translated`)
      }
    }
  })

  it('of an instance replace single sections, and new actions can be named', () => {
    writeFileSync(
      file('da'),
      '# vores egne ord\n[tls-not-offered.why]\nFordi {domain} ikke kan.\n\n[tls-not-offered.actions]\n- @portal\n- @support\n\n[action.portal]\nBrug portalen.\n',
    )
    const loaded = loadTemplates(dir)
    assert.ok(loaded.ok)
    const { text } = reportText(report('tls-not-offered', {}, ['da']), { templates: loaded.templates })
    assert.match(text, /Fordi partner\.example ikke kan\./)
    assert.match(text, /1\. Brug portalen\.\r\n/)
    assert.match(text, /2\. Er det en fast samarbejdspartner\?/)
    assert.match(text, /Din mail til bo@partner\.example er IKKE leveret\./)
  })

  /** What is wrong; the file; the problems. */
  const rows: [string, string, string[]][] = [
    [
      'unknown section',
      '[tls-not-ofered.why]\nx\n',
      ['1: unknown section [tls-not-ofered.why]; did you mean [tls-not-offered.why]?'],
    ],
    [
      'unknown placeholder',
      '\n[delayed.what]\nTil {recipient}\n',
      ['3: unknown placeholder {recipient}; did you mean {recipients}?'],
    ],
    [
      'placeholder where there is none',
      '[common.from]\n{case}\n',
      ['2: unknown placeholder {case} (section [common.from] has none)'],
    ],
    ['brace not closed', '[delayed.what]\n{recipients\n', ['2: a { that is not closed; write {{ for a single {']],
    [
      'unknown action',
      '[delayed.actions]\n- @suport\n',
      ['2: there is no section [action.suport]; did you mean @support?'],
    ],
    ['empty section', '[delayed.what]\n\n[delayed.next]\nx\n', ['1: section [delayed.what] is empty']],
    [
      'section twice',
      '[delayed.what]\nx\n[delayed.what]\ny\n',
      ['3: section [delayed.what] is there twice, first in line 1'],
    ],
    ['text before a section', 'hej\n', ['1: text before the first [section]']],
    ['escaped brace', '[delayed.what]\n{{recipients} {recipients}\n', []],
    ['empty note', '[note.map]\n', []],
  ]
  for (const [what, text, expected] of rows) {
    it(`say with file and line: ${what}`, () => {
      assert.deepEqual(problemsOf(text), expected)
    })
  }

  it('name the file in a problem, and refuse a file that is not UTF-8', () => {
    writeFileSync(file('en'), Buffer.from('[delayed.what]\nm\xf8de\n', 'latin1'))
    const loaded = loadTemplates(dir)
    assert.ok(!loaded.ok)
    assert.deepEqual(loaded.problems, [
      { file: 'config/secure-mail.ndr/en.txt', line: 0, severity: 'error', message: 'is not UTF-8' },
    ])
  })

  it('leave out a line whose value is missing', () => {
    const { sections, problems } = parseTemplates('[delayed.why]\nSure.\nAt {mx}.\n', 'x')
    assert.deepEqual(problems, [])
    assert.deepEqual(sections.get('delayed.why'), ['Sure.', 'At {mx}.'])
    const templates = packageTemplates()
    const da = new Map([...templates.da, ['delayed.why', ['Altid.', 'Hos {mx}.']]])
    const input = report('delayed', {}, ['da'])
    const without = {
      ...input,
      recipients: input.recipients.map((one) => ({ ...one, failure: { ...one.failure, mx: undefined } as never })),
    }
    const text = (of: typeof input) => reportText(of, { templates: { ...templates, da } }).text
    assert.match(text(input), /Altid\. Hos mx1\.partner\.example\./)
    assert.match(text(without), /Altid\.\r\n/)
    assert.doesNotMatch(text(without), /Hos/)
  })
})
