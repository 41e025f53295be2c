/**
 * What files can hide a number in, as the research on content lists it (sections 1.6, 8.4 to 9), where the test of the
 * format has no row for it: found or refused, never clean. And every format with something before it or behind it.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { deflateRawSync, deflateSync, brotliCompressSync, gzipSync } from 'node:zlib'
import { readCompound } from '../../../lib/message/files/ole-cfb'
import { csv, doc, ics, json, msg, rtf, tnef, vcf, xls, xml } from '../../corpus/formats/legacy'
import { msgFile, tnefFile } from '../../corpus/formats/mapi-writer'
import { docx, docxBody, flatOdf, odfPackage, odt, workbook, xlsx } from '../../corpus/formats/office'
import { pdf, pdfFile, type PdfContent } from '../../corpus/formats/pdf'
import { name } from '../../corpus/formats/pdf-writer'
import { writeTar } from '../../corpus/formats/tar-writer'
import { writeZip } from '../../corpus/formats/zip-writer'
import { base64, CPR, look } from '../../gate/support'
import { mailWith, refusalsOf } from './legacy-support'

type Outcome = 'found' | 'refused'
type Row = [place: string, bytes: Buffer, expect: Outcome]

const W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
const S = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
const text = (content: string) => Buffer.from(content)
const word = (body: string, more: { name: string; data: string }[] = []) => docxBody(body, more)
const sheet = (content: string, more: { name: string; data: string }[] = []) =>
  workbook([`<worksheet xmlns="${S}">${content}</worksheet>`], [], [], more)
const page = (content = '') => ({ lines: ['A page'], ...(content === '' ? {} : { content }) })
const paper = (content: Partial<PdfContent>) => pdfFile({ pages: [page()], ...content })
const placed = (pieces: [x: number, text: string][]) =>
  paper({ pages: [page(pieces.map(([x, one]) => `BT /F0 9 Tf ${x} 9 Td (${one}) Tj ET`).join(' '))] })
const letters = Array.from(CPR, (one, n): [number, string] => [9 + n * 6, one])

const OFFICE: Row[] = [
  [
    'docx: white text',
    word(`<w:p><w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>${CPR}</w:t></w:r></w:p>`),
    'found',
  ],
  [
    'docx: text of a numbering',
    word('<w:p/>', [
      {
        name: 'word/numbering.xml',
        data: `<w:numbering ${W}><w:abstractNum><w:lvl><w:lvlText w:val="${CPR}"/></w:lvl></w:abstractNum></w:numbering>`,
      },
    ]),
    'found',
  ],
  [
    'docx: digits of a symbol font, as symbols',
    word(`<w:p><w:r>${'0707614285'.replace(/./g, '<w:sym w:font="Symbol" w:char="F03$&"/>')}</w:r></w:p>`),
    'found',
  ],
  [
    'docx: digits of a symbol font, as text',
    word(
      `<w:p><w:r><w:t>${'0707614285'.replace(/./g, (d) => String.fromCharCode(0xf030 + Number(d)))}</w:t></w:r></w:p>`,
    ),
    'found',
  ],
  [
    'docx: reversed by an element',
    word('<w:p><w:bdo w:val="rtl"><w:r><w:t>5824-167070</w:t></w:r></w:bdo></w:p>'),
    'refused',
  ],
  ['docx: reversed by a character', word('<w:p><w:r><w:t>\u202e5824-167070</w:t></w:r></w:p>'), 'refused'],
  [
    'docx: value that a form begins with',
    word(
      `<w:p><w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:textInput><w:default w:val="${CPR}"/></w:textInput></w:ffData></w:fldChar></w:r></w:p>`,
    ),
    'found',
  ],
  ['docx: author of a change', word(`<w:p><w:ins w:author="${CPR}"><w:r><w:t>x</w:t></w:r></w:ins></w:p>`), 'found'],
  [
    'docx: query of a mail merge',
    word('<w:p/>', [
      {
        name: 'word/settings.xml',
        data: `<w:settings ${W}><w:mailMerge><w:query w:val="${CPR}"/></w:mailMerge></w:settings>`,
      },
    ]),
    'found',
  ],
  [
    'docx: file encoded in its own XML',
    word('<w:p/>', [{ name: 'customXml/item1.xml', data: `<a>${base64('x'.repeat(300))}</a>` }]),
    'refused',
  ],
  [
    'Word document in one XML file',
    text(
      `<?xml version="1.0"?><pkg:package xmlns:pkg="http://schemas.microsoft.com/office/2006/xmlPackage"><pkg:part><pkg:xmlData><w:document ${W}><w:body><w:p><w:r><w:t>0707</w:t></w:r><w:r><w:t>61-4285</w:t></w:r></w:p></w:body></w:document></pkg:xmlData></pkg:part></pkg:package>`,
    ),
    'found',
  ],
  [
    'file inside a Word document in one XML file',
    text(
      `<pkg:package xmlns:pkg="http://schemas.microsoft.com/office/2006/xmlPackage"><pkg:part><pkg:binaryData>${base64(docx({ text: CPR }))}</pkg:binaryData></pkg:part></pkg:package>`,
    ),
    'refused',
  ],
  [
    'workbook of Excel 2003 in XML, zero lost',
    text(
      '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet><Table><Row><Cell><Data>707614285</Data></Cell></Row></Table></Worksheet></Workbook>',
    ),
    'refused',
  ],
  ['spreadsheet as SYLK, zero lost', text('ID;PWXL;N;E\nC;Y1;X1;K"CPR"\nC;Y2;X1;K707614285\nE\n'), 'refused'],
  [
    'spreadsheet as DIF, zero lost',
    text('TABLE\n0,1\n""\nDATA\n0,0\n""\n-1,0\nBOT\n0,707614285\nV\n-1,0\nEOD\n'),
    'refused',
  ],
  [
    'HTML under the name of a workbook, zero lost',
    text('<html><table><tr><td>Navn</td><td>CPR</td></tr><tr><td>Ole</td><td>707614285</td></tr></table></html>'),
    'found',
  ],
  [
    'flat OpenDocument sheet',
    flatOdf(
      'spreadsheet',
      `<office:spreadsheet><table:table table:name="A"><table:table-row><table:table-cell office:value-type="float" office:value="707614285"><text:p>${CPR}</text:p></table:table-cell></table:table-row></table:table></office:spreadsheet>`,
    ),
    'found',
  ],
  [
    'odt: deletion',
    odfPackage(
      'text',
      `<office:text><text:tracked-changes><text:changed-region><text:deletion><text:p>${CPR}</text:p></text:deletion></text:changed-region></text:tracked-changes></office:text>`,
    ),
    'found',
  ],
  [
    'odt: field of the user',
    odfPackage(
      'text',
      `<office:text><text:user-field-decls><text:user-field-decl office:string-value="${CPR}" text:name="a"/></text:user-field-decls></office:text>`,
    ),
    'found',
  ],
  [
    'xlsx: comment',
    sheet('<sheetData/>', [
      {
        name: 'xl/comments1.xml',
        data: `<comments xmlns="${S}"><commentList><comment ref="A1"><text><r><t>0707</t></r><r><t>61-4285</t></r></text></comment></commentList></comments>`,
      },
    ]),
    'found',
  ],
  [
    'xlsx: thread of comments',
    sheet('<sheetData/>', [
      {
        name: 'xl/threadedComments/threadedComment1.xml',
        data: `<ThreadedComments xmlns="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"><threadedComment><text>${CPR}</text></threadedComment></ThreadedComments>`,
      },
    ]),
    'found',
  ],
  [
    'xlsx: list to choose from',
    sheet(
      `<sheetData/><dataValidations><dataValidation type="list"><formula1>"${CPR},b"</formula1></dataValidation></dataValidations>`,
    ),
    'found',
  ],
  [
    'xlsx: hint of a cell',
    sheet(
      `<sheetData/><dataValidations><dataValidation prompt="${CPR}"><formula1>"a"</formula1></dataValidation></dataValidations>`,
    ),
    'found',
  ],
  [
    'xlsx: conditional format',
    sheet(
      `<sheetData/><conditionalFormatting sqref="A1"><cfRule type="containsText" text="${CPR}"/></conditionalFormatting>`,
    ),
    'found',
  ],
  [
    'xlsx: filter',
    sheet(
      `<sheetData/><autoFilter ref="A1"><filterColumn colId="0"><filters><filter val="${CPR}"/></filters></filterColumn></autoFilter>`,
    ),
    'found',
  ],
  [
    'xlsx: cells of another workbook, zero lost',
    sheet('<sheetData/>', [
      {
        name: 'xl/externalLinks/externalLink1.xml',
        data: `<externalLink xmlns="${S}"><externalBook><sheetDataSet><sheetData><row r="1"><cell r="A1"><v>707614285</v></cell></row></sheetData></sheetDataSet></externalBook></externalLink>`,
      },
    ]),
    'found',
  ],
  [
    'xlsx: records of a pivot table, zero lost',
    sheet('<sheetData/>', [
      {
        name: 'xl/pivotCache/pivotCacheRecords1.xml',
        data: `<pivotCacheRecords xmlns="${S}"><r><n v="707614285"/></r></pivotCacheRecords>`,
      },
    ]),
    'found',
  ],
  [
    'xlsx: values of a pivot table, zero lost',
    sheet('<sheetData/>', [
      {
        name: 'xl/pivotCache/pivotCacheDefinition1.xml',
        data: `<pivotCacheDefinition xmlns="${S}"><cacheFields><cacheField name="CPR"><sharedItems><n v="707614285"/></sharedItems></cacheField></cacheFields></pivotCacheDefinition>`,
      },
    ]),
    'found',
  ],
  [
    'xlsx: connection to a database',
    sheet('<sheetData/>', [
      {
        name: 'xl/connections.xml',
        data: `<connections xmlns="${S}"><connection name="x"><dbPr command="${CPR}"/></connection></connections>`,
      },
    ]),
    'found',
  ],
  [
    'xlsx: column of a table',
    sheet('<sheetData/>', [
      {
        name: 'xl/tables/table1.xml',
        data: `<table xmlns="${S}"><tableColumns><tableColumn name="${CPR}"/></tableColumns></table>`,
      },
    ]),
    'found',
  ],
  [
    'xlsx: halves in two cells, zero lost',
    sheet('<sheetData><row r="1"><c r="A1"><v>70761</v></c><c r="B1"><v>4285</v></c></row></sheetData>'),
    'found',
  ],
  [
    'xlsx: formula that joins, without its value',
    sheet('<sheetData><row r="1"><c r="A1" t="str"><f>"0707"&amp;"61-4285"</f></c></row></sheetData>'),
    'refused',
  ],
]

const PAPER: Row[] = [
  [
    'PDF: halves in another order',
    placed([
      [60, '4285'],
      [9, '070761-'],
    ]),
    'found',
  ],
  ['PDF: letter by letter', placed(letters), 'found'],
  ['PDF: letter by letter, from the last one on', placed([...letters].reverse()), 'found'],
  ['PDF: beside the page', placed([[-500, CPR]]), 'found'],
  [
    'PDF: text for the clipboard',
    paper({ pages: [page(`/Span <</ActualText (${CPR})>> BDC BT /F0 9 Tf 9 9 Td (x) Tj ET EMC`)] }),
    'found',
  ],
  ['PDF: layer that is off', paper({ pages: [page(`/OC /MC0 BDC BT /F0 9 Tf 9 9 Td (${CPR}) Tj ET EMC`)] }), 'found'],
  ['PDF: name of a place', paper({ catalog: () => ({ Names: { Dests: { Names: [CPR, [0]] } } }) }), 'found'],
  ['PDF: label of a page', paper({ catalog: () => ({ PageLabels: { Nums: [0, { P: CPR }] } }) }), 'found'],
  [
    'PDF: alternative text',
    paper({
      catalog: () => ({ StructTreeRoot: { Type: name('StructTreeRoot'), K: { S: name('Figure'), Alt: CPR } } }),
    }),
    'found',
  ],
  ['PDF: portfolio', paper({ catalog: () => ({ Collection: { Schema: { A: { N: CPR } } } }) }), 'found'],
  [
    'PDF: program that it opens',
    paper({ catalog: () => ({ OpenAction: { S: name('Launch'), F: `/${CPR}.exe` } }) }),
    'found',
  ],
  [
    'PDF: address that it opens',
    paper({ catalog: () => ({ OpenAction: { S: name('URI'), URI: `http://x/${CPR}` } }) }),
    'found',
  ],
  ['PDF: name with a character by its number', paper({ catalog: () => ({ X: name('070761#2d4285') }) }), 'found'],
  ['PDF: name of a property', paper({ catalog: () => ({ [CPR]: 1 }) }), 'found'],
  ['PDF: comment', Buffer.from(pdf('x').toString('latin1').replace('\nxref', `\n% ${CPR}\nxref`), 'latin1'), 'found'],
  ['RTF: object that is none', text(`{\\rtf1 {\\object{\\*\\objdata ${text(CPR).toString('hex')}}}}`), 'refused'],
  ['RTF: numbering', text(`{\\rtf1{\\*\\listtable{\\list{\\listlevel{\\leveltext ${CPR};}}}}x}`), 'found'],
  ['RTF behind blanks', text('  {\\rtf1 0707{\\b 61}-4285}'), 'refused'],
  ['RTF behind a byte order mark', text('\ufeff{\\rtf1 0707{\\b 61}-4285}'), 'refused'],
]

const OTHERS: Row[] = [
  [
    'mailbox with an encoded message',
    text(
      `From a@b.example Mon Jan  5 00:00:00 2026\nSubject: x\nContent-Transfer-Encoding: base64\n\n${base64(`nr ${CPR}`)}\n`,
    ),
    'found',
  ],
  [
    'page saved with its pictures (MHTML)',
    text(
      'From: <Saved>\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary="q"\n\n--q\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n0707=\n61-4285\n--q--\n',
    ),
    'found',
  ],
  [
    'drawing without a word (SVG)',
    text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 L9 9"/></svg>'),
    'refused',
  ],
  [
    'text of a drawing (SVG)',
    text('<svg xmlns="http://www.w3.org/2000/svg"><text>0707<tspan>61-4285</tspan></text></svg>'),
    'found',
  ],
  ['cells of a notebook', text(JSON.stringify({ cells: [{ source: ['0707', '61-4285'] }] })), 'found'],
  ['certificate in text', text(`-----BEGIN CERTIFICATE-----\n${base64(CPR)}\n-----END CERTIFICATE-----\n`), 'refused'],
  [
    'file inside a calendar',
    text(`BEGIN:VCALENDAR\nATTACH;ENCODING=BASE64;VALUE=BINARY:${base64(`nr ${CPR}`)}\nEND:VCALENDAR\n`),
    'found',
  ],
  [
    'value of a card, quoted-printable',
    text('BEGIN:VCARD\nNOTE;ENCODING=QUOTED-PRINTABLE:0707=\n61-4285\nEND:VCARD\n'),
    'found',
  ],
  ['zip: name that is percent-encoded', writeZip([{ name: '070761%2D4285.txt', data: 'x' }]), 'found'],
  ['winmail.dat in a zip', writeZip([{ name: 'winmail.dat', data: tnefFile({ text: CPR }) }]), 'found'],
  ['Outlook message in a zip', writeZip([{ name: 'a.msg', data: msgFile({ text: CPR }) }]), 'found'],
  ['text in UTF-16 in a zip', writeZip([{ name: 'a.txt', data: Buffer.from(`\ufeffnr ${CPR}`, 'utf16le') }]), 'found'],
  ['CSV that names its separator', text('sep=~\nNavn~CPR\nOle~707614285\n'), 'found'],
  ['CSV with a number as a formula', text('Navn;CPR\nOle;="0707614285"\n'), 'found'],
  ['CSV with an exponent in Danish', text('Navn;CPR\nOle;2,110625629E+09\n'), 'found'],
  ['CSV with decimals', text('Navn;CPR\nOle;2110625629,00\n'), 'found'],
  ['PDF behind 900 other bytes', Buffer.concat([Buffer.alloc(900, 'x\n'), pdf(`nr ${CPR}`)]), 'found'],
  ['PDF behind 2,000 other bytes', Buffer.concat([Buffer.alloc(2000, 'x\n'), pdf(`nr ${CPR}`)]), 'refused'],
  // compressed, packed, encrypted and other kinds: told by bytes, and never read
  ...[
    ['deflate without a header', deflateRawSync(CPR)],
    ['zlib', deflateSync(CPR)],
    ['brotli', brotliCompressSync(CPR)],
    ['bzip2', Buffer.from('BZh91AY&SYxxxxxxxx')],
    ['xz', Buffer.from('fd377a585a000004e6d6b446', 'hex')],
    ['zstd', Buffer.from('28b52ffd045800', 'hex')],
    ['lz4', Buffer.from('04224d186440a7', 'hex')],
    ['cabinet', Buffer.from('4d534346000000002c00', 'hex')],
    ['arj', Buffer.from('60ea2a001e06', 'hex')],
    ['image of a disc', Buffer.concat([Buffer.alloc(32_768), Buffer.from('\x01CD001\x01')])],
    ['RAR 4, encrypted headers', Buffer.from('526172211a0700ce9973800000000000', 'hex')],
    ['RAR 5, encrypted headers', Buffer.from('526172211a070100aabbccdd0104', 'hex')],
    ['7z, encrypted', Buffer.from('377abcaf271c000406f10701', 'hex')],
    ['OpenPGP in binary', Buffer.from('85010c0300112233445566778899aabbccddeeff', 'hex')],
    ['age', Buffer.from('age-encryption.org/v1\n-> X25519 aaa\n--- x\n\0\x01')],
    ['CMS, compressed', Buffer.from('3080060b2a864886f70d0109100109a080', 'hex')],
    ['CMS, encrypted by a password', Buffer.from('308006092a864886f70d010706a080', 'hex')],
    ['CMS, digested', Buffer.from('308006092a864886f70d010705a080', 'hex')],
    ['film', Buffer.from('000000186674797069736f6d00000000', 'hex')],
    ['sound', Buffer.from('RIFF0000WAVEfmt 0000')],
    ['TIFF', Buffer.from('49492a0008000000', 'hex')],
    ['WebP', Buffer.from('RIFF0000WEBPVP8 0000')],
    ['PostScript', Buffer.from('%!PS-Adobe-3.0\n<3037303736312d34323835> show\n')],
    ['program', Buffer.from('4d5a900003000000', 'hex')],
    ['shortcut', Buffer.from('4c0000000114020000000000c000000000000046', 'hex')],
    ['database', Buffer.from('SQLite format 3\0\x10\0\x01\x01')],
    ['resource fork', Buffer.from('00051607000200004d6163204f532058', 'hex')],
  ].map(([what, bytes]): Row => [String(what), bytes as Buffer, 'refused']),
]

const ROOMS: [room: string, rows: Row[]][] = [
  ['office documents and tables (sections 1.6, 8.4)', OFFICE],
  ['paper (sections 8.5, 8.6)', PAPER],
  ['other files, and what is told by bytes (sections 8.7 to 9)', OTHERS],
]
for (const [room, rows] of ROOMS) {
  describe(`hiding places of the reference: ${room}`, () => {
    for (const [place, bytes, expect] of rows) {
      it(`${place}: ${expect}`, async () => {
        const { verdict } = await look(mailWith(bytes))
        const codes = verdict.refusals.map(({ code }) => code)
        assert.ok(codes.includes(expect === 'found' ? 'cpr' : 'uninspected'), JSON.stringify(verdict))
        assert.equal(verdict.granted, false)
        assert.doesNotMatch(JSON.stringify(verdict), /070761[^*]{0,3}4285/)
      })
    }
  })
}

describe('files that are two files', () => {
  const mailbox = text('From a@b.example Mon Jan  5 00:00:00 2026\nSubject: x\n\nhello\n')
  const FILES: Record<string, Buffer> = {
    doc: doc('x'),
    xls: xls('x'),
    msg: msg('x'),
    TNEF: tnef('x'),
    RTF: rtf('x'),
    docx: docx({ text: 'x' }),
    xlsx: xlsx({ tables: [[['a', 'b']]] }),
    odt: odt({ text: 'x' }),
    PDF: pdf('x'),
    gzip: gzipSync('x'),
    tar: writeTar([{ name: 'a', data: 'x' }]),
    zip: writeZip([{ name: 'a', data: 'x' }]),
    text: text('hello\n'),
    CSV: csv([
      ['a', 'b'],
      ['1', '2'],
    ]),
    JSON: json('x'),
    XML: xml('x'),
    vCard: vcf('x'),
    iCalendar: ics('x'),
    HTML: text('<html><p>x</html>'),
    message: text('From: a@b.example\nSubject: x\n\nhello\n'),
    mailbox,
  }
  // compressed, so that no search of raw bytes sees the number
  const archive = writeZip([{ name: 'a.txt', data: `nr ${CPR} `.repeat(20) }])
  const noise = Buffer.concat(Array.from({ length: 20 }, (_, n) => createHash('sha512').update(`${n}`).digest()))
  for (const [kind, file] of Object.entries(FILES)) {
    it(`${kind}: clean alone, never with an archive or noise before it or behind it`, async () => {
      assert.deepEqual(await refusalsOf(file), [])
      for (const [how, bytes] of [
        ['archive behind', [file, archive]],
        ['noise behind', [file, noise]],
        ['archive before', [archive, file]],
        ['noise before', [noise, file]],
      ] as const) {
        const codes = await refusalsOf(Buffer.concat(bytes))
        assert.ok(codes.includes('uninspected') || codes.includes('cpr'), how)
      }
    })
  }

  it('an archive in the free sectors of a compound file', () => {
    const file = doc('x')
    // the table has no other free sector than those behind the last one: the archive is there, and nothing follows it
    const found = readCompound(Buffer.concat([file, archive, Buffer.alloc(1024 - archive.length)]))
    assert.ok(found?.problems.includes('an archive stands in free sectors'))
  })
})
