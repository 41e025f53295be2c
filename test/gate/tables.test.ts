import assert from 'node:assert/strict'
import type { RefusalCode } from '../../lib/gate/types'
import { odt, ods, xlsx, zip, type OfficeContent } from '../corpus/formats/office'
import { base64, codes, CPR, look, mail, multipart } from './support'

/** A mail that asks to go without TLS, with one attachment. */
function withAttachment(bytes: Buffer): Buffer {
  const [type, body] = multipart('mixed', [
    'Content-Type: text/plain\n\nHej\n',
    `Content-Type: application/octet-stream; name=liste\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment\n\n${base64(bytes)}`,
  ])
  return mail({ Subject: '[unsecure] [public] Liste', 'Content-Type': type }, body)
}

describe('gate: what stands in the cells of a spreadsheet', () => {
  const rows: readonly (readonly [name: string, content: OfficeContent, codes: readonly RefusalCode[]])[] = [
    [
      'nothing',
      {
        tables: [
          [
            ['Uge', 'Emne'],
            [7, 'Introduktion'],
          ],
        ],
      },
      [],
    ],
    [
      'a number',
      {
        tables: [
          [
            ['Navn', 'CPR'],
            ['Ole', CPR],
          ],
        ],
      },
      ['cpr'],
    ],
    ['a number that lost its zero', { tables: [[['CPR'], [707614285]]] }, ['cpr']],
    [
      'a diagnosis',
      {
        tables: [
          [
            ['Navn', 'Bemærkning'],
            ['Ole Hansen', 'Diagnose: depression, sygemeldt'],
          ],
        ],
      },
      ['sensitive'],
    ],
    ['an account', { tables: [[['IBAN'], ['DK50 0040 0440 1162 43']]] }, ['sensitive']],
    ['a class', { tables: [[['Klassifikation: Fortrolig'], ['x']]] }, ['contradicting-label', 'sensitive']],
  ]
  for (const [name, content, expected] of rows) {
    for (const [format, write] of [
      ['xlsx', xlsx],
      ['ods', ods],
    ] as const) {
      it(`${name} (${format})`, async () => assert.deepEqual(await codes(withAttachment(write(content))), expected))
    }
  }

  it('counts rows of persons once, in tables of spreadsheets, documents and CSV', async () => {
    const table = [
      ['Navn', 'Karakter'],
      ...Array.from({ length: 9 }, (_one, n) => [`Person Nummer${'abcdefghi'.charAt(n)}`, `${n}`]),
    ]
    const csv = Buffer.from(table.map((row) => row.join(';')).join('\n'))
    for (const bytes of [xlsx({ tables: [table] }), ods({ tables: [table] }), odt({ tables: [table] }), csv]) {
      for (const file of [bytes, zip([{ name: 'x', bytes }])]) {
        assert.equal((await look(withAttachment(file))).verdict.nameRows, 9)
      }
    }
  })
})
