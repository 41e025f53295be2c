import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../../lib/package-root'
import { CPR, openAll, OTHER, placesOf } from './office-helpers'

/** Written by LibreOffice 7.4: the same paragraph and table in each format. */
const file = (name: string) => readFileSync(path.join(packageRoot(), 'test/fixtures/office', name))

describe('office: files that LibreOffice wrote', () => {
  const rows: readonly (readonly [name: string, number: string, places: readonly string[]])[] = [
    ['libreoffice.docx', CPR, ['file > word/document.xml', 'file > word/document.xml']],
    ['libreoffice.docx', OTHER, ['file > word/document.xml']],
    ['libreoffice.xlsx', CPR, ['file > Ark1!A3', 'file > Ark2!B3']],
    ['libreoffice.xlsx', OTHER, ['file > Ark2!B2']],
    ['libreoffice.odt', CPR, ['file > content.xml', 'file > content.xml']],
    ['libreoffice.odt', OTHER, ['file > content.xml']],
    ['libreoffice.ods', CPR, ['file > Ark1!A3', 'file > Ark2!B3']],
    ['libreoffice.ods', OTHER, ['file > Ark2!B2']],
    ['libreoffice.pptx', CPR, ['file > ppt/slides/slide1.xml']],
    ['libreoffice.odp', CPR, ['file > content.xml']],
  ]
  for (const [name, number, places] of rows) {
    it(`${name}: ${number === CPR ? 'text' : 'number that lost its zero'}`, async () => {
      const found = await openAll(file(name))
      assert.deepEqual(found.uninspected, [])
      assert.deepEqual(placesOf(found, number), places)
    })
  }
})
