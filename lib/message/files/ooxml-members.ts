/** Members of a document that are no XML: most are files of their own; a few are settings that nothing shows. */
import { addRaw, type LegacyContext } from './ole-context'

/** A few settings are no larger than this; what is larger is a file to be opened. */
const MAX_SETTINGS = 64 * 1024

/**
 * Settings of a printer (DEVMODE) and the layout that LibreOffice remembers. No program shows what is in them; text that
 * stands there is found all the same. Anything else is opened by its own content.
 *
 * @param path of the member
 * @param place for people
 */
export function addBinaryMember(context: LegacyContext, path: string, place: string, bytes: Buffer): void {
  if (bytes.length === 0) return
  if (isPrinterSettings(bytes) || isLayoutCache(path, bytes)) {
    addRaw(context, place, bytes)
    return
  }
  const name = path.slice(path.lastIndexOf('/') + 1)
  context.reading.embedded.push({ bytes, name, where: place, type: '', archive: false })
}

/**
 * DEVMODEW (learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-devmodew): the name of the printer in 32 places of
 * UTF-16, then versions, then its own size and that of the driver's part, which together are the whole.
 */
function isPrinterSettings(bytes: Buffer): boolean {
  if (bytes.length < 188 || bytes.length > MAX_SETTINGS) return false
  const version = bytes.readUInt16LE(64)
  const size = bytes.readUInt16LE(68)
  const driver = bytes.readUInt16LE(70)
  return version >= 0x0400 && version <= 0x0603 && size >= 156 && size <= 220 && size + driver === bytes.length
}

/** `layout-cache` of text documents (LibreOffice, sw/source/core/layout/layhelp.cxx): version, then records. */
function isLayoutCache(path: string, bytes: Buffer): boolean {
  if (path !== 'layout-cache' || bytes.length > MAX_SETTINGS || bytes.length < 8) return false
  return bytes.readUInt16LE(0) === 1 && bytes.readUInt16LE(2) <= 1
}
