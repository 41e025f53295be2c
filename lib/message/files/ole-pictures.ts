/**
 * Pictures inside documents: small ones (logos) pass, larger ones may show a text that nobody has read. Drawings of
 * Office (MS-ODRAW) are walked for the pictures they hold.
 */
import { inflateSync } from 'node:zlib'
import { imageEndsClean, sniff } from '../sniff'
import { SMALL_IMAGE } from '../text-leaf'
import { addProblem, addRaw, type LegacyContext } from './ole-context'

/** What a deflated metafile may grow to and still be searched. */
const METAFILE_LIMIT = 4 * 1024 * 1024
const FBSE = 0xf007
/** EMF, WMF and PICT: compressed; then those that are a file of their own (MS-ODRAW section 2.2.23). */
const METAFILES = new Set([0xf01a, 0xf01b, 0xf01c])
const BITMAPS = new Set([0xf01d, 0xf01e, 0xf01f, 0xf029, 0xf02a])
/** Containers inside containers. */
const MAX_DEPTH = 64
const HEADER = 8

/** @param bytes one picture, whatever its format */
export function addPicture(context: LegacyContext, where: string, bytes: Buffer): void {
  if (!context.budget.part()) {
    addProblem(context, where, 'there are too many parts')
    return
  }
  addRaw(context, where, bytes.subarray(0, SMALL_IMAGE))
  if (bytes.length > SMALL_IMAGE) {
    addProblem(context, where, 'an image is larger than 64 KiB')
    return
  }
  const kind = sniff(bytes)
  if (kind === null || kind === 'image') return
  if (kind !== 'png' && kind !== 'jpeg' && kind !== 'gif')
    addProblem(context, where, `something else stands in the place of an image (${kind})`)
  else if (!imageEndsClean(kind, bytes)) addProblem(context, where, 'bytes follow an image')
}

/**
 * Walk the records of a drawing and judge every picture in it.
 *
 * @param delayed stream in which pictures stand that the drawing only points to
 * @throws RangeError when the records do not fit into each other
 */
export function readDrawing(context: LegacyContext, where: string, bytes: Buffer, delayed?: Buffer): void {
  const ends: number[] = []
  let at = 0
  while (at + HEADER <= bytes.length) {
    while (at >= (ends.at(-1) ?? Number.POSITIVE_INFINITY)) ends.pop()
    const isContainer = (bytes.readUInt16LE(at) & 0xf) === 0xf
    const type = bytes.readUInt16LE(at + 2)
    const length = bytes.readUInt32LE(at + 4)
    const end = at + HEADER + length
    if (end > bytes.length || type < 0xf000) throw new RangeError('drawing')
    if (isContainer) {
      if (ends.length >= MAX_DEPTH) throw new RangeError('depth')
      ends.push(end)
      at += HEADER
      continue
    }
    readDrawingRecord(context, where, type, bytes.subarray(at, end), delayed)
    at = end
  }
}

/** @param record with its header */
export function readDrawingRecord(
  context: LegacyContext,
  where: string,
  type: number,
  record: Buffer,
  delayed?: Buffer,
): void {
  const instance = record.readUInt16LE(0) >> 4
  if (type === FBSE) {
    const size = record.readUInt32LE(HEADER + 20)
    const delay = record.readUInt32LE(HEADER + 28)
    const inner = record.subarray(HEADER + 36 + record.readUInt8(HEADER + 33))
    if (inner.length > HEADER) {
      readDrawingRecord(context, where, inner.readUInt16LE(2), inner)
      return
    }
    // an entry that was deleted points nowhere
    if (size === 0 || delay === 0xffffffff || delayed === undefined) return
    const blip = delayed.subarray(delay, delay + size)
    if (blip.length < size) throw new RangeError('picture')
    readDrawingRecord(context, where, blip.readUInt16LE(2), blip)
    return
  }
  if (METAFILES.has(type)) {
    // the instance says whether there are one or two identifiers of 16 bytes (section 2.2.24 and following)
    const header = HEADER + ((instance & 1) === 1 ? 32 : 16)
    const data = record.subarray(header + 34)
    addPicture(context, where, data)
    if (record.readUInt8(header + 32) !== 0 || data.length > SMALL_IMAGE) return
    const metafile = inflateSync(data, { maxOutputLength: METAFILE_LIMIT })
    if (!context.budget.bytes(metafile.length)) {
      addProblem(context, where, 'the content is too large')
      return
    }
    addRaw(context, where, metafile)
    return
  }
  if (BITMAPS.has(type)) addPicture(context, where, record.subarray(HEADER + ((instance & 1) === 1 ? 33 : 17)))
}
