import assert from 'node:assert/strict'
import type { TlsFacts } from '../../lib/failure'
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

describe('policy: tlsToken', () => {
  for (const [level, got, requiretls, wanted] of TABLE) {
    it(wanted, () => assert.equal(tlsToken(requirement({ level, requiretls }), got), wanted))
  }
})
