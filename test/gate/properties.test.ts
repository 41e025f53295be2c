import assert from 'node:assert/strict'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { decide } from '../../lib/gate'
import type { Content, Rules, SenderFacts, Verdict } from '../../lib/gate/types'
import { transferEncoded } from '../corpus/formats/legacy'
import { docx, xlsx, zip } from '../corpus/formats/office'
import { forwarded } from '../corpus/formats/wrappers'
import { base64, look, mail, multipart, syntheticCpr } from './support'

/** Parts of a body; none of them is a public marker. */
const piece = fc.constantFrom(
  'Opening hours are 8 to 14.',
  'CPR 070761-4285',
  '0707614285',
  'cpr 070761-4286',
  'FORTROLIGT',
  'Classification: Internal',
  'Sensitivity: x',
  '4111 1111 1111 1111',
  'din diagnose',
  '> quoted',
  '',
  'ordre 0101701234',
  'begin 644 a',
  '-----BEGIN PRIVATE KEY-----',
  '1234567890 2345678901 3456789012',
  '9876543210\n8765432109\n7654321098\n6543210987\n5432109876\n4321098765',
  'kontonr.',
  'faktura',
  '\u202e',
  'https://x.example/',
)
const file = (bytes: Buffer) =>
  `Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n${base64(bytes)}`
const note = docx({ text: 'Opening hours' })
const attachment = fc.constantFrom(
  file(note),
  file(note.subarray(0, note.length >> 1)),
  file(docx({ text: 'cpr 070761-4285' })),
  file(xlsx({ tables: [[['CPR'], [707614285]]] })),
  file(zip([{ name: 'a.docx', bytes: docx({ text: 'Classification: Public' }) }])),
  'Content-Type: text/plain\n\nhello',
  'Content-Type: text/csv\n\na;b\n1;2',
  'Content-Type: application/zip\n\nPK',
  'Content-Type: text/plain\n\ncpr 070761-4285',
  'Content-Type: message/rfc822\n\nSubject: x\nSensitivity: Private\n\ny',
  'Content-Type: message/rfc822\n\nSubject: [public]\n\nClassification: Public',
)

function mixed(body: readonly string[], attachments: readonly string[], subject: string): Buffer {
  const [type, whole] = multipart('mixed', [
    `Content-Type: text/plain; charset=utf-8\n\n${body.join('\n\n')}`,
    ...attachments,
  ])
  return mail({ Subject: subject, 'Content-Type': type }, whole)
}

describe('properties of the gate', function () {
  this.timeout(60_000)

  it('adding content never turns a refusal into a grant', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 4 }),
        fc.array(attachment, { maxLength: 2 }),
        fc.array(piece, { maxLength: 3 }),
        fc.array(attachment, { maxLength: 2 }),
        fc.constantFrom('[unsecure] [public] x', '[unsecure] x', 'Re: [unsecure] [public] x'),
        async (body, attachments, moreBody, moreAttachments, subject) => {
          const before = (await look(mixed(body, attachments, subject))).verdict
          const after = (await look(mixed([...body, ...moreBody], [...attachments, ...moreAttachments], subject)))
            .verdict
          if (!before.granted) assert.equal(after.granted, false)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('how the text is encoded changes neither number nor level of the findings', async () => {
    const numbers = [
      syntheticCpr('150380', 1),
      '070761-4286',
      '010170-1234',
      syntheticCpr('240265', 2, 3).replace('-', ''),
      '280456-0PJ2',
    ]
    const text = fc.array(fc.constantFrom('Kære Bo', 'cpr', 'ordre', 'æøå', ...numbers), { minLength: 1, maxLength: 8 })
    const levels = (verdict: Verdict) =>
      verdict.findings.map(({ confidence, masked }) => `${confidence} ${masked}`).sort()
    const quoted = (bytes: Buffer) =>
      [...bytes]
        .map((byte) => (byte === 10 ? '\n' : `=${byte.toString(16).padStart(2, '0')}`))
        .join('')
        .replace(/((?:=..){20})/g, '$1=\n')
    await fc.assert(
      fc.asyncProperty(text, async (words) => {
        const plain = words.join('\n')
        const forms: [name: string, raw: Buffer][] = [
          ['8bit', mail({ 'Content-Type': 'text/plain; charset=utf-8' }, plain)],
          [
            'base64',
            mail({ 'Content-Type': 'text/plain; charset=utf-8', 'Content-Transfer-Encoding': 'base64' }, base64(plain)),
          ],
          [
            'quoted-printable',
            mail(
              { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Transfer-Encoding': 'quoted-printable' },
              quoted(Buffer.from(plain)),
            ),
          ],
          ...['windows-1252', 'utf-16le', 'utf-16be', 'utf-32le', 'utf-7'].map((charset): [string, Buffer] => [
            charset,
            mail(
              { 'Content-Type': `text/plain; charset=${charset}`, 'Content-Transfer-Encoding': 'base64' },
              base64(iconv.encode(plain, charset)),
            ),
          ]),
          [
            'nested',
            mixed(
              [],
              [`Content-Type: message/rfc822\n\nContent-Type: text/plain; charset=utf-8\n\n${plain}`],
              '[unsecure] x',
            ),
          ],
          ...(['7bit', '8bit', 'quoted-printable', 'base64'] as const).map((encoding): [string, Buffer] => {
            // what is 7bit holds no other characters
            const charset = encoding === '7bit' ? 'utf-7' : 'utf-8'
            const head = `Content-Type: text/plain; charset=${charset}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`
            const body = transferEncoded(iconv.encode(plain.replace(/\n/g, '\r\n'), charset), encoding)
            return [`forwarded twice, ${encoding}`, forwarded(forwarded(Buffer.concat([Buffer.from(head), body])))]
          }),
          [
            'alternative inside related inside mixed',
            ((): Buffer => {
              const part = `Content-Type: text/plain; charset=utf-8\n\n${plain}`
              const wrapped = ['alternative', 'related'].reduce((inner, type) => {
                const [head, body] = multipart(type, [inner], `b-${type}`)
                return `Content-Type: ${head}\n\n${body}`
              }, part)
              const [type, body] = multipart('mixed', [wrapped])
              return mail({ 'Content-Type': type }, body)
            })(),
          ],
          [
            'HTML',
            mail({ 'Content-Type': 'text/html; charset=utf-8' }, words.map((word) => `<p>${word}</p>`).join('\n')),
          ],
        ]
        const expected = levels((await look(forms[0]![1])).verdict)
        for (const [name, raw] of forms) assert.deepEqual(levels((await look(raw)).verdict), expected, name)
      }),
      { numRuns: 60 },
    )
  })

  const EMPTY: Content & { sender: SenderFacts } = {
    request: { by: 'subject-tag', where: 'subject', inherited: false, secure: false },
    sender: {
      authenticated: true,
      aclListed: false,
      mailFrom: 'a@uni.example',
      fromFields: 1,
      from: ['a@uni.example'],
      subjectFields: 1,
      resent: [],
      list: false,
      autoSubmitted: null,
    },
    markers: [{ class: 'public', source: 'subject', value: '[public]' }],
    conflicts: [],
    findings: [],
    persons: 0,
    nameRows: 0,
    sensitive: [],
    uninspected: [],
    protection: [],
    wholeProtected: false,
    timeUp: false,
  }
  const RULES: Rules = { internalDomains: ['uni.example'], sendersAllow: [], sendersDeny: [], blockAt: 'low' }

  it('decide() grants when all conditions hold, and not when any fails', () => {
    assert.equal(decide(EMPTY, RULES).granted, true)
    const place = { where: 'x', detail: 'y' }
    const changes: Partial<Content>[] = [
      { request: { ...EMPTY.request, inherited: true } },
      { request: { ...EMPTY.request, secure: true } },
      { sender: null },
      { sender: { ...EMPTY.sender, authenticated: false } },
      { sender: { ...EMPTY.sender, mailFrom: 'a@other.example' } },
      { sender: { ...EMPTY.sender, from: null } },
      { sender: { ...EMPTY.sender, fromFields: 2 } },
      { sender: { ...EMPTY.sender, subjectFields: 2 } },
      { sender: { ...EMPTY.sender, subjectFields: 0 } },
      { sender: { ...EMPTY.sender, resent: ['Resent-To'] } },
      { sender: { ...EMPTY.sender, list: true } },
      { sender: { ...EMPTY.sender, autoSubmitted: 'auto-generated' } },
      { markers: [] },
      { markers: [...EMPTY.markers, { class: 'unknown', source: 'purview', value: 'x' }] },
      { markers: [...EMPTY.markers, { class: 'non-public', source: 'header', value: 'x' }] },
      { conflicts: [place] },
      { findings: [{ kind: 'cpr', confidence: 'low', where: 'x', masked: '070761-****', evidence: [] }] },
      { sensitive: [place] },
      { uninspected: [{ where: 'x', reason: 'y' }] },
      { protection: [{ kind: 'zip-encrypted', where: 'x' }] },
      { timeUp: true },
    ]
    const failing = fc.uniqueArray(fc.nat(changes.length - 1), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(failing, (chosen) => {
        const verdict = decide(Object.assign({}, EMPTY, ...chosen.map((n) => changes[n])) as Content, RULES)
        assert.equal(verdict.granted, false)
        assert.ok(verdict.refusals.length >= 1)
        assert.notEqual(verdict.category, 1)
      }),
    )
    for (const [n, change] of changes.entries())
      assert.equal(decide({ ...EMPTY, ...change }, RULES).granted, false, `change ${n}`)
  })

  it('blocks from the configured level on', () => {
    const at = (blockAt: Rules['blockAt'], confidence: 'low' | 'medium' | 'high') =>
      decide(
        { ...EMPTY, findings: [{ kind: 'cpr', confidence, where: 'x', masked: '', evidence: [] }] },
        { ...RULES, blockAt },
      ).granted
    assert.deepEqual(
      [at('low', 'low'), at('medium', 'low'), at('medium', 'medium'), at('high', 'medium'), at('high', 'high')],
      [false, true, false, true, false],
    )
  })

  it('names at most twenty places per code, and counts the rest', () => {
    const uninspected = Array.from({ length: 500 }, (_, n) => ({ where: `part ${n}`, reason: 'x' }))
    const { refusals } = decide({ ...EMPTY, uninspected }, RULES)
    assert.equal(refusals.length, 21)
    assert.match(refusals.at(-1)?.detail ?? '', /480 more/)
  })
})
