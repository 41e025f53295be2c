import assert from 'node:assert/strict'
import { personRows, personRowsInText } from '../../lib/classify/person-rows'
import type { Table } from '../../lib/message/files/types'

function tableOf(rows: readonly (readonly string[])[]): Table {
  return {
    where: 'attachment x.xlsx > Ark1',
    cellName: (row, column) => `${row}/${column}`,
    cells: rows.flatMap((values, row) =>
      values.flatMap((text, column) => (text === '' ? [] : [{ row, column, text, numeric: false }])),
    ),
  }
}

const PEOPLE = ['Anna Hansen', 'Bo Larsen', 'Ida Sørensen']

describe('rows that name persons without a number', () => {
  const HEADS: [heads: string[], rows: number][] = [
    [['Navn', 'Karakter'], 3],
    [['Name', 'Grade'], 3],
    [['Fulde navn', 'Bemærkning', 'Løn'], 3],
    [['Fornavn', 'Efternavn', 'Fødselsdato'], 3],
    [['Studerende', 'Resultat'], 3],
    [['Medarbejder', 'Sygefravær (dage)'], 3],
    [['Navn', 'Hjemmeadresse'], 3],
    [['Full name', 'Date of birth'], 3],
    [['Applicant', 'Nationality'], 3],
    [['Navn', 'E-mailadresse'], 0],
    [['Navn', 'Telefon'], 0],
    [['Navn', 'Stilling'], 0],
    [['Kursusnavn', 'Karakter'], 0],
    [['Kursus navn', 'Karakter'], 0],
    [['Filnavn', 'Resultat'], 0],
    [['Firma navn', 'Adresse'], 0],
    [['Host name', 'IP address'], 0],
    [['Antal studerende', 'Karakter'], 0],
    [['Karakter', 'Antal'], 0],
  ]
  for (const [heads, rows] of HEADS) {
    it(`${heads.join(' | ')}: ${rows}`, () => {
      const body = PEOPLE.map((name) => heads.map((_, column) => (column === 0 ? name : '7')))
      assert.equal(personRows(tableOf([heads, ...body])), rows)
      for (const delimiter of ['\t', ';', '|', ',']) {
        assert.equal(personRowsInText([heads, ...body].map((row) => row.join(delimiter)).join('\n')), rows, delimiter)
      }
    })
  }

  it('rows without a name or without anything private do not count, nor do sums', () => {
    const rows = [
      ['Liste'],
      ['Navn', 'Karakter'],
      ['Anna Hansen', '7'],
      ['', '10'],
      ['Bo Larsen', ''],
      ['Gennemsnit', '8,5'],
      ['12', '7'],
    ]
    assert.equal(personRows(tableOf(rows)), 1)
  })
  it('each table of a text has its own heading', () => {
    const text =
      'Kære alle\n\nNavn;Løn\nAnna Hansen;1\nBo Larsen;2\n\nog desuden\n\nHold;Antal\nA;3\n\nNavn;Karakter\nIda Sørensen;7\n'
    assert.equal(personRowsInText(text), 3)
  })
  it('quotes around cells make no difference', () => {
    assert.equal(personRowsInText('"Navn","Karakter"\n"Hansen Anna","7"\n'), 1)
  })
  it('a sentence with these words is no table', () => {
    assert.equal(personRowsInText('Skriv dit navn, din karakter og din adresse på listen.\nTak, og god weekend.\n'), 0)
  })
})
