/** Plain text as a PDF, as a word processor prints it; and the places in a PDF beside its pages. */
import { assemblePdf, name, PdfObjects, ref, type PdfEncryption, type PdfValue } from './pdf-writer'

export interface PdfPage {
  /** Lines of text; Latin-1. */
  lines?: readonly string[]
  /** Content stream operators that come after the text. */
  content?: string
  /** Notes on the page. */
  notes?: readonly string[]
  /** Form fields by name. */
  fields?: Readonly<Record<string, string>>
  /** A picture: its part of the page, from 0 to 1 along each side. */
  picture?: number
  /** Further annotations, as they stand. */
  annotations?: readonly PdfValue[]
}

export interface PdfContent {
  pages: readonly PdfPage[]
  info?: Readonly<Record<string, string>>
  xmp?: string
  attachments?: Readonly<Record<string, Buffer>>
  outline?: readonly string[]
  javascript?: string
  /** Further entries of the catalogue; their objects are added through `objects`. */
  catalog?: (objects: PdfObjects) => Record<string, PdfValue>
  encrypt?: PdfEncryption
  /** Objects stand in an object stream. */
  compressed?: boolean
}

const WIDTH = 595
const HEIGHT = 842
/** Lines that fit on a page. */
const LINES = 50

/** Plain text, as many pages as it needs. */
export function pdf(text: string): Buffer {
  const lines = text.split('\n')
  const pages: PdfPage[] = []
  for (let at = 0; at < lines.length || at === 0; at += LINES) pages.push({ lines: lines.slice(at, at + LINES) })
  return pdfFile({ pages })
}

/** A PDF with all that is asked for. */
export function pdfFile(content: PdfContent): Buffer {
  const objects = new PdfObjects()
  const catalog = objects.reserve()
  const tree = objects.reserve()
  const font = objects.add({
    Type: name('Font'),
    Subtype: name('Type1'),
    BaseFont: name('Helvetica'),
    Encoding: name('WinAnsiEncoding'),
  })
  const fields: number[] = []
  const pages = content.pages.map((page) => writePage(objects, page, { tree, font, fields }))
  objects.set(tree, { Type: name('Pages'), Kids: pages.map(ref), Count: pages.length })
  const extra = content.catalog?.(objects) ?? {}
  objects.set(catalog, {
    Type: name('Catalog'),
    Pages: ref(tree),
    ...(fields.length === 0 ? {} : { AcroForm: { Fields: fields.map(ref), DA: '/Helv 10 Tf 0 g' } }),
    ...(content.xmp === undefined
      ? {}
      : { Metadata: ref(objects.flate(Buffer.from(content.xmp), { Type: name('Metadata'), Subtype: name('XML') })) }),
    ...(content.outline === undefined ? {} : { Outlines: ref(writeOutline(objects, content.outline)) }),
    ...(content.attachments === undefined && content.javascript === undefined
      ? {}
      : {
          Names: {
            ...(content.attachments === undefined
              ? {}
              : { EmbeddedFiles: { Names: writeAttachments(objects, content.attachments) } }),
            ...(content.javascript === undefined
              ? {}
              : { JavaScript: { Names: ['start', { S: name('JavaScript'), JS: content.javascript }] } }),
          },
        }),
    ...extra,
  })
  const info: Record<string, PdfValue> = content.info === undefined ? {} : { Info: ref(objects.add(content.info)) }
  return assemblePdf(objects, { Root: ref(catalog), ...info }, content)
}

function writePage(
  objects: PdfObjects,
  page: PdfPage,
  { tree, font, fields }: { tree: number; font: number; fields: number[] },
): number {
  const number = objects.reserve()
  const operators = [
    ...(page.picture === undefined ? [] : [`q ${WIDTH * page.picture} 0 0 ${HEIGHT * page.picture} 0 0 cm /Im0 Do Q`]),
    'BT /F0 11 Tf 14 TL 60 780 Td',
    ...(page.lines ?? []).map((line) => `(${escapeString(line)}) Tj T*`),
    'ET',
    page.content ?? '',
  ]
  const notes = (page.notes ?? []).map((note, n) =>
    objects.add({
      Type: name('Annot'),
      Subtype: name('Text'),
      Rect: [20, 20 + 20 * n, 40, 40 + 20 * n],
      Contents: note,
      P: ref(number),
    }),
  )
  const widgets = Object.entries(page.fields ?? {}).map(([title, value], n) =>
    objects.add({
      Type: name('Annot'),
      Subtype: name('Widget'),
      FT: name('Tx'),
      T: title,
      V: value,
      Rect: [300, 20 + 20 * n, 500, 38 + 20 * n],
      P: ref(number),
    }),
  )
  fields.push(...widgets)
  const annotations: PdfValue[] = [...notes.map(ref), ...widgets.map(ref), ...(page.annotations ?? [])]
  const picture: Record<string, PdfValue> =
    page.picture === undefined
      ? {}
      : {
          XObject: {
            Im0: ref(
              objects.flate(Buffer.alloc(64 * 64, 0x99), {
                Type: name('XObject'),
                Subtype: name('Image'),
                Width: 64,
                Height: 64,
                ColorSpace: name('DeviceGray'),
                BitsPerComponent: 8,
              }),
            ),
          },
        }
  const entries: Record<string, PdfValue> = {
    Type: name('Page'),
    Parent: ref(tree),
    MediaBox: [0, 0, WIDTH, HEIGHT],
    Resources: { Font: { F0: ref(font) }, ...picture },
    Contents: ref(objects.flate(operators.join('\n'))),
    ...(annotations.length === 0 ? {} : { Annots: annotations }),
  }
  objects.set(number, entries)
  return number
}

function writeAttachments(objects: PdfObjects, attachments: Readonly<Record<string, Buffer>>): PdfValue[] {
  return Object.entries(attachments).flatMap(([title, bytes]) => {
    const stream = objects.flate(bytes, { Type: name('EmbeddedFile') })
    const spec = objects.add({ Type: name('Filespec'), F: title, UF: title, EF: { F: ref(stream) } })
    return [title, ref(spec)]
  })
}

function writeOutline(objects: PdfObjects, titles: readonly string[]): number {
  const root = objects.reserve()
  const items = titles.map(() => objects.reserve())
  for (const [n, title] of titles.entries()) {
    const [previous, item, next] = [items[n - 1], items[n], items[n + 1]]
    if (item === undefined) continue
    objects.set(item, {
      Title: title,
      Parent: ref(root),
      ...(previous === undefined ? {} : { Prev: ref(previous) }),
      ...(next === undefined ? {} : { Next: ref(next) }),
    })
  }
  const [first, last] = [items[0], items.at(-1)]
  if (first !== undefined && last !== undefined) {
    objects.set(root, { Type: name('Outlines'), First: ref(first), Last: ref(last), Count: items.length })
  }
  return root
}

/** A literal string (section 7.3.4.2). */
function escapeString(text: string): string {
  return text.replace(/[\\()]/g, '\\$&')
}
