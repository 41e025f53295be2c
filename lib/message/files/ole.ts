/**
 * Compound files: legacy Office, Outlook messages, encrypted Office, and whatever else uses this container. Every stream
 * is accounted for: one that no reader here knows makes the file uninspected, and all are searched as raw text besides.
 */
import { sniff } from '../sniff'
import { readDoc } from './doc'
import { readMsg } from './msg'
import { entryNamed, printable, readCompound, streamNamed, type CompoundStorage, type CompoundStream } from './ole-cfb'
import { addEmbedded, addProblem, addRaw, addText, attempt, type LegacyContext } from './ole-context'
import { readNativeObject } from './ole-native'
import { addPicture } from './ole-pictures'
import { readPropertySets } from './ole-properties'
import { isVbaStorage, readVbaModules } from './ole-vba'
import { readPpt } from './ppt'
import { emptyReading, type FileReader, type FileReading, type OpenFile, type ReadBudget } from './types'
import { readPivotCache, readXls } from './xls'

/** Streams with so little content of their own that the raw search sees it whole. */
const PLAIN_STREAMS =
  /^(?:\x01CompObj|\x01Ole|\x03ObjInfo|\x03LinkInfo|\x03PIC|\x03META|\x03OCXNAME|\x03OCXDATA|\x03VBFrame|PROJECT|PROJECTwm|PROJECTlk|Equation Native|\x01Ole10ItemName|User Names|Ctls)$/i
/** Largest of these that is taken for what its name says. */
const PLAIN_LIMIT = 64 * 1024
/** Previews of objects: metafiles. */
const PREVIEWS = /^(?:\x02OlePres\d{3}|\x03E?PRINT)$/
const DOC_STREAMS = /^(?:WordDocument|[01]Table|Data)$/i
const XLS_STREAMS = /^(?:Workbook|Book)$/i
const PPT_STREAMS = /^(?:PowerPoint Document|Pictures|Current User)$/i

/** Reader of compound files; see {@link import('./types').FileReader}. */
export const readOle: FileReader = (file: OpenFile, budget: ReadBudget): FileReading | null => {
  const compound = readCompound(file.bytes)
  if (compound === null) return null
  const context: LegacyContext = { reading: emptyReading(), budget }
  for (const reason of compound.problems) addProblem(context, file.where, reason)
  for (const bytes of compound.leftovers) addRaw(context, file.where, bytes)
  if (compound.problems.length > 0) addRaw(context, file.where, file.bytes)
  if (!budget.bytes(file.bytes.length)) addProblem(context, file.where, 'the content is too large')
  else readStorage(context, file.where, compound.root)
  return context.reading
}

/** A storage that is a file of its own: the root, or an embedded object. */
function readStorage(context: LegacyContext, where: string, storage: CompoundStorage): void {
  if (!context.budget.part()) {
    addProblem(context, where, 'there are too many parts')
    return
  }
  if (context.budget.timeUp()) {
    addProblem(context, where, 'the time for reading was up')
    return
  }
  const has = (name: string) => entryNamed(storage, name) !== undefined
  let known: RegExp | null = null
  if (has('EncryptedPackage') || has('\tDRMContent')) {
    // MS-OFFCRYPTO sections 2.3.4.4 and 2.2.4: the whole document, by a password or by rights management
    context.reading.protection.push({ where, kind: 'office-encrypted' })
    for (const stream of streamsIn(storage))
      if (stream.name !== 'EncryptedPackage') addRaw(context, where, stream.bytes)
    return
  }
  if (has('__properties_version1.0')) {
    readMessage(context, where, storage)
    return
  }
  if (has('WordDocument')) {
    readDoc(context, where, storage)
    known = DOC_STREAMS
  } else if (has('Workbook') || has('Book')) {
    readXls(context, where, storage)
    known = XLS_STREAMS
  } else if (has('PowerPoint Document')) {
    readPpt(context, where, storage)
    known = PPT_STREAMS
  }
  readChildren(context, where, storage, known)
}

function readMessage(context: LegacyContext, where: string, storage: CompoundStorage): void {
  readMsg(context, where, storage, readStorage)
  for (const stream of streamsIn(storage)) addRaw(context, where, stream.bytes)
}

/** @param known streams that the reader of this document has read; null = the storage is no document that is known */
function readChildren(context: LegacyContext, where: string, storage: CompoundStorage, known: RegExp | null): void {
  let content = known !== null
  for (const entry of storage.children) {
    if (entry.kind === 'storage') {
      content = true
      readInnerStorage(context, where, entry)
      continue
    }
    addRaw(context, where, entry.bytes)
    if (known?.test(entry.name) === true) continue
    if (readKnownStream(context, where, entry)) content = true
    else if (!PLAIN_STREAMS.test(entry.name) || entry.bytes.length > PLAIN_LIMIT || sniff(entry.bytes) !== null)
      addProblem(context, where, `a stream of the file is not known (${printable(entry.name).slice(0, 40)})`)
  }
  if (!content && storage.children.length > 0) addProblem(context, where, 'the file holds nothing that is known')
}

/** @returns was it one of those that are read by themselves? */
function readKnownStream(context: LegacyContext, where: string, { name, bytes }: CompoundStream): boolean {
  if (name === '\x05SummaryInformation' || name === '\x05DocumentSummaryInformation') {
    readPropertySets(context, where, bytes, name === '\x05SummaryInformation')
    return true
  }
  if (PREVIEWS.test(name)) {
    addPicture(context, `${where} > preview`, bytes)
    return true
  }
  if (name === '\x01Ole10Native') {
    attempt(context, where, 'an embedded object', () => readNativeObject(context, where, bytes))
    return true
  }
  // a file of a newer format, or one that another program embedded
  if (name === 'Package' || name === 'CONTENTS' || name === 'Contents') {
    addEmbedded(context, { bytes, name: '', where: `${where} > object`, type: '' })
    return true
  }
  return false
}

function readInnerStorage(context: LegacyContext, where: string, storage: CompoundStorage): void {
  const { name } = storage
  if (isVbaStorage(storage)) {
    readVbaModules(context, where, storage)
    for (const stream of streamsIn(storage)) addRaw(context, where, stream.bytes)
    return
  }
  // objects of Word stand in a pool, those of Excel beside the workbook (MS-DOC 2.1.4, MS-XLS 2.1.7.2)
  if (/^(?:_\d+|MBD[0-9A-F]+|LNK[0-9A-F]+)$/i.test(name)) {
    readStorage(context, `${where} > object ${printable(name)}`, storage)
    return
  }
  if (/^_SX_DB(?:_CUR)?$/i.test(name)) {
    for (const stream of streamsIn(storage)) {
      addRaw(context, where, stream.bytes)
      readPivotCache(context, `${where} > pivot table`, stream.bytes)
    }
    return
  }
  if (/^MsoDataStore$/i.test(name) || isDataItem(storage)) {
    for (const stream of streamsIn(storage)) {
      addEmbedded(context, { bytes: stream.bytes, name: '', where: `${where} > data`, type: 'text/xml' })
    }
    return
  }
  if (/^(?:ObjectPool|Macros|_VBA_PROJECT_CUR|VBA)$/i.test(name) || streamNamed(storage, 'PROJECT') !== undefined) {
    readChildren(context, where, storage, /^$/)
    return
  }
  if (streamNamed(storage, '\x03VBFrame') !== undefined || isForm(storage)) {
    for (const stream of streamsIn(storage)) {
      addRaw(context, where, stream.bytes)
      if (stream.bytes.length > 64 * 1024) addProblem(context, where, 'a form of the macros is too large')
    }
    return
  }
  if (/^(?:_xmlsignatures|_signatures)$/i.test(name)) {
    for (const stream of streamsIn(storage)) addText(context, where, 'hidden', stream.bytes.toString('utf8'))
    return
  }
  for (const stream of streamsIn(storage)) addRaw(context, where, stream.bytes)
  addProblem(context, where, `a storage of the file is not known (${printable(name).slice(0, 40)})`)
}

/** Forms of macros: controls and their captions (MS-OFORMS). */
function isForm(storage: CompoundStorage): boolean {
  return entryNamed(storage, 'f')?.kind === 'stream' && entryNamed(storage, 'o')?.kind === 'stream'
}

/** XML of its own that a document keeps. */
function isDataItem(storage: CompoundStorage): boolean {
  const names = storage.children.map((entry) => (entry.kind === 'stream' ? entry.name.toLowerCase() : ''))
  return names.length === 2 && names.includes('item') && names.includes('properties')
}

/** All streams below a storage. */
function streamsIn(storage: CompoundStorage): CompoundStream[] {
  return storage.children.flatMap((entry) => (entry.kind === 'stream' ? [entry] : streamsIn(entry)))
}
