/**
 * PDFium in WebAssembly: pages of a PDF as text. Runs in its own memory, which cannot grow beyond a limit; whatever
 * breaks in it breaks only that memory.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { PDFiumModule } from '@hyzyla/pdfium'
import { utf16Text } from '../utf16'
import { wasm, type WasmImports, type WasmInstance, type WasmMemory, type WasmModule, type WasmTable } from './wasm'

/** What one page is made of. */
export interface PageFacts {
  /** Text in reading order, annotations and field values as they are shown. */
  text: string
  /** Characters, and how many of them the font gives no meaning to. */
  characters: number
  unmapped: number
  /** Part of the page that pictures cover, 0 to 1 (or more where they lie on each other). */
  pictures: number
  /** Text that is there but not drawn: behind the picture of a scanned page. */
  invisible: boolean
  /** Drawn lines and shapes; letters can be drawn too. */
  shapes: number
}

export interface OpenPdf {
  pages: number
  /** @returns null: the page cannot be read */
  page(index: number): PageFacts | null
  /** The document without its encryption; null when it cannot be written. */
  plainCopy(limit: number): Buffer | null
  close(): void
}

export type OpenResult = { kind: 'open'; pdf: OpenPdf } | { kind: 'password' } | { kind: 'broken' }

/** Most memory of one engine, in bytes. */
const MEMORY_LIMIT = 128 * 1024 * 1024
/** An engine that grew beyond this is not used for the next document. */
const MEMORY_KEPT = 32 * 1024 * 1024
/** Largest document, so that it fits beside what is made of it. */
export const DOCUMENT_LIMIT = 48 * 1024 * 1024
/** Objects of one page that are looked at. */
const OBJECT_LIMIT = 20_000
/** Forms inside forms that are looked at. */
const FORM_DEPTH = 5

/** FPDF_GetLastError. */
const ERROR_PASSWORD = 4
/** FPDF_SaveAsCopy: FPDF_REMOVE_SECURITY. */
const REMOVE_SECURITY = 3
/** FPDFPage_Flatten: FLATTEN_SUCCESS. */
const FLATTENED = 1
/** FPDFPageObj_GetType. */
const OBJECT = { text: 1, path: 2, image: 3, shading: 4, form: 5 } as const
/** Text render mode 3: neither filled nor stroked (ISO 32000-1 section 9.3.6). */
const INVISIBLE = 3

/** The functions of PDFium that are used (fpdfview.h, fpdf_text.h, fpdf_edit.h, fpdf_flatten.h, fpdf_save.h). */
interface Engine {
  memory: WasmMemory
  __indirect_function_table: WasmTable
  malloc(size: number): number
  free(pointer: number): void
  FPDF_LoadMemDocument(bytes: number, size: number, password: number): number
  FPDF_GetLastError(): number
  FPDF_CloseDocument(document: number): void
  FPDF_GetPageCount(document: number): number
  FPDF_LoadPage(document: number, index: number): number
  FPDF_ClosePage(page: number): void
  FPDF_GetPageWidthF(page: number): number
  FPDF_GetPageHeightF(page: number): number
  FPDFPage_GetAnnotCount(page: number): number
  FPDFPage_Flatten(page: number, flag: number): number
  FPDFText_LoadPage(page: number): number
  FPDFText_ClosePage(text: number): void
  FPDFText_CountChars(text: number): number
  FPDFText_GetText(text: number, start: number, count: number, buffer: number): number
  FPDFText_HasUnicodeMapError(text: number, index: number): number
  FPDFPage_CountObjects(page: number): number
  FPDFPage_GetObject(page: number, index: number): number
  FPDFFormObj_CountObjects(form: number): number
  FPDFFormObj_GetObject(form: number, index: number): number
  FPDFPageObj_GetType(object: number): number
  FPDFPageObj_GetBounds(object: number, left: number, bottom: number, right: number, top: number): number
  FPDFTextObj_GetTextRenderMode(object: number): number
  FPDF_SaveAsCopy(document: number, writer: number, flags: number): number
}

/** One engine per thread, made when the first PDF comes. */
let engine: Promise<Engine> | null = null
let compiled: Promise<WasmModule> | null = null
/** May the engine hold so many bytes for the document that is open? */
let grants: (total: number) => boolean = () => true

/**
 * Open a document with the empty password. One document is open at a time in a thread. After `close()`, or whenever a method throws, the result is not to be used
 * any more.
 *
 * @param mayHold asked whether the engine may hold so many bytes in all
 * @throws (rejects) what WebAssembly throws when a document breaks it; the next call gets a new engine
 */
export async function openPdf(bytes: Buffer, mayHold: (total: number) => boolean = () => true): Promise<OpenResult> {
  engine ??= startEngine()
  const pdfium = await engine
  grants = mayHold
  if (!mayHold(pdfium.memory.buffer.byteLength)) throw new Error('no memory')
  return guarded(() => {
    const pointer = pdfium.malloc(bytes.length)
    if (pointer === 0) throw new Error('no memory')
    new Uint8Array(pdfium.memory.buffer).set(bytes, pointer)
    const document = pdfium.FPDF_LoadMemDocument(pointer, bytes.length, 0)
    if (document !== 0) return { kind: 'open', pdf: opened(pdfium, document, pointer) }
    const password = pdfium.FPDF_GetLastError() === ERROR_PASSWORD
    pdfium.free(pointer)
    return { kind: password ? 'password' : 'broken' }
  })
}

function opened(pdfium: Engine, document: number, pointer: number): OpenPdf {
  return {
    pages: guarded(() => pdfium.FPDF_GetPageCount(document)),
    page: (index) => guarded(() => readPage(pdfium, document, index)),
    plainCopy: (limit) => guarded(() => saveCopy(pdfium, document, limit)),
    close() {
      guarded(() => {
        pdfium.FPDF_CloseDocument(document)
        pdfium.free(pointer)
      })
      if (pdfium.memory.buffer.byteLength > MEMORY_KEPT) engine = null
    },
  }
}

/** What throws in WebAssembly leaves a memory that nobody knows: the next document gets a new one. */
function guarded<T>(use: () => T): T {
  try {
    return use()
  } catch (error) {
    engine = null
    throw error
  }
}

async function startEngine(): Promise<Engine> {
  compiled ??= readFile(path.join(path.dirname(require.resolve('@hyzyla/pdfium')), 'pdfium.wasm')).then((bytes) =>
    wasm.compile(bytes),
  )
  const module = await compiled
  const made: { exports?: Engine } = {}
  const silent = () => undefined
  await PDFiumModule({
    print: silent,
    printErr: silent,
    instantiateWasm(imports: WasmImports, success: (instance: WasmInstance) => void) {
      const memoryOf = () => made.exports?.memory
      const instance = new wasm.Instance(module, withLimit(imports, memoryOf))
      made.exports = instance.exports as unknown as Engine
      success(instance)
      return instance.exports
    },
  } as unknown as Parameters<typeof PDFiumModule>[0]).then((pdfium) => {
    pdfium._FPDF_InitLibraryWithConfig({ version: 2 })
  })
  if (made.exports === undefined) throw new Error('PDFium does not start')
  return made.exports
}

/** Memory grows at the request of the module; beyond the limit the answer is no. */
function withLimit(imports: WasmImports, memory: () => WasmMemory | undefined): WasmImports {
  const env = { ...imports.env }
  const resize = env.emscripten_resize_heap
  if (typeof resize !== 'function') throw new Error('PDFium has no function to limit its memory')
  env.emscripten_resize_heap = (size: number): number => {
    const total = size >>> 0
    if (memory() === undefined || total > MEMORY_LIMIT || !grants(total)) return 0
    return Number(Reflect.apply(resize, undefined, [size]))
  }
  return { ...imports, env }
}

function readPage(pdfium: Engine, document: number, index: number): PageFacts | null {
  const page = pdfium.FPDF_LoadPage(document, index)
  if (page === 0) return null
  const objects = lookAtObjects(pdfium, page)
  // annotations and fields are drawn by streams of their own: made part of the page, their text is read with it
  const flattened = pdfium.FPDFPage_GetAnnotCount(page) > 0 && pdfium.FPDFPage_Flatten(page, 0) === FLATTENED
  if (flattened) pdfium.FPDF_ClosePage(page)
  const shown = flattened ? pdfium.FPDF_LoadPage(document, index) : page
  if (shown === 0) return null
  const text = readText(pdfium, shown)
  pdfium.FPDF_ClosePage(shown)
  return text === null ? null : { ...text, ...objects }
}

function readText(pdfium: Engine, page: number): Pick<PageFacts, 'text' | 'characters' | 'unmapped'> | null {
  const text = pdfium.FPDFText_LoadPage(page)
  if (text === 0) return null
  const characters = Math.max(0, pdfium.FPDFText_CountChars(text))
  const buffer = pdfium.malloc(2 * (characters + 1))
  if (buffer === 0) throw new Error('no memory')
  const written = pdfium.FPDFText_GetText(text, 0, characters, buffer)
  // the closing NUL is counted
  const units = Math.max(0, Math.min(written, characters + 1) - 1)
  const read = utf16Text(Buffer.from(pdfium.memory.buffer, buffer, 2 * units))
  let unmapped = 0
  for (let n = 0; n < characters; n++) if (pdfium.FPDFText_HasUnicodeMapError(text, n) === 1) unmapped++
  pdfium.free(buffer)
  pdfium.FPDFText_ClosePage(text)
  return { text: read, characters, unmapped }
}

function lookAtObjects(pdfium: Engine, page: number): Pick<PageFacts, 'pictures' | 'invisible' | 'shapes'> {
  const area = Math.max(1, pdfium.FPDF_GetPageWidthF(page) * pdfium.FPDF_GetPageHeightF(page))
  const found = { pictures: 0, invisible: false, shapes: 0 }
  const box = pdfium.malloc(16)
  let left = OBJECT_LIMIT
  const partOf = (object: number): number => {
    if (pdfium.FPDFPageObj_GetBounds(object, box, box + 4, box + 8, box + 12) === 0) return 1
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = new Float32Array(pdfium.memory.buffer, box, 4)
    const part = (Math.abs(x2 - x1) * Math.abs(y2 - y1)) / area
    return Number.isFinite(part) ? part : 1
  }
  /** @returns is there a picture in it? */
  const look = (object: number, depth: number): boolean => {
    if (left-- <= 0) return true
    switch (pdfium.FPDFPageObj_GetType(object)) {
      case OBJECT.text:
        found.invisible ||= pdfium.FPDFTextObj_GetTextRenderMode(object) === INVISIBLE
        return false
      case OBJECT.path:
        found.shapes++
        return false
      case OBJECT.image:
      case OBJECT.shading:
        return true
      case OBJECT.form: {
        if (depth >= FORM_DEPTH) return true
        let picture = false
        const count = pdfium.FPDFFormObj_CountObjects(object)
        for (let n = 0; n < count && left > 0; n++) {
          picture = look(pdfium.FPDFFormObj_GetObject(object, n), depth + 1) || picture
        }
        return picture
      }
      default:
        return true
    }
  }
  const count = pdfium.FPDFPage_CountObjects(page)
  for (let n = 0; n < count && left > 0; n++) {
    const object = pdfium.FPDFPage_GetObject(page, n)
    // what lies in a form is placed by the form
    if (look(object, 0)) found.pictures += partOf(object)
  }
  pdfium.free(box)
  return found
}

/** A module with one imported function of the type of FPDF_FILEWRITE.WriteBlock (i32, i32, i32) -> i32, exported as `f`. */
const TRAMPOLINE = Buffer.from('0061736d0100000001080160037f7f7f017f02070101650166000007050101660000', 'hex')

function saveCopy(pdfium: Engine, document: number, limit: number): Buffer | null {
  const pieces: Buffer[] = []
  let size = 0
  const write = (_writer: number, data: number, length: number): number => {
    size += length
    if (size > limit) return 0
    pieces.push(Buffer.from(Buffer.from(pdfium.memory.buffer, data, length)))
    return 1
  }
  const trampoline = new wasm.Instance(new wasm.Module(TRAMPOLINE), { e: { f: write } })
  // the table cannot grow; its first entry is the null pointer, which nothing calls
  pdfium.__indirect_function_table.set(0, trampoline.exports.f)
  const writer = pdfium.malloc(8)
  new DataView(pdfium.memory.buffer).setInt32(writer, 1, true)
  new DataView(pdfium.memory.buffer).setInt32(writer + 4, 0, true)
  const saved = pdfium.FPDF_SaveAsCopy(document, writer, REMOVE_SECURITY)
  pdfium.free(writer)
  pdfium.__indirect_function_table.set(0, null)
  return saved === 1 && size <= limit ? Buffer.concat(pieces) : null
}
