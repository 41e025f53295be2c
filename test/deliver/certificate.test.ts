import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { rm, mkdtemp, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { altNames, certificateFacts, subjectPublicKeyInfo } from '../../lib/deliver/certificate'
import { createContexts } from '../../lib/deliver/contexts'
import { verifyPeer, type Presented } from '../../lib/deliver/verify'
import type { HostRequirement } from '../../lib/policy/types'
import { fingerprints, issued, rootPem } from './support/certificates'

const identity = issued(['mx.test', '*.other.test'], { ips: ['192.0.2.9'] })
const leaf = new X509Certificate(identity.cert)

function need(more: Partial<HostRequirement>): HostRequirement {
  return {
    tls: 'must',
    auth: 'pkix',
    minVersion: 'TLSv1.2',
    refNames: [],
    fingerprints: [],
    tlsa: [],
    requiretls: false,
    usable: true,
    why: 'test',
    ...more,
  }
}

const shown: Presented = { leaf, chain: [leaf], chainError: null, version: 'TLSv1.3', resumed: false }

describe('deliver: certificates', () => {
  it('facts agree with another computation of the same', () => {
    const facts = certificateFacts(leaf)
    const { certificate, spki } = fingerprints(identity)
    assert.equal(facts.sha256, certificate)
    assert.equal(facts.spkiSha256, spki)
    assert.deepEqual(facts.names, ['mx.test', '*.other.test'])
    assert.equal(facts.issuer, 'CN=Test Root')
    assert.ok(Date.parse(facts.notBefore) < Date.now() && Date.parse(facts.notAfter) > Date.now())
    assert.deepEqual(JSON.parse(JSON.stringify(facts)), facts)
  })

  it('the key is cut out byte for byte, and broken DER throws', () => {
    assert.deepEqual(subjectPublicKeyInfo(leaf.raw), leaf.publicKey.export({ type: 'spki', format: 'der' }))
    for (let length = 0; length < 60; length += 1) {
      assert.throws(() => subjectPublicKeyInfo(leaf.raw.subarray(0, length)), RangeError)
    }
  })

  it('a name with a separator in it is never split into two (CVE-2021-44532)', () => {
    assert.deepEqual(altNames('DNS:a.test, IP Address:192.0.2.1, DNS:"x.test, DNS:evil.test", DNS:B.test').dns, [
      'a.test',
      'b.test',
    ])
    assert.deepEqual(altNames(undefined), { dns: [], ip: [] })
  })

  const now = Date.now()
  const rows: {
    name: string
    presented?: Partial<Presented>
    need: Partial<HostRequirement>
    at?: number
    verdict: string
  }[] = [
    { name: 'pkix, right name', need: { refNames: ['mx.test'] }, verdict: 'ok' },
    { name: 'pkix, wildcard', need: { refNames: ['a.other.test'] }, verdict: 'ok' },
    { name: 'pkix, one of several names', need: { refNames: ['no.test', 'mx.test'] }, verdict: 'ok' },
    { name: 'pkix, address', need: { refNames: ['192.0.2.9'] }, verdict: 'ok' },
    { name: 'pkix, other address', need: { refNames: ['192.0.2.8'] }, verdict: 'certificate-host-mismatch' },
    {
      name: 'pkix without a reference name is never satisfied',
      need: { refNames: [] },
      verdict: 'certificate-host-mismatch',
    },
    {
      name: 'pkix, no certificate',
      presented: { leaf: undefined },
      need: { refNames: ['mx.test'] },
      verdict: 'certificate-not-trusted',
    },
    {
      name: 'pkix, untrusted',
      presented: { chainError: 'SELF_SIGNED_CERT_IN_CHAIN' },
      need: { refNames: ['mx.test'] },
      verdict: 'certificate-not-trusted',
    },
    {
      name: 'pkix, intermediate expired',
      presented: { chainError: 'CERT_HAS_EXPIRED' },
      need: { refNames: ['mx.test'] },
      verdict: 'certificate-expired',
    },
    {
      name: 'pkix, our clock is later',
      need: { refNames: ['mx.test'] },
      at: now + 40 * 86_400_000,
      verdict: 'certificate-expired',
    },
    {
      name: 'a resumed session is never believed',
      presented: { resumed: true },
      need: { refNames: ['mx.test'] },
      verdict: 'validation-failure',
    },
    {
      name: 'a resumed session, auth none',
      presented: { resumed: true },
      need: { auth: 'none' },
      verdict: 'validation-failure',
    },
    {
      name: 'version below the minimum',
      presented: { version: 'TLSv1.1' },
      need: { auth: 'none' },
      verdict: 'tls-version-too-low',
    },
    {
      name: 'unknown version',
      presented: { version: 'unknown' },
      need: { auth: 'none', minVersion: 'TLSv1' },
      verdict: 'tls-version-too-low',
    },
    {
      name: 'auth none takes any certificate',
      presented: { chainError: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
      need: { auth: 'none' },
      verdict: 'ok',
    },
    {
      name: 'fingerprint of the certificate',
      presented: { chainError: 'X' },
      need: { auth: 'fingerprint', fingerprints: [fingerprints(identity).certificate] },
      at: now + 1e12,
      verdict: 'ok',
    },
    {
      name: 'fingerprint of the key',
      need: { auth: 'fingerprint', fingerprints: ['aa', fingerprints(identity).spki] },
      verdict: 'ok',
    },
    { name: 'no fingerprint given', need: { auth: 'fingerprint' }, verdict: 'fingerprint-mismatch' },
    {
      name: 'fingerprint, no certificate',
      presented: { leaf: undefined },
      need: { auth: 'fingerprint', fingerprints: ['aa'] },
      verdict: 'certificate-not-trusted',
    },
    {
      name: 'DANE-EE 3 1 1 (RFC 7672 section 3.1.1: names and dates do not count)',
      presented: { chainError: 'X' },
      need: { auth: 'dane', tlsa: [{ usage: 3, selector: 1, matchingType: 1, data: fingerprints(identity).spki }] },
      at: now + 1e12,
      verdict: 'ok',
    },
    {
      name: 'DANE-EE 3 0 1',
      need: {
        auth: 'dane',
        tlsa: [{ usage: 3, selector: 0, matchingType: 1, data: fingerprints(identity).certificate }],
      },
      verdict: 'ok',
    },
    {
      name: 'DANE-EE 3 0 0',
      need: { auth: 'dane', tlsa: [{ usage: 3, selector: 0, matchingType: 0, data: leaf.raw.toString('hex') }] },
      verdict: 'ok',
    },
    {
      name: 'DANE-EE of another key',
      need: { auth: 'dane', tlsa: [{ usage: 3, selector: 1, matchingType: 1, data: '00' }] },
      verdict: 'tlsa-invalid',
    },
    {
      name: 'DANE-EE with unknown selector',
      need: { auth: 'dane', tlsa: [{ usage: 3, selector: 2, matchingType: 1, data: fingerprints(identity).spki }] },
      verdict: 'tlsa-invalid',
    },
    {
      name: 'DANE-EE with unknown matching type',
      need: { auth: 'dane', tlsa: [{ usage: 3, selector: 1, matchingType: 9, data: fingerprints(identity).spki }] },
      verdict: 'tlsa-invalid',
    },
    {
      name: 'usage 1 is no pin in SMTP (RFC 7672 section 3.1.3)',
      need: { auth: 'dane', tlsa: [{ usage: 1, selector: 1, matchingType: 1, data: fingerprints(identity).spki }] },
      verdict: 'dane-required',
    },
    { name: 'DANE without records', need: { auth: 'dane' }, verdict: 'dane-required' },
  ]
  for (const row of rows) {
    it(`${row.name}: ${row.verdict}`, () => {
      const presented = { ...shown, ...row.presented }
      if (row.presented && 'leaf' in row.presented) delete presented.leaf
      const verdict = verifyPeer(presented, need(row.need), row.at ?? now)
      assert.equal(verdict.ok ? 'ok' : verdict.resultType, row.verdict)
    })
  }
})

describe('deliver: TLS contexts', () => {
  let directory: string
  before(async () => (directory = await mkdtemp(join(tmpdir(), 'deliver-'))))
  after(() => rm(directory, { recursive: true, force: true }))

  it('one context for equal wishes, another for another', async () => {
    const contexts = createContexts({ now: () => 0 })
    const first = await contexts.get({ minVersion: 'TLSv1.2' })
    assert.equal(await contexts.get({ minVersion: 'TLSv1.2' }), first)
    assert.notEqual(await contexts.get({ minVersion: 'TLSv1.3' }), first)
  })

  it('a root file is read again after it changed, a minute later at most', async () => {
    let now = 0
    const contexts = createContexts({ now: () => now })
    const caFile = join(directory, 'root.pem')
    await writeFile(caFile, rootPem)
    const first = await contexts.get({ minVersion: 'TLSv1.2', caFile })
    now += 120_000
    assert.equal(await contexts.get({ minVersion: 'TLSv1.2', caFile }), first)
    await utimes(caFile, 1, 1)
    assert.equal(await contexts.get({ minVersion: 'TLSv1.2', caFile }), first)
    now += 120_000
    assert.notEqual(await contexts.get({ minVersion: 'TLSv1.2', caFile }), first)
  })

  it('a root file that is missing, empty or no PEM is an error, never the default list', async () => {
    const contexts = createContexts({ now: () => 0 })
    const caFile = join(directory, 'empty.pem')
    await assert.rejects(contexts.get({ minVersion: 'TLSv1.2', caFile: join(directory, 'absent.pem') }))
    await writeFile(caFile, '')
    await assert.rejects(contexts.get({ minVersion: 'TLSv1.2', caFile }))
    await writeFile(caFile, '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n')
    await assert.rejects(contexts.get({ minVersion: 'TLSv1.2', caFile }))
    await writeFile(caFile, rootPem)
    await contexts.get({ minVersion: 'TLSv1.2', caFile })
  })
})
