import assert from 'node:assert/strict'
import { findCprInTable, personRows } from '../../../lib/classify'
import { numberFormat, plainNumber, textFormat } from '../../../lib/message/files/xlsx-format'
import { readZip } from '../../../lib/message/files/zip'
import { NAMESPACES, ods, relsMember, type OfficeCell, workbook, xlsx, xmlMember } from '../../corpus/formats/office'
import { anyNumber, CPR, NOW, openAll, OTHER, placesOf, readWith, reasonsOf } from './office-helpers'

const S = `xmlns="${NAMESPACES.s}" xmlns:r="${NAMESPACES.r}"`
const sheet = (rows: string, rest = '') => `<worksheet ${S}><sheetData>${rows}</sheetData>${rest}</worksheet>`
const row = (cells: string) => `<row r="1">${cells}</row>`
const inline = (text: string) => `<c r="A1" t="inlineStr"><is><t>${text}</t></is></c>`
const part = (name: string, root: string, inner: string) => xmlMember(name, `<${root} ${S}>${inner}</${root}>`)

describe('xlsx: places', () => {
  /** The eight places of reference 8.4, and more of their kind. */
  const places: readonly (readonly [name: string, file: Buffer, number?: string])[] = [
    ['shared string', xlsx({ tables: [[['CPR'], [CPR]]] })],
    [
      'rich text of a shared string',
      workbook(
        [sheet(row('<c r="A1" t="s"><v>0</v></c>'))],
        ['<si><r><t>2110</t></r><r><rPr><b/></rPr><t>62-5629</t></r></si>'],
      ),
    ],
    ['string in the cell', workbook([sheet(row(inline(CPR)))])],
    [
      'rich string in the cell',
      workbook([sheet(row('<c r="A1" t="inlineStr"><is><r><t>2110</t></r><r><t>62-5629</t></r></is></c>'))]),
    ],
    ['number', xlsx({ tables: [[['CPR'], [2110625629]]] })],
    ['number that lost its zero', xlsx({ tables: [[['CPR'], [707614285]]] }), OTHER],
    ['number that lost its zero, without a heading', xlsx({ tables: [[[707614285]]] }), OTHER],
    ['number with an exponent', workbook([sheet(row('<c r="A1"><v>7.07614285E8</v></c>'))]), OTHER],
    ['number with decimals', workbook([sheet(row('<c r="A1"><v>707614285.0</v></c>'))]), OTHER],
    ['number format', xlsx({ tables: [[[{ value: 707614285, format: '000000-0000' }]]] }), OTHER],
    [
      'number format with a condition',
      xlsx({ tables: [[[{ value: 707614285, format: '[>999]000000\\-0000;General' }]]] }),
      OTHER,
    ],
    ['text of a number format', xlsx({ tables: [[[{ value: 1, format: `"${CPR}"` }]]] })],
    [
      'text format around a text',
      workbook([sheet(row('<c r="A1" t="inlineStr" s="1"><is><t>211062</t></is></c>'))], [], ['@"-5629"']),
    ],
    [
      'date beside a number',
      workbook([sheet(row('<c r="A1" s="1"><v>22940</v></c><c r="B1"><v>5629</v></c>'))], [], ['ddmmyy']),
    ],
    ['outcome of a formula', workbook([sheet(row(`<c r="A1" t="str"><f>A2&amp;A3</f><v>${CPR}</v></c>`))])],
    ['text in a formula', workbook([sheet(row(`<c r="A1" t="str"><f>IF(A2="${CPR}",1,0)</f><v>0</v></c>`))])],
    ['date and serial in two cells', xlsx({ tables: [[['211062', '5629']]] })],
    ['hidden row', workbook([sheet(`<row r="1" hidden="1">${inline(CPR)}</row>`)])],
    [
      'escaped characters',
      workbook([sheet(row('<c r="A1" t="s"><v>0</v></c>'))], ['<si><t>2110_x0036_2-5629</t></si>']),
    ],
    ['escaped dash', workbook([sheet(row(inline('211062_x002D_5629')))])],
    ['string that no cell shows', workbook([sheet('')], [`<si><t>${CPR}</t></si>`])],
    ['phonetic guide', workbook([sheet('')], [`<si><t>x</t><rPh><t>${CPR}</t></rPh></si>`])],
    [
      'comment',
      workbook(
        [sheet('')],
        [],
        [],
        [
          part(
            'xl/comments1.xml',
            'comments',
            '<commentList><comment ref="A1"><text><r><t>2110</t></r><r><t>62-5629</t></r></text></comment></commentList>',
          ),
        ],
      ),
    ],
    [
      'threaded comment',
      workbook(
        [sheet('')],
        [],
        [],
        [
          xmlMember(
            'xl/threadedComments/t.xml',
            `<ThreadedComments xmlns="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"><threadedComment><text>${CPR}</text></threadedComment></ThreadedComments>`,
          ),
        ],
      ),
    ],
    ['header', workbook([sheet('', `<headerFooter><oddHeader>&amp;L${CPR}</oddHeader></headerFooter>`)])],
    [
      'header with codes inside',
      workbook([sheet('', '<headerFooter><oddHeader>&amp;C2110&amp;B62-5629</oddHeader></headerFooter>')]),
    ],
    [
      'validation',
      workbook([
        sheet(
          '',
          `<dataValidations><dataValidation prompt="${CPR}" sqref="A1"><formula1>"a,b"</formula1></dataValidation></dataValidations>`,
        ),
      ]),
    ],
    [
      'list of a validation',
      workbook([
        sheet(
          '',
          `<dataValidations><dataValidation sqref="A1"><formula1>"${CPR},b"</formula1></dataValidation></dataValidations>`,
        ),
      ]),
    ],
    [
      'conditional format',
      workbook([
        sheet('', `<conditionalFormatting><cfRule><formula>"${CPR}"</formula></cfRule></conditionalFormatting>`),
      ]),
    ],
    ['link', workbook([sheet('', `<hyperlinks><hyperlink ref="A1" display="${CPR}"/></hyperlinks>`)])],
    ['name of a sheet', renamedSheet(CPR)],
    [
      'column of a table',
      workbook(
        [sheet('')],
        [],
        [],
        [part('xl/tables/table1.xml', 'table', `<tableColumns><tableColumn id="1" name="${CPR}"/></tableColumns>`)],
      ),
    ],
    [
      'cache of a pivot table',
      workbook(
        [sheet('')],
        [],
        [],
        [
          part(
            'xl/pivotCache/d1.xml',
            'pivotCacheDefinition',
            '<cacheFields><cacheField name="CPR"><sharedItems><n v="707614285"/></sharedItems></cacheField></cacheFields>',
          ),
        ],
      ),
      OTHER,
    ],
    [
      'record of a pivot table',
      workbook(
        [sheet('')],
        [],
        [],
        [part('xl/pivotCache/r1.xml', 'pivotCacheRecords', `<r><x v="0"/><s v="${CPR}"/></r>`)],
      ),
    ],
    [
      'cache of another workbook',
      workbook(
        [sheet('')],
        [],
        [],
        [
          part(
            'xl/externalLinks/externalLink1.xml',
            'externalLink',
            '<externalBook><sheetDataSet><sheetData sheetId="0"><row r="1"><cell r="A1"><v>707614285</v></cell></row></sheetData></sheetDataSet></externalBook>',
          ),
        ],
      ),
      OTHER,
    ],
    [
      'log of changes',
      workbook(
        [sheet('')],
        [],
        [],
        [
          part(
            'xl/revisions/revisionLog1.xml',
            'revisions',
            `<rcc><oc r="A1" t="inlineStr"><is><t>${CPR}</t></is></oc><nc r="A1"><v>707614285</v></nc></rcc>`,
          ),
        ],
      ),
    ],
    [
      'drawing',
      workbook(
        [sheet('')],
        [],
        [],
        [
          xmlMember(
            'xl/drawings/drawing1.xml',
            `<xdr:wsDr xmlns:xdr="x" xmlns:a="${NAMESPACES.a}"><xdr:txBody><a:p><a:r><a:t>2110</a:t></a:r><a:r><a:t>62-5629</a:t></a:r></a:p></xdr:txBody></xdr:wsDr>`,
          ),
        ],
      ),
    ],
    ['defined name', withName(`<definedName name="x">"${CPR}"</definedName>`)],
    [
      'sheet behind a long comment',
      workbook([`<!--${' '.repeat(200_000)}-->${sheet(row('<c r="A1"><v>707614285</v></c>'))}`]),
      OTHER,
    ],
    [
      'sheet under another name',
      workbook([sheet('')], [], [], [xmlMember('xl/other/x.xml', sheet(row('<c r="A1"><v>707614285</v></c>')))]),
      OTHER,
    ],
    [
      'sheet whose namespace has a prefix',
      workbook([
        `<x:worksheet xmlns:x="${NAMESPACES.s}"><x:sheetData><x:row r="1"><x:c r="A1"><x:v>707614285</x:v></x:c></x:row></x:sheetData></x:worksheet>`,
      ]),
      OTHER,
    ],
  ]
  for (const [name, file, number] of places) {
    it(`finds a number in: ${name}`, async () => assert.notDeepEqual(placesOf(await openAll(file), number ?? CPR), []))
  }

  it('tells the cell and the sheet', async () => {
    const found = await openAll(
      xlsx({
        tables: [
          [
            ['Navn', 'CPR'],
            ['Ole', CPR],
          ],
          [[null, null, null, 707614285]],
        ],
      }),
    )
    assert.deepEqual(placesOf(found), ['file > Ark1!B2'])
    assert.deepEqual(placesOf(found, OTHER), ['file > Ark2!D1'])
    assert.deepEqual(found.uninspected, [])
  })

  it('finds nothing in plain sheets, and reads them to their end', async () => {
    const file = xlsx({
      tables: [
        [
          ['Uge', 'Timer', 'Dato'],
          [7, 12.5, { value: 45_000, format: 'dd-mm-yyyy' }],
          [8, 1200, null],
        ],
      ],
    })
    const found = await openAll(file)
    assert.deepEqual(found.uninspected, [])
    assert.equal(anyNumber(found), false)
  })
})

describe('xlsx: cells', () => {
  it('gives each type as it is shown and as it is stored', async () => {
    const cells =
      '<c r="A1" t="s"><v>0</v></c><c r="B1"><v>1.5</v></c><c r="C1" t="b"><v>1</v></c><c r="D1" t="e"><v>#N/A</v></c>' +
      '<c r="E1" s="1"><v>707614285</v></c><c r="F1" t="d"><v>2026-11-23</v></c><c><v>7</v></c><c r="H1"/>'
    const { tables } = await readWith(readZip, workbook([sheet(row(cells))], ['<si><t>Ole</t></si>'], ['000000-0000']))
    assert.deepEqual(tables[0]?.cells, [
      { row: 0, column: 0, text: 'Ole', numeric: false },
      { row: 0, column: 1, text: '1.5', numeric: true },
      { row: 0, column: 2, text: 'TRUE', numeric: false },
      { row: 0, column: 3, text: '#N/A', numeric: false },
      { row: 0, column: 4, text: '070761-4285', raw: '707614285', numeric: true },
      { row: 0, column: 5, text: '2026-11-23', numeric: false },
      { row: 0, column: 6, text: '7', numeric: true },
    ])
    assert.equal(tables[0].cellName(9, 27), 'AB10')
  })

  const refused: readonly (readonly [name: string, file: Buffer, reason: RegExp])[] = [
    [
      'formula without its value',
      workbook([sheet(row('<c r="A1"><f>211062&amp;"-"&amp;5629</f></c>'))]),
      /value of a formula/,
    ],
    ['string that is not there', workbook([sheet(row('<c r="A1" t="s"><v>5</v></c>'))]), /not there/],
    [
      'cells that are not in order',
      workbook([sheet(row('<c r="B1"><v>1</v></c><c r="A1"><v>2</v></c>'))]),
      /not in order/,
    ],
    ['rows that are not in order', workbook([sheet('<row r="2"/><row r="1"/>')]), /not in order/],
    ['cell in a wrong row', workbook([sheet(row('<c r="A2"><v>1</v></c>'))]), /not in order/],
    ['number that is none', workbook([sheet(row('<c r="A1"><v>x1</v></c>'))]), /does not parse/],
    ['type that is not known', workbook([sheet(row('<c r="A1" t="q"><v>1</v></c>'))]), /type of a cell/],
    [
      'two tables of strings',
      workbook([sheet('')], [], [], [part('xl/sharedStrings2.xml', 'sst', '')]),
      /may have once/,
    ],
  ]
  for (const [name, file, reason] of refused) {
    it(`refuses: ${name}`, async () => assert.match(reasonsOf(await openAll(file)).join('; '), reason))
  }

  it('counts what cells repeat: a string that many cells point to is spent for each of them', async () => {
    const { countingBudget, fileOf } = await import('./office-helpers.js')
    const rows = Array.from({ length: 200 }, (_one, n) => `<row r="${n + 1}"><c r="A${n + 1}" t="s"><v>0</v></c></row>`)
    const file = workbook([sheet(rows.join(''))], [`<si><t>${'x'.repeat(30_000)}</t></si>`])
    const { budget } = countingBudget({ bytes: 1_000_000 })
    const reading = readZip(fileOf(file), budget)
    assert.ok((reading?.tables[0]?.cells.length ?? 0) < 40)
    assert.match(reading?.uninspected[0]?.reason ?? '', /too many cells/)
  })
})

describe('xlsx: large sheets', () => {
  const rows = 30_000
  const table: OfficeCell[][] = [['Navn', 'CPR', 'Karakter']]
  for (let n = 1; n < rows; n++)
    table.push([`Person ${String.fromCharCode(65 + (n % 26))}`, n === rows - 1 ? 707614285 : null, n % 13])
  for (const [name, file] of [
    ['xlsx', xlsx({ tables: [table] })],
    ['ods', ods({ tables: [table] })],
  ] as const) {
    it(`are told in parts that know the headings, and count the same: ${name}`, async () => {
      const { tables, uninspected } = await readWith(readZip, file)
      assert.deepEqual(uninspected, [])
      assert.ok(tables.length > 1)
      assert.equal(tables[0]?.headings, undefined)
      for (const part of tables.slice(1)) assert.equal(part.headings?.[1]?.text, 'CPR')
      // each row in one part, all of them in order
      const places = tables.flatMap(({ cells }) => cells.map(({ row: r }) => r))
      assert.equal(places.length, table.flat().filter((cell) => cell !== null).length)
      assert.ok(places.every((r, n) => n === 0 || r >= (places[n - 1] ?? 0)))
      for (const [n, part] of tables.entries())
        assert.ok(n === 0 || (part.cells[0]?.row ?? 0) > (tables[n - 1]?.cells.at(-1)?.row ?? 0))
      assert.equal(
        tables.reduce((sum, part) => sum + personRows(part), 0),
        rows - 1,
      )
      const [hit] = tables.flatMap((part) => findCprInTable(part, NOW))
      assert.equal(hit?.where, `file > Ark1!B${rows}`)
      assert.ok(hit.evidence.some((one) => one.startsWith('column:')))
    })
  }
})

describe('xlsx: number formats', () => {
  /** ISO/IEC 29500-1 section 18.8.30 and 18.8.31. */
  const rows: readonly (readonly [code: string | number, value: number, shown: string])[] = [
    ['General', 707614285, '707614285'],
    ['General', 0.1 + 0.2, '0.3'],
    ['0', 2.5, '3'],
    [1, 707614285, '707614285'],
    ['0000000000', 707614285, '0707614285'],
    ['000000-0000', 707614285, '070761-4285'],
    ['000000\\-0000', 707614285, '070761-4285'],
    ['000000"-"0000', 707614285, '070761-4285'],
    ['000000-0000', 12707614285, '1270761-4285'],
    ['000000-0000;@', 707614285, '070761-4285'],
    ['[$-406]000000\\ 0000', 707614285, '070761 4285'],
    ['[Red]000000-0000', 707614285, '070761-4285'],
    ['[<=999999]000000;000000-0000', 707614285, '070761-4285'],
    ['[<=999999]000000;000000-0000', 211062, '211062'],
    ['######-####', 707614285, '70761-4285'],
    ['"CPR "000000-0000', 707614285, 'CPR 070761-4285'],
    ['0.00', 1.5, '1.50'],
    ['#,##0', 1234, '1234'],
    ['0%', 0.25, '25%'],
    ['0,', 1234567, '1235'],
    ['0;(0)', -5, '(5)'],
    ['0', -5, '-5'],
    ['0;0;"nul"', 0, 'nul'],
    ['#', 0, ''],
    ['"tekst"', 7, 'tekst'],
    [14, 22940, '21-10-1962'],
    ['ddmmyy', 22940, '211062'],
    ['dd/mm/yyyy', 1, '01/01/1900'],
    ['d. mmm yyyy', 61, '1. Mar 1900'],
    ['yyyy-mm-dd hh:mm:ss', 22940.5, '1962-10-21 12:00:00'],
    ['h:mm AM/PM', 0.75, '6:00 PM'],
    ['[h]:mm', 1.5, '36:00'],
    ['dddd', 22940, 'Sun'],
    ['ddmmyy', -1, '-1'],
  ]
  for (const [code, value, shown] of rows) {
    it(`shows ${value} as ${shown} with ${code}`, () => {
      const format = typeof code === 'number' ? numberFormat(code, undefined, false) : numberFormat(164, code, false)
      assert.equal(format(value), shown)
    })
  }

  it('counts dates from 1904 where the workbook says so', () => {
    assert.equal(numberFormat(164, 'ddmmyy', true)(21_478), '211062')
  })

  it('writes whole numbers without an exponent', () => {
    assert.equal(plainNumber(7.07614285e8), '707614285')
    assert.equal(plainNumber(1e20), '100000000000000000000')
    assert.equal(plainNumber(1e-7), '0.0000001')
  })

  it('adds what a format adds to texts', () => {
    assert.equal(textFormat('0;0;0;"CPR "@')?.('x'), 'CPR x')
    assert.equal(textFormat('@'), null)
    assert.equal(textFormat('0'), null)
  })
})

function withName(inner: string): Buffer {
  return workbook([sheet('')], [], [], [xmlMember('xl/x.xml', `<a:x xmlns:a="${NAMESPACES.s}" ${S}>${inner}</a:x>`)])
}

function renamedSheet(name: string): Buffer {
  return workbook(
    [sheet('')],
    [],
    [],
    [
      relsMember('xl/x.xml', []),
      xmlMember('xl/x.xml', `<a:sheets xmlns:a="${NAMESPACES.s}"><a:sheet name="${name}" sheetId="9"/></a:sheets>`),
    ],
  )
}
