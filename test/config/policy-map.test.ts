import assert from 'node:assert/strict'
import { formatProblem, loadConfig, parsePolicyMap } from '../../lib/config'
import type { MapRow } from '../../lib/policy/types'
import { CERTIFICATE, instance, removeInstances } from './instance'

const NOW = Date.UTC(2026, 10, 23)
const PRINT = 'ab'.repeat(32)
const CLEAR = 'note="agreed" expires=2027-01-31'

function parse(text: string, now = NOW) {
  return parsePolicyMap(text, 'config/secure-mail.tls_policy', (file) => `/nowhere/${file}`, now)
}

/** The only row of a text that must be good. */
function row(text: string): MapRow {
  const { map, problems } = parse(text)
  assert.deepEqual(problems.map(formatProblem), [])
  assert.equal(map.rows.length, 1)
  return map.rows[0]!
}

describe('config: policy map, rows', () => {
  const PATTERNS: readonly [pattern: string, kind: MapRow['kind'], key: string][] = [
    ['partner.example', 'domain', 'partner.example'],
    ['Partner.Example.', 'domain', 'partner.example'],
    ['blåbær.example', 'domain', 'xn--blbr-roah.example'],
    ['XN--BLBR-ROAH.example', 'domain', 'xn--blbr-roah.example'],
    ['.Region.Example', 'subdomain', 'region.example'],
    ['Ida@Blåbær.example', 'address', 'ida@xn--blbr-roah.example'],
    ['[mx.smart.example]', 'host', 'mx.smart.example'],
    ['[192.0.2.1]', 'host', '192.0.2.1'],
    ['[IPv6:2001:DB8::1]', 'host', '2001:db8::1'],
    ['[2001:db8::1]', 'host', '2001:db8::1'],
    ['*', 'any', '*'],
  ]
  for (const [pattern, kind, key] of PATTERNS) {
    it(`${pattern} is ${kind} ${key}`, () => {
      const found = row(`${pattern} encrypt`)
      assert.deepEqual([found.pattern, found.kind, found.key], [pattern, kind, key])
    })
  }

  it('reads every key', () => {
    const { dir, write } = instance()
    write('ca.pem', CERTIFICATE)
    write(
      'secure-mail.tls_policy',
      'partner.example secure match=mx.partner.example:.Blåbær.example match=nexthop protocols=>=TLSv1.3 override=allow' +
        ' servername=SNI.partner.example ca=config/ca.pem note="why, \\"who\\", until # 3" expires=2027-01-31 # trailing\n',
    )
    const loaded = loadConfig(dir)
    assert.ok(loaded.ok, loaded.problems.map(formatProblem).join('\n'))
    assert.deepEqual(loaded.settings.map.rows, [
      {
        pattern: 'partner.example',
        kind: 'domain',
        key: 'partner.example',
        level: 'secure',
        match: ['mx.partner.example', '.xn--blbr-roah.example', 'partner.example'],
        minVersion: 'TLSv1.3',
        override: 'allow',
        servername: 'sni.partner.example',
        ca: `${dir}/config/ca.pem`,
        note: 'why, "who", until # 3',
        expires: '2027-01-31',
        overridePublished: false,
        file: 'config/secure-mail.tls_policy',
        line: 1,
      },
    ])
    removeInstances()
  })

  it('dot-nexthop and nexthop stand for the domain of the row', () => {
    assert.deepEqual(row('ida@x.example secure match=nexthop:dot-nexthop').match, ['x.example', '.x.example'])
  })

  it('fingerprints: any case, colons or not, several', () => {
    const colons = PRINT.toUpperCase().replace(/..(?=.)/g, '$&:')
    assert.deepEqual(row(`x.example fingerprint match=${colons},${'cd'.repeat(32)} match=${'ef'.repeat(32)}`).match, [
      PRINT,
      'cd'.repeat(32),
      'ef'.repeat(32),
    ])
  })

  it('override=never is implied where somebody asked for more than encryption', () => {
    const implied: [string, MapRow['override']][] = [
      [`x.example none ${CLEAR}`, 'allow'],
      [`x.example may ${CLEAR}`, 'allow'],
      ['x.example encrypt', 'allow'],
      ['x.example dane', 'allow'],
      ['x.example verify', 'never'],
      ['x.example secure', 'never'],
      ['x.example dane-only', 'never'],
      [`x.example fingerprint match=${PRINT}`, 'never'],
      ['x.example verify override=allow', 'allow'],
      ['x.example encrypt override=never', 'never'],
    ]
    for (const [text, override] of implied) assert.equal(row(text).override, override, text)
  })

  it('override-published', () => {
    assert.equal(row(`x.example may override-published=yes ${CLEAR}`).overridePublished, true)
    assert.equal(row(`x.example may ${CLEAR}`).overridePublished, false)
  })

  it('comments, empty lines, and lines that continue a row (postmap(1))', () => {
    const { map, problems } = parse(
      `# head\n\n  # indented comment\nx.example verify\n  # within\n\tservername=y.example\n.z.example dane\r\n`,
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(
      map.rows.map(({ pattern, servername, line }) => [pattern, servername, line]),
      [
        ['x.example', 'y.example', 4],
        ['.z.example', undefined, 7],
      ],
    )
  })

  /** What is wrong, the text, the line, what must be said. */
  const WRONG: readonly [text: string, line: number, said: string][] = [
    ['x.example', 1, 'names no level; there are none, may, encrypt'],
    ['x.example encrypted', 1, 'did you mean "encrypt"?'],
    ['x.example zzzzzzzz', 1, '"zzzzzzzz" is none of none, may'],
    ['\n\nx_y..example encrypt', 3, 'is no domain name; patterns are user@domain, domain, .domain, [host] and *'],
    ['*.x.example encrypt', 1, 'write .x.example for everything below it'],
    ['192.0.2.1 encrypt', 1, 'is no domain name'],
    ['@x.example encrypt', 1, 'is no mail address'],
    ['a@b@ encrypt', 1, 'is no mail address'],
    ['[mx.example encrypt', 1, 'has no closing bracket'],
    ['[mx.example]:26 encrypt', 1, 'write [mx.example]'],
    ['[] encrypt', 1, 'has no closing bracket'],
    ['[a b] encrypt', 1, 'has no closing bracket'],
    ['. encrypt', 1, 'is no domain name'],
    ['x.example encrypt override', 1, '"override" is no key=value'],
    ['x.example encrypt overide=never', 1, 'did you mean "override="?'],
    ['x.example encrypt ciphers=high', 1, 'is no key=value of a row'],
    ['x.example encrypt __proto__=x', 1, 'is no key=value of a row'],
    ['x.example encrypt note=a note=b', 1, 'note= is given twice'],
    ['x.example encrypt note=', 1, 'note= has no value'],
    ['x.example encrypt note="a', 1, 'a quote is opened and not closed'],
    ['x.example encrypt override=maybe', 1, 'override: "maybe" is none of never, allow'],
    [`x.example may override-published=true ${CLEAR}`, 1, 'override-published: "true" is none of yes, no'],
    ['x.example encrypt override-published=yes', 1, 'means nothing with level encrypt'],
    ['x.example encrypt match=x.example', 1, 'match= means nothing with level encrypt; it goes with verify, secure'],
    [`x.example none protocols=>=TLSv1.2 ${CLEAR}`, 1, 'protocols= means nothing with level none'],
    ['x.example dane ca=roots.pem', 1, 'ca= means nothing with level dane'],
    ['x.example dane-only servername=y.example', 1, 'servername= means nothing with level dane-only'],
    ['x.example secure match=a..b', 1, 'match: "a..b" is no domain name'],
    ['x.example secure match=,', 1, 'match: "" is no domain name'],
    ['x.example secure match=hostname', 1, 'level verify'],
    ['.x.example secure match=nexthop', 1, 'only a row for one domain knows it'],
    ['x.example fingerprint', 1, 'needs match='],
    ['x.example fingerprint match=abcd', 1, '64 hexadecimal digits'],
    [`x.example fingerprint match=${'g'.repeat(64)}`, 1, '64 hexadecimal digits'],
    [`x.example fingerprint match=${PRINT}ab`, 1, 'and this has 66'],
    ['x.example encrypt protocols=TLSv1.3', 1, 'write the lowest version'],
    ['x.example encrypt protocols=!SSLv3', 1, 'write the lowest version'],
    ['x.example encrypt protocols=>=TLSv1.4', 1, 'write the lowest version'],
    ['x.example verify servername=a..b', 1, 'servername: "a..b" is no domain name'],
    ['x.example verify ca=roots.pem', 1, 'ca=roots.pem: there is no such file'],
    ['x.example encrypt expires=2027-02-30', 1, 'is no day'],
    ['x.example encrypt expires=31-01-2027', 1, 'is no day'],
    ['x.example none', 1, 'needs note="why, who, until" and expires=YYYY-MM-DD'],
    ['x.example none note="why"', 1, 'needs note='],
    ['x.example may expires=2027-01-31', 1, 'needs note='],
    ['x.example encrypt\nX.Example. verify', 2, 'stands twice: there is a row for it in line 1'],
    ['blåbær.example encrypt\n\nxn--blbr-roah.example verify', 3, 'in line 1'],
    ['A@x.example encrypt\na@x.example verify', 2, 'in line 1'],
    ['[192.0.2.1] encrypt\n[192.0.2.1] verify', 2, 'in line 1'],
    ['x.example encrypt\n y.example verify', 1, '"y.example" is no key=value'],
    ['x.example encrypt note=\u0007', 1, 'control character'],
  ]
  for (const [text, line, said] of WRONG) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const { problems } = parse(text)
      const told = problems.filter(({ severity }) => severity === 'error').map(formatProblem)
      assert.equal(told.length, 1, told.join('\n'))
      const place = `config/secure-mail.tls_policy:${line}: `
      assert.ok(told[0]!.startsWith(place) && told[0]!.includes(said), `wanted "${place}...${said}", told: ${told[0]!}`)
    })
  }

  it('a bad row keeps the whole configuration from being taken', () => {
    const { dir } = instance({ 'secure-mail.ini': '', 'secure-mail.tls_policy': 'a.example encrypt\nb.example none\n' })
    const loaded = loadConfig(dir)
    assert.equal(loaded.ok, false)
    assert.match(
      loaded.problems.map(formatProblem).join('\n'),
      /config\/secure-mail\.tls_policy:2: a row with level none/,
    )
    removeInstances()
  })

  it('warns of rows that have expired, and of a row that opens everything', () => {
    const told = parse(`x.example none note=x expires=2026-11-22\n* may ${CLEAR}`).problems.map(formatProblem)
    assert.equal(told.length, 2)
    assert.match(told[0]!, /:1: warning: the row x\.example expired after 2026-11-22/)
    assert.match(told[1]!, /:2: warning: \* may lets mail to everybody/)
  })
})
