import assert from 'node:assert/strict'
import MsgReader from '@kenjiuno/msgreader'
import iconv from 'iconv-lite'
import { readOle } from '../../../lib/message/files/ole'
import { readTnef } from '../../../lib/message/files/tnef'
import { compoundFile } from '../../corpus/formats/cfb-writer'
import { doc, rtf } from '../../corpus/formats/legacy'
import { msgFile, tnefFile, type MapiContent } from '../../corpus/formats/mapi-writer'
import { CPR } from '../../gate/support'
import { budgetOf, readingOf, reasonsOf, refusalsOf } from './legacy-support'
import { u32 } from './ole-support'

const MAIL: MapiContent = {
  subject: 'Emne æ',
  text: 'Kære Bo\r\nΩ',
  html: '<p>Kære <b>Bo</b></p>',
  rtf: rtf('Kære Bo'),
  recipients: ['bo@partner.example'],
  header: 'X-Note: a',
  sensitivity: 3,
  named: { msip_labels: 'MSIP_Label_x_Enabled=true;' },
  attachments: [{ name: 'en lang liste.txt', bytes: Buffer.from('indhold') }],
  messages: [{ subject: 'Indre', text: 'indre tekst' }],
}
const FORMATS = [
  { name: 'msg', reader: readOle, write: (content: MapiContent) => msgFile(content) },
  { name: 'TNEF', reader: readTnef, write: tnefFile },
] as const
const PNG = Buffer.from(`89504e470d0a1a0a${'00'.repeat(9)}49454e44ae426082`, 'hex')

for (const { name, reader, write } of FORMATS) {
  describe(`${name}: what is in a message`, () => {
    const read = (content: MapiContent) => readingOf(reader, write(content))

    it('all bodies, the subject, the header, what is attached', async () => {
      const { texts, embedded, uninspected } = await read(MAIL)
      const of = (role: string) => texts.filter((one) => one.role === role).map(({ text }) => text.trim())
      assert.ok(of('subject').includes('Emne æ'))
      assert.ok(of('text').includes('Kære Bo\nΩ'))
      assert.ok(of('text').includes('Kære Bo'))
      assert.ok(of('html').includes('Kære Bo'))
      assert.ok(of('header').includes('X-Note: a'))
      assert.ok(of('name').some((text) => text.includes('en lang liste.txt')))
      assert.equal(embedded[0]?.bytes.toString(), 'indhold')
      assert.deepEqual(uninspected, [])
    })

    it('labels: named properties and the sensitivity', async () => {
      const { properties } = await read(MAIL)
      const found = properties.map(({ key, value }) => `${key}=${value}`).sort()
      assert.deepEqual(found, ['Sensitivity=Company-Confidential', 'msip_labels=MSIP_Label_x_Enabled=true;'])
      assert.deepEqual((await read({ sensitivity: 0 })).properties, [])
    })

    it('texts in a code page', async () => {
      const codePage = { page: 1251, encode: (text: string) => iconv.encode(text, 'windows-1251') }
      const { texts } = await read({ text: 'Привет', codePage })
      assert.ok(texts.some(({ text }) => text === 'Привет'))
    })

    it('a logo that the HTML shows passes, another picture does not', async () => {
      const html = '<img src="cid:logo">'
      const logo = { name: 'a.png', bytes: PNG, contentId: 'logo' }
      assert.deepEqual((await read({ html, attachments: [logo] })).uninspected, [])
      assert.deepEqual(reasonsOf(await read({ attachments: [logo] })), ['the image is attached'])
    })

    it('ends with its budget', async () => {
      const file = write(MAIL)
      assert.ok(reasonsOf(await readingOf(reader, file, budgetOf({ bytes: 10 }))).includes('the content is too large'))
      assert.notDeepEqual(reasonsOf(await readingOf(reader, file, budgetOf({ asks: 3 }))), [])
    })
  })

  describe(`${name}: found or refused, never clean`, () => {
    const ROWS: [name: string, content: MapiContent, code: 'cpr' | 'uninspected' | 'contradicting-label'][] = [
      ['subject', { subject: CPR }, 'cpr'],
      ['text', { text: CPR }, 'cpr'],
      ['HTML', { html: '0707<b>61</b>&#45;4285' }, 'cpr'],
      ['RTF', { rtf: rtf(CPR) }, 'cpr'],
      ['RTF, escaped', { rtf: Buffer.from("{\\rtf1 \\'3070761-4285}") }, 'cpr'],
      ['header', { header: `X-Note: ${CPR}` }, 'cpr'],
      ['recipient', { recipients: [CPR], text: CPR }, 'cpr'],
      ['named property', { named: { Note: CPR } }, 'cpr'],
      ['name of an attachment', { attachments: [{ name: `${CPR}.txt`, bytes: Buffer.from('x') }] }, 'cpr'],
      ['attachment', { attachments: [{ name: 'a.txt', bytes: Buffer.from(CPR) }] }, 'cpr'],
      ['document that is attached', { attachments: [{ name: 'a.doc', bytes: doc(CPR) }] }, 'cpr'],
      ['message inside', { messages: [{ text: CPR }] }, 'cpr'],
      ['message in a message inside', { messages: [{ messages: [{ html: `<p>${CPR}` }] }] }, 'cpr'],
      [
        'attachment of a message inside',
        { messages: [{ attachments: [{ name: 'a', bytes: Buffer.from(CPR) }] }] },
        'cpr',
      ],
      ['sensitivity', { text: 'x', sensitivity: 2 }, 'contradicting-label'],
      [
        'attachment that stands elsewhere',
        { attachments: [{ name: 'a', bytes: Buffer.from('x'), method: 7 }] },
        'uninspected',
      ],
      ['RTF that is broken', { rtf: Buffer.from('{\\rtf1 {') }, 'uninspected'],
    ]
    for (const [what, content, code] of ROWS) {
      it(`${what}: ${code}`, async () => {
        const codes = await refusalsOf(write(content))
        assert.ok(codes.includes(code), codes.join())
      })
    }

    it('an ordinary message is clean', async () => {
      assert.deepEqual(await refusalsOf(write({ ...MAIL, sensitivity: 0, named: { Note: 'x' } })), [])
    })
  })
}

describe('msg (MS-OXMSG)', () => {
  it('another program reads what our writer writes', () => {
    const data = new MsgReader(new DataView(Uint8Array.from(msgFile(MAIL)).buffer)).getFileData()
    assert.equal(data.subject, 'Emne æ')
    assert.equal(data.body, 'Kære Bo\r\nΩ')
    assert.deepEqual(
      data.attachments?.map((one) => one.fileName ?? one.innerMsgContentFields?.body),
      ['en lang liste.txt', 'indre tekst'],
    )
  })

  const ROWS: [name: string, streams: Record<string, Buffer>][] = [
    ['unknown stream', { Extra: Buffer.of(1) }],
    ['unknown storage', { 'Extra/a': Buffer.of(1) }],
    ['property of an unknown type', { '__substg1.0_10000055': Buffer.of(1) }],
    ['attachment without properties', { '__attach_version1.0_#00000009/__substg1.0_37010102': Buffer.of(1) }],
    ['attachment without content', { '__attach_version1.0_#00000009/__properties_version1.0': Buffer.alloc(8) }],
  ]
  for (const [name, streams] of ROWS) {
    it(`${name}: refused`, async () => {
      assert.ok((await refusalsOf(msgFile({ text: 'x' }, streams))).includes('uninspected'))
    })
  }

  it('objects of other programs are opened', async () => {
    const place = '__attach_version1.0_#00000000'
    const table = Buffer.alloc(8)
    const streams = {
      [`${place}/__properties_version1.0`]: table,
      [`${place}/__substg1.0_3701000D/Package`]: Buffer.from(CPR),
    }
    assert.ok((await refusalsOf(msgFile({ text: 'x' }, streams))).includes('cpr'))
  })
})

describe('TNEF (MS-OXTNEF)', () => {
  const good = tnefFile({ text: 'x' })
  const attribute = (id: number, data: Buffer) => {
    const sum = data.reduce((total, byte) => (total + byte) & 0xffff, 0)
    return Buffer.concat([Buffer.of(1), u32(id), u32(data.length), data, Buffer.of(sum & 0xff, sum >> 8)])
  }

  const ROWS: [name: string, bytes: Buffer, reason: RegExp][] = [
    ['nothing', good.subarray(0, 6), /too early/],
    ['cut', good.subarray(0, -3), /too early/],
    ['checksum', Buffer.concat([good.subarray(0, -1), Buffer.of((good.at(-1) ?? 0) ^ 1)]), /checksum/],
    ['unknown attribute', Buffer.concat([good, attribute(0x0006_f00d, Buffer.from('x'))]), /not known/],
    [
      'attachment data without attachment',
      Buffer.concat([good, attribute(0x0006_800f, Buffer.from('x'))]),
      /cannot be read/,
    ],
    [
      'properties that claim too many',
      Buffer.concat([good, attribute(0x0006_9003, u32(0xffffffff))]),
      /cannot be read/,
    ],
    ['length beyond the end', Buffer.concat([good, Buffer.of(1), u32(0x0006_9003), u32(0x7fffffff)]), /too early/],
  ]
  for (const [name, bytes, reason] of ROWS) {
    it(`${name}: ${reason.source}`, async () =>
      assert.match(reasonsOf(await readingOf(readTnef, bytes)).join(), reason))
  }

  it('subject, body and attachments without MAPI properties', async () => {
    const bytes = Buffer.concat([
      good.subarray(0, 6),
      attribute(0x0001_8004, Buffer.from('Emne\0')),
      attribute(0x0002_800c, Buffer.from('Tekst\0')),
      attribute(0x0006_9002, Buffer.alloc(14)),
      attribute(0x0001_8010, Buffer.from('a.txt\0')),
      attribute(0x0006_800f, Buffer.from('indhold')),
      Buffer.alloc(5),
    ])
    const { texts, embedded, uninspected } = await readingOf(readTnef, bytes)
    assert.deepEqual(
      texts.filter(({ role }) => role !== 'raw').map(({ role, text }) => `${role} ${text}`),
      ['subject Emne', 'text Tekst', 'name a.txt'],
    )
    assert.deepEqual(
      embedded.map(({ name, bytes: inner }) => [name, inner.toString()]),
      [['a.txt', 'indhold']],
    )
    assert.deepEqual(uninspected, [])
  })

  it('is told by its signature', async () => {
    assert.equal(
      await readTnef({ bytes: compoundFile({}), name: 'winmail.dat', where: '', type: '' }, budgetOf()),
      null,
    )
  })
})
