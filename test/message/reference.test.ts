/**
 * What a mail itself can hide a number in, as the research on content lists it (transfer encodings, charsets, names,
 * structure, HTML), where `hiding.test.ts` has no row for it: found or refused, never clean.
 */
import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { base64, CPR, look, mail, multipart } from '../gate/support'

type Outcome = 'found' | 'refused'
type Row = [place: string, raw: Buffer, expect: Outcome]

const [TYPE] = multipart('mixed', [])
const one = (header: string, body = 'x') => {
  const [type, whole] = multipart('mixed', [`${header}\n\n${body}`])
  return mail({ 'Content-Type': type }, whole)
}
const html = (body: string) => mail({ 'Content-Type': 'text/html; charset=utf-8' }, body)
const unlabelled = (body: string) => mail({ 'Content-Type': 'text/html' }, body)
const inserted = (field: string, raw: Buffer) => Buffer.from(raw.toString().replace('Date:', `${field}\r\nDate:`))
const named = (parameters: string) => one(`Content-Type: text/plain; ${parameters}`)
const spaced = (between: string) => mail({}, Array.from(CPR).join(between))
const UTF7 = '+ADAANwAwADcANgAx-+AC0-4285'
const LOGO = Buffer.from(`89504e470d0a1a0a${'00'.repeat(9)}49454e44ae426082`, 'hex')
const withLogo = (bytes: Buffer) => {
  const [type, body] = multipart('related', [
    'Content-Type: text/html\n\n<img src="cid:a">',
    `Content-Type: image/png\nContent-ID: <a>\nContent-Transfer-Encoding: base64\n\n${base64(bytes)}`,
  ])
  return mail({ 'Content-Type': type }, body)
}

const NAMES: Row[] = [
  ['RFC 2231 sections in another order', named('name*1=61-4285; name*0=0707'), 'found'],
  ['an RFC 2231 section twice', named('name*0=a; name*0=0707; name*1=61-4285'), 'refused'],
  ['RFC 2231 sections numbered with zeros', named('name*00=0707; name*01=61-4285'), 'found'],
  ['RFC 2231 without a charset', named('name*=%30%37%30%37%36%31-4285'), 'found'],
  ['RFC 2231 with an unknown charset', named("name*=x-own''%30%37%30%37%36%31-4285"), 'found'],
  ['RFC 2231, sections encoded in turns', named("name*0*=utf-8''0707; name*1=61%2D; name*2*=%34285"), 'found'],
  ['a name that is percent-encoded as in a URL', named('name="%30%37%30%37%36%31-4285.txt"'), 'found'],
  ['a name of several encoded words', named('name="=?utf-8?q?0707?=\n =?utf-8?q?61-4285?="'), 'found'],
  ['an encoded word with a language (RFC 2231)', mail({ 'X-Note': '=?utf-8*da?q?070761=2D4285?=' }, 'x'), 'found'],
  [
    'a character cut by two encoded words',
    mail({ 'X-Note': '=?utf-8?b?MDcwNzYx4oA=?= =?utf-8?b?kTQyODU=?=' }, 'x'),
    'found',
  ],
  ['a blank in an encoded word', mail({ 'X-Note': '=?utf-8?q?070761_4285?=' }, 'x'), 'found'],
]

const STRUCTURE: Row[] = [
  [
    'an encoded block in the preamble',
    mail({ 'Content-Type': TYPE }, `${base64(`${'x'.repeat(100)}${CPR}`)}\n--b0undary\n\nx\n--b0undary--\n`),
    'refused',
  ],
  ['a field name with a blank before the colon', inserted('X-Note : a', mail({}, CPR)), 'found'],
  [
    'an encoding with a blank before the colon',
    inserted('Content-Transfer-Encoding : base64', mail({}, base64(CPR))),
    'found',
  ],
  ['a line of one blank inside the header', inserted(' ', mail({}, CPR)), 'found'],
  ['a type behind a comment', mail({ 'Content-Type': '(x) text/html' }, '0707&#54;1-4285'), 'found'],
  ['a type without a subtype', mail({ 'Content-Type': 'text' }, 'x'), 'refused'],
  ['field names and types in other case', mail({ 'content-TYPE': 'TEXT/HTML' }, '0707&#54;1-4285'), 'found'],
  ['no MIME-Version', mail({ 'MIME-Version': null, 'Content-Transfer-Encoding': 'base64' }, base64(CPR)), 'found'],
  [
    'two dispositions',
    one('Content-Type: text/plain\nContent-Disposition: inline\nContent-Disposition: attachment; filename=x'),
    'refused',
  ],
  [
    'line ends of LF alone',
    Buffer.from(mail({ 'Content-Type': TYPE }, `--b0undary\n\n${CPR}\n--b0undary--`).toString().replace(/\r/g, '')),
    'found',
  ],
  ['message/partial inside a multipart', one('Content-Type: message/partial; id=a; number=1; total=2'), 'refused'],
  [
    'message/external-body inside a multipart',
    one('Content-Type: message/external-body; access-type=local-file; name="/a"', 'Content-Type: text/plain\n\n'),
    'refused',
  ],
  [
    'a content encoding of the web',
    mail({ 'Content-Encoding': 'gzip', 'Content-Transfer-Encoding': 'base64' }, base64(gzipSync(CPR))),
    'found',
  ],
  ['text under the type of a picture', one('Content-Type: image/png', CPR), 'found'],
  ['text under the type of a PDF', one('Content-Type: application/pdf', CPR), 'found'],
  ['a zip behind a logo', withLogo(Buffer.concat([LOGO, Buffer.from('504b0304', 'hex')])), 'refused'],
]

const TEXTS: Row[] = [
  ['text/enriched (RFC 1896)', mail({ 'Content-Type': 'text/enriched' }, '0707<bold>61</bold>-4285'), 'found'],
  ['text/richtext', mail({ 'Content-Type': 'text/richtext' }, '0707<italic>61</italic>-4285'), 'found'],
  ['text/rtf', mail({ 'Content-Type': 'text/rtf' }, '{\\rtf1 0707{\\b 61}-4285}'), 'found'],
  [
    'text/calendar, folded',
    mail({ 'Content-Type': 'text/calendar' }, 'BEGIN:VCALENDAR\nDESCRIPTION:070761\n -4285\nEND:VCALENDAR'),
    'found',
  ],
  [
    'the HTML of an invitation',
    mail(
      { 'Content-Type': 'text/calendar' },
      'BEGIN:VCALENDAR\nX-ALT-DESC;FMTTYPE=text/html:<p>0707<b>61</b>-4285</p>\nEND:VCALENDAR',
    ),
    'found',
  ],
  ['text/xml', mail({ 'Content-Type': 'text/xml' }, '<a>0707<b>61</b>-4285</a>'), 'found'],
  ['uuencode inside <pre>', html('<pre>begin 644 a.txt\n#0V%T\n`\nend\n</pre>'), 'refused'],
  [
    'armor of another encryption program',
    mail(
      {},
      `-----BEGIN AGE ENCRYPTED FILE-----\n${base64('age-encryption.org/v1')}\n-----END AGE ENCRYPTED FILE-----`,
    ),
    'refused',
  ],
  [
    'an encoded value in JSON',
    one('Content-Type: application/json', JSON.stringify({ a: base64('x'.repeat(300)) })),
    'refused',
  ],
  ['superscript digits', mail({}, '⁰⁷⁰⁷⁶¹-⁴²⁸⁵'), 'found'],
  ['circled digits', mail({}, '⓪⑦⓪⑦⑥①-④②⑧⑤'), 'found'],
  ['digits of a symbol font', mail({}, '\uf030\uf037\uf030\uf037\uf036\uf031\uf02d\uf034\uf032\uf038\uf035'), 'found'],
  ['key caps', mail({}, '0707614285'.replace(/./g, '$&\ufe0f\u20e3')), 'found'],
  ['tag characters between the digits', spaced('\u{e0020}'), 'found'],
  ['variation selectors between the digits', spaced('\ufe0f'), 'found'],
  ['an exponent in running text', mail({}, 'CPR 2.110625629E9'), 'found'],
]

const HTML: Row[] = [
  ['a charset of its own: UTF-7', unlabelled(`<meta charset=utf-7>${UTF7}`), 'found'],
  [
    'a charset of its own, as http-equiv',
    unlabelled(`<meta http-equiv=content-type content="text/html; charset=utf-7">${UTF7}`),
    'found',
  ],
  ['a reference with many zeros', html(`0707&#${'0'.repeat(30)}54;1-4285`), 'found'],
  ['marks by name between the digits', html('0707&DownBreve;61-42&tdot;85'), 'found'],
  ['a script that joins', html('<script>document.write("0707"+"61-4285")</script>'), 'refused'],
  ['a script with escapes', html('<script>document.write("\\x30\\x37\\x30\\x37\\x36\\x31-4285")</script>'), 'refused'],
  ['an event handler', html("<p onclick=\"x='0707'+'61-4285'\">x"), 'refused'],
  ['a script as an address', html("<a href=\"javascript:alert('0707'+'61-4285')\">x</a>"), 'refused'],
  ['data in a script element', html(`<script type="application/ld+json">{"a":"${CPR}"}</script>`), 'found'],
  ['strings of a style, side by side', html('<style>p:after{content:"0707" "61-4285"}</style><p>x'), 'refused'],
  [
    'a style that shows an attribute',
    html('<p data-a="070761">x</p><style>p:after{content:attr(data-a) "-4285"}</style>'),
    'refused',
  ],
  [
    'a style that shows a variable',
    html('<style>:root{--a:"0707"}p:after{content:var(--a) "61-4285"}</style><p>x'),
    'refused',
  ],
  [
    'styles before and behind the text',
    html('<style>p:before{content:"0707"}p:after{content:"-4285"}</style><p>61</p>'),
    'refused',
  ],
  ['halves that change places by float', html('<span style="float:right">4285</span><span>070761-</span>'), 'refused'],
  [
    'halves that are put in their places',
    html('<span style="position:absolute;left:9em">4285</span><span style="position:absolute">070761-</span>'),
    'refused',
  ],
  [
    'a reversed order, the style in references',
    html('<span style="unicode-bidi&#58;bidi-override; direction:rtl">5824-167070</span>'),
    'refused',
  ],
  [
    'a reversed order, the style in escapes',
    html('<span style="unicode-bid\\69 : bidi-override; direction:rtl">5824-167070</span>'),
    'refused',
  ],
  ['a ruby text inside the number', html('0707<ruby>61<rp>(</rp><rt>99</rt><rp>)</rp></ruby>-4285'), 'found'],
  ['superscript', html('0707<sup>61</sup>-4285'), 'found'],
  ['the base of all addresses', html(`<base href="https://x.example/${CPR}">`), 'found'],
  ['an object in an address', html(`<object data="data:text/html;base64,${base64(CPR)}"></object>`), 'refused'],
  ['the choices of a form', html(`<form action="https://x.example/"><option value="${CPR}">x</form>`), 'found'],
  ['a place of an image map', html(`<map><area alt="${CPR}" href=x></map>`), 'found'],
  ['HTML inside a drawing', html('<svg><foreignObject><p>0707<b>61</b>-4285</p></foreignObject></svg>'), 'found'],
  ['a picture inside a drawing', html('<svg><image href="data:image/webp;base64,aaaa"/></svg>'), 'refused'],
]

const ROOMS: [room: string, rows: Row[]][] = [
  ['names and encoded words (section 8.1)', NAMES],
  ['structure of the message (section 8.1)', STRUCTURE],
  ['texts (sections 1.5 and 8.2)', TEXTS],
  ['HTML (section 8.3)', HTML],
]
for (const [room, rows] of ROOMS) {
  describe(`hiding places of the reference: ${room}`, () => {
    for (const [place, raw, expect] of rows) {
      it(`${place}: ${expect}`, async () => {
        const { verdict } = await look(raw)
        const codes = verdict.refusals.map(({ code }) => code)
        assert.ok(codes.includes(expect === 'found' ? 'cpr' : 'uninspected'), JSON.stringify(verdict))
        assert.equal(verdict.granted, false)
        assert.doesNotMatch(JSON.stringify(verdict), /070761[^*]{0,3}4285/)
      })
    }
  })
}

describe('what is like a hiding place and is none', () => {
  const ROWS: [what: string, raw: Buffer][] = [
    ['quotes that a style writes', html('<style>q:before{content:"\\201C"}</style><q>x</q>')],
    ['a column that floats', html('<div style="float:right">Phone 12345678</div><p>Opening hours: 8 to 14</p>')],
    [
      'a table of numbers beside something that floats',
      html(`<p style="float:right">x</p><table><tr>${'<td>1234</td><td>17</td>'.repeat(9)}</tr></table>`),
    ],
    ['a charset of its own that is the usual one', unlabelled('<meta charset="iso-8859-1">x')],
    ['data for search engines', html('<script type="application/ld+json">{"a":"b"}</script>x')],
    ['a signature in armor', mail({}, 'x\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----')],
  ]
  for (const [what, raw] of ROWS) {
    it(`${what}: clean`, async () => {
      const { verdict } = await look(raw)
      assert.deepEqual(verdict.refusals, [])
    })
  }
})
