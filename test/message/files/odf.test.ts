import assert from 'node:assert/strict'
import { readFlatOdf } from '../../../lib/message/files/odf'
import { readZip } from '../../../lib/message/files/zip'
import { flatOdf, odfPackage, odfRoot, ods, odt, xmlMember } from '../../corpus/formats/office'
import { writeZip } from '../../corpus/formats/zip-writer'
import {
  anyNumber,
  countingBudget,
  CPR,
  fileOf,
  openAll,
  OTHER,
  outcomeOf,
  placesOf,
  readWith,
  reasonsOf,
} from './office-helpers'

const text = (inner: string, before = '') => odfPackage('text', `<office:text>${inner}</office:text>`, { before })
const p = (inner: string) => `<text:p>${inner}</text:p>`
const cell = (value: string, inner: string, attributes = '') =>
  `<table:table-cell ${value} ${attributes}>${inner}</table:table-cell>`
const float = (value: string, shown: string, attributes = '') =>
  cell(`office:value-type="float" office:value="${value}"`, p(shown), attributes)
const sheet = (rows: string) =>
  odfPackage(
    'spreadsheet',
    `<office:spreadsheet><table:table table:name="Ark1">${rows}</table:table></office:spreadsheet>`,
  )
const row = (cells: string) => `<table:table-row>${cells}</table:table-row>`

describe('odf: places', () => {
  const changes = (inner: string) =>
    `<text:tracked-changes><text:changed-region xml:id="c1">${inner}</text:changed-region></text:tracked-changes>`
  const hiddenStyle =
    '<office:automatic-styles><style:style style:name="T9"><style:text-properties text:display="none"/></style:style></office:automatic-styles>'
  const places: readonly (readonly [name: string, file: Buffer, number?: string])[] = [
    ['paragraph', odt({ text: `CPR ${CPR}` })],
    ['heading', text('<text:h>2110<text:span>62</text:span>-5629</text:h>')],
    [
      'table',
      odt({
        tables: [
          [
            ['Navn', 'CPR'],
            ['Ole', CPR],
          ],
        ],
      }),
    ],
    ['date and serial in two cells', odt({ tables: [[['211062', '5629']]] })],
    ['blanks', text(p('211062<text:s text:c="2"/>5629'))],
    ['tab', text(p('211062<text:tab/>5629'))],
    ['line break', text(p('211062<text:line-break/>5629'))],
    ['link', text(p('2110<text:a xlink:href="x">62-56</text:a>29'))],
    ['mark in the middle', text(p('2110<text:bookmark text:name="x"/><text:soft-page-break/>62-5629'))],
    [
      'note',
      text(
        p(
          `Hej<text:note><text:note-citation>1</text:note-citation><text:note-body>${p(CPR)}</text:note-body></text:note>`,
        ),
      ),
    ],
    [
      'note in the middle of a number',
      text(p(`2110<text:note><text:note-body>${p('x')}</text:note-body></text:note>62-5629`)),
    ],
    ['annotation', text(p(`Hej<office:annotation><dc:creator>O</dc:creator>${p(CPR)}</office:annotation>`))],
    ['text box', text(p(`<draw:frame><draw:text-box>${p(CPR)}</draw:text-box></draw:frame>`))],
    ['deletion', text(changes(`<text:deletion>${p(CPR)}</text:deletion>`))],
    [
      'deletion in the middle of a number',
      text(
        `${changes(`<text:deletion>${p('62-')}</text:deletion>`)}${p('2110<text:change text:change-id="c1"/>5629')}`,
      ),
    ],
    [
      'insertion in the middle of a number',
      text(
        `${changes('<text:insertion/>')}${p('2110<text:change-start text:change-id="c1"/>99<text:change-end text:change-id="c1"/>62-5629')}`,
      ),
    ],
    [
      'hidden characters in the middle',
      text(p('2110<text:span text:style-name="T9">99</text:span>62-5629'), hiddenStyle),
    ],
    ['hidden text', text(p(`<text:hidden-text text:string-value="${CPR}"/>`))],
    ['condition', text(p(`<text:conditional-text text:string-value-if-true="${CPR}">x</text:conditional-text>`))],
    [
      'phonetic guide',
      text(p('2110<text:ruby><text:ruby-base>62</text:ruby-base><text:ruby-text>99</text:ruby-text></text:ruby>-5629')),
    ],
    ['alternative text', text(p(`<draw:frame><svg:desc>${CPR}</svg:desc></draw:frame>`))],
    ['name of a frame', text(p(`<draw:frame draw:name="${CPR}"/>`))],
    [
      'header',
      odfPackage('text', '<office:text/>', {
        members: [
          xmlMember(
            'styles.xml',
            odfRoot(
              'document-styles',
              `<office:master-styles><style:master-page><style:header>${p(CPR)}</style:header></style:master-page></office:master-styles>`,
            ),
          ),
        ],
      }),
    ],
    [
      'title',
      odfPackage('text', '<office:text/>', {
        members: [
          xmlMember('meta.xml', odfRoot('document-meta', `<office:meta><dc:title>${CPR}</dc:title></office:meta>`)),
        ],
      }),
    ],
    [
      'field of the user',
      odfPackage('text', '<office:text/>', {
        members: [
          xmlMember(
            'meta.xml',
            odfRoot(
              'document-meta',
              `<office:meta><meta:user-defined meta:name="x">${CPR}</meta:user-defined></office:meta>`,
            ),
          ),
        ],
      }),
    ],
    [
      'settings of the printer',
      odfPackage('text', '<office:text/>', {
        members: [
          xmlMember(
            'settings.xml',
            odfRoot(
              'document-settings',
              `<config:config-item config:name="PrinterSetup">${Buffer.from(`abc ${CPR}`).toString('base64')}</config:config-item>`,
            ),
          ),
        ],
      }),
    ],
    ['member beside the document', odfPackage('text', '<office:text/>', { members: [{ name: 'x.txt', data: CPR }] })],
    [
      'drawing in SVG',
      odfPackage('text', '<office:text/>', {
        members: [
          {
            name: 'Pictures/x.svg',
            data: '<svg xmlns="http://www.w3.org/2000/svg"><text>2110<tspan>62</tspan>-5629</text></svg>',
          },
        ],
      }),
    ],
    [
      'slide',
      odfPackage(
        'presentation',
        `<office:presentation><draw:page><draw:frame><draw:text-box>${p(CPR)}</draw:text-box></draw:frame><presentation:notes><draw:frame><draw:text-box>${p('x')}</draw:text-box></draw:frame></presentation:notes></draw:page></office:presentation>`,
      ),
    ],
    [
      'notes of a slide',
      odfPackage(
        'presentation',
        `<office:presentation><draw:page><presentation:notes><draw:frame><draw:text-box>${p('2110<text:span>62-5629</text:span>')}</draw:text-box></draw:frame></presentation:notes></draw:page></office:presentation>`,
      ),
    ],
    ['template', odfPackage('text-template', `<office:text>${p(CPR)}</office:text>`)],
    ['flat document', flatOdf('text', `<office:text>${p('2110<text:span>62</text:span>-5629')}</office:text>`)],
    ['cell', ods({ tables: [[['CPR'], [CPR]]] })],
    ['number that lost its zero', ods({ tables: [[['CPR'], [707614285]]] }), OTHER],
    ['number that is not shown', sheet(row(float('707614285', 'skjult'))), OTHER],
    ['number format', ods({ tables: [[[{ value: 707614285, format: '000000-0000' }]]] }), OTHER],
    ['text that is not shown', sheet(row(cell(`office:value-type="string" office:string-value="${CPR}"`, p('x'))))],
    ['cell of runs', sheet(row(cell('office:value-type="string"', p('2110<text:span>62</text:span>-5629'))))],
    ['formula', sheet(row(cell(`office:value-type="string" table:formula="of:=&quot;${CPR}&quot;"`, p('x'))))],
    [
      'comment of a cell',
      sheet(row(cell('office:value-type="string"', `<office:annotation>${p(CPR)}</office:annotation>${p('x')}`))),
    ],
    [
      'shape in a sheet',
      sheet(`<table:shapes><draw:frame><draw:text-box>${p(CPR)}</draw:text-box></draw:frame></table:shapes>`),
    ],
    [
      'name of a sheet',
      odfPackage('spreadsheet', `<office:spreadsheet><table:table table:name="${CPR}"/></office:spreadsheet>`),
    ],
    [
      'covered cell',
      sheet(row(`<table:covered-table-cell office:value-type="string">${p(CPR)}</table:covered-table-cell>`)),
    ],
    [
      'end of what repeats, and its neighbour',
      sheet(
        row(
          cell('office:value-type="string"', p('211062'), 'table:number-columns-repeated="9"') + float('5629', '5629'),
        ),
      ),
    ],
    [
      'header row',
      sheet(`<table:table-header-rows>${row(cell('office:value-type="string"', p(CPR)))}</table:table-header-rows>`),
    ],
    [
      'table in a cell',
      sheet(row(cell('', `<table:table>${row(cell('', p('211062')) + cell('', p('5629')))}</table:table>`))),
    ],
    [
      'flat spreadsheet',
      flatOdf(
        'spreadsheet',
        `<office:spreadsheet><table:table table:name="A">${row(float('707614285', '707614285'))}</table:table></office:spreadsheet>`,
      ),
      OTHER,
    ],
  ]
  for (const [name, file, number] of places) {
    it(`finds a number in: ${name}`, async () => assert.notDeepEqual(placesOf(await openAll(file), number ?? CPR), []))
  }

  it('reads plain documents to their end, with nothing found', async () => {
    for (const file of [
      odt({ text: 'Hej\n\nMed  to blanke', tables: [[['Uge', 'Emne']]] }),
      ods({ tables: [[['Uge'], [7]]] }),
    ]) {
      const found = await openAll(file)
      assert.deepEqual(found.uninspected, [])
      assert.equal(anyNumber(found), false)
    }
  })

  it('tells the cell and the sheet', async () => {
    const found = await openAll(
      ods({
        tables: [
          [
            ['Navn', 'CPR'],
            ['Ole', CPR],
          ],
        ],
      }),
    )
    assert.deepEqual(placesOf(found), ['file > Ark1!B2'])
  })

  it('gives each type as it is shown and as it is stored', async () => {
    const file = sheet(
      row(
        float('707614285', '070761-4285') +
          float('7', '7') +
          cell('office:value-type="date" office:date-value="1962-10-21"', p('21-10-62')) +
          cell('office:value-type="boolean" office:boolean-value="true"', '') +
          cell('', '', 'table:number-columns-repeated="1000"') +
          cell('office:value-type="string"', p('a') + p('b')),
      ),
    )
    const { tables } = await readWith(readZip, file)
    assert.deepEqual(tables[0]?.cells, [
      { row: 0, column: 0, text: '070761-4285', raw: '707614285', numeric: true },
      { row: 0, column: 1, text: '7', numeric: true },
      { row: 0, column: 2, text: '21-10-62', raw: '1962-10-21', numeric: false },
      { row: 0, column: 3, text: 'true', numeric: false },
      { row: 0, column: 1004, text: 'a\nb', numeric: false },
    ])
  })

  it('tells what repeats at both ends, however often it repeats', async () => {
    const repeated = `<table:table-row table:number-rows-repeated="1048576">${cell('office:value-type="string"', p('x'), 'table:number-columns-repeated="16384"')}</table:table-row>`
    const { tables } = await readWith(readZip, sheet(repeated))
    const places = tables[0]?.cells.map(({ row: r, column }) => `${r},${column}`)
    assert.deepEqual(places, ['0,0', '0,16383', '1048575,0', '1048575,16383'])
  })

  it('tells titles, keywords and the fields of the user as properties', async () => {
    const meta = xmlMember(
      'meta.xml',
      odfRoot(
        'document-meta',
        '<office:meta><dc:title>Titel</dc:title><meta:keyword>intern</meta:keyword><meta:user-defined meta:name="Sensitivity">Internal</meta:user-defined></office:meta>',
      ),
    )
    const { properties } = await readWith(readZip, odfPackage('text', '<office:text/>', { members: [meta] }))
    assert.deepEqual(
      properties.map(({ key, value }) => `${key}=${value}`),
      ['Title=Titel', 'Keywords=intern', 'Sensitivity=Internal'],
    )
  })
})

describe('odf: refusals', () => {
  const noise = Buffer.from('8c3f9a0b77e2d1c4558812fa3b6c9d0e8c3f9a0b77e2d1c4558812fa3b6c9d0f', 'hex')
  const sealed = (path: string) =>
    `<manifest:file-entry manifest:full-path="${path}" manifest:media-type="text/xml"><manifest:encryption-data/></manifest:file-entry>`
  const encrypted = (content: Buffer | string, entries: string) =>
    writeZip([
      { name: 'mimetype', data: 'application/vnd.oasis.opendocument.text', method: 0 },
      { name: 'content.xml', data: content, method: 0 },
      xmlMember(
        'META-INF/manifest.xml',
        `<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.text"/>${entries}</manifest:manifest>`,
      ),
    ])

  it('tells a document whose content is encrypted as protected', async () => {
    const found = await openAll(encrypted(noise, sealed('content.xml')))
    assert.deepEqual(found.protection, [{ where: 'file', kind: 'office-encrypted' }])
    assert.deepEqual(found.uninspected, [])
  })

  it('does not believe a manifest that only says so', async () => {
    const found = await openAll(encrypted(odfRoot('document-content', p(CPR)), sealed('content.xml')))
    assert.deepEqual(found.protection, [])
    assert.match(reasonsOf(found).join(), /only says/)
    assert.notDeepEqual(placesOf(found), [])
  })

  const rows: readonly (readonly [name: string, file: Buffer, reason: RegExp])[] = [
    [
      'one encrypted picture',
      odfPackage('text', '<office:text/>', {
        manifest: sealed('Pictures/1.png'),
        members: [{ name: 'Pictures/1.png', data: noise, method: 0 }],
      }),
      /some of the content/,
    ],
    ['kind that is not known', odfPackage('base', '<office:database/>'), /this kind/],
    [
      'no manifest',
      writeZip([{ name: 'mimetype', data: 'application/vnd.oasis.opendocument.text', method: 0 }]),
      /manifest/,
    ],
    ['no content', writeZip([xmlMember('META-INF/manifest.xml', '<a/>')]), /this kind/],
    [
      'macro',
      odfPackage('text', '<office:text/>', {
        members: [{ name: 'Basic/Standard/Module1.xml', data: '<!DOCTYPE script:module PUBLIC "x" "module.dtd"><a/>' }],
      }),
      /document type/,
    ],
    [
      'replacement of an object',
      odfPackage('text', '<office:text/>', {
        members: [{ name: 'ObjectReplacements/Object 1', data: Buffer.from('VCLMTF\0\x01\x02', 'latin1') }],
      }),
      /./,
    ],
    [
      'large drawing in SVG',
      odfPackage('text', '<office:text/>', {
        members: [
          { name: 'Pictures/x.svg', data: `<svg xmlns="http://www.w3.org/2000/svg">${'<g></g>'.repeat(10_000)}</svg>` },
        ],
      }),
      /64 KiB/,
    ],
    ['formula without its value', sheet(row(cell('table:formula="of:=1&amp;2"', ''))), /value of a formula/],
    ['number that is none', sheet(row(float('x', '1'))), /does not parse/],
    [
      'broken file in the XML',
      flatOdf(
        'text',
        `<office:text>${p('<draw:frame><draw:image><office:binary-data>!!</office:binary-data></draw:image></draw:frame>')}</office:text>`,
      ),
      /broken/,
    ],
    [
      'large picture in the XML',
      flatOdf(
        'text',
        `<office:text><draw:image><office:binary-data>${Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(70_000)]).toString('base64')}</office:binary-data></draw:image></office:text>`,
      ),
      /64 KiB/,
    ],
  ]
  for (const [name, file, reason] of rows) {
    it(`refuses: ${name}`, async () => assert.match(reasonsOf(await openAll(file)).join('; '), reason))
  }

  it('takes no other XML for flat OpenDocument', () => {
    const { budget } = countingBudget()
    assert.equal(readFlatOdf(fileOf(Buffer.from('<a/>')), budget), null)
    assert.equal(readFlatOdf(fileOf(Buffer.from('tekst')), budget), null)
  })

  it('knows no clean file with a number in it', async () => {
    for (const name of ['x', 'layout-cache', 'Pictures/x.png', 'Configurations2/x.xml', 'mimetype2']) {
      for (const data of [CPR, `<a>${CPR}</a>`, `\x01\0\0\0${CPR}\0`]) {
        const outcome = outcomeOf(await openAll(odfPackage('text', '<office:text/>', { members: [{ name, data }] })))
        assert.ok(outcome === 'found' || outcome === 'refused', `${name}: ${outcome}`)
      }
    }
  })
})
