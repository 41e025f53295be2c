import assert from 'node:assert/strict'
import { checksum, decompressRtf } from '../../../lib/message/files/rtf-compressed'
import { readRtf } from '../../../lib/message/files/rtf'
import { compoundFile } from '../../corpus/formats/cfb-writer'
import { rtf } from '../../corpus/formats/legacy'
import { writeZip } from '../../corpus/formats/zip-writer'
import { compressedRtf } from '../../corpus/formats/mapi-writer'
import { CPR } from '../../gate/support'
import { budgetOf, readingOf, reasonsOf, refusalsOf, textOf } from './legacy-support'

const file = (body: string) => Buffer.from(`{\\rtf1\\ansi\\ansicpg1252\\deff0 ${body}}`, 'latin1')
const read = (body: string) => readingOf(readRtf, file(body))
const u32 = (n: number) => Buffer.from(Uint32Array.of(n).buffer).toString('hex')
const text = (value: string) => u32(value.length + 1) + Buffer.from(`${value}\0`, 'latin1').toString('hex')
/** An OLE 1.0 object (MS-OLEDS section 2.2.5). */
const object = (className: string, data: Buffer) =>
  `${u32(0x501)}${u32(2)}${text(className)}${text('')}${text('')}${u32(data.length)}${data.toString('hex')}`
const PACKAGE = Buffer.concat([
  Buffer.from('0200', 'hex'),
  Buffer.from('liste.txt\0c:\\liste.txt\0', 'latin1'),
  Buffer.from(`00000300${u32(12)}`, 'hex'),
  Buffer.from('c:\\tmp\\a.tx\0', 'latin1'),
  Buffer.from(u32(CPR.length), 'hex'),
  Buffer.from(CPR),
])
const PNG = `89504e470d0a1a0a${'00'.repeat(20)}49454e44ae426082`

describe('RTF: what a reader sees', () => {
  const ROWS: [name: string, body: string, expected: string][] = [
    ['escaped bytes in the code page of the document', "k\\'e6re", 'kære'],
    ['escaped bytes in the code page of a font', "{\\fonttbl{\\f1\\fcharset161 A;}}\\f1 \\'e1\\'e2", 'αβ'],
    ['double-byte code pages', "{\\fonttbl{\\f1\\fcharset128 A;}}\\f1 \\'93\\'fa\\'96\\'7b", '日本'],
    ['Unicode with its fallback left out', "\\uc1\\u937?x\\uc2\\u8209\\'96-y\\uc0\\u229z", 'Ωx‑yåz'],
    ['negative Unicode, surrogates', '\\u-10179?\\u-8704?', '😀'],
    ['fallback ends with its group', '{\\uc3\\u937 a}bc', 'Ωbc'],
    ['special characters', 'a\\~b\\-c\\_d\\endash e\\tab f', 'a\u00a0b\u00adc\u2011d\u2013e\tf'],
    ['escaped braces and backslash', '\\{\\}\\\\', '{}\\'],
    ['line ends in the source are nothing', '0707\n61-\r\n4285', CPR],
    ['groups and formats do not break a number', '07{\\b 07}61\\i -42{\\ul 85}', CPR],
    ['cells and rows', '\\trowd a\\cell b\\cell\\row c', 'a\tb\t\nc'],
    ['fields show their result', '{\\field{\\*\\fldinst PAGE}{\\fldrslt 12}}', '12'],
    ['an alternative in Unicode', '{\\upr{k?re}{\\*\\ud{k\\u230?re}}}', 'kære'],
  ]
  for (const [name, body, expected] of ROWS) {
    it(name, async () => {
      const reading = await read(body)
      assert.equal(reading.texts.find(({ role, where }) => role === 'text' && where === 'file')?.text, expected)
      assert.deepEqual(reading.uninspected, [])
    })
  }

  it('what is deleted or hidden: with it and without it', async () => {
    const reading = await read('0707{\\deleted 99}61-{\\v 88}4285\\v 1\\v0 2\\v 3\\plain 4')
    const texts = reading.texts.filter(({ role }) => role === 'text').map(({ text }) => text)
    assert.deepEqual(texts, ['07079961-884285' + '1234', '070761-428524'])
  })

  it('keeps what stands beside the running text apart', async () => {
    const body =
      '0707{\\footnote note}61-{\\*\\annotation kom}4285{\\header top}{\\shp{\\*\\shpinst{\\sp{\\sn x}}{\\shptxt boks}}}'
    const reading = await read(body)
    const of = (where: string) => reading.texts.find((one) => one.where === where && one.role === 'text')?.text.trim()
    assert.equal(of('file'), CPR)
    assert.deepEqual(
      ['footnote', 'comment', 'header', 'text box'].map((name) => of(`file > ${name}`)),
      ['note', 'kom', 'top', 'boks'],
    )
  })

  it('properties, also the ones of users', async () => {
    const body =
      "{\\info{\\title T\\'e6t}{\\keywords fortrolig}}{\\*\\userprops{\\propname MSIP_Label_x_Enabled}\\proptype30{\\staticval true}}"
    const { properties } = await read(body)
    assert.deepEqual(
      properties.map(({ key, value }) => `${key}=${value}`),
      ['Title=Tæt', 'Keywords=fortrolig', 'MSIP_Label_x_Enabled=true'],
    )
  })

  it('opens packages and compound files that are embedded, also as binary data', async () => {
    const ole = compoundFile({ a: Buffer.from('x') })
    const body =
      `{\\object\\objemb{\\*\\objdata ${object('Package', PACKAGE)}}}` +
      `{\\object{\\*\\objdata ${object('Excel.Sheet.8', ole)}}}`
    const { embedded, uninspected } = await read(body)
    assert.deepEqual(
      embedded.map(({ name, bytes }) => [name, bytes.length]),
      [
        ['liste.txt', CPR.length],
        ['', ole.length],
      ],
    )
    assert.deepEqual(uninspected, [])
    const binary = Buffer.from(object('Package', PACKAGE), 'hex')
    const whole = Buffer.concat([
      Buffer.from(`{\\rtf1{\\object{\\*\\objdata\\bin${binary.length} `),
      binary,
      Buffer.from('}}}'),
    ])
    assert.equal((await readingOf(readRtf, whole)).embedded[0]?.bytes.toString(), CPR)
  })

  it('gives back the HTML that Outlook put in (MS-OXRTFEX)', async () => {
    const body =
      '\\fromhtml1 {\\*\\htmltag64 <p>}\\htmlrtf {\\htmlrtf0 0707{\\*\\htmltag84 <b>}\\htmlrtf {\\b\\htmlrtf0 61}\\htmlrtf }\\htmlrtf0 {\\*\\htmltag92 </b>}-4285' +
      '{\\*\\htmltag84 <img src="cid:logo">}\\htmlrtf\\par}\\htmlrtf0 {\\*\\htmltag72 </p>}'
    const reading = await read(body)
    assert.equal(reading.texts.find(({ role }) => role === 'html')?.text.trim(), CPR)
  })
})

describe('RTF: found or refused, never clean', () => {
  const ROWS: [name: string, body: string, code: 'cpr' | 'uninspected'][] = [
    ['plain', CPR, 'cpr'],
    ['as Word writes it', rtf(CPR).toString('latin1').slice(7, -1), 'cpr'],
    ['bytes', "\\'30\\'37\\'30\\'37\\'36\\'31\\'2d\\'34\\'32\\'38\\'35", 'cpr'],
    ['Unicode', '\\uc0\\u48\\u55\\u48\\u55\\u54\\u49\\u45\\u52\\u50\\u56\\u53', 'cpr'],
    ['optional hyphen', '070761\\-4285', 'cpr'],
    ['non-breaking hyphen', '070761\\_4285', 'cpr'],
    ['cells', '070761\\cell 4285\\cell\\row', 'cpr'],
    ['over a deletion', "\\'30707{\\deleted 99}61-4285", 'cpr'],
    ['hidden', "{\\v \\'30\\'3707 61-4285}", 'cpr'],
    ['footnote', "{\\footnote \\'3070761-4285}", 'cpr'],
    ['field code', '{\\field{\\*\\fldinst HYPERLINK "\\\'3070761-4285"}{\\fldrslt x}}', 'cpr'],
    ['property', "{\\info{\\doccomm \\'3070761-4285}}", 'cpr'],
    ['variable', "{\\*\\docvar{x}{\\'3070761-4285}}", 'cpr'],
    ['unknown group', "{\\*\\unknownword \\'3070761-4285}", 'cpr'],
    ['name of a font', "{\\fonttbl{\\f0 \\'3070761-4285;}}", 'cpr'],
    ['fallback of Unicode', "\\uc11\\u32 \\'3070761-4285", 'cpr'],
    ['package', `{\\object{\\*\\objdata ${object('Package', PACKAGE)}}}`, 'cpr'],
    ['text in the place of a picture', `{\\pict\\pngblip ${CPR}}`, 'cpr'],
    [
      'picture larger than 64 KiB',
      `{\\pict\\pngblip ${PNG.replace(/^(.{16})/, `$1${'00'.repeat(70_000)}`)}}`,
      'uninspected',
    ],
    ['something else as a picture', '{\\pict\\pngblip 504b0304aabbccdd}', 'uninspected'],
    ['unknown object', `{\\object{\\*\\objdata ${object('PBrush', Buffer.from('BM'))}}}`, 'uninspected'],
    [
      'linked object',
      `{\\object{\\*\\objdata ${u32(0x501)}${u32(1)}${text('x')}${text('c:\\y')}${text('')}}}`,
      'uninspected',
    ],
    ['direction override', '\\u8238?5824-167070', 'uninspected'],
    ['nested too deep', '{'.repeat(3000) + '}'.repeat(3000), 'uninspected'],
    ['no end', '{', 'uninspected'],
    ['text behind the end', '}x', 'uninspected'],
  ]
  for (const [name, body, code] of ROWS) {
    it(`${name}: ${code}`, async () => {
      const codes = await refusalsOf(file(body), 'a.rtf', 'application/rtf')
      assert.ok(codes.includes(code), codes.join())
    })
  }

  it('what Word adds to every file is clean: theme, colours, data store', async () => {
    const theme = writeZip([
      {
        name: '[Content_Types].xml',
        data: '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/theme/theme/theme1.xml" ContentType="application/vnd.openxmlformats-officedocument.theme+xml"/></Types>',
      },
      {
        name: '_rels/.rels',
        data: '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="theme/theme/themeManager.xml"/></Relationships>',
      },
      {
        name: 'theme/theme/themeManager.xml',
        data: '<a:themeManager xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"/>',
      },
      {
        name: 'theme/theme/theme1.xml',
        data: '<a:theme xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" name="Office"/>',
      },
    ])
    const store = object('Msxml2.SAXXMLReader.6.0', compoundFile({}))
    const body =
      `x{\\*\\themedata ${theme.toString('hex')}}{\\*\\datastore ${store}${'00'.repeat(12)}}` +
      `{\\*\\colorschememapping ${Buffer.from('<a:clrMap/>').toString('hex')}}`
    assert.deepEqual(await refusalsOf(file(body), 'a.rtf'), [])
  })

  it('an ordinary letter is clean, with its small picture', async () => {
    assert.deepEqual(await refusalsOf(file(`Dear Bo{\\pict\\pngblip ${PNG}}`), 'a.rtf'), [])
    assert.deepEqual(
      await refusalsOf(
        rtf('Kære Bo\nHilsen Ω', [
          ['Navn', 'Tal'],
          ['Anna', 12],
        ]),
        'a.rtf',
      ),
      [],
    )
  })
})

describe('RTF: bounds', () => {
  const BOMBS: [name: string, body: string][] = [
    ['groups', '{'.repeat(500_000)],
    ['Unicode', '\\u1 '.repeat(200_000)],
    ['destinations', '{\\*\\x}'.repeat(200_000)],
    ['pictures', '{\\pict}'.repeat(50_000)],
    ['properties', '{\\title x}'.repeat(50_000)],
  ]
  for (const [name, body] of BOMBS) {
    it(`reads on behind very many ${name}`, async () => {
      const reading = await readingOf(readRtf, file(`${body} ${CPR}`), budgetOf({ parts: 500 }))
      assert.ok(textOf(reading).includes(CPR))
    })
  }

  it('ends with its budget', async () => {
    const late = await readingOf(readRtf, file('\\b '.repeat(20_000)), budgetOf({ asks: 1 }))
    assert.ok(reasonsOf(late).includes('the time for reading was up'))
    const large = await readingOf(readRtf, file(CPR), budgetOf({ bytes: 10 }))
    assert.deepEqual(reasonsOf(large), ['the content is too large'])
  })

  it('knows its format by the bytes', async () => {
    assert.equal(
      await readRtf({ bytes: Buffer.from('{"a":1}'), name: 'a.rtf', where: '', type: 'text/rtf' }, budgetOf()),
      null,
    )
  })
})

describe('compressed RTF (MS-OXRTFCP)', () => {
  it('reads the example of the specification (section 3.1.1)', () => {
    const hex = '2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0'
    assert.equal(decompressRtf(Buffer.from(hex, 'hex')).toString(), '{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n')
  })

  it('inflates what it deflates', () => {
    const source = file(`k\\'e6re ${CPR}`)
    assert.deepEqual(decompressRtf(compressedRtf(source)), source)
  })

  it('refers to the text that the window begins with', () => {
    // "{\rtf1\ansi" stands at the very start: offset 0, 11 characters
    const body = Buffer.concat([Buffer.of(0b11), Buffer.from('0009', 'hex'), Buffer.from('0da0', 'hex')])
    const head = Buffer.from(`${u32(body.length + 12)}${u32(11)}4c5a4675${u32(checksum(body))}`, 'hex')
    assert.equal(decompressRtf(Buffer.concat([head, body])).toString(), '{\\rtf1\\ansi')
  })

  it('refuses wrong checksums, sizes and references', () => {
    const good = compressedRtf(file('x'))
    const bad = (change: (bytes: Buffer) => void) => {
      const copy = Buffer.from(good)
      change(copy)
      assert.throws(() => decompressRtf(copy), RangeError)
    }
    bad((bytes) => bytes.writeUInt32LE(1, 12))
    bad((bytes) => bytes.writeUInt32LE(1, 4))
    bad((bytes) => bytes.writeUInt32LE(0x7fffffff, 4))
    bad((bytes) => bytes.writeUInt32LE(0x7fffffff, 0))
    bad((bytes) => bytes.writeUInt8(0x55, 20))
    assert.throws(() => decompressRtf(good.subarray(0, 10)), RangeError)
  })

  it('takes stored text as it is', () => {
    const head = Buffer.from(`${u32(15)}${u32(3)}4d454c41${u32(0)}`, 'hex')
    assert.equal(decompressRtf(Buffer.concat([head, Buffer.from('abc')])).toString(), 'abc')
  })
})
