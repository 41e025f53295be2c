import assert from 'node:assert/strict'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { delimiterOf } from '../../../lib/message/files/csv'
import { readStructured } from '../../../lib/message/files/structured'
import { csv, html, ics, json, vcf, xml } from '../../corpus/formats/legacy'
import { CPR } from '../../gate/support'
import { budgetOf, cellsOf, fileOf, readingOf, reasonsOf, refusalsOf, textOf } from './legacy-support'

const read = (content: Buffer | string) => readingOf(readStructured, Buffer.from(content))
const base64 = (text: string) => Buffer.from(text).toString('base64')

describe('text files: tables', () => {
  const DELIMITERS: [name: string, text: string, delimiter: string | null][] = [
    ['semicolon, with decimal commas', 'navn;tal\nAnna;1,5\nBo;2,5\n', ';'],
    ['comma', 'a,b,c\n1,2,3\n', ','],
    ['tab', 'a\tb\n1\t2\n', '\t'],
    ['pipe', 'a|b\n1|2\n', '|'],
    ['delimiters in quotes do not count', '"a,b";c\n"d,e";f\n', ';'],
    ['Excel says it', 'sep=|\na,b|c\n', '|'],
    ['one column of numbers under a heading', 'cpr\n707614285\n101010001\n', ''],
    ['prose', 'Dear Bo,\n\nthis is a letter. It is short.\nAnna\n', null],
    ['one line', 'a;b;c', null],
  ]
  for (const [name, text, delimiter] of DELIMITERS) {
    it(name, () => assert.equal(delimiterOf(text), delimiter))
  }

  const CELLS: [name: string, text: string, cells: string[]][] = [
    ['quotes (RFC 4180 section 2)', 'a;"b ""c"""\n"d\ne";f\n', ['A1=a', 'B1=b "c"', 'A2=d\ne', 'B2=f']],
    ['empty cells keep their columns', 'a;b;c\n1;;3\n', ['A1=a', 'B1=b', 'C1=c', 'A2=1', 'C2=3']],
    [
      'exponents',
      'a;b\n7.07614285E+08;7,07614285E8\n',
      ['A1=a', 'B1=b', 'A2=7.07614285E+08 (707614285)', 'B2=7,07614285E8 (707614285)'],
    ],
    [
      'numbers kept as text',
      'a;b\n="0707614285";"=""0707614285"""\n',
      ['A1=a', 'B1=b', 'A2=0707614285', 'B2=0707614285'],
    ],
    ['line ends of all kinds', 'a;b\r\n1;2\r3;4\n', ['A1=a', 'B1=b', 'A2=1', 'B2=2', 'A3=3', 'B3=4']],
    ['a quote without its end', 'a;b\n1;"2\n3;4', ['A1=a', 'B1=b', 'A2=1', 'B2=2\n3;4']],
  ]
  for (const [name, text, cells] of CELLS) {
    it(name, async () => assert.deepEqual(cellsOf(await read(text)), cells))
  }

  it('a long table is told in several, each with the headings, and no cell is lost where they are cut', async () => {
    const rows = Array.from({ length: 30_000 }, (_, n) => `"a;""${n}""\n";${n};${n % 3 === 0 ? '' : 'x'}`)
    const { tables } = await read(['navn;tal;andet', ...rows].join('\n'))
    assert.ok(tables.length > 3)
    const all = tables.flatMap((table) => [...table.cells])
    assert.deepEqual(
      all.filter(({ column }) => column === 1).map(({ row, text }) => `${row} ${text}`),
      ['0 tal', ...rows.map((_, n) => `${n + 1} ${n}`)],
    )
    assert.equal(all.filter(({ column }) => column === 0)[777]?.text, 'a;"776"')
    for (const [n, { headings, cells }] of tables.entries()) {
      assert.deepEqual(
        headings?.slice(0, 3).map(({ text }) => text),
        n === 0 ? undefined : ['navn', 'tal', 'andet'],
      )
      if (n > 0) assert.ok((cells[0]?.row ?? 0) > (tables[n - 1]?.cells.at(-1)?.row ?? 0))
    }
    // one row without end is cut as well
    const wide = (await read(`a;b\n${'5;6\n'.repeat(9)}${'1;'.repeat(99_999)}1\n2;3\n`)).tables
    assert.ok(wide.length > 2)
    assert.equal(wide.flatMap(({ cells }) => cells).length, 20 + 100_000 + 2)
  })

  it('numbers are told from text', async () => {
    const [table] = (await read('a;b\n12;x\n')).tables
    assert.deepEqual(
      table?.cells.map(({ numeric }) => numeric),
      [false, false, true, false],
    )
  })

  it('what was written is read', async () => {
    const cell = fc.string({ minLength: 1, maxLength: 8 }).map((text) => text.replace(/[\s\0-\x1f"=]/g, '') || 'x')
    const rows = fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { minLength: 2, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(rows, async (table) => {
        const { tables } = await read(csv([['a', 'b', 'c'], ...table], '\t'))
        assert.deepEqual(
          tables[0]?.cells.map(({ text }) => text),
          ['a', 'b', 'c', ...table.flat()],
        )
      }),
      { numRuns: 100 },
    )
  })
})

describe('text files: JSON (RFC 8259)', () => {
  it('strings with their escapes, keys before values, objects as rows', async () => {
    const reading = await read('[{"cpr":707614285,"navn":"\\u00e6\\n\\"x\\""},{"cpr":7.07614285e8,"a":{"b":[12]}}]')
    assert.ok(textOf(reading).endsWith('\ncpr: 707614285\nnavn: æ\n"x"\ncpr: 707614285\nb: 12'))
    assert.deepEqual(cellsOf(reading), [
      'keys=cpr',
      'keys=navn',
      'keys=b',
      'object 2 cpr=707614285',
      'object 2 navn=æ\n"x"',
      'object 3 cpr=7.07614285e8 (707614285)',
      'object 4 b=12',
    ])
    assert.deepEqual(reading.uninspected, [])
  })

  it('a value on each line', async () => {
    assert.ok(textOf(await read('{"a":1}\n{"a":"x"}\n')).endsWith('a: 1\na: x'))
  })

  it('any depth, any length', async () => {
    assert.deepEqual((await read('['.repeat(300_000) + ']'.repeat(300_000))).uninspected, [])
    assert.deepEqual(
      (await read(`${'['.repeat(100_000)}${'1,'.repeat(100_000)}1${']'.repeat(100_000)}`)).uninspected,
      [],
    )
    assert.deepEqual((await read(`["${'\\"'.repeat(500_000)}"]`)).uninspected, [])
  })

  it('broken JSON with escapes is refused', async () => {
    assert.match(reasonsOf(await read('{"a":"\\u0030\\u0037')).join(), /JSON/)
    assert.deepEqual((await read('[2026-11-23] started\n[2026-11-23] ended\n')).uninspected, [])
  })
})

describe('text files: cards and calendars', () => {
  it('lines are unfolded and values decoded', async () => {
    const lines = [
      'BEGIN:VCARD',
      'item1.NOTE;LANGUAGE=da:07',
      ' 0761\\, 1\\n2',
      'FN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:K=C3=A6=',
      're',
      'TITLE;QUOTED-PRINTABLE:=41',
      'END:VCARD',
    ]
    const text = textOf(await read(lines.join('\r\n')))
    for (const part of ['item1.NOTE;LANGUAGE=da:070761, 1\n2', ':Kære', ':A']) assert.ok(text.includes(part), text)
  })

  it('files in them are opened', async () => {
    const lines = [
      'BEGIN:VCALENDAR',
      `ATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY;X-FILENAME="a.txt":${base64(CPR)}`,
      `PHOTO:data:text/plain;base64,${base64('photo')}`,
      `LOGO;BASE64:`,
      ` ${base64('logo').slice(0, 4)}`,
      ` ${base64('logo').slice(4)}`,
      '',
      'END:VCALENDAR',
    ]
    const { embedded, uninspected } = await read(lines.join('\n'))
    assert.deepEqual(
      embedded.map(({ bytes, type, name }) => [bytes.toString(), type, name]),
      [
        [CPR, 'text/plain', 'a.txt'],
        ['photo', 'text/plain', ''],
        ['logo', '', ''],
      ],
    )
    assert.deepEqual(uninspected, [])
  })
})

describe('text files: charsets', () => {
  const ROWS: [name: string, bytes: Buffer, sound: boolean][] = [
    ['UTF-8', Buffer.from('kære'), true],
    ['UTF-8 with a mark', Buffer.from('\ufeffkære'), true],
    ['Windows-1252', Buffer.from('k\xe6re', 'latin1'), true],
    ['UTF-16LE with a mark', iconv.encode('kære', 'utf-16', { addBOM: true }), true],
    ['UTF-16BE with a mark', iconv.encode('kære', 'utf-16be', { addBOM: true }), true],
    ['UTF-32LE with a mark', iconv.encode('kære', 'utf-32', { addBOM: true }), true],
    ['UTF-16LE without a mark', iconv.encode('kære og noget mere', 'utf-16le', { addBOM: false }), false],
  ]
  for (const [name, bytes, sound] of ROWS) {
    it(name, async () => {
      const reading = await read(bytes)
      assert.ok(textOf(reading).startsWith('kære'))
      assert.equal(reading.uninspected.length === 0, sound)
    })
  }

  it('what is no text is not read', async () => {
    for (const bytes of [Buffer.from('a\0b'), Buffer.alloc(100, 1), Buffer.from('00010203deadbeef', 'hex')])
      assert.equal(await readStructured(fileOf(bytes), budgetOf()), null)
  })
})

describe('text files: found or refused, never clean', () => {
  const wide = (text: string) => iconv.encode(text, 'utf-16', { addBOM: true })
  const ROWS: [name: string, content: Buffer | string, code: 'cpr' | 'uninspected'][] = [
    ['CSV: lost zero under a heading', 'Navn;CPR-nr\nAnna;707614285\n', 'cpr'],
    ['CSV: exponent', 'Navn,CPR\nAnna,7.07614285E+08\n', 'cpr'],
    ['CSV: kept as text', 'Navn,CPR\nAnna,="0707614285"\n', 'cpr'],
    ['CSV: halves in two cells', 'dato;løbenr\n070761;4285\n', 'cpr'],
    ['CSV in UTF-16', wide(`Navn\tCPR\r\nAnna\t${CPR}\r\n`), 'cpr'],
    ['one column', 'CPR\n707614285\n101010001\n', 'cpr'],
    ['JSON', json(CPR), 'cpr'],
    [
      'JSON: escapes',
      `{"a":"${Array.from(CPR, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"}`,
      'cpr',
    ],
    ['JSON: number', '[{"cpr":707614285}]', 'cpr'],
    ['JSON: list of numbers', '{"cpr":[12,707614285]}', 'cpr'],
    ['JSON: lists in a list', '[["navn","cpr"],["Anna",707614285]]', 'cpr'],
    ['JSON: key', `{"${CPR}":1}`, 'cpr'],
    ['XML', xml(CPR), 'cpr'],
    ['XML: attribute', `<a nr="${CPR}"/>`, 'cpr'],
    ['XML: references', '<a>0707&#54;1&#x2d;4285</a>', 'cpr'],
    ['XML: CDATA', `<a><![CDATA[${CPR}]]></a>`, 'cpr'],
    ['XML: comment', `<a><!-- ${CPR} --></a>`, 'cpr'],
    ['XML: elements in the number', '<a>0707<b>61</b>-4285</a>', 'cpr'],
    ['XML: elements beside the number', '<a><b>0707614285</b><c>12345678</c></a>', 'cpr'],
    ['XML: entities', '<!DOCTYPE a [<!ENTITY b "0707">]><a>&b;61-4285</a>', 'uninspected'],
    ['SVG with an image', `<svg><image href="data:image/png;base64,${base64('x')}"/></svg>`, 'uninspected'],
    ['SVG larger than 64 KiB', `<svg><path d="${'M0 0 '.repeat(20_000)}"/></svg>`, 'uninspected'],
    ['HTML', html(`0707&61 ${CPR}`), 'cpr'],
    ['HTML: references', '<html><body>0707&#54;1&#x2d;4285</body></html>', 'cpr'],
    ['vCard', vcf(`x ${CPR}`), 'cpr'],
    ['vCard: folded', `BEGIN:VCARD\nNOTE:0707\n 61-4285\nEND:VCARD`, 'cpr'],
    [
      'vCard: quoted-printable',
      'BEGIN:VCARD\nNOTE;ENCODING=QUOTED-PRINTABLE:=30=37=30=37=36=\n=31-4285\nEND:VCARD',
      'cpr',
    ],
    ['vCard: base64', `BEGIN:VCARD\nNOTE;ENCODING=b:${base64(CPR)}\nEND:VCARD`, 'cpr'],
    ['vCard: unknown encoding', 'BEGIN:VCARD\nNOTE;ENCODING=rot13:x\nEND:VCARD', 'uninspected'],
    ['vCard: text behind the card', `BEGIN:VCARD\nEND:VCARD\n${CPR}`, 'cpr'],
    ['iCalendar', ics(`x ${CPR}`), 'cpr'],
    [
      'iCalendar: attached file',
      `BEGIN:VCALENDAR\nATTACH;ENCODING=BASE64:${base64(`x\n${CPR}`)}\nEND:VCALENDAR`,
      'cpr',
    ],
    ['Markdown', `# Liste\n\n| navn | cpr |\n|---|---|\n| Anna | ${CPR} |\n`, 'cpr'],
    ['log', `2026-11-23 12:00:00 user=${CPR} ok\n`, 'cpr'],
    ['YAML', `person:\n  cpr: "${CPR}"\n`, 'cpr'],
    ['a program', `const cpr = '${CPR}'\n`, 'cpr'],
    ['uuencode', 'begin 644 a.txt\n#0V%T\n`\nend\n', 'uninspected'],
    ['an encoded block', `${Buffer.alloc(300, 'abc').toString('base64').replace(/.{76}/g, '$&\n')}\n`, 'uninspected'],
    ['EBCDIC', Buffer.from('d5a494948599a240f0f7f0f7f6f160f4f2f8f540968640c1959581', 'hex'), 'uninspected'],
  ]
  for (const [name, content, code] of ROWS) {
    it(`${name}: ${code}`, async () => {
      const codes = await refusalsOf(Buffer.from(content))
      assert.ok(codes.includes(code), codes.join())
    })
  }

  it('ordinary files are clean, whatever they are declared', async () => {
    const rows = [
      ['Navn', 'Tal'],
      ['Anna', 12],
    ]
    const files = [
      csv(rows),
      json('Kære Bo', rows),
      xml('Kære Bo', rows),
      vcf('Hej'),
      ics('Møde'),
      Buffer.from('# Titel\n\nTekst\n'),
    ]
    const page = html('Kære Bo', rows).toString()
    files.push(
      Buffer.from(
        page.replace('<p>', `<img src="data:image/gif;base64,R0lGODlhOw==">${' '.repeat(70_000)}<svg></svg><p>`),
      ),
    )
    for (const file of files) {
      assert.deepEqual(await refusalsOf(file), [])
      assert.deepEqual(await refusalsOf(file, 'a.json', 'application/json'), [])
    }
  })
})

describe('text files: bounds', () => {
  const BOMBS: [name: string, text: string][] = [
    ['XML of open angle brackets', '<'.repeat(1_000_000)],
    ['XML of open comments', '<!--'.repeat(250_000)],
    ['XML of open declarations', '<!'.repeat(500_000)],
    ['XML of open sections', '<![CDATA['.repeat(100_000)],
    ['JSON of quotes', '"'.repeat(1_000_000)],
    ['JSON of backslashes', `"${'\\'.repeat(1_000_000)}`],
    ['CSV of quotes', `a;b\n${'"'.repeat(1_000_000)}`],
    ['card of folds', `BEGIN:VCARD\nNOTE:\n${' a\n'.repeat(300_000)}`],
    ['card of quoted lines', `BEGIN:VCARD\nNOTE;QUOTED-PRINTABLE:\n${'a=\n'.repeat(300_000)}`],
    ['card of parameters', `BEGIN:VCARD\nNOTE${';a="b"'.repeat(150_000)}\n`],
    ['lines', '\n'.repeat(1_000_000)],
  ]
  for (const [name, text] of BOMBS) {
    it(`${name}: what follows is still read`, async () => {
      const reading = await read(`${text}\n${CPR}\n`)
      assert.ok(textOf(reading).includes(CPR))
    })
  }

  it('ends with its budget', async () => {
    const rows = Array.from({ length: 20_000 }, (_, n) => [n, n])
    const late = await readingOf(readStructured, csv([['a', 'b'], ...rows]), budgetOf({ asks: 0 }))
    assert.ok(reasonsOf(late).includes('the time for reading was up'))
    const large = await readingOf(readStructured, csv(rows), budgetOf({ bytes: 10 }))
    assert.deepEqual(reasonsOf(large), ['the content is too large'])
  })
})
