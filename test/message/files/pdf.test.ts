import assert from 'node:assert/strict'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { createBudget } from '../../../lib/message/files/budget'
import { readPdf } from '../../../lib/message/files/pdf'
import { judgePage } from '../../../lib/message/files/pdf-page'
import { readXmp } from '../../../lib/message/files/pdf-xmp'
import type { FileReading } from '../../../lib/message/files/types'
import { pdf, pdfFile, type PdfContent } from '../../corpus/formats/pdf'
import { assemblePdf, name, PdfObjects, raw, ref, type PdfValue } from '../../corpus/formats/pdf-writer'

const SECRET = '070761-4285'
const LIMITS = { maxParts: 500, maxDepth: 20, maxBytes: 200_000_000, maxMillis: 20_000 }

async function read(bytes: Buffer, limits = LIMITS): Promise<FileReading> {
  const budget = createBudget(limits, { now: () => Date.now() })
  const reading = await readPdf({ bytes, name: 'x.pdf', where: 'x.pdf', type: '' }, budget)
  assert.ok(reading !== null)
  return reading
}

/** Where the number stands, and what was not read. */
async function seen(bytes: Buffer): Promise<{ places: string[]; reasons: string[] }> {
  const reading = await read(bytes)
  const places = reading.texts.filter(({ text }) => text.includes(SECRET)).map(({ where }) => where)
  return {
    places: [...new Set(places)].sort(),
    reasons: [...reading.uninspected, ...reading.protection].map((one) =>
      'reason' in one ? `${one.where}: ${one.reason}` : `${one.where}: ${one.kind}`,
    ),
  }
}

const page = (content = {}) => ({ lines: ['A page of plain text about the canteen.'], ...content })

describe('reader of PDF', function () {
  this.timeout(30_000)

  const PLACES: [what: string, content: PdfContent, where: string][] = [
    ['text of a page', { pages: [page(), { lines: [SECRET] }] }, 'x.pdf > page 2'],
    ['a note', { pages: [page({ notes: [SECRET] })] }, 'x.pdf > page 1'],
    ['the value of a field', { pages: [page(), page({ fields: { cpr: SECRET } })] }, 'x.pdf > page 2'],
    [
      'a field whose widgets are its kids',
      {
        pages: [page()],
        catalog: (objects) => ({ AcroForm: { Fields: [ref(objects.add({ FT: name('Tx'), T: 'cpr', V: SECRET }))] } }),
      },
      'x.pdf > form',
    ],
    ['the title', { pages: [page()], info: { Title: `CPR ${SECRET}` } }, 'x.pdf > properties'],
    ['a text string in UTF-16', { pages: [page()], info: { Title: `Æ ${SECRET}` } }, 'x.pdf > properties'],
    ['XMP', { pages: [page()], xmp: `<r><dc:a>${SECRET}</dc:a></r>` }, 'x.pdf > properties > metadata'],
    ['the outline', { pages: [page()], outline: ['Chapter', SECRET] }, 'x.pdf > outline'],
    [
      'text off the page',
      { pages: [page({ content: `BT /F0 9 Tf 900 -700 Td (${SECRET}) Tj ET` })] },
      'x.pdf > page 1',
    ],
    ['white text', { pages: [page({ content: `1 1 1 rg BT /F0 9 Tf 9 9 Td (${SECRET}) Tj ET` })] }, 'x.pdf > page 1'],
    ['invisible text', { pages: [page({ content: `BT 3 Tr /F0 9 Tf 9 9 Td (${SECRET}) Tj ET` })] }, 'x.pdf > page 1'],
    [
      'text in pieces',
      { pages: [page({ content: 'BT /F0 9 Tf 9 9 Td [(0707) 1 (61-) -2 (42)] TJ (85) Tj ET' })] },
      'x.pdf > page 1',
    ],
    ['a link', { pages: [page({ annotations: [link(`https://x.example/${SECRET}`)] })] }, 'x.pdf > page 1'],
    [
      'an object that nothing refers to',
      { pages: [page()], catalog: (objects) => (objects.add({ Left: SECRET }), {}) },
      'x.pdf > unused object',
    ],
    [
      'the drawing of an annotation',
      {
        pages: [page()],
        catalog: (objects) => {
          const drawing = objects.flate(`BT (${SECRET}) Tj ET`, { Type: name('XObject'), Subtype: name('Form') })
          return { Stamp: { Subtype: name('Stamp'), AP: { D: ref(drawing) } } }
        },
      },
      'x.pdf > document',
    ],
  ]
  for (const [what, content, where] of PLACES) {
    for (const compressed of [false, true]) {
      it(`finds ${what}${compressed ? ', in object streams' : ''}`, async () => {
        const { places, reasons } = await seen(pdfFile({ ...content, compressed }))
        assert.ok(places.includes(where), `${JSON.stringify(places)} ${JSON.stringify(reasons)}`)
        assert.deepEqual(reasons, [])
      })
    }
  }

  it('reads the whole of an honest document as inspected, and names what is enclosed', async () => {
    const reading = await read(
      pdfFile({
        pages: [page()],
        info: { Title: 'Menu', CreationDate: 'D:20261123120000Z' },
        attachments: { 'a.txt': Buffer.from('hej') },
      }),
    )
    assert.deepEqual([reading.uninspected, reading.protection], [[], []])
    assert.deepEqual(
      reading.embedded.map(({ name: title, where, bytes }) => [title, where, String(bytes)]),
      [['a.txt', 'x.pdf > document > a.txt', 'hej']],
    )
    assert.deepEqual(
      reading.properties.map(({ key, value }) => [key, value]),
      [['Title', 'Menu']],
    )
  })

  it('says nothing that is not there: offsets, digests and dates are no text', async () => {
    const reading = await read(pdfFile({ pages: [page()], info: { CreationDate: "D:20261123120000+01'00'" } }))
    assert.deepEqual(
      reading.texts.map(({ where, role }) => [where, role]),
      [['x.pdf > page 1', 'text']],
    )
  })

  it('gives labels in Info and XMP as properties', async () => {
    const key = 'MSIP_Label_aaaaaaaa-0000-0000-0000-000000000001_Enabled'
    const xmp =
      '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description xmlns:pdfx="http://ns.adobe.com/pdfx/1.3/" ' +
      `pdfx:Other="b &amp; c"><pdfx:${key}>true</pdfx:${key}></rdf:Description></rdf:RDF></x:xmpmeta>`
    for (const encrypt of [undefined, { method: 'aes', user: '', owner: 'o' } as const]) {
      const file = pdfFile({
        pages: [page()],
        info: { [key]: 'True' },
        xmp,
        ...(encrypt === undefined ? {} : { encrypt }),
      })
      assert.deepEqual(
        (await read(file)).properties.map((one) => [one.where, one.key, one.value]),
        [
          ['x.pdf > properties', 'Other', 'b & c'],
          ['x.pdf > properties', key, 'true'],
          ['x.pdf > properties', key, 'True'],
        ],
      )
    }
  })

  for (const [method, compressed] of [
    ['rc4', false],
    ['aes', false],
    ['aes', true],
  ] as const) {
    const how = `${method}${compressed ? ', object streams' : ''}`
    it(`opens what only the owner's password protects (${how}), and finds what is in it`, async () => {
      const content = { pages: [page({ notes: [SECRET] })], compressed, encrypt: { method, user: '', owner: 'secret' } }
      assert.deepEqual(await seen(pdfFile(content)), { places: ['x.pdf > page 1'], reasons: [] })
    })

    it(`takes a user's password as encryption (${how})`, async () => {
      const content = { pages: [page()], compressed, encrypt: { method, user: 'u', owner: 'secret' } }
      assert.deepEqual((await seen(pdfFile(content))).reasons, ['x.pdf: pdf-encrypted'])
    })
  }

  const UNREAD: [what: string, bytes: () => Buffer, reason: RegExp][] = [
    [
      'a page that is a picture',
      () => pdfFile({ pages: [page(), { picture: 1 }] }),
      /^x.pdf > page 2: the page is a picture/,
    ],
    [
      'a large picture with little text',
      () => pdfFile({ pages: [page({ picture: 0.8 })] }),
      /page 1: .*mostly pictures/,
    ],
    [
      'text under a scanned page',
      () =>
        pdfFile({
          pages: [{ picture: 1, content: `BT 3 Tr /F0 9 Tf 9 9 Td (${'seen by a machine '.repeat(40)}) Tj ET` }],
        }),
      /page 1: .*mostly pictures/,
    ],
    [
      'letters drawn as shapes',
      () => pdfFile({ pages: [{ content: '0 0 m 9 9 l S\n'.repeat(60) }] }),
      /page 1: .*drawn/,
    ],
    ['a font without meaning', unmappedFont, /page 1: a font/],
    ['a script', () => pdfFile({ pages: [page()], javascript: 'this.getField("a").value = "07" + "07"' }), /a script/],
    [
      'a form that is a program',
      () => pdfFile({ pages: [page()], catalog: () => ({ AcroForm: { XFA: 'template', Fields: [] } }) }),
      /XFA/,
    ],
    [
      'a film',
      () => pdfFile({ pages: [page({ annotations: [{ Subtype: name('RichMedia'), Rect: [0, 0, 9, 9] }] })] }),
      /page 1: media/,
    ],
    ['an earlier version of a page', earlierVersion, /unused object: an earlier version/],
    ['text painted as a pattern', paintedText, /painted as a pattern/],
    ['a picture that no page shows', unusedPicture, /no page shows/],
    [
      'something behind the end',
      () => Buffer.concat([pdf('x'), Buffer.from(deflateSync(noise(4000)))]),
      /something else/,
    ],
    ['a file that is cut off', () => pdf('some text').subarray(0, 300), /./],
    ['no document at all', () => Buffer.from('%PDF-1.7\nnothing'), /cannot be read/],
    ['a stream packed in an old way', lzwAttachment, /packed in a way/],
    ['an encrypted document with something beside it', besideEncrypted, /beside the document, encrypted/],
    ['a rights management', rightsManaged, /pdf-encrypted/],
  ]
  for (const [what, bytes, reason] of UNREAD) {
    it(`does not take ${what} for read`, async () => {
      const { reasons } = await seen(bytes())
      assert.ok(
        reasons.some((one) => reason.test(one)),
        JSON.stringify(reasons),
      )
    })
  }

  it('forgives what programs put behind the fields of a form', async () => {
    const script = { S: name('JavaScript'), JS: 'AFNumber_Format(2, 0, 0, 0, "", true);' }
    const field = { Subtype: name('Widget'), FT: name('Tx'), T: 'a', Rect: [0, 0, 9, 9], AA: { F: script } }
    assert.deepEqual((await seen(pdfFile({ pages: [page({ annotations: [field] })] }))).reasons, [])
  })

  const HOSTILE: [what: string, bytes: () => Buffer][] = [
    ['a page tree that is a ring', () => tree((root) => ({ Kids: [ref(root), ref(root)], Count: 5 }))],
    ['two thousand million pages', () => tree(() => ({ Kids: [], Count: 2_000_000_000 }))],
    [
      'arrays in arrays',
      () => tree(() => ({ Kids: [], Count: 1, Deep: raw('['.repeat(100_000) + ']'.repeat(100_000)) })),
    ],
    ['dictionaries that do not end', () => tree(() => ({ Kids: [], Count: 1, Open: raw('<<'.repeat(50_000)) }))],
    ['strings that do not end', () => tree(() => ({ Kids: [], Count: 1, Open: raw(`(${'\\('.repeat(50_000)}`) }))],
    ['a number of objects that are not there', () => Buffer.concat([pdf('x'), Buffer.from('1 0 obj '.repeat(50_000))])],
    ['an object stream that unpacks to gigabytes', () => bomb({ Type: name('ObjStm'), N: 1, First: 4 })],
    ['an attachment that unpacks to gigabytes', () => bomb({ Type: name('EmbeddedFile') })],
    ['metadata that unpack to gigabytes', () => bomb({ Type: name('Metadata'), Subtype: name('XML') })],
    ['a page that unpacks to gigabytes', () => bomb({}, true)],
    ['object streams of one object many times', manyTimes],
    ['a picture of a million pixels a side', hugePicture],
  ]
  for (const [what, bytes] of HOSTILE) {
    it(`survives ${what}, and does not take it for read`, async () => {
      const { reasons } = await seen(bytes())
      assert.notDeepEqual(reasons, [])
    })
  }

  it('stops at the deadline', async () => {
    let now = 0
    const budget = createBudget({ ...LIMITS, maxMillis: 5 }, { now: () => now++ })
    const bytes = pdf('line\n'.repeat(2000))
    const reading = await readPdf({ bytes, name: '', where: 'x.pdf', type: '' }, budget)
    assert.ok(reading?.uninspected.some(({ reason }) => reason === 'the time for reading was up'))
  })

  it('counts pages against the budget', async () => {
    const bytes = pdf('line\n'.repeat(1000))
    const { uninspected } = await read(bytes, { ...LIMITS, maxParts: 1 })
    assert.deepEqual(uninspected, [{ where: 'x.pdf > page 11', reason: 'there are too many pages' }])
  })

  it('never throws, and never takes a damaged document for clean where its number is gone', async () => {
    const whole = pdfFile({ pages: [page({ notes: ['a note'] })], info: { Title: SECRET }, outline: ['one'] })
    const hex = Buffer.from(SECRET).toString('hex')
    const at = whole.indexOf(hex)
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), async (place, byte) => {
        // the number itself may be changed: then it is no number any more
        if (place >= at - 1 && place <= at + hex.length) return
        const damaged = Buffer.from(whole)
        damaged[place] = byte
        const budget = createBudget(LIMITS, { now: () => Date.now() })
        const reading = await readPdf({ bytes: damaged, name: '', where: 'x.pdf', type: '' }, budget)
        if (reading === null) return
        const found = reading.texts.some(({ text }) => text.includes(SECRET))
        assert.ok(found || reading.uninspected.length > 0 || reading.protection.length > 0)
      }),
      { numRuns: 300 },
    )
  })
})

describe('what a page shows', () => {
  const facts = { text: 'x'.repeat(1000), characters: 1000, unmapped: 0, pictures: 0, invisible: false, shapes: 0 }
  const ROWS: [what: string, change: Partial<typeof facts>, readable: boolean][] = [
    ['text', {}, true],
    ['an empty page', { text: '', characters: 0 }, true],
    ['text with a logo', { pictures: 0.05 }, true],
    ['a slide with a background', { pictures: 1 }, true],
    ['a background and little text', { pictures: 1, text: 'x'.repeat(100) }, false],
    ['a logo alone', { pictures: 0.01, text: '' }, true],
    ['a scan', { pictures: 1, text: '' }, false],
    ['a scan with text behind it', { pictures: 1, invisible: true }, false],
    ['a diagram with text', { shapes: 5000 }, true],
    ['a drawing', { shapes: 5000, text: '' }, false],
    ['one ligature that is not known', { unmapped: 1 }, true],
    ['a font that is not known', { unmapped: 900 }, false],
    ['private characters', { text: '\ue001'.repeat(100), characters: 100 }, false],
  ]
  for (const [what, change, readable] of ROWS) {
    it(`${what}: ${readable ? 'read' : 'not read'}`, () => {
      assert.equal(judgePage({ ...facts, ...change }).length === 0, readable)
    })
  }
})

describe('XMP', () => {
  it('reads broken metadata as text', () => {
    for (const xml of ['<a', '<a b="1', `<!-- ${SECRET}`, `</a></b>${SECRET}`, '&#x110000;', '<'.repeat(10_000)]) {
      const { text } = readXmp(Buffer.from(xml))
      assert.equal(text.includes(SECRET), xml.includes(SECRET))
    }
  })
})

function link(uri: string) {
  return { Subtype: name('Link'), Rect: [0, 0, 9, 9], A: { S: name('URI'), URI: uri } }
}

function noise(length: number): Buffer {
  let state = 1
  return Buffer.from(Array.from({ length }, () => (state = (state * 48271) % 2147483647) & 0xff))
}

/** A page tree of any kind. */
function tree(kids: (root: number) => Record<string, PdfValue>): Buffer {
  const objects = new PdfObjects()
  const catalog = objects.reserve()
  const root = objects.reserve()
  objects.set(root, { Type: name('Pages'), ...kids(root) })
  objects.set(catalog, { Type: name('Catalog'), Pages: ref(root) })
  return assemblePdf(objects, { Root: ref(catalog) })
}

/** Zeros without end behind the filter, twice. */
function bomb(dictionary: Record<string, PdfValue>, asPage = false): Buffer {
  const packed = deflateSync(Buffer.alloc(100_000_000, ' '), { level: 9 })
  return pdfFile({
    pages: [page()],
    catalog: (objects): Record<string, PdfValue> => {
      const stream = objects.add({ ...dictionary, Filter: name('FlateDecode'), Length: packed.length }, packed)
      return asPage
        ? { Pages: { Type: name('Pages'), Count: 1, Kids: [{ Contents: ref(stream) }] } }
        : { Held: ref(stream) }
    },
  })
}

function manyTimes(): Buffer {
  const object = `[${'1 '.repeat(200_000)}]`
  const head = Array.from({ length: 20_000 }, (_, n) => `${n + 100} 0`).join(' ')
  return pdfFile({
    pages: [page()],
    catalog: (objects) => {
      objects.flate(`${head} ${object}`, { Type: name('ObjStm'), N: 20_000, First: head.length + 1 })
      return {}
    },
  })
}

function hugePicture(): Buffer {
  const objects = new PdfObjects()
  const catalog = objects.reserve()
  const pages = objects.reserve()
  const picture = objects.flate('x', {
    Subtype: name('Image'),
    Width: 1_000_000,
    Height: 1_000_000,
    BitsPerComponent: 8,
    ColorSpace: name('DeviceRGB'),
  })
  const one = objects.add({
    Type: name('Page'),
    Parent: ref(pages),
    MediaBox: [0, 0, 100, 100],
    Resources: { XObject: { I: ref(picture) } },
    Contents: ref(objects.flate('q 100 0 0 100 0 0 cm /I Do Q')),
  })
  objects.set(pages, { Type: name('Pages'), Kids: [ref(one)], Count: 1 })
  objects.set(catalog, { Type: name('Catalog'), Pages: ref(pages) })
  return assemblePdf(objects, { Root: ref(catalog) })
}

/** Type 0 font by glyph number, without ToUnicode. */
function unmappedFont(): Buffer {
  const objects = new PdfObjects()
  const catalog = objects.reserve()
  const pages = objects.reserve()
  const inner = objects.add({
    Type: name('Font'),
    Subtype: name('CIDFontType2'),
    BaseFont: name('ABCDEF+Own'),
    CIDSystemInfo: { Registry: 'Adobe', Ordering: 'Identity', Supplement: 0 },
    FontDescriptor: { Type: name('FontDescriptor'), FontName: name('ABCDEF+Own'), Flags: 4 },
  })
  const font = objects.add({
    Type: name('Font'),
    Subtype: name('Type0'),
    BaseFont: name('ABCDEF+Own'),
    Encoding: name('Identity-H'),
    DescendantFonts: [ref(inner)],
  })
  const glyphs = Array.from({ length: 60 }, (_, n) => (n + 20).toString(16).padStart(4, '0')).join('')
  const one = objects.add({
    Type: name('Page'),
    Parent: ref(pages),
    MediaBox: [0, 0, 500, 500],
    Resources: { Font: { F0: ref(font) } },
    Contents: ref(objects.flate(`BT /F0 10 Tf 10 100 Td <${glyphs}> Tj ET`)),
  })
  objects.set(pages, { Type: name('Pages'), Kids: [ref(one)], Count: 1 })
  objects.set(catalog, { Type: name('Catalog'), Pages: ref(pages) })
  return assemblePdf(objects, { Root: ref(catalog) })
}

/** A page whose text was replaced, as an update appends it; the old text is still in the file. */
function earlierVersion(): Buffer {
  return pdfFile({
    pages: [page()],
    catalog: (objects) => (objects.flate('BT /F0 9 Tf 9 9 Td (an old text) Tj ET'), {}),
  })
}

function paintedText(): Buffer {
  return pdfFile({
    pages: [page()],
    catalog: (objects) => ({
      Held: ref(objects.flate('BT /F0 9 Tf (painted) Tj ET', { PatternType: 1, PaintType: 1, TilingType: 1 })),
    }),
  })
}

function unusedPicture(): Buffer {
  return pdfFile({
    pages: [page()],
    catalog: (objects) => (objects.flate('x', { Subtype: name('Image'), Width: 1, Height: 1 }), {}),
  })
}

function lzwAttachment(): Buffer {
  return pdfFile({
    pages: [page()],
    catalog: (objects) => {
      const bytes = Buffer.from('80', 'hex')
      const stream = objects.add({ Type: name('EmbeddedFile'), Filter: name('LZWDecode'), Length: 1 }, bytes)
      return { Held: { EF: { F: ref(stream) }, UF: 'a.txt' } }
    },
  })
}

function rightsManaged(): Buffer {
  const objects = new PdfObjects()
  const pages = objects.add({ Type: name('Pages'), Kids: [], Count: 0 })
  const catalog = objects.add({ Type: name('Catalog'), Pages: ref(pages) })
  const encrypt = objects.add({ Filter: name('MicrosoftIRMServices'), V: 1 })
  return assemblePdf(objects, { Root: ref(catalog), Encrypt: ref(encrypt) })
}

/** Nothing refers to the object, and the table does not know it. */
function besideEncrypted(): Buffer {
  const whole = pdfFile({ pages: [page()], encrypt: { method: 'aes', user: '', owner: 'o' } }).toString('latin1')
  return Buffer.from(whole.replace('\nxref\n', '\n99 0 obj\n(x)\nendobj\nxref\n'), 'latin1')
}
