import assert from 'node:assert/strict'
import { readZip } from '../../../lib/message/files/zip'
import {
  docx,
  docxBody,
  NAMESPACES,
  ooxmlPackage,
  pptx,
  presentation,
  relsMember,
  xmlMember,
} from '../../corpus/formats/office'
import { writeZip, type ZipEntry } from '../../corpus/formats/zip-writer'
import { anyNumber, CPR, openAll, OTHER, outcomeOf, placesOf, readWith, reasonsOf } from './office-helpers'

const W = `xmlns:w="${NAMESPACES.w}"`
const ROOT = `xmlns:w="${NAMESPACES.w}" xmlns:mc="${NAMESPACES.mc}" xmlns:r="${NAMESPACES.r}"`
const p = (inner: string) => `<w:p>${inner}</w:p>`
const r = (text: string, properties = '') =>
  `<w:r>${properties === '' ? '' : `<w:rPr>${properties}</w:rPr>`}<w:t xml:space="preserve">${text}</w:t></w:r>`
const member = (name: string, root: string, inner: string): ZipEntry =>
  xmlMember(name, `<w:${root} ${ROOT}>${inner}</w:${root}>`)
const word = (inner: string, members: ZipEntry[] = []) => docxBody(inner, members)
const png = (size: number) =>
  Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    Buffer.alloc(Math.max(0, size - 16), 0x11),
    Buffer.from('49454e44ae426082', 'hex'),
  ])

describe('ooxml: documents', () => {
  /** The places of reference 8.4 that libraries miss, and more of their kind. */
  const places: readonly (readonly [name: string, file: Buffer])[] = [
    ['body', docx({ text: `CPR: ${CPR}` })],
    ['number cut into runs', word(p(r('2110') + r('62-56') + r('29')))],
    ['run cut by marks of the spelling check', word(p(`${r('2110')}<w:proofErr w:type="spellStart"/>${r('62-5629')}`))],
    [
      'table cell',
      docx({
        tables: [
          [
            ['Navn', 'CPR'],
            ['Ole', CPR],
          ],
        ],
      }),
    ],
    ['date and serial in two cells', docx({ tables: [[['211062', '5629']]] })],
    ['tracked deletion', word(p(`<w:del><w:r><w:delText>${CPR}</w:delText></w:r></w:del>`))],
    ['moved text', word(p(`<w:moveFrom>${r(CPR)}</w:moveFrom>`))],
    ['hidden text', word(p(r(CPR, '<w:vanish/>')))],
    ['text box', word(p(`<w:r><w:pict><w:txbxContent>${p(r(CPR))}</w:txbxContent></w:pict></w:r>`))],
    ['code of a field', word(p(`<w:r><w:instrText> HYPERLINK "mailto:${CPR}" </w:instrText></w:r>`))],
    ['simple field', word(`<w:p><w:fldSimple w:instr="QUOTE ${CPR}"/></w:p>`)],
    [
      'comment',
      word(p(r('Hej')), [member('word/comments.xml', 'comments', `<w:comment w:id="0">${p(r(CPR))}</w:comment>`)]),
    ],
    [
      'footnote',
      word(p(r('Hej')), [member('word/footnotes.xml', 'footnotes', `<w:footnote>${p(r(CPR))}</w:footnote>`)]),
    ],
    ['endnote', word(p(r('Hej')), [member('word/endnotes.xml', 'endnotes', `<w:endnote>${p(r(CPR))}</w:endnote>`)])],
    ['header', word(p(r('Hej')), [member('word/header1.xml', 'hdr', p(r(CPR)))])],
    ['footer', word(p(r('Hej')), [member('word/footer2.xml', 'ftr', p(r(CPR)))])],
    ['building blocks', word(p(r('Hej')), [member('word/glossary/document.xml', 'glossaryDocument', p(r(CPR)))])],
    [
      'alternative text of a picture',
      word(p(`<w:r><w:drawing><docPr xmlns="x" id="1" name="Billede 1" descr="${CPR}"/></w:drawing></w:r>`)),
    ],
    ['name of a bookmark', word(`<w:p><w:bookmarkStart w:id="0" w:name="p${CPR}"/></w:p>`)],
    [
      'title of a content control',
      word(`<w:sdt><w:sdtPr><w:alias w:val="${CPR}"/></w:sdtPr><w:sdtContent>${p(r('x'))}</w:sdtContent></w:sdt>`),
    ],
    [
      'choice of a list',
      word(
        `<w:sdt><w:sdtPr><w:dropDownList><w:listItem w:displayText="${CPR}" w:value="1"/></w:dropDownList></w:sdtPr></w:sdt>`,
      ),
    ],
    [
      'document variable',
      word(p(r('Hej')), [
        member('word/settings.xml', 'settings', `<w:docVars><w:docVar w:name="x" w:val="${CPR}"/></w:docVars>`),
      ]),
    ],
    [
      'target of a link',
      word(p(r('Hej')), [relsMember('word/document.xml', [['hyperlink', `https://example.org/?cpr=${CPR}`]])]),
    ],
    ['custom XML', word(p(r('Hej')), [{ name: 'customXml/item1.xml', data: `<root><cpr>${CPR}</cpr></root>` }])],
    ['custom XML attribute', word(p(r('Hej')), [{ name: 'customXml/item1.xml', data: `<root cpr="${CPR}"/>` }])],
    ['comment of XML', word(`${p(r('Hej'))}<!-- ${CPR} -->`)],
    ['processing instruction', word(`${p(r('Hej'))}<?x ${CPR}?>`)],
    ['character data', word(p(`<w:r><w:t><![CDATA[${CPR}]]></w:t></w:r>`))],
    ['character references', word(p(r('&#50;1106&#x32;-5629')))],
    [
      'prefix of another name',
      docxBody(`<x:p xmlns:x="${NAMESPACES.w}"><x:r><x:t>2110</x:t></x:r><x:r><x:t>62-5629</x:t></x:r></x:p>`),
    ],
    ['default namespace', docxBody(`<p xmlns="${NAMESPACES.w}"><r><t>2110</t></r><r><t>62-5629</t></r></p>`)],
    ['non-breaking hyphen', word(p('<w:r><w:t>211062</w:t><w:noBreakHyphen/><w:t>5629</w:t></w:r>'))],
    ['soft hyphen', word(p('<w:r><w:t>2110</w:t><w:softHyphen/><w:t>62-5629</w:t></w:r>'))],
    ['tab', word(p('<w:r><w:t>211062</w:t><w:tab/><w:t>5629</w:t></w:r>'))],
    ['line break', word(p('<w:r><w:t>211062</w:t><w:br/><w:t>5629</w:t></w:r>'))],
    ['symbol font', word(p('<w:r><w:t>211062</w:t><w:sym w:font="Symbol" w:char="F02D"/><w:t>5629</w:t></w:r>'))],
    [
      'deleted characters inside',
      word(p(`${r('2110')}<w:del><w:r><w:delText>99</w:delText></w:r></w:del>${r('62-5629')}`)),
    ],
    ['inserted characters inside', word(p(`${r('2110')}<w:ins>${r('99')}</w:ins>${r('62-5629')}`))],
    ['hidden characters inside', word(p(r('2110') + r('99', '<w:vanish/>') + r('62-5629')))],
    [
      'characters of a hidden style inside',
      word(p(r('2110') + r('99', '<w:rStyle w:val="Usynlig"/>') + r('62-5629')), [
        member(
          'word/styles.xml',
          'styles',
          '<w:style w:type="character" w:styleId="Usynlig"><w:rPr><w:vanish/></w:rPr></w:style>',
        ),
      ]),
    ],
    ['vanish that is off', word(p(r('2110', '<w:vanish w:val="0"/>') + r('62-5629')))],
    [
      'deleted end of a paragraph',
      word(`<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr>${r('2110')}</w:p>${p(r('62-5629'))}`),
    ],
    [
      'text box inside',
      word(p(`${r('2110')}<w:r><w:pict><w:txbxContent>${p(r('boks'))}</w:txbxContent></w:pict></w:r>${r('62-5629')}`)),
    ],
    ['blanks that are dropped', word(p('<w:r><w:t>2110 </w:t></w:r><w:r><w:t> 62-5629</w:t></w:r>'))],
    [
      'fallback',
      word(
        p(
          `${r('2110')}<mc:AlternateContent><mc:Choice Requires="q">${r('x')}</mc:Choice><mc:Fallback>${r('62-5629')}</mc:Fallback></mc:AlternateContent>`,
        ),
      ),
    ],
    [
      'phonetic guide inside',
      word(
        p(
          `${r('2110')}<w:r><w:ruby><w:rt>${r('99')}</w:rt><w:rubyBase>${r('62')}</w:rubyBase></w:ruby></w:r>${r('-5629')}`,
        ),
      ),
    ],
    [
      'equation',
      word(
        p(
          `<m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><m:r><m:t>2110</m:t></m:r><m:r><m:t>62-5629</m:t></m:r></m:oMath>`,
        ),
      ),
    ],
    ['watermark', word(`<w:p><w:r><w:pict><v:shape><v:textpath string="${CPR}"/></v:shape></w:pict></w:r></w:p>`)],
    ['full-width digits', word(p(r('\uff12\uff11\uff11\uff10\uff16\uff12-5629')))],
    ['number of ten digits', word(p(r('CPR 2110625629')))],
    [
      'XML in UTF-16',
      docxBody('', [
        {
          name: 'word/header1.xml',
          data: Buffer.from(`\ufeff<?xml version="1.0" encoding="UTF-16"?><w:hdr ${W}>${p(r(CPR))}</w:hdr>`, 'utf16le'),
        },
      ]),
    ],
    [
      'XML in UTF-16, big-endian',
      docxBody('', [
        {
          name: 'word/header1.xml',
          data: Buffer.from(`\ufeff<?xml version="1.0"?><w:hdr ${W}>${p(r(CPR))}</w:hdr>`, 'utf16le').swap16(),
        },
      ]),
    ],
    ['title', word('', [core(`<dc:title>${CPR}</dc:title>`)])],
    ['custom property', word('', [custom(`<property name="x"><vt:lpwstr>${CPR}</vt:lpwstr></property>`)])],
    [
      'escaped characters of a custom property',
      word('', [custom('<property name="x"><vt:lpwstr>2110_x0036_2-5629</vt:lpwstr></property>')]),
    ],
    ['name of a member', word('', [{ name: `word/media/${CPR}.xml`, data: '<a/>' }])],
    [
      'chart',
      word('', [
        xmlMember(
          'word/charts/chart1.xml',
          chart(`<c:cat><c:strRef><c:strCache><c:pt idx="0"><c:v>${CPR}</c:v></c:pt></c:strCache></c:strRef></c:cat>`),
        ),
      ]),
    ],
    [
      'chart that lost the zero',
      word('', [
        xmlMember(
          'word/charts/chart1.xml',
          chart(
            '<c:val><c:numRef><c:numCache><c:formatCode>000000-0000</c:formatCode><c:pt idx="0"><c:v>707614285</c:v></c:pt></c:numCache></c:numRef></c:val>',
          ),
        ),
      ]),
    ],
    ['embedded document', word('', [{ name: 'word/embeddings/oleObject1.bin', data: docx({ text: CPR }) }])],
    ['altChunk', word('', [{ name: 'word/afchunk.htm', data: `<html><body>2110<b>62</b>-5629</body></html>` }])],
    [
      'diagram',
      word('', [
        xmlMember(
          'word/diagrams/data1.xml',
          `<d:dataModel xmlns:d="x" xmlns:a="${NAMESPACES.a}"><d:t><a:p><a:r><a:t>2110</a:t></a:r><a:r><a:t>62-5629</a:t></a:r></a:p></d:t></d:dataModel>`,
        ),
      ]),
    ],
    [
      'drawing in SVG',
      word('', [
        {
          name: 'word/media/image1.svg',
          data: '<svg xmlns="http://www.w3.org/2000/svg"><text>2110<tspan>62</tspan>-5629</text></svg>',
        },
      ]),
    ],
    [
      'VML that is not closed',
      word('', [
        {
          name: 'word/drawings/vmlDrawing1.vml',
          data: `<xml xmlns:v="${NAMESPACES.v}"><v:textbox><div>a<br>${CPR}</div></v:textbox></xml>`,
        },
      ]),
    ],
    ['comment of the archive', rezipped(docx({ text: 'Hej' }), { comment: CPR })],
    [
      'macro document',
      ooxmlPackage('word/document.xml', 'application/vnd.ms-word.document.macroEnabled.main+xml', [
        member('word/document.xml', 'document', `<w:body>${p(r(CPR))}</w:body>`),
      ]),
    ],
    ['strict form', strict(p(r('2110') + r('62-5629')))],
  ]
  for (const [name, file] of places) {
    it(`finds a number in: ${name}`, async () => {
      const found = await openAll(file)
      const number = name === 'chart that lost the zero' ? OTHER : CPR
      assert.notDeepEqual(placesOf(found, number), [])
    })
  }

  it('reads plain documents to their end, with nothing found', async () => {
    for (const file of [
      docx({
        text: 'Kære alle\n\nMødet er den 3. marts i lokale 1.123.',
        tables: [
          [
            ['Navn', 'Lokale'],
            ['Ole', '1.234'],
          ],
        ],
      }),
      pptx({
        text: 'Velkommen\nDagsorden',
        tables: [
          [
            ['Uge', 'Emne'],
            ['7', 'Intro'],
          ],
        ],
      }),
    ]) {
      const found = await openAll(file)
      assert.deepEqual(found.uninspected, [])
      assert.equal(anyNumber(found), false)
    }
  })

  it('writes rows of tables as lines with tabs, and paragraphs as lines', async () => {
    const reading = await readWith(
      readZip,
      docx({
        text: 'En\nTo',
        tables: [
          [
            ['Navn', 'CPR'],
            ['Ole', '1'],
          ],
        ],
      }),
    )
    const text = reading.texts.find(({ where }) => where === 'file > word/document.xml')?.text
    assert.equal(text, 'En\nTo\nNavn\tCPR\nOle\t1')
  })

  it('writes rows of tables on slides in the same way', async () => {
    const tables = [
      [
        ['Navn', 'CPR'],
        ['Ole', '1'],
      ],
    ]
    const reading = await readWith(readZip, pptx({ tables }))
    assert.ok(reading.texts.some(({ text }) => text === 'Navn\tCPR\nOle\t1'))
  })

  it('keeps columns apart where a cell spans several', async () => {
    const cell = (text: string, span = 1) => `<w:tc><w:tcPr><w:gridSpan w:val="${span}"/></w:tcPr>${p(r(text))}</w:tc>`
    const table = `<w:tbl><w:tr>${cell('A', 2)}${cell('B')}</w:tr><w:tr>${cell('1')}${cell('2')}${cell('3')}</w:tr></w:tbl>`
    const reading = await readWith(readZip, word(table))
    assert.ok(reading.texts.some(({ text }) => text === 'A\t\tB\n1\t2\t3'))
  })

  it('does not join digits of different paragraphs, attributes or values', async () => {
    const file = word(
      p(r('211062 kr.')) + p(r('5629 kr.')) + `<w:p><w:pPr><w:ind w:left="211062" w:right="5629"/></w:pPr></w:p>`,
      [{ name: 'word/x.xml', data: '<a><b>211062</b><c>5629</c></a>' }],
    )
    assert.deepEqual(placesOf(await openAll(file)), [])
  })

  it('does not take the lines of a drawing for numbers, but reads a number in their place', async () => {
    const drawing = (d: string) =>
      word('', [{ name: 'word/media/a.svg', data: `<svg xmlns="http://www.w3.org/2000/svg"><path d="${d}"/></svg>` }])
    assert.equal(anyNumber(await openAll(drawing('M0 0c2-1,4.3-1.6,5-3.8 211062-5629 12'))), false)
    assert.notDeepEqual(placesOf(await openAll(drawing(CPR))), [])
  })

  it('leaves out numbers that programs draw by chance, and nothing else', async () => {
    const drawn = word(`<w:sdt><w:sdtPr><w:id w:val="2110625629"/></w:sdtPr></w:sdt>`)
    assert.deepEqual(placesOf(await openAll(drawn)), [])
    const written = word(`<w:sdt><w:sdtPr><w:id w:val="211062-5629"/></w:sdtPr></w:sdt>`)
    assert.notDeepEqual(placesOf(await openAll(written)), [])
  })
})

describe('ooxml: refusals', () => {
  const SVG = '<svg xmlns="http://www.w3.org/2000/svg">'
  const rows: readonly (readonly [name: string, file: Buffer, reason: RegExp])[] = [
    [
      'document type',
      word('', [{ name: 'word/x.xml', data: '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>' }]),
      /document type/,
    ],
    ['entity', word('', [{ name: 'word/x.xml', data: '<a>&nbsp;</a>' }]), /reference/],
    ['broken XML', word('', [{ name: 'word/x.xml', data: '<a><b></a></b>' }]), /tags/],
    ['XML that is cut off', word('', [{ name: 'word/x.xml', data: '<a><b>' }]), /ends in the middle/],
    ['two roots', word('', [{ name: 'word/x.xml', data: '<a/><b/>' }]), /more than one/],
    ['prefix that is not declared', word('', [{ name: 'word/x.xml', data: '<q:a/>' }]), /prefix/],
    [
      'other encoding',
      word('', [{ name: 'word/x.xml', data: '<?xml version="1.0" encoding="ISO-8859-1"?><a/>' }]),
      /encoding/,
    ],
    ['UTF-7', word('', [{ name: 'word/x.xml', data: '<?xml version="1.0" encoding="UTF-7"?><a/>' }]), /encoding/],
    [
      'UTF-8 that is not valid',
      word('', [{ name: 'word/x.xml', data: Buffer.from('<a>\xff</a>', 'latin1') }]),
      /UTF-8/,
    ],
    ['attribute twice', word('', [{ name: 'word/x.xml', data: '<a b="1" b="2"/>' }]), /twice/],
    ['control character', word('', [{ name: 'word/x.xml', data: '<a>\u0001</a>' }]), /control/],
    ['large picture', word('', [{ name: 'word/media/image1.png', data: png(70_000) }]), /64 KiB/],
    [
      'something behind a picture',
      word('', [{ name: 'word/media/image1.png', data: Buffer.concat([png(100), Buffer.from('x')]) }]),
      /bytes follow/,
    ],
    [
      'large drawing',
      word('', [{ name: 'word/media/image1.svg', data: `${SVG}${'<g></g>'.repeat(10_000)}</svg>` }]),
      /64 KiB/,
    ],
    ['unknown binary', word('', [{ name: 'word/x.bin', data: Buffer.from([1, 2, 3, 4, 0, 5]) }]), /not known/],
    ['font', word('', [{ name: 'word/fonts/font1.odttf', data: Buffer.from([9, 8, 0, 7, 1, 3, 2]) }]), /not known/],
    [
      'metafile',
      word('', [
        {
          name: 'word/media/image1.emf',
          data: Buffer.concat([Buffer.from('0100000088000000', 'hex'), Buffer.alloc(200)]),
        },
      ]),
      /./,
    ],
    [
      'encoded file in a text',
      word('', [{ name: 'customXml/item1.xml', data: `<a>${'QUJD'.repeat(80)}</a>` }]),
      /encoded block/,
    ],
    [
      'binary workbook',
      ooxmlPackage('xl/workbook.bin', 'application/vnd.ms-excel.sheet.binary.macroEnabled.main', [
        { name: 'xl/workbook.bin', data: Buffer.from([131, 1, 0, 0]) },
      ]),
      /this kind is not read/,
    ],
    [
      'XPS',
      writeZip([
        xmlMember(
          '[Content_Types].xml',
          '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        ),
        relsMember('', [['http://schemas.microsoft.com/xps/2005/06/fixedrepresentation', 'a.fdseq']]),
        { name: 'a.fdseq', data: '<FixedDocumentSequence xmlns="http://schemas.microsoft.com/xps/2005/06"/>' },
      ]),
      /this kind is not read/,
    ],
    [
      'drawing of Visio',
      ooxmlPackage('visio/document.xml', 'application/vnd.ms-visio.drawing.main+xml', [
        xmlMember('visio/document.xml', '<VisioDocument xmlns="http://schemas.microsoft.com/office/visio/2012/main"/>'),
      ]),
      /this kind is not read/,
    ],
    [
      'no relationships',
      writeZip([
        xmlMember(
          '[Content_Types].xml',
          '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        ),
        member('word/document.xml', 'document', '<w:body/>'),
      ]),
      /this kind is not read/,
    ],
    ['main part that is not there', ooxmlPackage('word/document.xml', 'x', []), /this kind is not read/],
    ['same member in other case', word('', [member('word/DOCUMENT.xml', 'document', '<w:body/>')]), /same name/],
    ['two kinds of document', word('', [{ name: 'META-INF/manifest.xml', data: '<a/>' }]), /two kinds/],
    [
      'broken file in an attribute',
      word('<w:p><w:r><w:pict><v:shape xmlns:o="o" o:gfxdata="!!!!"/></w:pict></w:r></w:p>'),
      /attribute is broken/,
    ],
  ]
  for (const [name, file, reason] of rows) {
    it(`refuses: ${name}`, async () => {
      const found = await openAll(file)
      assert.match(reasonsOf(found).join('; '), reason)
    })
  }

  it('finds a number beside what it refuses', async () => {
    const found = await openAll(word(p(r(CPR)), [{ name: 'word/x.xml', data: `<!DOCTYPE a><a>${OTHER}</a>` }]))
    assert.notDeepEqual(placesOf(found), [])
    assert.notDeepEqual(placesOf(found, OTHER), [])
  })

  it('lets small pictures pass, and settings of printers, but reads the text in them', async () => {
    const devmode = Buffer.alloc(220)
    devmode.write('Printer', 0, 'utf16le')
    devmode.writeUInt16LE(0x0401, 64)
    devmode.writeUInt16LE(220, 68)
    const small = word('', [
      { name: 'word/media/image1.png', data: png(5000) },
      { name: 'docProps/thumbnail.png', data: png(900) },
      { name: 'xl/printerSettings/printerSettings1.bin', data: devmode },
    ])
    assert.deepEqual((await openAll(small)).uninspected, [])
    devmode.write(CPR, 80, 'utf16le')
    const found = await openAll(word('', [{ name: 'xl/printerSettings/printerSettings1.bin', data: devmode }]))
    assert.notDeepEqual(placesOf(found), [])
    devmode.writeUInt16LE(219, 68)
    const wrong = await openAll(word('', [{ name: 'xl/printerSettings/printerSettings1.bin', data: devmode }]))
    assert.equal(wrong.uninspected.length, 1)
  })

  it('says that the rest is uninspected when the budget is spent', async () => {
    const { countingBudget, fileOf } = await import('./office-helpers.js')
    const file = fileOf(docx({ text: CPR }))
    for (const limits of [{ parts: 1 }, { bytes: 100 }, { times: 0 }]) {
      const reading = readZip(file, countingBudget(limits).budget)
      assert.notEqual(reading?.uninspected.length ?? 0, 0)
    }
  })
})

describe('ooxml: presentations', () => {
  const text = (inner: string) => `<p:txBody><a:p>${inner}</a:p></p:txBody>`
  const run = (t: string) => `<a:r><a:t>${t}</a:t></a:r>`
  const S = (['p', 'a', 'r'] as const).map((prefix) => ` xmlns:${prefix}="${NAMESPACES[prefix]}"`).join('')
  const rows: readonly (readonly [name: string, file: Buffer])[] = [
    ['slide', pptx({ text: `CPR ${CPR}` })],
    ['runs', presentation([`<p:sp>${text(run('2110') + run('62-5629'))}</p:sp>`])],
    ['field', presentation([`<p:sp>${text(`<a:fld><a:t>2110</a:t></a:fld>${run('62-5629')}`)}</p:sp>`])],
    [
      'table',
      pptx({
        tables: [
          [
            ['Navn', 'CPR'],
            ['Ole', CPR],
          ],
        ],
      }),
    ],
    ['date and serial in two cells', pptx({ tables: [[['211062', '5629']]] })],
    [
      'notes',
      presentation(
        [],
        [xmlMember('ppt/notesSlides/notesSlide1.xml', `<p:notes${S}><p:sp>${text(run(CPR))}</p:sp></p:notes>`)],
      ),
    ],
    [
      'comment',
      presentation(
        [],
        [xmlMember('ppt/comments/comment1.xml', `<p:cmLst${S}><p:cm><p:text>${CPR}</p:text></p:cm></p:cmLst>`)],
      ),
    ],
    [
      'tag',
      presentation([], [xmlMember('ppt/tags/tag1.xml', `<p:tagLst${S}><p:tag name="X" val="${CPR}"/></p:tagLst>`)]),
    ],
    ['name of a shape', presentation([`<p:sp><p:nvSpPr><p:cNvPr id="1" name="${CPR}"/></p:nvSpPr></p:sp>`])],
    [
      'master',
      presentation(
        [],
        [
          xmlMember(
            'ppt/slideMasters/slideMaster1.xml',
            `<p:sldMaster${S}><p:sp>${text(run(CPR))}</p:sp></p:sldMaster>`,
          ),
        ],
      ),
    ],
  ]
  for (const [name, file] of rows) {
    it(`finds a number in: ${name}`, async () => assert.notDeepEqual(placesOf(await openAll(file)), []))
  }

  it('does not take the marks of slides for numbers', async () => {
    const mark = (n: number) =>
      `<p:extLst><p:ext><p14:creationId xmlns:p14="http://schemas.microsoft.com/office/powerpoint/2010/main" val="${n}"/></p:ext></p:extLst>`
    assert.equal(anyNumber(await openAll(presentation([mark(2110625629), mark(707614285)]))), false)
  })
})

describe('ooxml: properties', () => {
  it('tells core, application and custom properties, and labels by their keys', async () => {
    const GUID = '11111111-2222-3333-4444-555555555555'
    const TENANT = '99999999-8888-7777-6666-555555555555'
    const other = '00000000-2222-3333-4444-555555555555'
    const file = word('', [
      core('<cp:keywords>fortrolig</cp:keywords><dc:subject>Emne</dc:subject>'),
      xmlMember(
        'docProps/app.xml',
        '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"><Company>AAU</Company></Properties>',
      ),
      custom(
        `<property name="MSIP_Label_${GUID}_Enabled"><vt:lpwstr>true</vt:lpwstr></property>` +
          `<property name="MSIP_Label_${other}_Enabled"><vt:lpwstr>true</vt:lpwstr></property>` +
          '<property name="Sensitivity"><vt:lpwstr>Internal</vt:lpwstr></property>',
      ),
      xmlMember(
        'docMetadata/LabelInfo.xml',
        `<clbl:labelList xmlns:clbl="http://schemas.microsoft.com/office/2020/mipLabelMetadata"><clbl:label id="{${GUID}}" enabled="1" method="Privileged" siteId="{${TENANT}}" contentBits="0" removed="1"/></clbl:labelList>`,
      ),
    ])
    const { properties } = await readWith(readZip, file)
    const told = properties.map(({ where, key, value }) => `${where.replace('file > ', '')}: ${key}=${value}`)
    assert.deepEqual(told, [
      'docProps/core.xml: Keywords=fortrolig',
      'docProps/core.xml: Subject=Emne',
      'docProps/app.xml: Company=AAU',
      // LabelInfo speaks for its labels alone (MS-OFFCRYPTO section 2.6.4), the custom properties for the others
      `docProps/custom.xml: MSIP_Label_${other}_Enabled=true`,
      'docProps/custom.xml: Sensitivity=Internal',
      `docMetadata/LabelInfo.xml (label): MSIP_Label_${GUID}_Enabled=false`,
      `docMetadata/LabelInfo.xml (label): MSIP_Label_${GUID}_SiteId=${TENANT}`,
      `docMetadata/LabelInfo.xml (label): MSIP_Label_${GUID}_Method=Privileged`,
      `docMetadata/LabelInfo.xml (label): MSIP_Label_${GUID}_ContentBits=0`,
    ])
  })
})

describe('ooxml: outcome of what is hidden', () => {
  it('knows no clean file with a number in it', async () => {
    for (const name of [
      'word/x.bin',
      'word/x.xml',
      'customXml/x',
      'x',
      'word/media/x.txt',
      '_rels/x.rels',
      'docProps/x.jpeg',
    ]) {
      for (const data of [CPR, `<a>${CPR}</a>`, `{"a":"${CPR}"}`, `\0${CPR}`, `<?xml version="1.0"?><a b='${CPR}'/>`]) {
        const outcome = outcomeOf(await openAll(word('', [{ name, data }])))
        assert.ok(outcome === 'found' || outcome === 'refused', `${name} ${data}: ${outcome}`)
      }
    }
  })
})

function core(inner: string): ZipEntry {
  return xmlMember(
    'docProps/core.xml',
    `<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/">${inner}</cp:coreProperties>`,
  )
}

function custom(inner: string): ZipEntry {
  return xmlMember(
    'docProps/custom.xml',
    `<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/custom-properties" xmlns:vt="http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes">${inner}</Properties>`,
  )
}

function chart(inner: string): string {
  return `<c:chartSpace xmlns:c="${NAMESPACES.c}" xmlns:a="${NAMESPACES.a}"><c:chart><c:ser>${inner}</c:ser></c:chart></c:chartSpace>`
}

/** ISO/IEC 29500 strict: other namespaces and relationship types. */
function strict(inner: string): Buffer {
  const S = 'http://purl.oclc.org/ooxml'
  return writeZip([
    xmlMember('[Content_Types].xml', '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'),
    relsMember('', [[`${S}/officeDocument/relationships/officeDocument`, 'word/document.xml']]),
    xmlMember(
      'word/document.xml',
      `<w:document xmlns:w="${S}/wordprocessingml/main"><w:body>${inner}</w:body></w:document>`,
    ),
  ])
}

/** The same bytes with a comment of the archive behind them. */
function rezipped(file: Buffer, { comment }: { comment: string }): Buffer {
  const bytes = Buffer.concat([file, Buffer.from(comment)])
  bytes.writeUInt16LE(comment.length, file.length - 2)
  return bytes
}
