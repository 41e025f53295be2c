/**
 * Mails and files with a planted number, changed anywhere else: nothing throws, and none is clean. More runs and other
 * seeds: FUZZ_RUNS (of each file) and FUZZ_SEED.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { packageRoot } from '../../lib/package-root'
import { eml, html } from '../corpus/formats/legacy'
import { flatOdf, odfPackage, ooxmlPackage, xmlMember } from '../corpus/formats/office'
import { pdfFile } from '../corpus/formats/pdf'
import { base64, CPR, look, mail, multipart } from '../gate/support'
import { mailWith } from './files/legacy-support'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 100)
const SEED = process.env['FUZZ_SEED'] === undefined ? {} : { seed: Number(process.env['FUZZ_SEED']) }

const fixture = (file: string) => readFileSync(path.join(packageRoot(), 'test/fixtures/mail', file), 'latin1')
/** A mail of a mail program, with the number behind the first sentence of its text. */
const real = (file: string, before: RegExp) =>
  Buffer.from(
    fixture(file).replace(before, (found) => `${found} nr ${CPR} ok`),
    'latin1',
  )
const [mixedType, mixedBody] = multipart('mixed', [
  'Content-Type: text/plain; charset=utf-8\n\nHello.',
  `Content-Type: text/csv; name="a.csv"\nContent-Disposition: attachment; filename="a.csv"\n\nNavn;CPR\nAnna;${CPR}\n`,
  `Content-Type: message/rfc822\n\nFrom: a@b.example\nSubject: x\n\ninner\n`,
])

/** Whole mails. */
const MAILS: [name: string, raw: Buffer][] = [
  ['plain text', mail({}, `Hello\n\nnr ${CPR} ok\n`)],
  ['quoted-printable', eml({ text: `Kære Bo\nnr ${CPR} ok`, encoding: 'quoted-printable' })],
  ['HTML', mail({ 'Content-Type': 'text/html; charset=utf-8' }, `<p>Hello</p><p class=a>nr ${CPR} ok</p><!-- x -->`)],
  ['several parts', mail({ 'Content-Type': mixedType }, mixedBody)],
  ['gmail', real('gmail.eml', /Hi Bo,/)],
  ['Outlook', real('outlook.eml', /Bo(?=<o:p>)/)],
  ['Apple Mail', real('apple-mail.eml', /Dear Bo,/)],
  ['Thunderbird', real('thunderbird.eml', /Hej Bo/)],
]

const page = { lines: ['A page'], content: `BT /F0 9 Tf 9 9 Td (nr ${CPR} ok) Tj ET` }
const W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'

/** Files that are attached. */
const FILES: [name: string, bytes: Buffer][] = [
  ['PDF, text', pdfFile({ pages: [page] })],
  ['PDF, note', pdfFile({ pages: [{ lines: ['A page'], notes: [`nr ${CPR}`] }] })],
  ['PDF, property', pdfFile({ pages: [{ lines: ['A page'] }], info: { Title: `nr ${CPR}` } })],
  ['PDF, enclosed', pdfFile({ pages: [{ lines: ['A page'] }], attachments: { 'a.txt': Buffer.from(`nr ${CPR} ok`) } })],
  ['HTML', html(`nr ${CPR} ok`)],
  ['mailbox', Buffer.from(`From a@b.example Mon Jan  5 00:00:00 2026\nSubject: x\n\nnr ${CPR} ok\n`)],
  ['message', Buffer.from(`From: a@b.example\nSubject: x\nContent-Type: text/plain\n\nnr ${CPR} ok\n`)],
  ['text in UTF-16', iconv.encode(`Hello Bo\nnr ${CPR} ok\n`, 'utf-16', { addBOM: true })],
  ['flat OpenDocument', flatOdf('text', `<office:text><text:p>nr ${CPR} ok</text:p></office:text>`)],
  [
    'OpenDocument presentation',
    odfPackage('presentation', `<office:presentation><text:p>nr ${CPR} ok</text:p></office:presentation>`),
  ],
  [
    'macro template of Word',
    ooxmlPackage('word/document.xml', 'application/vnd.ms-word.template.macroEnabledTemplate.main+xml', [
      xmlMember(
        'word/document.xml',
        `<w:document ${W}><w:body><w:p><w:r><w:t>nr ${CPR} ok</w:t></w:r></w:p></w:body></w:document>`,
      ),
    ]),
  ],
]

/** Forms in which the number stands in these. */
const PLANTED = [Buffer.from(CPR), Buffer.from(CPR, 'utf16le'), Buffer.from(Buffer.from(CPR).toString('hex'))]
/** What stands so near may become a part of the number, or be what tells it from another one. */
const NEAR = 5

function freePlaces(bytes: Buffer): number[] {
  const taken = new Set<number>()
  for (const form of PLANTED) {
    for (let at = bytes.indexOf(form); at !== -1; at = bytes.indexOf(form, at + 1))
      for (let n = -NEAR; n < form.length + NEAR; n++) taken.add(at + n)
  }
  // of a PDF the number may stand in a stream that is compressed: then all of that is the number
  const isPdf = bytes.toString('latin1', 0, 5) === '%PDF-'
  for (const { index, 0: stream } of isPdf ? bytes.toString('latin1').matchAll(/stream\n[^]*?endstream/g) : [])
    for (let n = 7; n < stream.length - 9; n++) taken.add(index + n)
  return Array.from(bytes.keys()).filter((at) => !taken.has(at))
}

type Change = { place: number; kind: 'set' | 'insert' | 'remove' | 'double'; value: number }

function changed(bytes: Buffer, places: readonly number[], { place, kind, value }: Change): Buffer {
  const at = places[place % places.length] ?? 0
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)]
  switch (kind) {
    case 'set':
      return Buffer.concat([before, Buffer.of(value), after])
    case 'insert':
      return Buffer.concat([before, Buffer.of(value), bytes.subarray(at)])
    case 'remove':
      return Buffer.concat([before, after])
    case 'double':
      return Buffer.concat([bytes.subarray(0, at + 1), bytes.subarray(at)])
  }
}

const change = fc.record({
  place: fc.nat(),
  kind: fc.constantFrom('set' as const, 'insert' as const, 'remove' as const, 'double' as const),
  // what means something in mails and files more often than by chance
  value: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('\r\n \t"\'<>()[]{}=;:,-./\\&#%0\0'))),
})

/** Is there any finding, or anything that nobody has read? Whether an opt-out is asked for is no question here. */
async function isClean(raw: Buffer): Promise<boolean> {
  const { verdict } = await look(raw)
  return verdict.findings.length === 0 && verdict.uninspected.length === 0 && verdict.protection.length === 0
}

describe('mails and files, changed anywhere but in their number', function () {
  this.timeout(Math.max(30_000, RUNS * 300))
  const ALL: [name: string, bytes: Buffer, asMail: (bytes: Buffer) => Buffer][] = [
    ...MAILS.map(([name, raw]): (typeof ALL)[number] => [`mail: ${name}`, raw, (bytes) => bytes]),
    ...FILES.map(([name, bytes]): (typeof ALL)[number] => [`file: ${name}`, bytes, (one) => mailWith(one)]),
  ]
  for (const [name, bytes, asMail] of ALL) {
    it(`${name}: never clean`, async () => {
      assert.equal(await isClean(asMail(bytes)), false)
      const places = freePlaces(bytes)
      await fc.assert(
        fc.asyncProperty(change, async (one) => {
          const mutant = changed(bytes, places, one)
          const at = places[one.place % places.length] ?? 0
          assert.equal(await isClean(asMail(mutant)), false, `at ${at}: ${mutant.toString('latin1', at - 40, at + 40)}`)
        }),
        { numRuns: RUNS, ...SEED },
      )
    })
  }

  it('what is encoded is refused when it no longer decodes', async () => {
    const raw = mail({ 'Content-Transfer-Encoding': 'base64' }, base64(`Hello Bo,\n\nnr ${CPR} ok\n`))
    const from = raw.indexOf('\r\n\r\n') + 4
    for (let at = from; at < raw.length - 2; at++) {
      const mutant = Buffer.concat([raw.subarray(0, at), Buffer.from('!'), raw.subarray(at)])
      assert.equal(await isClean(mutant), false, `${at}`)
    }
  })
})
