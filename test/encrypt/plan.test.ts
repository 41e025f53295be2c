import assert from 'node:assert/strict'
import fc from 'fast-check'
import { planEncryption } from '../../lib/encrypt/plan'

const anybody = fc.uniqueArray(
  fc.record({
    recipient: fc.nat(50),
    address: fc.constantFrom('a@x.test', 'b@x.test', 'c@x.test', 'd@x.test'),
    key: fc.constantFrom('key', null),
  }),
  { selector: ({ recipient }) => recipient, maxLength: 8 },
)
const seen = fc.option(fc.subarray(['a@x.test', 'b@x.test', 'c@x.test']), { nil: null })

describe('who gets which encrypted message', () => {
  it('everybody is in one message or told about, never both; nobody without a key gets anything', () => {
    fc.assert(
      fc.property(anybody, seen, fc.constantFrom('ndr', 'split'), (people, visible, without) => {
        const plan = planEncryption(people, visible === null ? null : new Set(visible), without)
        const served = plan.messages.flat().map(({ recipient }) => recipient)
        assert.deepEqual([...served, ...plan.withheld].sort(), people.map(({ recipient }) => recipient).sort())
        const missing = people.filter(({ key }) => key === null).map(({ recipient }) => recipient)
        assert.deepEqual(plan.missing, missing)
        assert.ok(missing.every((one) => !served.includes(one)))
        if (without === 'ndr' && missing.length > 0) assert.deepEqual(served, [])
      }),
    )
  })

  it('only those of To and Cc share a message', () => {
    fc.assert(
      fc.property(anybody, seen, (people, visible) => {
        const names = visible === null ? null : new Set(visible)
        for (const message of planEncryption(people, names, 'split').messages) {
          if (message.length === 1) continue
          for (const { recipient } of message) {
            const address = people.find((one) => one.recipient === recipient)?.address ?? ''
            assert.ok(names?.has(address), 'a blind copy apart')
          }
        }
      }),
    )
  })
})
