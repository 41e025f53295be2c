/** The TXT record of RFC 8460 section 3. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { discoverTlsrpt, readTlsrptRecords } from '../../../lib/report/tlsrpt/record'
import { fakeResolver } from '../../dns/fake'

const uris = (...records: string[]): string[] | string => {
  const read = readTlsrptRecords(records)
  return read.kind === 'record' ? read.rua.map((one) => (one.kind === 'mailto' ? one.address : one.url)) : read.why
}

describe('report: TLSRPT records', () => {
  it('good ones', () => {
    const good: [string, string[]][] = [
      ['v=TLSRPTv1;rua=mailto:reports@example.com', ['reports@example.com']],
      ['v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt', ['https://reporting.example.com/v1/tlsrpt']],
      ['v=TLSRPTv1 ;\trua=mailto:a@b.test ; ', ['a@b.test']],
      ['v=TLSRPTv1;rua=mailto:a@b.test , https://b.test/x;', ['a@b.test', 'https://b.test/x']],
      ['v=TLSRPTv1;ext=1;rua=mailto:a@b.test;other-ext.x=yes/no', ['a@b.test']],
      ['v=TLSRPTv1;rua=MAILTO:a%21b@b.test?subject=x', ['a!b@b.test']],
      ['v=TLSRPTv1;rua=mailto:a@xn--bcher-kva.test', ['a@xn--bcher-kva.test']],
      ['v=TLSRPTv1;rua=ftp://b.test/x,mailto:a@b.test', ['a@b.test']],
      ['v=TLSRPTv1;rua=mailto:a@b.test,mailto:a@b.test', ['a@b.test']],
      ['v=TLSRPTv1;rua=https://b.test:8443/x?y=z#frag', ['https://b.test:8443/x?y=z']],
      ['v=TLSRPTv1;rua=mailto:first@b.test;rua=mailto:second@b.test', ['first@b.test']],
    ]
    for (const [text, expected] of good) assert.deepEqual(uris(text), expected, text)
  })

  it('bad ones are no record', () => {
    const bad = [
      'v=TLSRPTv1',
      'v=TLSRPTv1;',
      'v=tlsrptv1;rua=mailto:a@b.test',
      ' v=TLSRPTv1;rua=mailto:a@b.test',
      'v=TLSRPTv2;rua=mailto:a@b.test',
      'v=TLSRPTv1;;rua=mailto:a@b.test',
      'v=TLSRPTv1;rua=',
      'v=TLSRPTv1;RUA=mailto:a@b.test',
      'v=TLSRPTv1;rua=mailto:a@b.test,',
      'v=TLSRPTv1;rua=a@b.test',
      'v=TLSRPTv1;rua=mailto:a b@b.test',
      'v=TLSRPTv1;rua=mailto:a@b.test;x',
      'v=TLSRPTv1;rua=mailto:a@b.test;=x',
      'v=TLSRPTv1;rua=mailto:a%0d%0ab@b.test',
      'v=TLSRPTv1;rua=mailto:a%2Cc@d.test%2Ce@b.test',
      'v=TLSRPTv1;rua=mailto:a@localhost',
      'v=TLSRPTv1;rua=mailto:%zz@b.test',
      'v=TLSRPTv1;rua=http://b.test/x',
      'v=TLSRPTv1;rua=https://user:pw@b.test/',
      'v=TLSRPTv1;rua=https://127.0.0.1/',
      'v=TLSRPTv1;rua=https://[::1]/',
      'v=TLSRPTv1;rua=https://0x7f.1/',
      'v=TLSRPTv1;rua=https://localhost/',
    ]
    for (const text of bad) assert.equal(readTlsrptRecords([text]).kind, 'none', text)
  })

  it('exactly one record that begins right', () => {
    const one = 'v=TLSRPTv1;rua=mailto:a@b.test'
    assert.deepEqual(uris('v=spf1 -all', one), ['a@b.test'])
    assert.equal(uris(one, one), 'there are 2 records that begin with v=TLSRPTv1;')
    assert.equal(uris(), 'there is no record that begins with v=TLSRPTv1;')
    // a wrong one beside a right one makes two as well
    assert.equal(readTlsrptRecords([one, 'v=TLSRPTv1;x']).kind, 'none')
  })

  it('a record cannot make a flood of reports', () => {
    const many = Array.from({ length: 50 }, (_, n) => `mailto:a${n}@b.test`).join(',')
    const read = readTlsrptRecords([`v=TLSRPTv1;rua=${many}`])
    assert.ok(read.kind === 'record')
    assert.equal(read.rua.length, 5)
    assert.equal(read.unusable.length, 45)
  })

  it('anything at all is read without an exception, and never gives an address that could steer a mail', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (tail) => {
        const read = readTlsrptRecords([`v=TLSRPTv1;rua=mailto:${tail}`, tail])
        if (read.kind !== 'record') return
        for (const one of read.rua) {
          if (one.kind === 'mailto') assert.match(one.address, /^[!-~]+@[a-z0-9.-]+$/)
          else assert.equal(new URL(one.url).protocol, 'https:')
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('a fault of DNS is no answer', async () => {
    const resolver = fakeResolver({
      'TXT _smtp._tls.yes.test': { records: ['v=TLSRPTv1;rua=mailto:a@b.test'] },
      'TXT _smtp._tls.down.test': { error: 'servfail' },
    })
    assert.equal((await discoverTlsrpt('yes.test', resolver)).kind, 'record')
    assert.equal((await discoverTlsrpt('no.test', resolver)).kind, 'none')
    assert.equal((await discoverTlsrpt('down.test', resolver)).kind, 'error')
  })
})
