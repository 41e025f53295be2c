import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readMarkers } from '../../lib/classify/markers'
import { readMessage } from '../../lib/message/read'
import type { RefusalCode } from '../../lib/gate/types'
import type { Settings } from '../../lib/config/settings'
import { codes, look, mail, multipart, settingsWith } from '../gate/support'

const TENANT = '11111111-2222-3333-4444-555555555555'
const OTHER_TENANT = '99999999-2222-3333-4444-555555555555'
const PUBLIC = 'aaaaaaaa-0000-0000-0000-000000000001'
const INTERNAL = 'aaaaaaaa-0000-0000-0000-000000000002'
const purview = settingsWith({ public: { purviewTenant: TENANT, purviewLabels: [PUBLIC] } })
const UNMARKED = '[unsecure] Opening hours'
const TEXT = 'The canteen is open.\n'

function label(id: string, tenant: string, more = ''): string {
  return `MSIP_Label_${id}_Enabled=true;MSIP_Label_${id}_SiteId=${tenant};MSIP_Label_${id}_Name=Public${more}`
}

function inner(parts: string[], type = 'alternative'): { 'Content-Type': string; body: string } {
  const [contentType, body] = multipart(type, parts)
  return { 'Content-Type': contentType, body }
}

interface Row {
  name: string
  fields: Record<string, string | string[] | null>
  body?: string
  settings?: Settings
  codes: RefusalCode[]
}

const line = (plain: string, html: string) =>
  inner([`Content-Type: text/plain\n\n${plain}`, `Content-Type: text/html\n\n${html}`])
const rowOf = (name: string, { body, ...fields }: ReturnType<typeof inner>, found: RefusalCode[]): Row => ({
  name,
  fields: { Subject: UNMARKED, ...fields },
  body,
  codes: found,
})

const ROWS: Row[] = [
  { name: '[offentlig]', fields: { Subject: '[unsecure] [Offentlig] x' }, codes: [] },
  { name: 'encoded [public]', fields: { Subject: '[unsecure] =?utf-8?b?W3B1YmxpY10=?=' }, codes: [] },
  { name: 'header', fields: { Subject: UNMARKED, 'X-Classification': 'PUBLIC' }, codes: [] },
  { name: 'header with another value', fields: { 'X-Classification': 'Internal' }, codes: ['contradicting-label'] },
  {
    name: 'header with words around the value',
    fields: { Subject: UNMARKED, 'X-Classification': 'not public' },
    codes: ['contradicting-label', 'no-public-marker'],
  },
  { name: 'header twice', fields: { 'X-Classification': ['public', 'public'] }, codes: ['marker-conflict'] },
  {
    name: 'header, broken encoded word',
    fields: { 'X-Classification': '=?x?y?z' },
    codes: ['marker-conflict', 'uninspected'],
  },
  {
    name: 'Sensitivity: Company-Confidential',
    fields: { Sensitivity: 'Company-Confidential' },
    codes: ['contradicting-label'],
  },
  { name: 'Sensitivity: anything', fields: { Sensitivity: 'Normal' }, codes: ['contradicting-label'] },
  { name: 'Sensitivity without value', fields: { Sensitivity: '' }, codes: ['marker-conflict'] },
  { name: 'Titus', fields: { 'X-Titus-Metadata-40': 'eyJDYXRlZ29yeUxhYmVscyI6IiJ9' }, codes: ['contradicting-label'] },
  { name: 'Boldon James', fields: { 'X-BJProtectiveMarking': '<sisl/>' }, codes: ['contradicting-label'] },
  {
    name: 'X-Protective-Marking',
    fields: { 'X-Protective-Marking': 'VER=2018.4, NS=gov.au, SEC=OFFICIAL' },
    codes: ['contradicting-label'],
  },
  {
    name: 'subject [SEC=PROTECTED]',
    fields: { Subject: '[unsecure] [public] [SEC=PROTECTED]' },
    codes: ['contradicting-label'],
  },
  {
    name: 'subject [Fortroligt]',
    fields: { Subject: '[unsecure] [public] [Fortroligt]' },
    codes: ['contradicting-label', 'sensitive'],
  },

  {
    name: 'Purview: own public label',
    fields: { Subject: UNMARKED, msip_labels: label(PUBLIC, TENANT) },
    settings: purview,
    codes: [],
  },
  {
    name: 'Purview: folded, upper case, trailing semicolon',
    fields: { Subject: UNMARKED, Msip_Labels: `${label(PUBLIC.toUpperCase(), TENANT).replace(/;/g, ';\n ')};` },
    settings: purview,
    codes: [],
  },
  {
    name: 'Purview: own label that is not public but called so',
    fields: { Subject: UNMARKED, msip_labels: label(INTERNAL, TENANT) },
    settings: purview,
    codes: ['contradicting-label', 'no-public-marker'],
  },
  {
    name: 'Purview: another tenant',
    fields: { msip_labels: label(PUBLIC, OTHER_TENANT) },
    settings: purview,
    codes: ['contradicting-label'],
  },
  { name: 'Purview: not configured', fields: { msip_labels: label(PUBLIC, TENANT) }, codes: ['contradicting-label'] },
  { name: 'Purview: empty header is no label', fields: { msip_labels: '' }, settings: purview, codes: [] },
  {
    name: 'Purview: two own labels',
    fields: { Subject: UNMARKED, msip_labels: `${label(PUBLIC, TENANT)};${label(INTERNAL, TENANT)}` },
    settings: purview,
    codes: ['contradicting-label', 'marker-conflict'],
  },
  {
    name: 'Purview: header twice',
    fields: { msip_labels: [label(PUBLIC, TENANT), ''] },
    settings: purview,
    codes: ['marker-conflict'],
  },
  {
    name: 'Purview: key twice',
    fields: { msip_labels: `${label(PUBLIC, TENANT)};MSIP_Label_${PUBLIC}_Enabled=false` },
    settings: purview,
    codes: ['marker-conflict'],
  },
  {
    name: 'Purview: no tenant',
    fields: { msip_labels: `MSIP_Label_${PUBLIC}_Enabled=true` },
    settings: purview,
    codes: ['marker-conflict'],
  },
  { name: 'Purview: garbage', fields: { msip_labels: 'public' }, settings: purview, codes: ['marker-conflict'] },
  {
    name: 'Purview: switched off',
    fields: { msip_labels: `MSIP_Label_${INTERNAL}_Enabled=false;MSIP_Label_${INTERNAL}_SiteId=${TENANT}` },
    settings: purview,
    codes: [],
  },
  {
    name: 'Purview: label that encrypts',
    fields: { msip_labels: label(PUBLIC, TENANT, `;MSIP_Label_${PUBLIC}_ContentBits=8`) },
    settings: purview,
    codes: ['contradicting-label'],
  },
  {
    name: 'Purview: one header per key',
    fields: { [`msip_label_${INTERNAL}_enabled`]: 'true', [`msip_label_${INTERNAL}_siteid`]: TENANT },
    settings: purview,
    codes: ['contradicting-label'],
  },

  { name: 'body line', fields: { Subject: UNMARKED }, body: `Klassifikation:  offentlig\n\n${TEXT}`, codes: [] },
  {
    name: 'body line below the head',
    fields: { Subject: UNMARKED },
    body: `a\nb\nc\nClassification: Public\n`,
    codes: ['no-public-marker'],
  },
  {
    name: 'body line, quoted',
    fields: { Subject: UNMARKED },
    body: `> Classification: Public\n`,
    codes: ['no-public-marker'],
  },
  {
    name: 'body line below a reply line',
    fields: { Subject: UNMARKED },
    body: `Den 1. maj skrev Bo:\nClassification: Public\n`,
    codes: ['no-public-marker'],
  },
  {
    name: 'body line with more words',
    fields: { Subject: UNMARKED },
    body: `Classification: Public, or so\n`,
    codes: ['no-public-marker'],
  },
  {
    name: 'body line that says Confidential',
    fields: {},
    body: `${TEXT}\nClassification: Confidential\n`,
    codes: ['contradicting-label', 'sensitive'],
  },
  {
    name: 'body line that says Intern',
    fields: {},
    body: `${TEXT}\nKlassifikation: Intern\n`,
    codes: ['contradicting-label'],
  },
  { name: 'body line of an unknown class', fields: {}, body: `Classification: Blue\n`, codes: ['contradicting-label'] },
  rowOf(
    'body line in both alternatives',
    line('Classification: Public\nx', '<p>Classification: <b>Public</b></p><p>x'),
    [],
  ),
  rowOf('body line in one alternative only', line('Classification: Public\nx', '<p>x'), ['no-public-marker']),
  rowOf(
    'body line hidden in the HTML',
    line('Classification: Public', '<p style="display:none">Classification: Public</p>x'),
    ['no-public-marker'],
  ),
  rowOf(
    'body line quoted in the HTML',
    line('Classification: Public', '<blockquote>Classification: Public</blockquote>'),
    ['no-public-marker'],
  ),
  rowOf(
    'body line in an attachment only',
    inner(
      [
        `Content-Type: text/plain\n\n${TEXT}`,
        'Content-Type: text/plain\nContent-Disposition: attachment\n\nClassification: Public',
      ],
      'mixed',
    ),
    ['no-public-marker'],
  ),
  rowOf(
    'marker of a nested message',
    inner(
      [
        `Content-Type: text/plain\n\n${TEXT}`,
        'Content-Type: message/rfc822\n\nSubject: [public]\nX-Classification: public\n\nClassification: Public\n',
      ],
      'mixed',
    ),
    ['no-public-marker'],
  ),
  {
    name: 'label of a nested message',
    fields: inner(
      [`Content-Type: text/plain\n\n${TEXT}`, 'Content-Type: message/rfc822\n\nSensitivity: Private\n\nx'],
      'mixed',
    ),
    codes: ['contradicting-label'],
  },
]

describe('classification markers', () => {
  for (const { name, fields, body, settings, codes: expected } of ROWS) {
    it(`${name}: ${expected.join(', ') || 'granted'}`, async () => {
      const { body: own, ...headers } = fields
      assert.deepEqual(
        await codes(mail(headers, body ?? (typeof own === 'string' ? own : TEXT)), {}, settings),
        expected,
      )
    })
  }

  it('says where each mark was found', async () => {
    const { verdict } = await look(
      mail({ Sensitivity: 'Private', 'X-Classification': 'public' }, 'Classification: Public\n'),
    )
    assert.deepEqual(
      verdict.markers,
      [
        { class: 'non-public', source: 'header', value: 'Sensitivity: Private', where: 'header Sensitivity' },
        { class: 'public', source: 'header', value: 'X-Classification: public', where: 'header X-Classification' },
        { class: 'public', source: 'subject', value: '[public]', where: 'subject' },
        { class: 'public', source: 'body', value: 'Classification: Public', where: 'text part 1' },
      ].sort(
        (a, b) =>
          verdict.markers.findIndex((m) => m.value === a.value) - verdict.markers.findIndex((m) => m.value === b.value),
      ),
    )
  })
})

describe('label lines in long texts', () => {
  it('are the lines that stand alone', () => {
    const line = fc.oneof(
      fc.constantFrom(
        'Klassifikation: Fortrolig',
        '> Sensitivity = secret',
        'Classification： Internal',
        'a: b',
        '::==',
      ),
      fc.constantFrom('ﬁle: x', '', 'tekst', 'klassifikation', `${'x'.repeat(200)}: y`, 'Classification: Public'),
      fc.string({ maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, '')),
    )
    const markersOf = (text: string) =>
      readMarkers(
        readMessage(Buffer.from(`Content-Type: text/plain; charset=utf-8\n\n${text}`), purview.content, Date),
        purview.public,
      )
        .markers.filter(({ source, class: kind }) => source === 'body' && kind !== 'public')
        .map(({ class: kind, value }) => `${kind} ${value}`)
    fc.assert(
      fc.property(fc.array(line, { maxLength: 15 }), (lines) => {
        // a text without any of the two signs is never asked
        const alone = lines.flatMap((one) => markersOf(`=\n\n\n\n${one}`))
        assert.deepEqual(markersOf(`=\n\n\n\n${lines.join('\n')}`), alone)
      }),
      { numRuns: 300 },
    )
  })
})
