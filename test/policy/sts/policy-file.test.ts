import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readStsPolicy, type StsPolicy } from '../../../lib/policy/sts'

const read = (text: string) => readStsPolicy(Buffer.from(text))

const DAY = 'max_age: 86400'
const FULL = `version: STSv1\nmode: enforce\nmx: mx.example.com\n${DAY}\n`

const GOOD: [section: string, what: string, text: string, policy: Partial<StsPolicy>][] = [
  [
    '3.2',
    "the RFC's example",
    'version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\nmax_age: 604800\n',
    { mode: 'enforce', mx: ['mail.example.com', '*.example.net', 'backupmx.example.com'], maxAge: 604_800 },
  ],
  ['3.2', 'CRLF', FULL.replaceAll('\n', '\r\n'), { mode: 'enforce' }],
  ['3.2', 'LF and CRLF mixed', FULL.replace('\n', '\r\n'), { mode: 'enforce' }],
  ['3.2', 'no terminator at the end', FULL.trimEnd(), { maxAge: 86_400 }],
  ['3.2', 'blank lines at the end', `${FULL}\r\n \n\n`, { maxAge: 86_400 }],
  ['3.2', 'no blank after the colon', FULL.replaceAll(': ', ':'), { mode: 'enforce' }],
  [
    '3.2',
    'blanks and tabs after the colon and at the end',
    FULL.replaceAll(': ', ':\t  ').replaceAll('\n', ' \t\n'),
    { mode: 'enforce' },
  ],
  ['3.2', 'any order', `${DAY}\nmx: mx.example.com\nmode: enforce\nversion: STSv1`, { mode: 'enforce' }],
  ['3.2', 'unknown fields are ignored', `${FULL}x-note: hæ?  : yes\nMODE: none\n`, { mode: 'enforce' }],
  ['3.2', 'the first mode counts', `${FULL}mode: none\n`, { mode: 'enforce' }],
  ['3.2', 'the first max_age counts', `${FULL}max_age: 5\n`, { maxAge: 86_400 }],
  ['3.2', 'the first version counts', `${FULL}version: STSv2\n`, { mode: 'enforce' }],
  ['3.2', 'a later duplicate is not even read', `${FULL}mode: maybe\nmax_age: soon\n`, { mode: 'enforce' }],
  ['3.2', 'every mx counts', `${FULL}mx: mx2.example.com\n`, { mx: ['mx.example.com', 'mx2.example.com'] }],
  ['3.2', 'mx in capitals', FULL.replace('mx.example', 'MX.Example'), { mx: ['mx.example.com'] }],
  ['3.2', 'mode none needs no mx', `version: STSv1\nmode: none\n${DAY}`, { mode: 'none', mx: [] }],
  ['3.2', 'mode testing', FULL.replace('enforce', 'testing'), { mode: 'testing' }],
  ['3.2', 'max_age 0', FULL.replace('86400', '0'), { maxAge: 0 }],
  ['3.2', 'max_age of a year', FULL.replace('86400', '31557600'), { maxAge: 31_557_600 }],
  ['3.2', 'max_age above a year is a year', FULL.replace('86400', '9999999999'), { maxAge: 31_557_600 }],
  ['3.2', 'A-labels', FULL.replace('mx.example', 'xn--mx-1ia.example'), { mx: ['xn--mx-1ia.example.com'] }],
]

const BAD: [section: string, what: string, text: string][] = [
  ['3.2', 'nothing', ''],
  ['3.2', 'HTML', '<!doctype html>\n<title>Not found</title>\n'],
  ['3.2', 'JSON', '{"version":"STSv1","mode":"enforce","mx":["mx.example.com"],"max_age":86400}'],
  ['3.2', 'no version', FULL.replace('version: STSv1\n', '')],
  ['3.2', 'another version', FULL.replace('STSv1', 'STSv2')],
  ['3.2', 'version in lower case', FULL.replace('STSv1', 'stsv1')],
  ['3.2', 'a wrong version first, the right one later', `version: STSv2\n${FULL}`],
  ['3.2', 'no mode', FULL.replace('mode: enforce\n', '')],
  ['3.2', 'an unknown mode', FULL.replace('enforce', 'report')],
  ['3.2', 'a mode in capitals', FULL.replace('enforce', 'Enforce')],
  ['3.2', 'field names are case-sensitive', FULL.replace('mode', 'Mode')],
  ['3.2', 'no max_age', FULL.replace(DAY, '')],
  ['3.2', 'max_age below 0', FULL.replace('86400', '-1')],
  ['3.2', 'max_age with a fraction', FULL.replace('86400', '1.5')],
  ['3.2', 'max_age in hexadecimal', FULL.replace('86400', '0x10')],
  ['3.2', 'max_age of 11 digits', FULL.replace('86400', '00000086400')],
  ['3.2', 'max_age in other digits', FULL.replace('86400', '\u0661\u0662')],
  ['3.2', 'enforce without mx', FULL.replace('mx: mx.example.com\n', '')],
  ['3.2', 'testing without mx', FULL.replace('mx: mx.example.com\n', '').replace('enforce', 'testing')],
  ['3.2', 'an mx that is empty', FULL.replace('mx.example.com', '')],
  ['3.2', 'one bad mx among good ones', `${FULL}mx: a b\n`],
  ['3.2', 'several hosts in one mx', FULL.replace('mx.example.com', 'mx.example.com, mx2.example.com')],
  ['3.2', 'a wildcard alone', FULL.replace('mx.example.com', '*')],
  ['3.2', 'a wildcard without a name', FULL.replace('mx.example.com', '*.')],
  ['3.2', 'a wildcard inside', FULL.replace('mx.example.com', 'mx.*.com')],
  ['3.2', 'a wildcard for a part of a label', FULL.replace('mx.example.com', 'mx*.example.com')],
  ['3.2', 'two wildcards', FULL.replace('mx.example.com', '*.*.example.com')],
  ['3.2', 'a name that begins with a dot', FULL.replace('mx.example.com', '.example.com')],
  ['5321 4.1.2', 'a name that ends in a dot', FULL.replace('mx.example.com', 'mx.example.com.')],
  ['5321 4.1.2', 'a label that begins with a hyphen', FULL.replace('mx.example', '-mx.example')],
  ['5321 4.1.2', 'an address literal', FULL.replace('mx.example.com', '[192.0.2.1]')],
  ['1035 2.3.4', 'a label of 64 characters', FULL.replace('mx.example', `${'m'.repeat(64)}.example`)],
  ['3.2', 'U-labels', FULL.replace('mx.example', 'møx.example')],
  ['3.2', 'a blank before the colon', FULL.replace('mode:', 'mode :')],
  ['3.2', 'a line without a colon', `${FULL}hello\n`],
  ['3.2', 'an empty line in the middle', FULL.replace('\nmx', '\n\nmx')],
  ['3.2', 'a field without a value', `${FULL}x:\n`],
  ['3.2', 'a field without a name', `${FULL}: x\n`],
  ['3.2', 'a field name of 33 characters', `${FULL}${'x'.repeat(33)}: y\n`],
  ['3.2', 'CR alone as terminator', FULL.replaceAll('\n', '\r')],
  ['3.2', 'a NUL', `${FULL}x: a\0b\n`],
  ['3.2', 'a tab in a value', `${FULL}x: a\tb\n`],
  ['3.2', 'a byte order mark', `\ufeff${FULL}`],
]

describe('MTA-STS: the policy file (RFC 8461 section 3.2)', () => {
  for (const [section, what, text, wanted] of GOOD) {
    it(`${section}: ${what}`, () => {
      const result = read(text)
      assert.ok(result.ok, JSON.stringify(result))
      assert.deepEqual({ ...result.policy, ...wanted }, result.policy)
    })
  }
  for (const [section, what, text] of BAD) {
    it(`${section}: ${what}: refused`, () => assert.equal(read(text).ok, false))
  }

  it('3.2: bytes that are not UTF-8: refused', () => {
    assert.equal(readStsPolicy(Buffer.concat([Buffer.from(`${FULL}x: `), Buffer.of(0xff, 0xfe)])).ok, false)
  })

  it('3.3: more than 64 KiB: refused; 64 KiB: read', () => {
    const padded = (size: number) => `${FULL}x: ${'a'.repeat(size - FULL.length - 4)}\n`
    assert.equal(Buffer.byteLength(padded(65_536)), 65_536)
    assert.equal(read(padded(65_536)).ok, true)
    assert.equal(read(padded(65_537)).ok, false)
  })

  const line = fc.oneof(
    fc.constantFrom(
      'version: STSv1',
      'mode: enforce',
      'mode: none',
      'mx: a.example',
      'mx: *.b.example',
      DAY,
      '',
      'x: y',
    ),
    fc.string(),
  )

  it('never throws, and what it accepts is complete', () => {
    const texts = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
      fc.array(line, { maxLength: 10 }).map((lines) => Buffer.from(lines.join('\n'))),
    )
    fc.assert(
      fc.property(texts, (bytes) => {
        const result = readStsPolicy(bytes)
        if (!result.ok) return
        const lines = Buffer.from(bytes).toString().split('\n')
        for (const field of ['version:', 'mode:', 'max_age:']) assert.ok(lines.some((one) => one.startsWith(field)))
        if (result.policy.mode !== 'none') assert.ok(lines.some((one) => one.startsWith('mx:')))
        for (const mx of result.policy.mx) assert.match(mx, /^(\*\.)?[a-z0-9.-]+$/)
        assert.ok(result.policy.maxAge >= 0 && result.policy.maxAge <= 31_557_600)
      }),
      { numRuns: 500 },
    )
  })

  it('without any one of its fields a policy is none', () => {
    const lines = FULL.trimEnd().split('\n')
    fc.assert(
      fc.property(fc.shuffledSubarray(lines), fc.array(fc.constantFrom('x: y', 'note: a b')), (some, more) => {
        assert.equal(read([...some, ...more].join('\n')).ok, some.length === lines.length)
      }),
    )
  })

  for (const [what, text, ok] of [
    ['blanks', `${FULL}x: a${' '.repeat(60_000)}b`, true],
    ['hyphens', `${FULL}mx: a${'-'.repeat(60_000)}`, false],
    ['dots', `${FULL}mx: ${'a.'.repeat(30_000)}-`, false],
    ['mx lines', `${FULL}${'mx: a.example\n'.repeat(4_000)}`, true],
  ] as const) {
    it(`64 KiB of ${what} are read within mocha's patience`, () => assert.equal(read(text).ok, ok))
  }
})
