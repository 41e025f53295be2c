import assert from 'node:assert/strict'
import { memoryAudit } from '../../lib/audit/memory'
import type { ToldCertificate } from '../../lib/control'
import { certificateEvent, tellCertificates } from '../../plugins/certificate-events'

const OPERATOR = { uid: 1001, name: 'kim' }
const TOLD: ToldCertificate = {
  change: 'trust',
  done: true,
  holder: 'anna@partner.test',
  fingerprint: '0123456789abcdef'.repeat(4),
  subject: 'CN=Anna Berg,E=anna@partner.test',
  notAfter: '2027-01-31T00:00:00.000Z',
  origin: 'harvested',
  state: 'trusted',
  why: 'a postmaster has approved it',
}

describe('plugins/certificate-events', () => {
  it('who, which certificate, until when, from where, and what came of it', () => {
    assert.deepEqual(certificateEvent(TOLD, OPERATOR), {
      action: 'certificate-changed',
      message: 'kim approved certificate 0123456789abcdef of partner.test: a postmaster has approved it',
      outcome: 'success',
      recipients: ['anna@partner.test'],
      extra: {
        operator: 'kim',
        operator_uid: 1001,
        certificate_change: 'trust',
        fingerprint: TOLD.fingerprint,
        subject: 'CN=Anna Berg,E=…@partner.test',
        not_after: '2027-01-31T00:00:00.000Z',
        origin: 'harvested',
        state: 'trusted',
        why: 'a postmaster has approved it',
      },
    })
  })

  it('a mailbox stands nowhere but in the recipient, which the log shows as it is set to', () => {
    const why = 'anna@partner.test has too many certificates'
    for (const change of ['import', 'trust', 'remove', 'reject'] as const) {
      for (const done of [true, false]) {
        const { recipients, ...rest } = certificateEvent({ ...TOLD, change, done, why }, OPERATOR)
        assert.deepEqual(recipients, ['anna@partner.test'])
        assert.ok(!JSON.stringify(rest).includes('anna@'), JSON.stringify(rest))
        assert.equal(rest.outcome, done ? 'success' : 'failure')
      }
    }
  })

  it('what is not known is absent', () => {
    const nothing = { holder: '', fingerprint: '', subject: '', notAfter: '', state: '', why: 'it cannot be read' }
    const event = certificateEvent({ ...TOLD, ...nothing, change: 'import', done: false }, { uid: null, name: '' })
    assert.deepEqual(event, {
      action: 'certificate-changed',
      message: 'the operator could not import a certificate: it cannot be read',
      outcome: 'failure',
      extra: { operator: 'operator', certificate_change: 'import', origin: 'harvested', why: 'it cannot be read' },
    })
  })

  it('all of them in their order, and who waits knows that the last one is on the disk', async () => {
    const audit = memoryAudit()
    const changes = ['import', 'trust', 'remove'] as const
    await tellCertificates(
      audit,
      changes.map((change) => ({ ...TOLD, change })),
      OPERATOR,
    )
    assert.deepEqual(
      audit.events.map(({ extra }) => extra?.certificate_change),
      [...changes],
    )
    const full = { tell: () => undefined, tellDurably: () => Promise.reject(new Error('no space left')) }
    await assert.rejects(tellCertificates(full, [TOLD], OPERATOR), /no space left/)
  })
})
