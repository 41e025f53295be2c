import assert from 'node:assert/strict'
import { labelsFromProperties } from '../../lib/classify'
import type { FileProperty } from '../../lib/message/files/types'
import { settings } from '../gate/support'

const TENANT = '11111111-2222-3333-4444-555555555555'
const OTHER = '99999999-2222-3333-4444-555555555555'
const PUBLIC = 'aaaaaaaa-0000-0000-0000-000000000001'
const INTERNAL = 'aaaaaaaa-0000-0000-0000-000000000002'
const rules = { ...settings.public, purviewTenant: TENANT, purviewLabels: [PUBLIC] }
const WHERE = 'attachment a.docx > docProps/custom.xml'

function label(id: string, tenant: string, more: Record<string, string> = {}, where = WHERE): FileProperty[] {
  const keys = { Enabled: 'true', SiteId: tenant, Name: 'Public', Method: 'Privileged', ContentBits: '0', ...more }
  return Object.entries(keys).map(([key, value]) => ({ where, key: `MSIP_Label_${id}_${key}`, value }))
}
const one = (key: string, value: string): FileProperty[] => [{ where: WHERE, key, value }]

describe('labels in the properties of files', () => {
  const ROWS: [name: string, properties: FileProperty[], classes: string[], conflicts: number][] = [
    ['own public label: says nothing about the mail', label(PUBLIC, TENANT), [], 0],
    ['own other label, although it is called Public', label(INTERNAL, TENANT), ['non-public'], 0],
    ['public label of another organisation', label(PUBLIC, OTHER), ['unknown'], 0],
    ['own public label that encrypts', label(PUBLIC, TENANT, { ContentBits: '8' }), ['non-public'], 0],
    ['switched off', label(INTERNAL, TENANT, { Enabled: 'false' }), [], 0],
    ['no tenant', label(PUBLIC, ''), [], 1],
    ['two own labels in one file', [...label(PUBLIC, TENANT), ...label(INTERNAL, TENANT)], ['non-public'], 1],
    ['a key twice', [...label(PUBLIC, TENANT), ...one(`MSIP_Label_${PUBLIC}_Enabled`, 'false')], [], 1],
    ['a GUID that is none', one('MSIP_Label_public_Enabled', 'true'), [], 1],
    ['XMP with its prefix', label(INTERNAL, TENANT).map((p) => ({ ...p, key: `pdfx:${p.key}` })), ['non-public'], 0],
    [
      'Info and XMP agree',
      [...label(PUBLIC, TENANT), ...label(PUBLIC, TENANT, {}, 'attachment a.pdf > metadata')],
      [],
      0,
    ],
    [
      'Info and XMP differ: the higher class',
      [...label(PUBLIC, TENANT), ...label(INTERNAL, TENANT, {}, 'attachment a.pdf > metadata')],
      ['non-public'],
      0,
    ],
    ['Classification: Internal', one('Classification', 'Internal'), ['non-public'], 0],
    ['Sensitivity, a word of no class', one('Sensitivity', 'Amber'), ['unknown'], 0],
    ['Classification: Public', one('Classification', 'Public'), [], 0],
    ['Titus', one('TitusGUID', '1234'), ['unknown'], 0],
    ['Boldon James', one('bjDocumentSecurityLabel', 'CONFIDENTIAL'), ['non-public'], 0],
    ['keywords with a class among them', one('Keywords', 'budget, Fortrolig; 2026'), ['non-public'], 0],
    ['keywords with the word in a phrase', one('Keywords', 'internal medicine, private equity'), [], 0],
    ['anything else', one('Company', 'Internal Affairs A/S'), [], 0],
  ]
  for (const [name, properties, classes, conflicts] of ROWS) {
    it(name, () => {
      const found = labelsFromProperties(properties, rules)
      assert.deepEqual(
        found.markers.map((marker) => marker.class),
        classes,
      )
      assert.equal(found.conflicts.length, conflicts)
      assert.ok(found.markers.every(({ source, where }) => source === 'attachment' && where?.startsWith('attachment ')))
    })
  }
  it('nothing is configured: no label is known to be public', () => {
    assert.deepEqual(
      labelsFromProperties(label(PUBLIC, TENANT), settings.public).markers.map((marker) => marker.class),
      ['unknown'],
    )
  })
})
