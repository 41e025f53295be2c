/** That none of the rules is left out. Each has its proof in the file of its RFC. */
import assert from 'node:assert/strict'
import { proved } from './rule'
import './rfc3207-starttls.test'
import './rfc3464-dsn.test'
import './rfc7672-dane.test'
import './rfc8460-tlsrpt.test'
import './rfc8461-mta-sts.test'
import './rfc8689-requiretls.test'

describe('rules: the list', () => {
  it('every rule from 1 to 33 has a proof', () => {
    const all = Array.from({ length: 33 }, (_, index) => index + 1)
    assert.deepEqual(
      all.filter((number) => !proved.has(number)),
      [],
    )
  })
})
