import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { readGzip } from '../../../lib/message/files/gzip'
import { readFlatOdf } from '../../../lib/message/files/odf'
import { readTar } from '../../../lib/message/files/tar'
import { packageRoot } from '../../../lib/package-root'
import { readZip } from '../../../lib/message/files/zip'
import {
  docx,
  docxBody,
  flatOdf,
  odfPackage,
  ods,
  odt,
  pptx,
  tarGz,
  workbook,
  xlsx,
  zip,
} from '../../corpus/formats/office'
import { writeTar } from '../../corpus/formats/tar-writer'
import { countingBudget, CPR, fileOf, openAll, outcomeOf, placesOf } from './office-helpers'

const table = [
  ['Navn', 'CPR'],
  ['Ole', CPR],
]
const text = `Kære Ole\n\nDit CPR-nummer er ${CPR}, og eksamen er den 3. juni.`
const FORMATS: Record<string, Buffer> = {
  docx: docx({ text }),
  xlsx: xlsx({ tables: [table] }),
  pptx: pptx({ text }),
  odt: odt({ text }),
  ods: ods({ tables: [table] }),
  zip: zip([
    { name: 'a.txt', bytes: Buffer.from(text) },
    { name: 'b.txt', bytes: Buffer.from('hej') },
  ]),
  'tar.gz': tarGz([{ name: 'a.txt', bytes: Buffer.from(text) }]),
  'docx in zip': zip([{ name: 'a.docx', bytes: docx({ text }) }]),
}

/** Written by LibreOffice. */
for (const kind of ['docx', 'xlsx', 'pptx', 'odt', 'ods', 'odp']) {
  const name = `libreoffice.${kind}`
  FORMATS[name] = readFileSync(path.join(packageRoot(), 'test/fixtures/office', name))
}

/** One change of some bytes. */
type Change =
  | { kind: 'set'; at: number; byte: number }
  | { kind: 'cut'; at: number; length: number }
  | { kind: 'insert'; at: number; bytes: Uint8Array }
  | { kind: 'copy'; at: number; from: number; length: number }

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: place, byte: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: place, length: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
  fc.record({ kind: fc.constant('copy' as const), at: place, from: place, length: fc.integer({ min: 1, max: 60 }) }),
)

/** @param change places from 0 to 1 */
function changed(bytes: Buffer, one: Change): Buffer {
  const at = Math.floor(one.at * bytes.length)
  switch (one.kind) {
    case 'set': {
      const copy = Buffer.from(bytes)
      copy[at] = one.byte
      return copy
    }
    case 'cut':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + one.length)])
    case 'insert':
      return Buffer.concat([bytes.subarray(0, at), one.bytes, bytes.subarray(at)])
    case 'copy': {
      const copy = Buffer.from(bytes)
      const from = Math.floor(one.from * bytes.length)
      bytes.copy(copy, at, from, from + one.length)
      return copy
    }
  }
}

describe('fuzz: office documents and archives', () => {
  for (const [name, bytes] of Object.entries(FORMATS)) {
    it(`a changed ${name} is never clean`, async () => {
      assert.equal(outcomeOf(await openAll(bytes)), 'found')
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
          const outcome = outcomeOf(await openAll(changes.reduce(changed, bytes)))
          assert.ok(outcome === 'found' || outcome === 'refused', outcome)
        }),
        { numRuns: 120 },
      )
    })
  }

  /** The same with members whose checksums are right: only the XML is changed, around the number. */
  const around: readonly (readonly [name: string, xml: string, wrap: (xml: string) => Buffer])[] = [
    [
      'docx',
      `<w:p><w:pPr><w:spacing w:after="120"/></w:pPr><w:r><w:t>#</w:t></w:r><w:r><w:t>#</w:t></w:r></w:p>`,
      (xml) => docxBody(xml),
    ],
    [
      'odt',
      '<text:p text:style-name="P1">Nr. #<text:span text:style-name="T1">#</text:span> slut</text:p>',
      (xml) => odfPackage('text', `<office:text>${xml}</office:text>`),
    ],
    [
      'flat odt',
      '<text:p text:style-name="P1">Nr. #<text:span text:style-name="T1">#</text:span> slut</text:p>',
      (xml) => flatOdf('text', `<office:text>${xml}</office:text>`),
    ],
    [
      'xlsx',
      '<row r="1" spans="1:1"><c r="A1" t="inlineStr"><is><r><t>#</t></r><r><rPr><b/></rPr><t>#</t></r></is></c></row>',
      (xml) =>
        workbook([
          `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>${xml}</sheetData></worksheet>`,
        ]),
    ],
  ]
  for (const [name, xml, wrap] of around) {
    it(`changed XML around a number in ${name} is never clean`, async () => {
      const halves = [CPR.slice(0, 4), CPR.slice(4)]
      const filled = (pieces: readonly string[]) =>
        wrap(`${pieces[0] ?? ''}${halves[0]}${pieces[1] ?? ''}${halves[1]}${pieces[2] ?? ''}`)
      const pieces = xml.split('#')
      assert.equal(outcomeOf(await openAll(filled(pieces))), 'found')
      await fc.assert(
        fc.asyncProperty(
          fc.nat(2),
          place,
          fc.integer({ min: 0x20, max: 0x7e }),
          fc.nat(2),
          async (n, at, code, kind) => {
            const piece = pieces[n] ?? ''
            const index = Math.floor(at * piece.length)
            // a character beside the number, or between its halves, makes another text of it
            const one = kind === 0 ? '' : String.fromCharCode(code)
            const changedPiece = piece.slice(0, index) + one + piece.slice(kind === 2 ? index : index + 1)
            const shown = changedPiece.replace(/<[^<>]*>/g, '')
            const expected = piece.replace(/<[^<>]*>/g, '')
            fc.pre(shown === expected)
            const outcome = outcomeOf(await openAll(filled(pieces.map((other, m) => (m === n ? changedPiece : other)))))
            assert.ok(outcome === 'found' || outcome === 'refused', `${outcome}: ${changedPiece}`)
          },
        ),
        { numRuns: 200 },
      )
    })
  }

  it('bytes without any sense are refused or read, and nothing throws', () => {
    const heads = ['PK\x03\x04', 'PK\x05\x06', '\x1f\x8b\x08\0', '<?xml', '']
    fc.assert(
      fc.property(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 700 }), (head, rest) => {
        const file = fileOf(Buffer.concat([Buffer.from(head, 'latin1'), rest]))
        for (const reader of [readZip, readGzip, readTar, readFlatOdf]) reader(file, countingBudget().budget)
      }),
      { numRuns: 300 },
    )
  })

  it('a changed tar file is never clean, unless the number itself is changed', async () => {
    const bytes = writeTar([
      { name: 'a.txt', data: text },
      { name: 'b.txt', data: 'hej' },
    ])
    const from = bytes.indexOf(CPR) - 3
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), async (at, byte) => {
        fc.pre(at < from || at > from + CPR.length + 6)
        const outcome = outcomeOf(await openAll(changed(bytes, { kind: 'set', at: at / bytes.length, byte })))
        assert.ok(outcome === 'found' || outcome === 'refused', outcome)
      }),
      { numRuns: 200 },
    )
  })

  it('a number is found however it is cut into runs, and whatever stands between them', async () => {
    const between = fc.constantFrom(
      '',
      '<w:proofErr w:type="spellStart"/>',
      '<w:bookmarkStart w:id="1" w:name="x"/>',
      '<w:del><w:r><w:delText>1</w:delText></w:r></w:del>',
      '<w:r><w:rPr><w:vanish/></w:rPr><w:t>7</w:t></w:r>',
      '<w:r><w:pict><w:txbxContent><w:p><w:r><w:t>8</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>',
      '<!-- 1 -->',
      '<w:commentRangeStart w:id="0"/>',
      '<q:x xmlns:q="y"/>',
      '<w:r><w:softHyphen/></w:r>',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(between, { minLength: CPR.length, maxLength: CPR.length }), async (pieces) => {
        const runs = Array.from(CPR, (one, n) => `${n === 0 ? '' : (pieces[n] ?? '')}<w:r><w:t>${one}</w:t></w:r>`)
        assert.notDeepEqual(placesOf(await openAll(docxBody(`<w:p>${runs.join('')}</w:p>`))), [])
      }),
      { numRuns: 100 },
    )
  })
})
