/**
 * Plain text and tables in the formats of office programs and archives, as those programs write them: runs that are cut
 * in the middle of a number, shared strings, number formats, slides, repeated cells.
 */
import { gzipSync } from 'node:zlib'
import { writeTar } from './tar-writer'
import { writeZip, type ZipEntry } from './zip-writer'

/** A cell: text, or a number as spreadsheets store it. */
export type OfficeCell = string | number | { value: number; format: string } | null

/** What a document holds: paragraphs one to a line, then tables. */
export interface OfficeContent {
  text?: string
  tables?: readonly (readonly (readonly OfficeCell[])[])[]
}

const REL = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006'
export const NAMESPACES = {
  w: 'http://schemas.openxmlformats.org/wordprocessingml/2006/main',
  s: 'http://schemas.openxmlformats.org/spreadsheetml/2006/main',
  p: 'http://schemas.openxmlformats.org/presentationml/2006/main',
  a: 'http://schemas.openxmlformats.org/drawingml/2006/main',
  c: 'http://schemas.openxmlformats.org/drawingml/2006/chart',
  r: REL,
  mc: 'http://schemas.openxmlformats.org/markup-compatibility/2006',
  v: 'urn:schemas-microsoft-com:vml',
} as const
const ODF = 'urn:oasis:names:tc:opendocument:xmlns:'
const ODF_NAMES =
  ['office', 'text', 'table', 'style', 'meta', 'manifest', 'form', 'presentation']
    .map((name) => ` xmlns:${name}="${ODF}${name}:1.0"`)
    .join('') +
  ` xmlns:draw="${ODF}drawing:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"` +
  ` xmlns:config="${ODF}config:1.0" xmlns:svg="${ODF}svg-compatible:1.0"`

/** Text between tags and in attributes. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"\n]/g, (one) => `&#${one.charCodeAt(0)};`)
}

/** A member with an XML declaration. */
export function xmlMember(name: string, root: string): ZipEntry {
  return { name, data: `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n${root}` }
}

/** `.rels` of a member, or of the package when the owner is ''. */
export function relsMember(owner: string, targets: readonly (readonly [type: string, target: string])[]): ZipEntry {
  const slash = owner.lastIndexOf('/') + 1
  const list = targets.map(([type, target], n) => {
    const full = type.includes(':') ? type : `${REL}/${type}`
    return `<Relationship Id="rId${n + 1}" Type="${full}" Target="${escapeXml(target)}"/>`
  })
  return xmlMember(
    `${owner.slice(0, slash)}_rels/${owner.slice(slash)}.rels`,
    `<Relationships xmlns="${PACKAGE}/relationships">${list.join('')}</Relationships>`,
  )
}

/** The members that every package has, around those given. */
export function ooxmlPackage(main: string, mainType: string, members: readonly ZipEntry[]): Buffer {
  return writeZip([
    xmlMember(
      '[Content_Types].xml',
      `<Types xmlns="${PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
        `<Default Extension="xml" ContentType="application/xml"/><Override PartName="/${main}" ContentType="${mainType}"/></Types>`,
    ),
    relsMember('', [['officeDocument', main]]),
    ...members,
  ])
}

/** A Word document. Every number is cut into two runs, as editing leaves it. */
export function docx(content: OfficeContent): Buffer {
  const run = (text: string) => `<w:r><w:t xml:space="preserve">${escapeXml(text)}</w:t></w:r>`
  const paragraph = (line: string) =>
    `<w:p w:rsidR="00A77B3E">${cutRuns(line).map(run).join('<w:proofErr w:type="spellStart"/>')}</w:p>`
  const table = (rows: readonly (readonly OfficeCell[])[]) =>
    `<w:tbl><w:tblPr/>${rows
      .map((row) => `<w:tr>${row.map((cell) => `<w:tc><w:tcPr/>${paragraph(shown(cell))}</w:tc>`).join('')}</w:tr>`)
      .join('')}</w:tbl>`
  return docxBody(linesOf(content).map(paragraph).join('') + (content.tables ?? []).map(table).join('<w:p/>'))
}

/** A Word document with this body, and further members. */
export function docxBody(body: string, members: readonly ZipEntry[] = []): Buffer {
  const names = (['w', 'a', 'r', 'mc', 'v'] as const).map((prefix) => ` xmlns:${prefix}="${NAMESPACES[prefix]}"`)
  return ooxmlPackage(
    'word/document.xml',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml',
    [xmlMember('word/document.xml', `<w:document${names.join('')}><w:body>${body}</w:body></w:document>`), ...members],
  )
}

/** A workbook with one sheet for the text, when there is any, and one for each table. Strings are shared. */
export function xlsx(content: OfficeContent): Buffer {
  const strings = new Map<string, number>()
  const formats = new Map<string, number>()
  const sheets = sheetsOf(content).map((rows) => {
    const body = rows.map((row, r) => {
      const cells = row.map((cell, c) => {
        const place = `r="${columnLetters(c)}${r + 1}"`
        if (cell === null || cell === '') return ''
        if (typeof cell === 'string') return `<c ${place} t="s"><v>${indexOf(strings, cell)}</v></c>`
        if (typeof cell === 'number') return `<c ${place}><v>${cell}</v></c>`
        return `<c ${place} s="${indexOf(formats, cell.format) + 1}"><v>${cell.value}</v></c>`
      })
      return `<row r="${r + 1}">${cells.join('')}</row>`
    })
    return `<worksheet xmlns="${NAMESPACES.s}"><sheetData>${body.join('')}</sheetData></worksheet>`
  })
  return workbook(
    sheets,
    [...strings.keys()].map((text) => `<si><t xml:space="preserve">${escapeXml(text)}</t></si>`),
    [...formats.keys()],
  )
}

/** A workbook of sheets as they stand, with shared strings, number formats and further members. */
export function workbook(
  sheets: readonly string[],
  strings: readonly string[] = [],
  formats: readonly string[] = [],
  members: readonly ZipEntry[] = [],
): Buffer {
  const codes = formats.map((code, n) => `<numFmt numFmtId="${164 + n}" formatCode="${escapeXml(code)}"/>`)
  const cellFormats = [
    '<xf numFmtId="0"/>',
    ...formats.map(
      (_code, n) => `<xf numFmtId="${164 + n}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>`,
    ),
  ]
  return ooxmlPackage('xl/workbook.xml', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml', [
    xmlMember(
      'xl/workbook.xml',
      `<workbook xmlns="${NAMESPACES.s}" xmlns:r="${REL}"><sheets>${sheets
        .map((_sheet, n) => `<sheet name="Ark${n + 1}" sheetId="${n + 1}" r:id="rId${n + 1}"/>`)
        .join('')}</sheets></workbook>`,
    ),
    relsMember('xl/workbook.xml', [
      ...sheets.map((_sheet, n) => ['worksheet', `worksheets/sheet${n + 1}.xml`] as const),
      ['sharedStrings', 'sharedStrings.xml'],
      ['styles', 'styles.xml'],
    ]),
    ...sheets.map((sheet, n) => xmlMember(`xl/worksheets/sheet${n + 1}.xml`, sheet)),
    xmlMember('xl/sharedStrings.xml', `<sst xmlns="${NAMESPACES.s}">${strings.join('')}</sst>`),
    xmlMember(
      'xl/styles.xml',
      `<styleSheet xmlns="${NAMESPACES.s}"><numFmts count="${codes.length}">${codes.join('')}</numFmts><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts><fills count="1"><fill><patternFill patternType="none"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf numFmtId="0"/></cellStyleXfs><cellXfs>${cellFormats.join('')}</cellXfs></styleSheet>`,
    ),
    ...members,
  ])
}

/** A presentation: 12 lines to a slide, tables on slides of their own. */
export function pptx(content: OfficeContent): Buffer {
  const paragraph = (line: string) =>
    `<a:p>${cutRuns(line)
      .map((text) => `<a:r><a:rPr lang="da-DK"/><a:t>${escapeXml(text)}</a:t></a:r>`)
      .join('')}</a:p>`
  const lines = linesOf(content)
  const slides: string[] = []
  for (let at = 0; at < lines.length; at += 12) {
    const body = lines.slice(at, at + 12).map(paragraph)
    slides.push(
      `<p:sp><p:nvSpPr><p:cNvPr id="2" name="Titel 1"/></p:nvSpPr><p:txBody><a:bodyPr/>${body.join('')}</p:txBody></p:sp>`,
    )
  }
  for (const table of content.tables ?? []) {
    const rows = table.map(
      (row) =>
        `<a:tr h="370840">${row.map((cell) => `<a:tc><a:txBody><a:bodyPr/>${paragraph(shown(cell))}</a:txBody></a:tc>`).join('')}</a:tr>`,
    )
    slides.push(
      `<p:graphicFrame><a:graphic><a:graphicData><a:tbl>${rows.join('')}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>`,
    )
  }
  return presentation(slides)
}

/** A presentation of slides, each the content of its shape tree, and further members. */
export function presentation(slides: readonly string[], members: readonly ZipEntry[] = []): Buffer {
  const names = (['p', 'a', 'r'] as const).map((prefix) => ` xmlns:${prefix}="${NAMESPACES[prefix]}"`).join('')
  return ooxmlPackage(
    'ppt/presentation.xml',
    'application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml',
    [
      xmlMember(
        'ppt/presentation.xml',
        `<p:presentation${names}><p:sldIdLst>${slides.map((_slide, n) => `<p:sldId id="${256 + n}" r:id="rId${n + 1}"/>`).join('')}</p:sldIdLst></p:presentation>`,
      ),
      relsMember(
        'ppt/presentation.xml',
        slides.map((_slide, n) => ['slide', `slides/slide${n + 1}.xml`] as const),
      ),
      ...slides.map((slide, n) =>
        xmlMember(
          `ppt/slides/slide${n + 1}.xml`,
          `<p:sld${names}><p:cSld><p:spTree>${slide}</p:spTree></p:cSld></p:sld>`,
        ),
      ),
      ...members,
    ],
  )
}

/** A text document of OpenDocument. */
export function odt(content: OfficeContent): Buffer {
  const paragraph = (line: string) =>
    `<text:p text:style-name="Standard">${cutRuns(line)
      .map((text) => `<text:span text:style-name="T1">${odfText(text)}</text:span>`)
      .join('')}</text:p>`
  const table = (rows: readonly (readonly OfficeCell[])[], n: number) =>
    `<table:table table:name="Tabel${n + 1}"><table:table-column table:number-columns-repeated="${Math.max(1, ...rows.map((row) => row.length))}"/>${rows
      .map(
        (row) =>
          `<table:table-row>${row.map((cell) => `<table:table-cell office:value-type="string">${paragraph(shown(cell))}</table:table-cell>`).join('')}</table:table-row>`,
      )
      .join('')}</table:table>`
  const body = linesOf(content).map(paragraph).join('') + (content.tables ?? []).map(table).join('')
  return odfPackage('text', `<office:text>${body}</office:text>`)
}

/** A spreadsheet of OpenDocument: a table for the text, when there is any, and one for each table. */
export function ods(content: OfficeContent): Buffer {
  const tables = sheetsOf(content).map((rows, n) => {
    const body = rows.map((row) => {
      const cells = row.map((cell) => {
        if (cell === null || cell === '') return '<table:table-cell/>'
        const text = `<text:p>${odfText(shown(cell))}</text:p>`
        if (typeof cell === 'string') return `<table:table-cell office:value-type="string">${text}</table:table-cell>`
        const value = typeof cell === 'number' ? cell : cell.value
        return `<table:table-cell office:value-type="float" office:value="${value}">${text}</table:table-cell>`
      })
      return `<table:table-row>${cells.join('')}<table:table-cell table:number-columns-repeated="${16_384 - row.length}"/></table:table-row>`
    })
    return `<table:table table:name="Ark${n + 1}">${body.join('')}<table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>`
  })
  return odfPackage('spreadsheet', `<office:spreadsheet>${tables.join('')}</office:spreadsheet>`)
}

/** @param kind last part of the media type */
export function odfPackage(
  kind: string,
  body: string,
  options: { before?: string; members?: readonly ZipEntry[]; manifest?: string } = {},
): Buffer {
  const type = `application/vnd.oasis.opendocument.${kind}`
  const entries = ['content.xml', ...(options.members ?? []).map(({ name }) => String(name))]
    // what the caller says about a member is said once
    .filter((name) => !(options.manifest ?? '').includes(`"${name}"`))
    .map((name) => `<manifest:file-entry manifest:full-path="${name}" manifest:media-type="text/xml"/>`)
  return writeZip([
    { name: 'mimetype', data: type, method: 0 },
    xmlMember(
      'content.xml',
      `<office:document-content${ODF_NAMES} office:version="1.3">${options.before ?? ''}<office:body>${body}</office:body></office:document-content>`,
    ),
    ...(options.members ?? []),
    xmlMember(
      'META-INF/manifest.xml',
      `<manifest:manifest${ODF_NAMES} manifest:version="1.3"><manifest:file-entry manifest:full-path="/" manifest:media-type="${type}"/>${entries.join('')}${options.manifest ?? ''}</manifest:manifest>`,
    ),
  ])
}

/** The same in one XML file. @param kind of the body */
export function flatOdf(kind: 'text' | 'spreadsheet', body: string): Buffer {
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<office:document${ODF_NAMES} office:mimetype="application/vnd.oasis.opendocument.${kind}"><office:body>${body}</office:body></office:document>`,
  )
}

/** Root element of a member of OpenDocument with all namespaces declared. */
export function odfRoot(name: string, inner: string): string {
  return `<office:${name}${ODF_NAMES}>${inner}</office:${name}>`
}

/** An archive of files. */
export function zip(files: readonly { name: string; bytes: Buffer }[]): Buffer {
  return writeZip(files.map(({ name, bytes }) => ({ name, data: bytes })))
}

/** A tar archive of files, packed. */
export function tarGz(files: readonly { name: string; bytes: Buffer }[]): Buffer {
  return gzipSync(writeTar(files.map(({ name, bytes }) => ({ name, data: bytes }))))
}

function linesOf(content: OfficeContent): string[] {
  return content.text === undefined ? [] : content.text.split('\n')
}

/** Text as one column, then the tables. */
function sheetsOf(content: OfficeContent): (readonly (readonly OfficeCell[])[])[] {
  const lines = linesOf(content)
  return [...(lines.length === 0 ? [] : [lines.map((line) => [line])]), ...(content.tables ?? [])]
}

/** What a person sees of a cell. */
function shown(cell: OfficeCell): string {
  if (cell === null) return ''
  if (typeof cell === 'object') {
    // only formats of zeros and hyphens are used here
    const digits = Array.from(String(cell.value))
    return Array.from(cell.format)
      .reverse()
      .map((one) => (one === '0' ? (digits.pop() ?? '0') : one))
      .reverse()
      .join('')
  }
  return String(cell)
}

/** Cut in the middle of every run of digits of six or more, as spelling checks and edits leave runs behind. */
function cutRuns(line: string): string[] {
  return line.replace(/(\d{4})(?=\d{2})/g, '$1\u0001').split('\u0001')
}

function odfText(text: string): string {
  return escapeXml(text)
    .replace(/\t/g, '<text:tab/>')
    .replace(/ {2,}/g, (blanks) => ` <text:s text:c="${blanks.length - 1}"/>`)
}

function indexOf(known: Map<string, number>, one: string): number {
  const index = known.get(one) ?? known.size
  known.set(one, index)
  return index
}

function columnLetters(column: number): string {
  const first = column >= 26 ? String.fromCharCode(64 + Math.floor(column / 26)) : ''
  return `${first}${String.fromCharCode(65 + (column % 26))}`
}
