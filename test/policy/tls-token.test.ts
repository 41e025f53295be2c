import assert from 'node:assert/strict'
import type { TlsFacts } from '../../lib/failure'
import { forDaneHost } from '../../lib/policy/for-dane-host'
import { tlsToken } from '../../lib/policy/tls-token'
import type { Level } from '../../lib/policy/types'
import { requirement } from './fixtures'

const facts = (verified: boolean): TlsFacts => ({ version: 'TLSv1.3', cipher: 'x', verified, resumed: false })
const ENCRYPTED = facts(false)
const VERIFIED = facts(true)

// postconf(5), smtp_log_tls_feature_status
const TABLE: [Level, TlsFacts | null | undefined, boolean, string][] = [
  ['none', null, false, 'tls=none'],
  ['none', ENCRYPTED, false, 'tls=none:encrypt!'],
  ['may', ENCRYPTED, false, 'tls=may'],
  ['may', null, false, 'tls=may:none'],
  ['encrypt', ENCRYPTED, false, 'tls=encrypt'],
  ['encrypt', VERIFIED, false, 'tls=encrypt'],
  ['encrypt', null, false, 'tls=encrypt:none!'],
  ['encrypt', undefined, false, 'tls=encrypt?'],
  ['verify', VERIFIED, false, 'tls=verify'],
  ['verify', ENCRYPTED, false, 'tls=verify:encrypt!'],
  ['secure', VERIFIED, false, 'tls=secure'],
  ['secure', ENCRYPTED, false, 'tls=secure:encrypt!'],
  ['secure', null, false, 'tls=secure:none!'],
  ['fingerprint', ENCRYPTED, false, 'tls=fingerprint:encrypt!'],
  ['dane', VERIFIED, false, 'tls=dane'],
  ['dane', ENCRYPTED, false, 'tls=dane:encrypt'],
  ['dane', null, false, 'tls=dane:none!'],
  ['dane-only', ENCRYPTED, false, 'tls=dane-only:encrypt!'],
  ['verify', VERIFIED, true, 'tls=verify/requiretls'],
  ['verify', ENCRYPTED, true, 'tls=verify:encrypt!/requiretls!'],
  ['verify', undefined, true, 'tls=verify?/requiretls?'],
]

/** The default, which usable TLSA records may raise. */
const RAISED: [Level, TlsFacts | null | undefined, string][] = [
  ['encrypt', { ...VERIFIED, auth: 'dane' }, 'tls=dane'],
  ['encrypt', { ...ENCRYPTED, auth: 'dane' }, 'tls=dane:encrypt!'],
  ['encrypt', ENCRYPTED, 'tls=encrypt'],
  ['may', { ...VERIFIED, auth: 'dane' }, 'tls=dane'],
  ['may', null, 'tls=may:none'],
  ['verify', { ...VERIFIED, auth: 'dane' }, 'tls=dane'],
  ['verify', { ...VERIFIED, auth: 'pkix' }, 'tls=verify'],
  ['verify', undefined, 'tls=verify?'],
]

describe('policy: tlsToken', () => {
  for (const [level, got, wanted] of RAISED) {
    it(`${wanted}, where TLSA records may raise ${level}`, () =>
      assert.equal(tlsToken(requirement({ level, daneRaises: true }), got), wanted))
  }

  it('a dane row: usable TLSA records that do not match are a breach', () => {
    assert.equal(tlsToken(requirement({ level: 'dane' }), { ...ENCRYPTED, auth: 'dane' }), 'tls=dane:encrypt!')
  })

  it('a row that stands alone stays what it is, also beside DANE', () => {
    const row = requirement({ level: 'dane-only', source: 'map' })
    assert.deepEqual(forDaneHost(row, { auth: 'dane' }), row)
  })

  it('a raised requirement names DANE as its source, and what it was before', () => {
    const raised = forDaneHost(requirement({ level: 'encrypt', daneRaises: true, reason: 'the default' }), {
      auth: 'dane',
    })
    assert.deepEqual([raised.level, raised.source], ['dane', 'dane'])
    assert.match(raised.reason, /TLSA.*the default/)
  })

  for (const [level, got, requiretls, wanted] of TABLE) {
    it(wanted, () => assert.equal(tlsToken(requirement({ level, requiretls }), got), wanted))
  }
})
