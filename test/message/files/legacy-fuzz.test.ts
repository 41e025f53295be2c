/** Files with a planted number, changed anywhere else: they are read, and never clean. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readOle } from '../../../lib/message/files/ole'
import { readRtf } from '../../../lib/message/files/rtf'
import { readStructured } from '../../../lib/message/files/structured'
import { readTnef } from '../../../lib/message/files/tnef'
import { docFile } from '../../corpus/formats/doc-writer'
import { csv, doc, ics, json, msg, rtf, tnef, vcf, xls, xml } from '../../corpus/formats/legacy'
import { pptFile } from '../../corpus/formats/ppt-writer'
import { xlsFile } from '../../corpus/formats/xls-writer'
import { CPR } from '../../gate/support'
import { budgetOf, fileOf, refusalsOf } from './legacy-support'
import { nativeObject, propertySet, vbaProject } from './ole-support'

const NUMBER = 2_110_625_629
const double = Buffer.alloc(8)
double.writeDoubleLE(NUMBER)
/** Forms in which the number stands in the files below; compressed text has a byte of flags between its halves. */
const PLANTED = [Buffer.from(CPR), Buffer.from(CPR, 'utf16le'), double, Buffer.from('070761'), Buffer.from('-4285')]

const FILES: [name: string, bytes: Buffer][] = [
  ['RTF', rtf(`Kære Bo\nNr. ${CPR}\nHilsen`)],
  ['doc', doc(`Kære Bo\nNr. ${CPR}\nHilsen`)],
  ['doc in Unicode', docFile({ runs: [{ text: `Ω ${CPR} Ω\r` }] })],
  ['doc, comment', docFile({ runs: [{ text: 'x\r' }], comments: `${CPR}\r` })],
  [
    'doc, property',
    docFile({ runs: [{ text: 'x\r' }], streams: { '\x05SummaryInformation': propertySet({ 2: CPR }) } }),
  ],
  ['doc, macro', docFile({ runs: [{ text: 'x\r' }], streams: vbaProject('Macros', `' ${CPR}`) })],
  [
    'doc, embedded',
    docFile({
      runs: [{ text: 'x\r' }],
      streams: { 'ObjectPool/_1/\x01Ole10Native': nativeObject('a', Buffer.from(CPR)) },
    }),
  ],
  ['xls, text', xls(CPR)],
  ['xls, number', xlsFile({ sheets: [{ name: 'Ark1', rows: [['CPR'], [{ number: NUMBER, as: 'number' }]] }] })],
  ['ppt', pptFile({ slides: ['x', CPR] })],
  ['msg', msg(CPR)],
  ['msg, HTML', msg(CPR, 'html')],
  ['msg, RTF', msg(CPR, 'rtf')],
  ['TNEF', tnef(CPR)],
  ['TNEF, RTF', tnef(CPR, 'rtf')],
  [
    'CSV',
    csv([
      ['Navn', 'CPR'],
      ['Anna', CPR],
    ]),
  ],
  ['JSON', json(`Nr. ${CPR}`)],
  ['XML', xml(`Nr. ${CPR}`)],
  ['vCard', vcf(`Nr. ${CPR}`)],
  ['iCalendar', ics(`Nr. ${CPR}`)],
]

/** Places that may be changed: everything but the number, and what would make it a part of a longer one. */
function freePlaces(bytes: Buffer): number[] {
  const taken = new Set<number>()
  for (const form of PLANTED) {
    for (let at = bytes.indexOf(form); at !== -1; at = bytes.indexOf(form, at + 1))
      for (let n = -4; n < form.length + 4; n++) taken.add(at + n)
  }
  return Array.from(bytes.keys()).filter((at) => !taken.has(at))
}

type Change = { place: number; value: number; kind: 'set' | 'insert' | 'remove' | 'cut' }

function changed(bytes: Buffer, places: readonly number[], changes: readonly Change[]): Buffer {
  let result = Buffer.from(bytes)
  for (const { place, value } of changes.filter(({ kind }) => kind === 'set'))
    result[places[place % places.length] ?? 0] = value
  for (const { place, value, kind } of changes) {
    const at = places[place % places.length] ?? 0
    if (kind === 'insert') result = Buffer.concat([result.subarray(0, at), Buffer.of(value), result.subarray(at)])
    if (kind === 'remove') result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1)])
  }
  return result
}

const change = (kinds: readonly Change['kind'][]) =>
  fc.record({ place: fc.nat(), value: fc.nat(255), kind: fc.constantFrom(...kinds) })

describe('legacy formats and text, changed anywhere', () => {
  for (const [name, bytes] of FILES) {
    const places = freePlaces(bytes)

    it(`${name}: not clean before`, async () => {
      assert.ok((await refusalsOf(bytes)).includes('cpr'))
    })

    it(`${name}: not clean with one byte changed`, async () => {
      await fc.assert(
        fc.asyncProperty(change(['set']), async (one) => {
          const codes = await refusalsOf(changed(bytes, places, [one]))
          assert.notDeepEqual(codes, [])
        }),
        { numRuns: 150 },
      )
    })
  }

  const READERS = { readOle, readRtf, readStructured, readTnef }
  for (const [name, reader] of Object.entries(READERS)) {
    it(`${name} reads anything without a throw`, async () => {
      const file = fc
        .tuple(fc.nat(FILES.length - 1), fc.array(change(['set', 'insert', 'remove']), { minLength: 1, maxLength: 40 }))
        .map(([n, changes]) => {
          const bytes = FILES[n]?.[1] ?? Buffer.alloc(0)
          return changed(bytes, Array.from(bytes.keys()), changes)
        })
      const any = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes))
      await fc.assert(
        fc.asyncProperty(fc.oneof(file, any), async (bytes) => {
          const budget = budgetOf()
          await reader(fileOf(bytes), budget)
          // nothing grows beyond what stands in the file
          assert.ok(budget.spent <= bytes.length * 50 + 65_536)
        }),
        { numRuns: 400 },
      )
    })
  }
})
