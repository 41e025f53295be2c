/** Files that were dropped into a document: the OLE 1.0 package (MS-OLEDS section 2.3.6) and the object it stands in. */
import { addEmbedded, addProblem, addRaw, addText, type LegacyContext } from './ole-context'
import { addPicture } from './ole-pictures'

const EMBEDDED = 2
const LINKED = 1
const COMPOUND = Buffer.from('d0cf11e0', 'hex')

/** The stream `\x01Ole10Native`: a size, then a package or the own format of some program. */
export function readNativeObject(context: LegacyContext, where: string, bytes: Buffer): void {
  const size = bytes.readUInt32LE(0)
  if (size + 4 > bytes.length) throw new RangeError('size')
  if (bytes.subarray(4 + size).some((byte) => byte !== 0)) addProblem(context, where, 'bytes follow an embedded object')
  readPackage(context, where, bytes.subarray(4, 4 + size))
}

/** Label, path, command, then the file itself. */
function readPackage(context: LegacyContext, where: string, bytes: Buffer): void {
  let at = 2
  const text = () => {
    const end = bytes.indexOf(0, at)
    if (end === -1) throw new RangeError('text')
    const found = bytes.toString('latin1', at, end)
    at = end + 1
    return found
  }
  const label = text()
  const path = text()
  const kind = bytes.readUInt32LE(at)
  // 0x00030000: the file is inside; 0x00010000: only its path
  if (kind !== 0x0003_0000) {
    addText(context, where, 'hidden', `${label}\n${path}`)
    addRaw(context, where, bytes)
    addProblem(context, where, 'an embedded object has a format that is not known')
    return
  }
  const command = bytes.subarray(at + 8, at + 8 + bytes.readUInt32LE(at + 4))
  at += 8 + command.length
  const size = bytes.readUInt32LE(at)
  const data = bytes.subarray(at + 4, at + 4 + size)
  if (data.length < size) throw new RangeError('data')
  const names = [...new Set([label, command.toString('latin1').replace(/\0+$/, ''), path])]
  addText(context, where, 'hidden', names.join('\n'))
  // behind it only the same three names in Unicode
  addRaw(context, where, bytes.subarray(at + 4 + size))
  if (bytes.length - (at + 4 + size) > 8 * 1024) addProblem(context, where, 'bytes follow an embedded object')
  addEmbedded(context, { bytes: data, name: label, where: `${where} > ${label === '' ? 'object' : label}`, type: '' })
}

/** An object as RTF holds it (MS-OLEDS section 2.2.5): header, data of the program, then a picture of it. */
export function readOleObject(context: LegacyContext, where: string, bytes: Buffer): void {
  let at = 0
  const word = () => {
    const value = bytes.readUInt32LE(at)
    at += 4
    return value
  }
  const text = () => {
    const length = word()
    if (at + length > bytes.length) throw new RangeError('text')
    const found = bytes.toString('latin1', at, at + length).replace(/\0+$/, '')
    at += length
    return found
  }
  word()
  const format = word()
  const className = text()
  addText(context, where, 'hidden', `${className}\n${text()}\n${text()}`)
  if (format === LINKED) {
    addProblem(context, where, 'a linked object stands elsewhere')
    return
  }
  if (format !== EMBEDDED) throw new RangeError('format')
  const size = word()
  const data = bytes.subarray(at, at + size)
  if (data.length < size) throw new RangeError('data')
  at += size
  if (className.toLowerCase() === 'package') readPackage(context, where, data)
  else if (data.subarray(0, 4).equals(COMPOUND))
    addEmbedded(context, { bytes: data, name: '', where: `${where} > object`, type: '' })
  else {
    addRaw(context, where, data)
    addProblem(context, where, `an embedded object has a format that is not known (${className.slice(0, 40)})`)
  }
  readPresentation(context, where, bytes.subarray(at))
}

/** Section 2.2.1: nothing, or a picture with its own header. */
function readPresentation(context: LegacyContext, where: string, bytes: Buffer): void {
  if (bytes.length > 8 && bytes.readUInt32LE(4) !== 0) addPicture(context, where, bytes)
  else addRaw(context, where, bytes)
}
