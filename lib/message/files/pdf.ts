/**
 * PDF (ISO 32000-1). Two readings of one file: PDFium lays the pages out and gives their text; our own pass over all
 * objects finds what no page shows. Inspected is a file only where both say that they have read it completely.
 */
import { isEncrypted, readObjects, typeOf, type PdfFile } from './pdf-objects'
import { judgePage } from './pdf-page'
import { readPdfObjects } from './pdf-texts'
import { DOCUMENT_LIMIT, openPdf, type OpenPdf } from './pdfium'
import { emptyReading, type FileReading, type OpenFile, type ReadBudget } from './types'

/** Pages that are read of one document. */
export const MAX_PAGES = 5000
/** How far into the bytes a document may begin. */
const WINDOW = 1024

/** Reader of PDF; see {@link import('./types').FileReader}. */
export async function readPdf(file: OpenFile, budget: ReadBudget): Promise<FileReading | null> {
  const begin = file.bytes.subarray(0, WINDOW + 5).indexOf('%PDF-')
  if (begin === -1) return null
  if (file.bytes.length > DOCUMENT_LIMIT) return failed(file, 'the document is too large')
  try {
    return await readBoth(file, budget)
  } catch {
    // whatever breaks PDFium is no document that anyone has to be able to send in clear text
    return failed(file, 'the document cannot be read')
  }
}

async function readBoth(file: OpenFile, budget: ReadBudget): Promise<FileReading> {
  const objects = readObjects(file.bytes, budget)
  const encrypted = isEncrypted(objects.trailers)
  const opened = await openPdf(file.bytes, (total) => budget.engine?.(total) ?? true)
  switch (opened.kind) {
    case 'password':
      return { ...emptyReading(), protection: [{ where: file.where, kind: 'pdf-encrypted' }] }
    case 'broken':
      // an unknown security handler, such as a rights management's, is encryption all the same
      if (encrypted) return { ...emptyReading(), protection: [{ where: file.where, kind: 'pdf-encrypted' }] }
      return merged(readPdfObjects(objects, file, budget, MAX_PAGES), failed(file, 'the document cannot be read'))
    case 'open': {
      const { pdf } = opened
      const plain = encrypted ? readPlain(file, objects, pdf, budget) : { file: objects, problems: [] }
      const pages = readPages(file, pdf, budget)
      pdf.close()
      const known =
        plain.file === null ? emptyReading() : readPdfObjects(plain.file, file, budget, MAX_PAGES, pages.blank)
      const problems = [...plain.problems, ...(plain.file?.problems ?? [])]
      return merged(pages, known, {
        ...emptyReading(),
        uninspected: problems.map((reason) => ({ where: file.where, reason })),
      })
    }
  }
}

/** Only the owner's password is set: everybody can read it, and so do we, in a copy without the encryption. */
function readPlain(
  file: OpenFile,
  objects: PdfFile,
  pdf: OpenPdf,
  budget: ReadBudget,
): { file: PdfFile | null; problems: string[] } {
  const copy = pdf.plainCopy(2 * file.bytes.length + 1024 * 1024)
  if (copy === null || !budget.bytes(copy.length)) return { file: null, problems: ['the document cannot be decrypted'] }
  const plain = readObjects(copy, budget)
  const problems = [...objects.problems]
  // the copy has what the last version refers to; anything beside that is in the file all the same, encrypted
  const beside = objects.objects.some(
    ({ number, value }) =>
      !plain.byNumber.has(number) &&
      // lengths of streams stand in the streams there
      typeof value !== 'number' &&
      typeOf(value) !== 'XRef' &&
      typeOf(value) !== 'ObjStm',
  )
  const earlier = objects.revisions > (objects.linearized ? 2 : 1)
  const inPart = !objects.trailers.every((trailer) => trailer.has('Encrypt'))
  if (beside || earlier || inPart) problems.push('something is in the file beside the document, encrypted')
  return { file: plain, problems }
}

/** `blank`: numbers of the pages that have no text. */
function readPages(file: OpenFile, pdf: OpenPdf, budget: ReadBudget): FileReading & { blank: readonly number[] } {
  const reading = emptyReading()
  const blank: number[] = []
  const { pages } = pdf
  const unread = (where: string, reason: string) => reading.uninspected.push({ where, reason })
  if (pages < 1) unread(file.where, 'the document has no pages')
  for (let n = 0; n < pages; n++) {
    const where = `${file.where} > page ${n + 1}`
    const stop =
      n >= MAX_PAGES || !budget.part()
        ? 'there are too many pages'
        : budget.timeUp()
          ? 'the time for reading was up'
          : null
    const page = stop === null ? pdf.page(n) : null
    if (stop === null && page !== null && budget.bytes(page.text.length)) {
      reading.texts.push({ where, role: 'text', text: page.text.replace(/\r\n?/g, '\n') })
      for (const reason of judgePage(page)) unread(where, reason)
      if (page.text.trim() === '') blank.push(n + 1)
      continue
    }
    unread(where, stop ?? (page === null ? 'the page cannot be read' : 'the content is too large'))
    // one page that is missing leaves the others readable; a spent budget does not
    if (stop !== null || page !== null) break
  }
  return { ...reading, blank }
}

function failed(file: OpenFile, reason: string): FileReading {
  return { ...emptyReading(), uninspected: [{ where: file.where, reason }] }
}

function merged(...readings: readonly FileReading[]): FileReading {
  return {
    texts: readings.flatMap(({ texts }) => texts),
    tables: readings.flatMap(({ tables }) => tables),
    properties: readings.flatMap(({ properties }) => properties),
    embedded: readings.flatMap(({ embedded }) => embedded),
    protection: readings.flatMap(({ protection }) => protection),
    uninspected: readings.flatMap(({ uninspected }) => uninspected),
  }
}
