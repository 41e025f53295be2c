import assert from 'node:assert/strict'
import { domainOf, matchesStsPatterns } from '../../lib/policy/names'

describe('policy: names', () => {
  it('finds the domain behind the last @', () => {
    assert.equal(domainOf('"a@b"@example.org'), 'example.org')
    assert.equal(domainOf('example.org'), 'example.org')
    assert.equal(domainOf('@example.org'), 'example.org')
  })

  // RFC 8461 section 4.1
  const TABLE: [host: string, pattern: string, matches: boolean][] = [
    ['mx.example.org', 'mx.example.org', true],
    ['mx.example.org', 'MX.Example.ORG.', true],
    ['mx.example.org', '*.example.org', true],
    ['example.org', '*.example.org', false],
    ['a.mx.example.org', '*.example.org', false],
    ['mx.example.org', '*', false],
    ['mx.example.org', '*.', false],
    ['mx.example.org', '*.*.org', false],
    ['mx.example.org', 'm*.example.org', false],
    ['mx.example.org', '.example.org', false],
    ['', '', false],
    ['.example.org', '*.example.org', false],
    ['org', '*.org', false],
  ]
  for (const [host, pattern, matches] of TABLE) {
    it(`${host || '(empty)'} ${matches ? 'fits' : 'does not fit'} ${pattern || '(empty)'}`, () =>
      assert.equal(matchesStsPatterns(host, [pattern]), matches))
  }
})
