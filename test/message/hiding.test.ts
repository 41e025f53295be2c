/** Every known place to hide a number in: it is found, or the mail is refused as uninspected; it is never clean. */
import assert from 'node:assert/strict'
import iconv from 'iconv-lite'
import { base64, CPR, look, mail, multipart } from '../gate/support'

const QUIET = 'Content-Type: text/plain\n\nNothing here.'
const part = (header: string, body: string) => `${header}\n\n${body}`
const mixed = (parts: string[], boundary?: string) => {
  const [type, body] = multipart('mixed', parts, boundary)
  return mail({ 'Content-Type': type }, body)
}
const html = (body: string) => mail({ 'Content-Type': 'text/html; charset=utf-8' }, body)
const encoded = (header: string, bytes: Buffer) =>
  mixed([part(`${header}\nContent-Transfer-Encoding: base64`, base64(bytes))])
const [TYPE] = multipart('mixed', [])

interface Row {
  name: string
  raw: Buffer
  /** found: as a CPR finding; refused: as uninspected; either is safe, and both may hold. */
  expect: 'found' | 'refused'
}

const ROWS: Row[] = [
  {
    name: 'preamble',
    raw: mail({ 'Content-Type': TYPE }, `${CPR}\n--b0undary\n${QUIET}\n--b0undary--\n`),
    expect: 'found',
  },
  {
    name: 'epilogue',
    raw: mail({ 'Content-Type': TYPE }, `--b0undary\n${QUIET}\n--b0undary--\n${CPR}\n`),
    expect: 'found',
  },
  {
    name: 'missing end boundary',
    raw: mail({ 'Content-Type': TYPE }, `--b0undary\nContent-Type: text/plain\n\n${CPR}\n`),
    expect: 'found',
  },
  { name: 'boundary never appears', raw: mail({ 'Content-Type': TYPE }, `${CPR}\n`), expect: 'found' },
  {
    name: 'part behind the end',
    raw: mail({ 'Content-Type': TYPE }, `--b0undary\n${QUIET}\n--b0undary--\n--b0undary\n\nx\n`),
    expect: 'refused',
  },
  {
    name: 'almost a boundary',
    raw: mail({ 'Content-Type': TYPE }, `--b0undary\n${QUIET}\n--b0undary x\n\n${base64(CPR)}\n--b0undary--\n`),
    expect: 'refused',
  },
  {
    name: 'no boundary parameter',
    raw: mail({ 'Content-Type': 'multipart/mixed' }, `--x\n\n${CPR}\n--x--\n`),
    expect: 'found',
  },
  {
    name: 'base64 with padding in the middle',
    raw: mail({ 'Content-Transfer-Encoding': 'base64' }, `${base64('hej')}${base64(`x ${CPR}`)}`),
    expect: 'found',
  },
  {
    name: 'base64 with junk',
    raw: mail({ 'Content-Transfer-Encoding': 'base64' }, base64(`nr. ${CPR} tak`).replace(/(.{5})/g, '$1!')),
    expect: 'found',
  },
  {
    name: 'text behind base64',
    raw: mail({ 'Content-Transfer-Encoding': 'base64' }, `${base64('hello world')}\n\n${CPR}`),
    expect: 'found',
  },
  { name: 'url-safe base64', raw: mail({ 'Content-Transfer-Encoding': 'base64' }, 'aGVq_-x0'), expect: 'refused' },
  {
    name: 'transfer encoding base64x',
    raw: mail({ 'Content-Transfer-Encoding': 'base64x' }, base64(CPR)),
    expect: 'refused',
  },
  {
    name: 'two transfer encodings',
    raw: mail({ 'Content-Transfer-Encoding': ['7bit', 'base64'] }, base64(CPR)),
    expect: 'refused',
  },
  {
    name: 'two content types',
    raw: mail({ 'Content-Type': ['text/plain', 'text/html'] }, CPR.replace('-', '&#45;')),
    expect: 'refused',
  },
  {
    name: 'charset given twice',
    raw: mail({ 'Content-Type': 'text/plain; charset=utf-8; charset=utf-7' }, 'x'),
    expect: 'refused',
  },
  {
    name: 'quoted-printable digits',
    raw: mail({ 'Content-Transfer-Encoding': 'quoted-printable' }, '=30=37=30=37=36=31=2D=34=32=38=35'),
    expect: 'found',
  },
  {
    name: 'quoted-printable soft break',
    raw: mail({ 'Content-Transfer-Encoding': 'quoted-printable' }, '0707=\n61-4285'),
    expect: 'found',
  },
  {
    name: 'UTF-16LE without BOM',
    raw: encoded('Content-Type: text/plain; charset=utf-16le', Buffer.from(`nr ${CPR}`, 'utf16le')),
    expect: 'found',
  },
  {
    name: 'UTF-16BE without a label',
    raw: encoded('Content-Type: text/plain', iconv.encode(`nummer ${CPR} ok`, 'utf-16be')),
    expect: 'found',
  },
  {
    name: 'UTF-16 with BOM',
    raw: encoded('Content-Type: text/plain; charset=utf-16', iconv.encode(CPR, 'utf-16', { addBOM: true })),
    expect: 'found',
  },
  {
    name: 'UTF-16, byte order unknown',
    raw: encoded('Content-Type: text/plain; charset=utf-16', iconv.encode(CPR, 'utf-16be', { addBOM: false })),
    expect: 'found',
  },
  {
    name: 'UTF-32',
    raw: encoded('Content-Type: text/plain; charset=utf-32', iconv.encode(CPR, 'utf-32le')),
    expect: 'found',
  },
  {
    name: 'UTF-7',
    raw: mail({ 'Content-Type': 'text/plain; charset=utf-7' }, '+ADAANwAwADcANgAx-+AC0-4285'),
    expect: 'found',
  },
  {
    name: 'ISO-2022-JP full width',
    raw: encoded(
      'Content-Type: text/plain; charset=iso-2022-jp',
      Buffer.from('\x1b$B#0#7#0#7#6#1!]#4#2#8#5\x1b(B', 'latin1'),
    ),
    expect: 'found',
  },
  {
    name: 'ASCII labelled UTF-16',
    raw: mail({ 'Content-Type': 'text/plain; charset=utf-16' }, `${CPR} x`),
    expect: 'found',
  },
  { name: 'unknown charset', raw: mail({ 'Content-Type': 'text/plain; charset=ebcdic-cp-dk' }, CPR), expect: 'found' },
  {
    name: 'unknown charset without anything',
    raw: mail({ 'Content-Type': 'text/plain; charset=x-own' }, 'abc'),
    expect: 'refused',
  },
  {
    name: 'soft hyphen byte without charset',
    raw: encoded('Content-Type: text/plain', Buffer.from('nr 070761\xad4285', 'latin1')),
    expect: 'found',
  },
  {
    name: 'format=flowed',
    raw: mail({ 'Content-Type': 'text/plain; format=flowed; delsp=yes' }, '0707 \n61-4285'),
    expect: 'found',
  },
  {
    name: 'encoded words side by side',
    raw: mail({ Subject: '[unsecure] [public] =?utf-8?q?0707?= =?utf-8?b?NjEtNDI4NQ==?=' }, 'x'),
    expect: 'found',
  },
  {
    name: 'broken encoded word',
    raw: mail({ Subject: '[unsecure] [public] =?utf-8?x?abc?=' }, 'x'),
    expect: 'refused',
  },
  { name: 'address', raw: mail({ To: `${CPR}@partner.example` }, 'x'), expect: 'found' },
  { name: 'display name', raw: mail({ Cc: `"${CPR}" <bo@partner.example>` }, 'x'), expect: 'found' },
  { name: 'own header', raw: mail({ 'X-Note': CPR }, 'x'), expect: 'found' },
  {
    name: 'header of a part',
    raw: mixed([part(`Content-Type: text/plain\nContent-Description: ${CPR}`, 'x')]),
    expect: 'found',
  },
  {
    name: 'file name',
    raw: mixed([part(`Content-Type: text/plain\nContent-Disposition: attachment; filename="${CPR}.txt"`, 'x')]),
    expect: 'found',
  },
  {
    name: 'file name, RFC 2231 continuations',
    raw: mixed([
      part(
        "Content-Type: text/plain\nContent-Disposition: attachment; filename*0*=utf-8''0707; filename*1*=%36%31%2D; filename*2=4285",
        'x',
      ),
    ]),
    expect: 'found',
  },
  {
    name: 'file name, RFC 2047',
    raw: mixed([part('Content-Type: text/plain; name="=?utf-8?b?MDcwNzYxLTQyODU=?="', 'x')]),
    expect: 'found',
  },
  {
    name: 'type says text, bytes say PDF',
    raw: mixed([part('Content-Type: text/plain', '%PDF-1.7 x')]),
    expect: 'refused',
  },
  {
    name: 'type says text, bytes say zip',
    raw: encoded('Content-Type: text/plain', Buffer.from('504b030414000000', 'hex')),
    expect: 'refused',
  },
  {
    name: 'octet-stream that is text',
    raw: mixed([part('Content-Type: application/octet-stream', CPR)]),
    expect: 'found',
  },
  { name: 'application/json', raw: mixed([part('Content-Type: application/json', `{"cpr":"${CPR}"}`)]), expect: 'found' },
  {
    name: 'enclosed message in base64',
    raw: mixed([
      part('Content-Type: message/rfc822\nContent-Transfer-Encoding: base64', base64(`Subject: x\r\n\r\n${CPR}`)),
    ]),
    expect: 'found',
  },
  { name: 'message/partial', raw: mail({ 'Content-Type': 'message/partial; id=x; number=1' }, 'x'), expect: 'refused' },
  {
    name: 'message/external-body',
    raw: mail({ 'Content-Type': 'message/external-body; access-type=URL' }, 'x'),
    expect: 'refused',
  },
  {
    name: 'multipart/digest',
    raw: mail({ 'Content-Type': 'multipart/digest; boundary=b' }, `--b\n\nSubject: x\n\n${CPR}\n--b--\n`),
    expect: 'found',
  },
  {
    name: 'multipart in base64',
    raw: mail(
      { 'Content-Type': TYPE, 'Content-Transfer-Encoding': 'base64' },
      base64(`--b0undary\r\n\r\n${CPR}\r\n--b0undary--`),
    ),
    expect: 'found',
  },
  { name: 'uuencode', raw: mail({}, 'begin 644 a.txt\n#0V%T\n`\nend\n'), expect: 'refused' },
  { name: 'yEnc', raw: mail({}, '=ybegin line=128 size=3 name=a\nabc\n=yend\n'), expect: 'refused' },
  { name: 'an encoded block in text', raw: mail({}, `see:\n${base64(Buffer.alloc(300, 'abc'))}\n`), expect: 'refused' },
  { name: 'bare CR in the header', raw: mail({ 'X-A': 'a\rContent-Type: text/html' }, 'x'), expect: 'refused' },
  {
    name: 'a line that is no field',
    raw: Buffer.from(mail({}, 'x').toString().replace('Date:', 'nothing at all\r\nDate:')),
    expect: 'refused',
  },
  { name: 'HTML entities', raw: html('0707&#54;1&#x2d;4285'), expect: 'found' },
  { name: 'HTML inline tags', raw: html('<p>07<b>07</b>61<i>-</i>4285'), expect: 'found' },
  { name: 'HTML comment inside the number', raw: html('0707<!-- x -->61-4285'), expect: 'found' },
  { name: 'HTML comment', raw: html(`<!-- ${CPR} --> x`), expect: 'found' },
  { name: 'HTML comment that never ends', raw: html(`a <!-- ${CPR}`), expect: 'found' },
  {
    name: 'HTML conditional comment',
    raw: html('<!--[if mso]><p>0707<b>61</b>&ndash;4285</p><![endif]-->'),
    expect: 'found',
  },
  { name: 'HTML hidden element', raw: html(`<div style="display:none">${CPR}</div>`), expect: 'found' },
  { name: 'HTML alt', raw: html(`<img alt="${CPR}">`), expect: 'found' },
  { name: 'HTML title', raw: html(`<a title='${CPR}' href=x>a</a>`), expect: 'found' },
  {
    name: 'HTML href, percent-encoded',
    raw: html('<a href="https://x.example/?nr=%30%37%30%37%36%31-4285">a</a>'),
    expect: 'found',
  },
  { name: 'HTML meta content', raw: html(`<meta name=a content="${CPR}">`), expect: 'found' },
  { name: 'HTML input value', raw: html(`<input value=${CPR}>`), expect: 'found' },
  { name: 'HTML data attribute', raw: html(`<p data-x="${CPR}">a`), expect: 'found' },
  { name: 'HTML script', raw: html(`<script>var a="${CPR}"</script>`), expect: 'found' },
  { name: 'HTML style', raw: html(`<style>p:before{content:"${CPR}"}</style>`), expect: 'found' },
  { name: 'HTML style escapes', raw: html('<style>p:before{content:"\\30 70761-4285"}</style>'), expect: 'found' },
  { name: 'HTML &shy;', raw: html('070761&shy;4285'), expect: 'found' },
  { name: 'HTML &#8209;', raw: html('070761&#8209;4285'), expect: 'found' },
  { name: 'HTML zero width', raw: html('07&ZeroWidthSpace;07&zwnj;61-42&NoBreak;85'), expect: 'found' },
  { name: 'HTML table cells', raw: html('<table><tr><td>070761</td><td>4285</td></tr></table>'), expect: 'found' },
  {
    name: 'HTML blocks shown inline',
    raw: html('<div style="display:inline">0707</div><div style="display:inline">61-4285</div>'),
    expect: 'found',
  },
  { name: 'HTML direction override', raw: html('<bdo dir=rtl>5824-167070</bdo>'), expect: 'refused' },
  { name: 'HTML srcdoc', raw: html('<iframe srcdoc="0707&lt;b&gt;61-4285"></iframe>'), expect: 'found' },
  {
    name: 'HTML data URL',
    raw: html(`<iframe src="data:text/plain;base64,${base64(CPR)}"></iframe>`),
    expect: 'refused',
  },
  { name: 'HTML unclosed tag', raw: html(`<p title="${CPR}`), expect: 'found' },
  { name: 'HTML in text/plain', raw: mail({}, '<p>070761&#45;4285</p>'), expect: 'found' },
  { name: 'text direction override', raw: mail({}, '\u202e5824-167070\u202c'), expect: 'refused' },
  {
    name: 'Arabic-Indic digits',
    raw: mail({}, '\u0660\u0667\u0660\u0667\u0666\u0661-\u0664\u0662\u0668\u0665'),
    expect: 'found',
  },
  {
    name: 'mathematical digits',
    raw: mail(
      {},
      Array.from('070761-4285')
        .map((c) => (c === '-' ? c : String.fromCodePoint(0x1d7ce + Number(c))))
        .join(''),
    ),
    expect: 'found',
  },
  {
    name: 'an image that is attached',
    raw: encoded('Content-Type: image/png\nContent-Disposition: attachment', Buffer.from('89504e470d0a1a0a', 'hex')),
    expect: 'refused',
  },
  {
    name: 'winmail.dat that is cut off',
    raw: encoded('Content-Type: application/ms-tnef', Buffer.from('789f3e22000001068008', 'hex')),
    expect: 'refused',
  },
  {
    name: 'NULs in text',
    raw: encoded('Content-Type: text/plain', Buffer.from('a\0bcdefghijklmnopq')),
    expect: 'refused',
  },
]

describe('hiding places', () => {
  for (const { name, raw, expect } of ROWS) {
    it(`${name}: ${expect}`, async () => {
      const { verdict } = await look(raw)
      const codes = verdict.refusals.map(({ code }) => code)
      assert.ok(codes.includes(expect === 'found' ? 'cpr' : 'uninspected'), JSON.stringify(verdict))
      assert.doesNotMatch(JSON.stringify(verdict), /070761[^*]{0,3}4285/)
    })
  }
})
