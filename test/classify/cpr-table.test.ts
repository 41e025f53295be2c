import assert from 'node:assert/strict'
import { findCprInTable } from '../../lib/classify/cpr-table'
import type { Table, TableCell } from '../../lib/message/files/types'
import { NOW, syntheticCpr } from '../gate/support'

type Value = string | number | { text: string; raw: string } | null

/** Numbers are stored as numbers. */
function tableOf(rows: readonly (readonly Value[])[]): Table {
  const cells: TableCell[] = rows.flatMap((values, row) =>
    values.flatMap((value, column): TableCell[] => {
      if (value === null) return []
      if (typeof value === 'string') return [{ row, column, text: value, numeric: false }]
      if (typeof value === 'number') return [{ row, column, text: String(value), numeric: true }]
      return [{ row, column, text: value.text, raw: value.raw, numeric: true }]
    }),
  )
  return {
    where: 'attachment list.xlsx > Ark1',
    cellName: (row, column) => `${'ABCDEFGHIJ'.charAt(column)}${row + 1}`,
    cells,
  }
}

const found = (rows: readonly (readonly Value[])[]) =>
  findCprInTable(tableOf(rows), NOW).map(
    ({ where, confidence, masked }) => `${where.split('!')[1] ?? ''} ${confidence} ${masked}`,
  )

describe('CPR numbers in tables with typed cells', () => {
  const ROWS: [name: string, rows: Value[][], expected: string[]][] = [
    [
      'text',
      [
        ['Navn', 'CPR'],
        ['Bo', '070761-4285'],
      ],
      ['B2 high 070761-****'],
    ],
    [
      'a number that lost its zero',
      [
        ['Navn', 'CPR'],
        ['Bo', 707614285],
      ],
      ['B2 high 070761-****'],
    ],
    [
      'shown with thousands, under a word for it',
      [
        ['Navn', 'CPR'],
        ['Bo', '707.614.285'],
        ['Ib', '2,110,625,629'],
      ],
      ['B2 high 070761-****', 'B3 medium 211062-****'],
    ],
    [
      'amounts with thousands',
      [
        ['CPR', 'Beløb'],
        ['', '707.614.285'],
        ['', '2,110,625,629'],
      ],
      [],
    ],
    [
      'the same without a heading',
      [
        ['Navn', 'Nr'],
        ['Bo', 707614285],
      ],
      ['B2 medium 070761-****'],
    ],
    [
      'nine digits without modulus 11',
      [
        ['Navn', 'Ordre'],
        ['Bo', 707614286],
      ],
      [],
    ],
    [
      'nine digits without modulus 11 in a headed column',
      [
        ['Navn', 'CPR'],
        ['Bo', 707614286],
      ],
      ['B2 low 070761-****'],
    ],
    [
      'shown with an exponent',
      [
        ['Navn', 'CPR'],
        ['Bo', { text: '7.08E+08', raw: '707614285' }],
      ],
      ['B2 high 070761-****'],
    ],
    [
      'stored with an exponent',
      [
        ['Navn', 'CPR'],
        ['Bo', { text: '7.08E+08', raw: '7.07614285E8' }],
      ],
      ['B2 high 070761-****'],
    ],
    [
      'stored with an exponent, ten digits',
      [
        ['Navn', 'CPR'],
        ['Bo', { text: '2.11E+09', raw: '2.110625629E9' }],
      ],
      ['B2 medium 211062-****'],
    ],
    [
      'stored with empty decimals',
      [
        ['Navn', 'CPR'],
        ['Bo', { text: '707614285', raw: '707614285.0' }],
      ],
      ['B2 high 070761-****'],
    ],
    [
      'shown by a format of its own',
      [
        ['Navn', 'CPR'],
        ['Bo', { text: '070761-4285', raw: '707614285' }],
      ],
      ['B2 high 070761-****'],
    ],
    [
      'split over two cells of text',
      [
        ['Født', 'Nr'],
        ['070761', '4285'],
      ],
      ['A2 medium 070761-****'],
    ],
    [
      'split over two cells of numbers that lost their zeros',
      [
        ['Født', 'Nr'],
        [70761, 4285],
      ],
      ['A2 medium 070761-****'],
    ],
    [
      'split, with an empty cell between',
      [
        ['Født', '', 'Nr'],
        ['070761', null, '4285'],
      ],
      ['A2 medium 070761-****'],
    ],
    ['a label in the cell before', [['CPR', '0707614285']], ['B1 high 070761-****']],
    [
      'a title above the headings',
      [['Eksamen 2026'], ['Navn', 'Personnummer'], ['Bo', 707614285]],
      ['B3 high 070761-****'],
    ],
    [
      'the heading of another column',
      [
        ['CPR', 'Ordre'],
        ['070761-4285', 707614286],
      ],
      ['A2 high 070761-****'],
    ],
    [
      'amounts',
      [
        ['Konto', 'Beløb'],
        [120524, 9000],
        [310199, 1234.5],
      ],
      [],
    ],
    [
      'line ends inside a cell',
      [
        ['Navn', 'CPR'],
        ['Bo\nHansen\t', '070761\r\n4285'],
      ],
      ['B2 high 070761-****'],
    ],
  ]
  for (const [name, rows, expected] of ROWS) it(name, () => assert.deepEqual(found(rows), expected))

  it('a heading counts for the last of a thousand rows', () => {
    const rows: Value[][] = [['Navn', 'Bemærkning', 'Personnummer']]
    for (let n = 0; n < 1000; n++) rows.push([`Person ${n}`, 'x'.repeat(60), '070761-4286'])
    const hits = findCprInTable(tableOf(rows), NOW)
    assert.equal(hits.length, 1000)
    assert.ok(hits.every(({ evidence, counts }) => evidence.includes('column:cpr') && counts))
  })

  it('a column of numbers is a cluster beside a column of orders', () => {
    const rows: Value[][] = [['a', 'b']]
    for (let n = 0; n < 40; n++) rows.push([syntheticCpr('150380', 1, n).replace('-', ''), 8_000_000_001 + n * 12_345])
    const persons = findCprInTable(tableOf(rows), NOW).filter(({ counts }) => counts)
    assert.equal(new Set(persons.map(({ digest }) => digest)).size, 40)
  })

  it('an empty table has none', () => assert.deepEqual(found([]), []))
})
