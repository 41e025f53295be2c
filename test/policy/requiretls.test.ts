/** Codes under REQUIRETLS (RFC 8689 section 4.2.1): what is final at once, and what may still come right. */
import assert from 'node:assert/strict'
import { TLS_RESULT_TYPES, type Failure } from '../../lib/failure'
import { explainFindings, type Findings } from '../../lib/policy/explain'
import { requiretlsCode } from '../../lib/policy/requiretls'
import { inputs, STS } from './fixtures'

const refusal = (code: number) => ({ smtp: { code, text: 'no' } })

const CODES: [given: Pick<Failure, 'resultType' | 'smtp'>, code: string | undefined, source: string][] = [
  [{ resultType: 'requiretls-not-supported' }, '5.7.30', 'RFC 8689 4.2.1: not supported by server'],
  [{ resultType: 'starttls-not-supported' }, '5.7.10', 'RFC 8689 4.2.1: no TLS-protected session'],
  [{ resultType: 'starttls-not-supported', ...refusal(502) }, '5.7.10', 'RFC 8689 4.2.1: no TLS-protected session'],
  [{ resultType: 'starttls-not-supported', ...refusal(454) }, '4.7.10', 'RFC 3207 4: a temporary reason'],
  [{ resultType: 'starttls-injection' }, '5.7.10', 'RFC 8689 4.2.1: no TLS-protected session'],
  [{ resultType: 'certificate-expired' }, '5.7.10', 'RFC 8689 4.2.1: step 4'],
  [{ resultType: 'certificate-host-mismatch' }, '5.7.10', 'RFC 8689 4.2.1: step 4'],
  [{ resultType: 'tlsa-invalid' }, '5.7.10', 'RFC 8689 4.2.1: step 4, RFC 7672'],
  [{ resultType: 'validation-failure' }, '5.7.10', 'RFC 8689 4.2.1: step 2, RFC 8461 4.1'],
  [{ resultType: 'dnssec-invalid' }, '4.7.10', 'RFC 7672 2.1.2: a look-up that failed'],
  [{ resultType: 'dns-error' }, undefined, 'temporary, and not about TLS'],
  [{ resultType: 'connection-failed' }, undefined, 'temporary, and not about TLS'],
  [{ resultType: 'smtp-deferred', ...refusal(451) }, undefined, 'the server itself says when'],
  [{ resultType: 'smtp-rejected', ...refusal(550) }, undefined, 'the server itself says why'],
  [{ resultType: 'local-error' }, undefined, 'our own machine'],
]

describe('policy: codes under REQUIRETLS', () => {
  for (const [given, code, source] of CODES) {
    const reply = given.smtp === undefined ? '' : ` (${given.smtp.code})`
    it(`${given.resultType}${reply}: ${code ?? 'its own'} (${source})`, () => assert.equal(requiretlsCode(given), code))
  }

  it('every failure of transport security has one', () => {
    for (const resultType of TLS_RESULT_TYPES) assert.match(requiretlsCode({ resultType }) ?? '', /^[45]\.7\.[13]0$/)
  })
})

describe('policy: explained for REQUIRETLS', () => {
  const host = (name: string, more: Partial<Findings['hosts'][number]> = {}) => ({
    host: name,
    preference: 10,
    addresses: {
      kind: 'addresses' as const,
      addresses: ['192.0.2.1'],
      secure: false,
      secureAlias: false,
      expandedName: name,
    },
    tlsa: { state: 'absent' as const },
    ownHost: false,
    ...more,
  })
  const explained = (secure: boolean, sts: boolean, hosts = [host('mx1.example.org')]) =>
    explainFindings({
      inputs: inputs({ requiretls: true, ...(sts ? { mtaSts: STS } : {}) }),
      mx: {
        kind: 'hosts',
        hosts: hosts.map(({ host: name, preference }) => ({ host: name, preference })),
        secure,
        implicit: false,
        expandedDomain: 'example.org',
      },
      hosts,
      mtaStsEnabled: true,
      lookedUp: { mtaSts: true, tlsa: true },
    })

  it('DNSSEC vouches for the MX host: delivered if the server meets it', () => {
    const report = explained(true, false)
    assert.deepEqual(
      [report.deliver, report.requiretls, report.source, report.auth],
      [true, true, 'requiretls', 'pkix'],
    )
    assert.ok(report.sources.some(({ source }) => source === 'REQUIRETLS'))
  })

  it('nothing vouches for it: reported at once with 5.7.30', () => {
    const report = explained(false, false)
    assert.equal(report.deliver, false)
    assert.match(report.verdict, /at once \(5\.7\.30\)/)
    assert.deepEqual(
      report.mx.map(({ resultType }) => resultType),
      ['requiretls-not-supported'],
    )
  })

  it('MTA-STS does not name it: reported at once with 5.7.10', () => {
    assert.match(explained(false, true, [host('mx.elsewhere.test')]).verdict, /at once \(5\.7\.10\)/)
  })

  it('one of them cannot be looked up: that one may still meet it, so the mail waits', () => {
    const away = host('mx2.example.org', { addresses: { kind: 'error', error: 'servfail', detail: 'SERVFAIL' } })
    assert.match(explained(false, false, [host('mx1.example.org'), away]).verdict, /^waits in the queue/)
  })
})
