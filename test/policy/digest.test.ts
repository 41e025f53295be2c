import assert from 'node:assert/strict'
import { groupRecipients, requirementDigest } from '../../lib/policy/digest'
import type { Requirement } from '../../lib/policy/types'
import { requirement } from './fixtures'

const STRICT = requirement({
  level: 'secure',
  names: ['a.example', '.a.example'],
  ca: 'ca.pem',
  servername: 's.example',
  sts: { id: '1', mx: ['mx.a.example'] },
})

describe('policy: requirementDigest', () => {
  const same: [string, Partial<Requirement>][] = [
    ['source', { source: 'map' }],
    ['reason', { reason: 'another' }],
    ['rule', { rule: { pattern: 'x', file: 'f', line: 1 } }],
    ['a forbidden grant', { overrideForbidden: true }],
    ['what enforcing would ask for', { enforced: requirement({ level: 'verify' }) }],
    ['order of names', { names: ['.a.example', 'a.example'] }],
    ['a name twice', { names: ['a.example', '.a.example', 'a.example'] }],
    ['the id of the MTA-STS policy', { sts: { id: '2', mx: ['mx.a.example'] } }],
  ]
  for (const [what, more] of same) {
    it(`does not count: ${what}`, () =>
      assert.equal(requirementDigest({ ...STRICT, ...more }), requirementDigest(STRICT)))
  }

  const other: [string, Partial<Requirement>][] = [
    ['level', { level: 'verify' }],
    ['version', { minVersion: 'TLSv1.3' }],
    ['names', { names: ['a.example'] }],
    ['names run together', { names: ['a.example,.a.example'] }],
    ['fingerprints', { fingerprints: ['ab'] }],
    ['ca', { ca: 'other.pem' }],
    ['servername', { servername: 'o.example' }],
    ['MTA-STS patterns', { sts: { id: '1', mx: ['*.a.example'] } }],
    ['REQUIRETLS', { requiretls: true }],
    ['DANE', { daneRaises: true }],
  ]
  for (const [what, more] of other) {
    it(`counts: ${what}`, () => assert.notEqual(requirementDigest({ ...STRICT, ...more }), requirementDigest(STRICT)))
  }

  it('dane is what encrypt is when TLSA records may raise it', () =>
    assert.equal(
      requirementDigest(requirement({ level: 'dane' })),
      requirementDigest(requirement({ level: 'encrypt', daneRaises: true })),
    ))

  it('without any TLS its parameters do not count', () => {
    const clear = requirement({ level: 'none' })
    assert.equal(requirementDigest({ ...clear, minVersion: 'TLSv1.3' }), requirementDigest(clear))
    assert.notEqual(requirementDigest({ ...clear, daneRaises: true }), requirementDigest(clear))
  })
})

describe('policy: groupRecipients', () => {
  it('in monitor mode, groups also by what enforcing would ask for', () => {
    const relaxed = requirement({ level: 'may' })
    const decided = [
      { recipient: 'a@x.example', requirement: { ...relaxed, enforced: requirement() } },
      { recipient: 'b@x.example', requirement: { ...relaxed, enforced: requirement({ level: 'verify' }) } },
      { recipient: 'c@x.example', requirement: { ...relaxed, enforced: requirement({ reason: 'another' }) } },
    ]
    assert.deepEqual(
      groupRecipients(decided).map(({ recipients }) => recipients),
      [['a@x.example', 'c@x.example'], ['b@x.example']],
    )
  })

  it('groups by protection, keeps order and everybody’s own reason', () => {
    const first = requirement({ reason: 'one' })
    const second = requirement({ reason: 'two', source: 'map' })
    const other = requirement({ level: 'may' })
    const groups = groupRecipients([
      { recipient: 'a@x', requirement: first },
      { recipient: 'b@x', requirement: other },
      { recipient: 'c@x', requirement: second },
    ])
    assert.deepEqual(
      groups.map((group) => [group.requirement.level, group.recipients]),
      [
        ['encrypt', ['a@x', 'c@x']],
        ['may', ['b@x']],
      ],
    )
    assert.deepEqual(
      groups[0]!.members.map((member) => member.requirement.reason),
      ['one', 'two'],
    )
    assert.deepEqual(groupRecipients([]), [])
  })
})
