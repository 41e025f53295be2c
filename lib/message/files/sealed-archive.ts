/** 7z and RAR are not opened; whether they are encrypted is told by their bytes. */
import { emptyReading, type FileReading, type OpenFile } from './types'

/** Read at most so much of a file to find out. */
const WINDOW = 32 * 1024 * 1024
/** Coder 7zAES; large headers are packed, so that its absence proves nothing. */
const SEVEN_ZIP_AES = Buffer.from('06f10701', 'hex')

/** Reader of 7z and RAR; see {@link import('./types').FileReader}. */
export function readSealedArchive(file: OpenFile): FileReading {
  const { bytes, where } = file
  const encrypted = bytes.subarray(0, 2).toString('latin1') === '7z' ? sevenZipEncrypted(bytes) : rarEncrypted(bytes)
  return encrypted
    ? { ...emptyReading(), protection: [{ where, kind: 'archive-encrypted' }] }
    : { ...emptyReading(), uninspected: [{ where, reason: 'archives of this kind are not opened' }] }
}

function sevenZipEncrypted(bytes: Buffer): boolean {
  return bytes.subarray(0, WINDOW).includes(SEVEN_ZIP_AES)
}

/** RAR4: header flag 0x0080, or 0x04 of a file; RAR5: an encryption header (type 4) comes first. */
function rarEncrypted(bytes: Buffer): boolean {
  const version5 = bytes.subarray(0, 8).toString('hex') === '526172211a070100'
  if (version5) return bytes[13] === 4 || bytes[14] === 4
  if (bytes.length < 25) return false
  const main = bytes.readUInt16LE(10)
  return (main & 0x0080) !== 0 || (bytes[22] === 0x74 && (bytes.readUInt16LE(23) & 0x04) !== 0)
}
