import assert from 'node:assert/strict'
import CFB from 'cfb'
import { readCompound, type CompoundStorage } from '../../../lib/message/files/ole-cfb'
import { readOle } from '../../../lib/message/files/ole'
import { compoundFile } from '../../corpus/formats/cfb-writer'
import { docFile, docStreams, type DocContent } from '../../corpus/formats/doc-writer'
import { doc, xls } from '../../corpus/formats/legacy'
import { pptFile, pptRecord, type PptContent } from '../../corpus/formats/ppt-writer'
import { xlsFile, xlsRecord, xlsStream, type XlsContent } from '../../corpus/formats/xls-writer'
import { CPR } from '../../gate/support'
import { budgetOf, cellsOf, readingOf, reasonsOf, refusalsOf, textOf } from './legacy-support'
import { nativeObject, propertySet, u16, u32, vbaProject } from './ole-support'

const read = (bytes: Buffer) => readingOf(readOle, bytes)
const PNG = (size: number) =>
  Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(size), Buffer.from('49454e44ae426082', 'hex')])
/** A PNG as drawings hold it (MS-ODRAW section 2.2.28). */
const blip = (bytes: Buffer) => pptRecord(0xf01e, Buffer.concat([Buffer.alloc(17), bytes]), 0x6e0)
const wide = (text: string) => Buffer.from(text, 'utf16le')
const paths = (storage: CompoundStorage): string[] =>
  storage.children.flatMap((entry) => (entry.kind === 'stream' ? [entry.path] : paths(entry)))

describe('compound files (MS-CFB)', () => {
  const streams = {
    short: Buffer.from('abc'),
    long: Buffer.alloc(10_000, 'x'),
    'a/b/c': Buffer.alloc(4096, 'y'),
    'a/empty': Buffer.alloc(0),
  }

  it('reads what another program writes', () => {
    const container = CFB.utils.cfb_new()
    for (const [path, bytes] of Object.entries(streams)) CFB.utils.cfb_add(container, `/${path}`, bytes)
    const written: unknown = CFB.write(container, { type: 'buffer' })
    assert.ok(Buffer.isBuffer(written))
    const compound = readCompound(written)
    assert.deepEqual(compound?.problems, [])
    assert.deepEqual(
      paths(compound.root)
        .filter((path) => !path.includes('Sh33tJ5'))
        .sort(),
      ['a/b/c', 'a/empty', 'long', 'short'],
    )
  })

  it('our writer is read by another program, and by us', () => {
    const file = compoundFile(streams)
    const other = CFB.read(file, { type: 'buffer' })
    for (const [path, bytes] of Object.entries(streams)) {
      const found = CFB.find(other, `/${path}`)
      assert.deepEqual(Buffer.from(found?.content ?? []), bytes, path)
    }
    const compound = readCompound(file)
    assert.deepEqual(compound?.problems, [])
    assert.deepEqual(paths(compound.root).sort(), Object.keys(streams).sort())
  })

  it('is told by the signature alone', () => assert.equal(readCompound(Buffer.from('no')), null))

  const file = compoundFile({ ...streams, other: Buffer.alloc(5000, 'z') })
  const directory = (file.readUInt32LE(0x30) + 1) * 512
  const fat = (file.readUInt32LE(0x4c) + 1) * 512
  const HOSTILE: [name: string, change: (bytes: Buffer) => void][] = [
    ['a chain that goes in a circle', (bytes) => bytes.writeUInt32LE(0, fat + 4)],
    ['a chain that joins another', (bytes) => bytes.writeUInt32LE(15, fat)],
    ['a chain beyond the end', (bytes) => bytes.writeUInt32LE(9999, fat)],
    ['a directory that goes in a circle', (bytes) => bytes.writeUInt32LE(0, directory + 128 + 76)],
    ['a sibling that is itself', (bytes) => bytes.writeUInt32LE(1, directory + 128 + 72)],
    ['an entry that nothing lists', (bytes) => bytes.writeUInt32LE(0xffffffff, directory + 76)],
    ['a stream larger than its chain', (bytes) => bytes.writeUInt32LE(0x7fffffff, file.indexOf(wide('long')) + 120)],
    ['sectors of another size', (bytes) => bytes.writeUInt16LE(20, 0x1e)],
    ['a table in a circle', (bytes) => bytes.writeUInt32LE(file.readUInt32LE(0x4c), 0x50)],
    ['further tables in a circle', (bytes) => bytes.writeUInt32LE(0, 0x44)],
    ['the root missing', (bytes) => bytes.writeUInt8(1, directory + 66)],
    ['sectors that belong to nothing', (bytes) => bytes.writeUInt32LE(0xfffffffe, fat)],
  ]
  for (const [name, change] of HOSTILE) {
    it(`${name}: a problem, no loop`, () => {
      const copy = Buffer.from(file)
      change(copy)
      assert.notDeepEqual(readCompound(copy)?.problems, [])
    })
  }

  it('finds what stands in free sectors', async () => {
    const copy = Buffer.from(doc('Dear Bo'))
    const at = (copy.readUInt32LE(0x4c) + 1) * 512
    // the last place of the table is free; the file gets a sector for it
    const sectors = copy.length / 512 - 1
    assert.equal(copy.readUInt32LE(at + sectors * 4), 0xffffffff)
    const reading = await read(Buffer.concat([copy, Buffer.alloc(512, CPR)]))
    assert.ok(reading.texts.some(({ role, text }) => role === 'raw' && text.includes(CPR)))
  })
})

describe('Word 97-2003 (MS-DOC)', () => {
  const texts = async (content: DocContent) =>
    (await read(docFile(content))).texts.filter(({ role }) => role === 'text').map(({ where, text }) => [where, text])

  it('all parts of the text in their places', async () => {
    const found = await texts({
      runs: [{ text: 'k\u00e6re \u03a9\r' }],
      footnotes: 'f\r',
      headers: 'h\r',
      comments: 'c\r',
      endnotes: 'e\r',
      textBoxes: 'b\r',
    })
    assert.deepEqual(found, [
      ['file', 'kære Ω\n'],
      ['file > footnotes', 'f\n'],
      ['file > headers and footers', 'h\n'],
      ['file > comments', 'c\n'],
      ['file > endnotes', 'e\n'],
      ['file > text boxes', 'b\n'],
    ])
  })

  it('pieces in another order than in the file, with and without what is deleted or hidden', async () => {
    const runs = [
      { text: '0707' },
      { text: '99', deleted: true },
      { text: '61-', wide: true },
      { text: '88', hidden: true },
      { text: '4285\r' },
    ]
    for (const shuffled of [false, true])
      assert.deepEqual(await texts({ runs, shuffled }), [
        ['file', '07079961-884285\n'],
        ['file', `${CPR}\n`],
      ])
  })

  it('characters with meanings, fields, rows of tables', async () => {
    const text = 'a\x1eb\x1fc\x0bd\x01\r\x13 PAGE \x14 7\x15\rx\x07y\x07\x07z\x07\x07'
    assert.deepEqual(await texts({ runs: [{ text }] }), [['file', 'a\u2011b\u00adc\nd\n 7\nx\ty\t\nz\t\n']])
    assert.ok(textOf(await read(docFile({ runs: [{ text }] }))).includes(' PAGE '))
  })

  it('properties, summary and those of labels', async () => {
    const streams = {
      '\x05SummaryInformation': propertySet({ 2: 'Titel æ' }),
      '\x05DocumentSummaryInformation': propertySet({ 15: 'AAU' }, { MSIP_Label_x_Enabled: 'true', CPR }),
    }
    const { properties, uninspected } = await read(docFile({ runs: [{ text: 'x\r' }], streams }))
    assert.deepEqual(
      properties.map(({ key, value }) => `${key}=${value}`).sort(),
      ['Title=Titel æ', 'Company=AAU', 'MSIP_Label_x_Enabled=true', `CPR=${CPR}`].sort(),
    )
    assert.deepEqual(uninspected, [])
  })

  it('macros', async () => {
    const source = `Sub x()\r\n' ${CPR} ${'abc'.repeat(1500)}\r\nEnd Sub`
    const reading = await read(docFile({ runs: [{ text: 'x\r' }], streams: vbaProject('Macros', source) }))
    assert.ok(textOf(reading).includes(source.replace(/\r\n/g, '\n')))
    assert.deepEqual(reading.uninspected, [])
  })

  it('embedded files', async () => {
    const streams = {
      'ObjectPool/_1/\x01Ole10Native': nativeObject('liste.txt', Buffer.from(CPR)),
      'ObjectPool/_2/Package': Buffer.from('PK\x03\x04'),
      'ObjectPool/_3/Workbook': xlsStream({ sheets: [{ name: 'Ark1', rows: [['x', 12]] }] }),
      'ObjectPool/_3/\x03ObjInfo': Buffer.alloc(6),
    }
    const reading = await read(docFile({ runs: [{ text: '\x01\r' }], streams }))
    assert.deepEqual(reading.embedded.map(({ where, name }) => [where, name]).sort(), [
      ['file > object _1 > liste.txt', 'liste.txt'],
      ['file > object _2 > object', ''],
    ])
    assert.deepEqual(
      reading.tables.map(({ where }) => where),
      ['file > object _3 > Ark1'],
    )
    assert.deepEqual(reading.uninspected, [])
  })
})

describe('Excel 97-2003 (MS-XLS)', () => {
  it('typed cells of every kind, as shown and as stored', async () => {
    const content: XlsContent = {
      sheets: [
        {
          name: 'Ark1',
          rows: [
            [
              'tekst æ',
              'Ω',
              { text: 'label', as: 'label' },
              { text: 'formel', as: 'formula' },
              { text: 'rich', as: 'rich' },
            ],
            [12, 1.5, 5_000_000_000, { number: 707614285, format: '000000\\-0000' }, { number: 7, as: 'formula' }],
          ],
        },
      ],
    }
    assert.deepEqual(cellsOf(await read(xlsFile(content))), [
      'A1=tekst æ',
      'B1=Ω',
      'C1=label',
      'D1=formel',
      'E1=rich',
      'A2=12',
      'B2=1.5',
      'C2=5000000000',
      'D2=070761-4285 (707614285)',
      'E2=7',
    ])
  })

  it('strings that are cut anywhere by the ends of records', async () => {
    const strings = ['a'.repeat(100), 'Ω'.repeat(70), `æ${'b'.repeat(33)}`, CPR]
    for (const recordLimit of [40, 41, 47, 64, 100]) {
      const file = xlsFile({ recordLimit, sheets: [{ name: 'A', rows: [strings] }] })
      const reading = await read(file)
      assert.deepEqual(
        cellsOf(reading),
        strings.map((text, n) => `${'ABCD'.charAt(n)}1=${text}`),
      )
      assert.deepEqual(reading.uninspected, [])
    }
  })

  it('several numbers in one record', async () => {
    const rk = (n: number) => u32(((n << 2) | 2) >>> 0)
    const mulrk = xlsRecord(
      0x00bd,
      Buffer.concat([u16(0), u16(1), ...[707614285 >> 1, 11].flatMap((n) => [u16(15), rk(n)]), u16(2)]),
    )
    const file = xlsFile({ sheets: [{ name: 'A', rows: [], records: [mulrk] }] })
    assert.deepEqual(cellsOf(await read(file)), [`B1=${707614285 >> 1}`, 'C1=11'])
  })

  it('names of sheets, headers, notes, numbers in formulas', async () => {
    const number = Buffer.alloc(8)
    number.writeDoubleLE(707614285)
    const formula = xlsRecord(0x0018, Buffer.concat([Buffer.alloc(14), Buffer.of(0x1f), number]))
    const reading = await read(
      xlsFile({
        sheets: [
          { name: 'Skjult æ', hidden: true, header: '&CTop', rows: [['x']], notes: ['Note Ω'], records: [formula] },
        ],
      }),
    )
    for (const text of ['Skjult æ', '&CTop', 'Note Ω']) assert.ok(textOf(reading).includes(text), text)
    assert.ok(cellsOf(reading).includes('A1=707614285'))
  })
})

describe('PowerPoint 97-2003 (MS-PPT)', () => {
  it('texts of slides, notes and comments', async () => {
    const reading = await read(pptFile({ slides: ['Slide æ', 'Ω'], notes: 'note', comment: 'kommentar' }))
    assert.equal(textOf(reading), 'Slide æ\nΩ\nnote\nkommentar')
    assert.deepEqual(reading.uninspected, [])
  })

  it('objects, compressed', async () => {
    const inner = doc(CPR)
    assert.deepEqual((await read(pptFile({ slides: [], object: inner }))).embedded[0]?.bytes, inner)
  })
})

const docWith = (content: Partial<DocContent>) => docFile({ runs: [{ text: 'Dear Bo\r' }], ...content })
const xlsWith = (content: Partial<XlsContent['sheets'][number]>, book: Partial<XlsContent> = {}) =>
  xlsFile({ sheets: [{ name: 'Ark1', rows: [['x']], ...content }], ...book })
const pptWith = (content: Partial<PptContent>) => pptFile({ slides: ['x'], ...content })
const embeddedDoc = () => {
  const { main, table } = docStreams({ runs: [{ text: `${CPR}\r` }] })
  return { 'ObjectPool/_1/WordDocument': main, 'ObjectPool/_1/1Table': table }
}

describe('legacy Office: found or refused, never clean', () => {
  const ROWS: [name: string, bytes: Buffer, code: 'cpr' | 'uninspected'][] = [
    ['doc: text', doc(CPR), 'cpr'],
    ['doc: optional hyphen', docWith({ runs: [{ text: '070761\x1f4285\r' }] }), 'cpr'],
    ['doc: non-breaking hyphen', docWith({ runs: [{ text: '070761\x1e4285\r', wide: true }] }), 'cpr'],
    ['doc: cells', docWith({ runs: [{ text: '070761\x074285\x07\x07' }] }), 'cpr'],
    [
      'doc: split by a deletion',
      docWith({ runs: [{ text: '0707' }, { text: '99', deleted: true }, { text: '61-4285\r' }] }),
      'cpr',
    ],
    ['doc: deleted', docWith({ runs: [{ text: CPR, deleted: true, wide: true }, { text: '\r' }] }), 'cpr'],
    [
      'doc: pieces out of order',
      docWith({ runs: [{ text: '0707', wide: true }, { text: '61-4285\r' }], shuffled: true }),
      'cpr',
    ],
    ['doc: footnote', docWith({ footnotes: `${CPR}\r` }), 'cpr'],
    ['doc: header', docWith({ headers: `${CPR}\r` }), 'cpr'],
    ['doc: comment', docWith({ comments: `${CPR}\r` }), 'cpr'],
    ['doc: text box', docWith({ textBoxes: `${CPR}\r` }), 'cpr'],
    ['doc: field code', docWith({ runs: [{ text: `\x13 HYPERLINK "${CPR}" \x14x\x15\r` }] }), 'cpr'],
    ['doc: property', docWith({ streams: { '\x05SummaryInformation': propertySet({ 6: CPR }) } }), 'cpr'],
    ['doc: macro', docWith({ streams: vbaProject('Macros', `' 0707${'61-'.repeat(1)}4285`) }), 'cpr'],
    [
      'doc: embedded text',
      docWith({ streams: { 'ObjectPool/_1/\x01Ole10Native': nativeObject('a', Buffer.from(CPR)) } }),
      'cpr',
    ],
    [
      'doc: name of an embedded file',
      docWith({ streams: { 'ObjectPool/_1/\x01Ole10Native': nativeObject(CPR, Buffer.from('x')) } }),
      'cpr',
    ],
    ['doc: document in a document', docWith({ streams: embeddedDoc() }), 'cpr'],
    ['doc: unknown stream', docWith({ streams: { Extra: wide(CPR) } }), 'cpr'],
    ['doc: unknown stream without text', docWith({ streams: { Extra: Buffer.of(1) } }), 'uninspected'],
    [
      'doc: archive in a stream of its own',
      docWith({ streams: { '\x01CompObj': Buffer.from('PK\x03\x04') } }),
      'uninspected',
    ],
    ['doc: encrypted', docWith({ encrypted: true }), 'uninspected'],
    ['doc: Word 95', docWith({ version: 0x0065 }), 'uninspected'],
    ['doc: large picture', docWith({ streams: { Data: Buffer.alloc(70_000, 1) } }), 'uninspected'],
    ['xls: text', xls(CPR), 'cpr'],
    ['xls: number', xlsWith({ rows: [[2_110_625_629]] }), 'cpr'],
    ['xls: lost zero under a heading', xlsWith({ rows: [['CPR'], [707614285]] }), 'cpr'],
    ['xls: lost zero, RK', xlsWith({ rows: [['CPR'], [{ number: 707614285, as: 'number' }]] }), 'cpr'],
    ['xls: hidden sheet', xlsWith({ hidden: true, rows: [[CPR]] }), 'cpr'],
    ['xls: name of a sheet', xlsWith({ name: CPR }), 'cpr'],
    ['xls: header', xlsWith({ header: `&C${CPR}` }), 'cpr'],
    ['xls: note', xlsWith({ notes: [CPR] }), 'cpr'],
    ['xls: result of a formula', xlsWith({ rows: [[{ text: CPR, as: 'formula' }]] }), 'cpr'],
    ['xls: cut in the middle', xlsWith({ rows: [['a'.repeat(30) + CPR]] }, { recordLimit: 50 }), 'cpr'],
    ['xls: unknown record', xlsWith({ records: [xlsRecord(0x0303, Buffer.alloc(14))] }), 'uninspected'],
    ['xls: encrypted', xlsWith({}, { encrypted: true }), 'uninspected'],
    ['xls: workbook of Excel 95', compoundFile({ Book: Buffer.from('0908080000051000', 'hex') }), 'uninspected'],
    [
      'xls: large picture',
      xlsWith({ records: [xlsRecord(0x00eb, pptRecord(0xf000, [blip(PNG(70_000))]))] }),
      'uninspected',
    ],
    [
      'xls: pivot table',
      xlsWith(
        {},
        { streams: { '_SX_DB_CUR/0001': xlsRecord(0x00cd, Buffer.concat([u16(11), Buffer.of(0), Buffer.from(CPR)])) } },
      ),
      'cpr',
    ],
    ['ppt: slide', pptWith({ slides: [CPR] }), 'cpr'],
    ['ppt: slide in Unicode', pptWith({ slides: [`Ω ${CPR}`] }), 'cpr'],
    ['ppt: notes', pptWith({ notes: CPR }), 'cpr'],
    ['ppt: comment', pptWith({ comment: CPR }), 'cpr'],
    ['ppt: object', pptWith({ object: doc(CPR) }), 'cpr'],
    ['ppt: encrypted', pptWith({ encrypted: true }), 'uninspected'],
    ['ppt: sound', pptWith({ records: [pptRecord(0x07e7, Buffer.from('RIFF'))] }), 'uninspected'],
    ['ppt: large picture', pptWith({ pictures: [blip(PNG(70_000))] }), 'uninspected'],
    ['ppt: record longer than the file', pptWith({ records: [u32(0x0fa0_0000), u32(1000)] }), 'uninspected'],
    [
      'Office, encrypted',
      compoundFile({ EncryptionInfo: Buffer.alloc(8), EncryptedPackage: Buffer.alloc(5000, 7) }),
      'uninspected',
    ],
    [
      'rights management',
      compoundFile({ '\tDRMContent': Buffer.alloc(100, 7), '\x06DataSpaces/Version': Buffer.alloc(8) }),
      'uninspected',
    ],
    ['another program', compoundFile({ VisioDocument: Buffer.from('x') }), 'uninspected'],
    ['nothing that is known', compoundFile({ '\x01CompObj': Buffer.of(1) }), 'uninspected'],
  ]
  for (const [name, bytes, code] of ROWS) {
    it(`${name}: ${code}`, async () => {
      const codes = await refusalsOf(bytes)
      assert.ok(codes.includes(code), codes.join())
    })
  }

  it('encryption is told as such', async () => {
    const kinds = async (bytes: Buffer) => (await read(bytes)).protection.map(({ kind }) => kind)
    for (const bytes of [docWith({ encrypted: true }), xlsWith({}, { encrypted: true }), pptWith({ encrypted: true })])
      assert.deepEqual(await kinds(bytes), ['office-encrypted'])
    assert.deepEqual(
      await kinds(compoundFile({ EncryptionInfo: Buffer.alloc(8), EncryptedPackage: Buffer.alloc(9) })),
      ['office-encrypted'],
    )
  })

  it('ordinary files are clean', async () => {
    const properties = {
      '\x05SummaryInformation': propertySet({ 2: 'Titel' }),
      '\x05DocumentSummaryInformation': propertySet({ 15: 'AAU' }, { Note: 'x' }),
      '\x01CompObj': Buffer.alloc(20),
    }
    const files = [
      docWith({ headers: 'Side 1\r', streams: { ...properties, Data: Buffer.alloc(0) } }),
      doc('Kære Bo\nHilsen', [
        ['Navn', 'Tal'],
        ['Anna', 12],
      ]),
      xlsWith(
        {
          rows: [
            ['Navn', 'Tal'],
            ['Anna', 12],
          ],
        },
        { streams: properties },
      ),
      pptWith({ pictures: [blip(PNG(100))], streams: properties }),
    ]
    for (const file of files) assert.deepEqual(await refusalsOf(file), [])
  })
})

describe('legacy Office: bounds', () => {
  it('ends with its budget', async () => {
    const file = xls('a\nb\nc\nd')
    assert.ok(reasonsOf(await readingOf(readOle, file, budgetOf({ asks: 2 }))).includes('the time for reading was up'))
    assert.ok(reasonsOf(await readingOf(readOle, file, budgetOf({ bytes: 10 }))).includes('the content is too large'))
    assert.ok(reasonsOf(await readingOf(readOle, file, budgetOf({ parts: 0 }))).includes('there are too many parts'))
  })

  it('a table of strings that claims to be large is refused', async () => {
    const sst = xlsRecord(0x00fc, Buffer.concat([u32(0xffffffff), u32(0xffffffff)]))
    assert.ok(reasonsOf(await read(xlsWith({ records: [sst] }))).includes('the workbook cannot be read'))
  })
})
