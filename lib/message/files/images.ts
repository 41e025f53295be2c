/** Pictures inside documents, by rule: a logo passes, anything larger may show a text that nobody has read. */
import { imageEndsClean, type BinaryKind } from '../sniff'
import { SMALL_IMAGE } from '../text-leaf'
import { emptyReading, type FileReading, type OpenFile } from './types'

/**
 * @param kind what the bytes begin like
 * @param inDocument the document shows it; a picture in an archive is there to be looked at by itself
 */
export function judgePicture(file: OpenFile, kind: BinaryKind, inDocument: boolean): FileReading {
  const reading = emptyReading()
  reading.texts.push({ where: file.where, role: 'raw', text: file.bytes.toString('latin1', 0, SMALL_IMAGE) })
  const reason = !inDocument
    ? 'the image is attached'
    : file.bytes.length > SMALL_IMAGE
      ? 'the image is larger than 64 KiB'
      : imageEndsClean(kind, file.bytes)
        ? null
        : 'bytes follow the image'
  if (reason !== null) reading.uninspected.push({ where: file.where, reason })
  return reading
}
