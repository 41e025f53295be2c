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
  {
    name: 'application/json',
    raw: mixed([part('Content-Type: application/json', `{"cpr":"${CPR}"}`)]),
    expect: 'found',
  },
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
  // reference 8.1: transfer encodings
  {
    name: 'base64 in lines of any length, with blanks',
    raw: mail({ 'Content-Transfer-Encoding': 'BASE64' }, Array.from(base64(`nr. ${CPR}`)).join(' \n')),
    expect: 'found',
  },
  {
    name: 'transfer encoding with a comment',
    raw: mail({ 'Content-Transfer-Encoding': 'base64 (x)' }, base64(CPR)),
    expect: 'refused',
  },
  {
    name: 'transfer encoding x-uuencode',
    raw: mail({ 'Content-Transfer-Encoding': 'x-uuencode' }, 'begin 644 a\n#0V%T\n`\nend\n'),
    expect: 'refused',
  },
  {
    name: 'quoted-printable in lower case, blanks behind a soft break',
    raw: mail({ 'Content-Transfer-Encoding': 'Quoted-Printable' }, '0707=3=\n61=2d4=  \n285 0707=36=31=2d=\n4285'),
    expect: 'found',
  },
  {
    name: 'quoted-printable that is broken',
    raw: mail({ 'Content-Transfer-Encoding': 'quoted-printable' }, `=G7 ${CPR} =`),
    expect: 'found',
  },
  {
    name: 'quoted-printable around a nested message',
    raw: mixed([
      part('Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable', 'Subject: x\n\n0707=\n61-4285'),
    ]),
    expect: 'found',
  },
  { name: 'a NUL inside the number', raw: mail({}, '070761\x004285'), expect: 'refused' },
  { name: 'a NUL inside the header', raw: mail({ Subject: '[unsecure] [public] a\0b' }, 'x'), expect: 'refused' },
  // reference 8.2: charsets
  {
    name: 'UTF-32BE without a label',
    raw: encoded('Content-Type: text/plain', iconv.encode(`nr ${CPR}`, 'utf-32be', { addBOM: false })),
    expect: 'found',
  },
  {
    name: 'UTF-16 labelled UTF-8',
    raw: encoded('Content-Type: text/plain; charset=utf-8', iconv.encode(`nr ${CPR}`, 'utf-16le', { addBOM: false })),
    expect: 'found',
  },
  {
    name: 'HTML in UTF-16',
    raw: encoded(
      'Content-Type: text/html; charset=utf-16',
      iconv.encode('0707<b>61</b>-4285', 'utf-16', { addBOM: true }),
    ),
    expect: 'found',
  },
  {
    name: 'EBCDIC without a label',
    raw: encoded(
      'Content-Type: text/plain',
      Buffer.from('d5a494948599a240f0f7f0f7f6f160f4f2f8f540968640c1959581', 'hex'),
    ),
    expect: 'refused',
  },
  {
    name: 'EBCDIC labelled ISO-8859-1',
    raw: encoded('Content-Type: text/plain; charset=iso-8859-1', Buffer.from('f0f7f0f7f6f160f4f2f8f5', 'hex')),
    expect: 'refused',
  },
  ...['hz-gb-2312', 'iso-2022-kr', 'iso-2022-cn', 'utf-1', 'cp037', 'x-user-defined'].map((charset): Row => ({
    name: `charset ${charset}`,
    raw: mail({ 'Content-Type': `text/plain; charset=${charset}` }, 'abc'),
    expect: 'refused',
  })),
  {
    name: 'encoded word in UTF-7',
    raw: mail({ 'X-Note': '=?utf-7?q?+ADAANwAwADcANgAx-=2D4285?=' }, 'x'),
    expect: 'found',
  },
  {
    name: 'encoded word in UTF-16',
    raw: mail({ 'X-Note': `=?utf-16le?b?${Buffer.from(CPR, 'utf16le').toString('base64')}?=` }, 'x'),
    expect: 'found',
  },
  {
    name: 'encoded words over a fold',
    raw: mail({ 'X-Note': '=?utf-8?q?070761-?=\n =?utf-8?q?4285?=' }, 'x'),
    expect: 'found',
  },
  { name: 'encoded word inside a word', raw: mail({ 'X-Note': 'a=?utf-8?q?070761-4285?=b' }, 'x'), expect: 'found' },
  // names and parameters (RFC 2045, 2183, 2231)
  {
    name: 'file name in UTF-16 (RFC 2231)',
    raw: mixed([part("Content-Type: text/plain; name*=utf-16be''%000%007%000%007%006%001%00-%004%002%008%005", 'x')]),
    expect: 'found',
  },
  {
    name: 'file name in two forms',
    raw: mixed([
      part(
        `Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt; filename*=utf-8''${CPR}.txt`,
        'x',
      ),
    ]),
    expect: 'found',
  },
  {
    name: 'file name in sections of which one is missing',
    raw: mixed([part('Content-Type: text/plain; name*0=a; name*2=b', 'x')]),
    expect: 'refused',
  },
  {
    name: 'another parameter of the type',
    raw: mail({ 'Content-Type': `text/plain; x-note="${CPR}"` }, 'x'),
    expect: 'found',
  },
  {
    name: 'another parameter of the disposition',
    raw: mail({ 'Content-Disposition': `inline; x-note=${CPR}` }, 'x'),
    expect: 'found',
  },
  {
    name: 'comment in the type',
    raw: mail({ 'Content-Type': `text/plain (${CPR})` }, 'x'),
    expect: 'found',
  },
  {
    name: 'location of a part',
    raw: mixed([part(`Content-Type: text/plain\nContent-Location: ${CPR}`, 'x')]),
    expect: 'found',
  },
  // structure (RFC 2046)
  {
    name: 'a part without a header',
    raw: mail({ 'Content-Type': TYPE }, `--b0undary\n${CPR}\n--b0undary--\n`),
    expect: 'refused',
  },
  {
    name: 'boundary of RFC 2231',
    raw: mail({ 'Content-Type': "multipart/mixed; boundary*=utf-8''b" }, `--b\n\n${CPR}\n--b--\n`),
    expect: 'found',
  },
  {
    name: 'boundary given twice',
    raw: mail({ 'Content-Type': 'multipart/mixed; boundary=a; boundary=b' }, `--b\n\n${CPR}\n--b--\n`),
    expect: 'refused',
  },
  {
    name: 'inner boundary that begins like the outer one',
    raw: mail(
      { 'Content-Type': 'multipart/mixed; boundary=b' },
      `--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\n0707=\n--bb\nContent-Transfer-Encoding: base64\n\n${base64(CPR)}\n--bb--\n--b--\n`,
    ),
    expect: 'found',
  },
  {
    name: 'inner boundary that is the outer one',
    raw: mail(
      { 'Content-Type': 'multipart/mixed; boundary=b' },
      `--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\n${base64(CPR)}\n--b--\n--b--\n`,
    ),
    expect: 'found',
  },
  {
    name: 'lines that end in CR alone',
    raw: Buffer.concat([mail({ 'Content-Type': TYPE }, ''), Buffer.from(`--b0undary\r\r${CPR}\r--b0undary--\r`)]),
    expect: 'refused',
  },
  {
    name: 'alternative that only some readers show',
    raw: mail(
      { 'Content-Type': 'multipart/alternative; boundary=b' },
      `--b\n\nx\n--b\nContent-Type: text/enriched\n\n<bold>0707</bold>61-4285\n--b--\n`,
    ),
    expect: 'found',
  },
  {
    name: 'part of a signed message',
    raw: mail(
      { 'Content-Type': 'multipart/signed; boundary=b; protocol="application/pgp-signature"; micalg=pgp-sha256' },
      `--b\n\n${CPR}\n--b\nContent-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n--b--\n`,
    ),
    expect: 'found',
  },
  {
    name: 'what says that it is encrypted',
    raw: mail(
      { 'Content-Type': 'multipart/encrypted; boundary=b; protocol="application/pgp-encrypted"' },
      `--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\nContent-Type: application/octet-stream\n\n${CPR}\n--b--\n`,
    ),
    expect: 'refused',
  },
  {
    name: 'nested message three deep',
    raw: mixed([
      part(
        'Content-Type: message/rfc822',
        `Subject: a\nContent-Type: message/rfc822\n\nSubject: b\nContent-Type: message/rfc822\n\nSubject: ${CPR}\n\nx`,
      ),
    ]),
    expect: 'found',
  },
  {
    name: 'nested message that says it is text',
    raw: mixed([
      part(
        'Content-Type: application/octet-stream',
        `From: a@b.example\nSubject: x\nContent-Transfer-Encoding: base64\n\n${base64(CPR)}`,
      ),
    ]),
    expect: 'found',
  },
  {
    name: 'headers of a returned message',
    raw: mixed([part('Content-Type: text/rfc822-headers', `Subject: ${CPR}`)]),
    expect: 'found',
  },
  {
    name: 'CSV with a lost zero',
    raw: mixed([part('Content-Type: text/csv; name=a.csv', 'Navn;CPR\nAnna;707614285')]),
    expect: 'found',
  },
  {
    name: 'CSV with a lost zero, attached as text',
    raw: mixed([
      part('Content-Type: text/plain\nContent-Disposition: attachment; filename=a.csv', 'Navn;CPR\nAnna;707614285'),
    ]),
    expect: 'found',
  },
  { name: 'BinHex', raw: mail({}, '(This file must be converted with BinHex 4.0)\n:abc:\n'), expect: 'refused' },
  { name: 'base64 of uuencode', raw: mail({}, 'begin-base64 644 a\nMDcwNzYx\n====\n'), expect: 'refused' },
  {
    name: 'uuencode behind a form feed',
    raw: mail({}, 'x\n begin 644 a.txt\nbegin 644 a.txt\n#0V%T\n`\nend\n'),
    expect: 'refused',
  },
  // reference 8.3: HTML
  { name: 'HTML references without a semicolon', raw: html('0707&#54&#x31-4285'), expect: 'found' },
  { name: 'HTML references with zeros', raw: html('0707&#0000054;&#x00031;-4285'), expect: 'found' },
  { name: 'HTML unknown element', raw: html('0707<x-y>61</x-y>-4285'), expect: 'found' },
  { name: 'HTML bogus comments', raw: html(`<!${CPR}><?x?></ y>`), expect: 'found' },
  { name: 'HTML end tag with attributes', raw: html(`</p title="${CPR}">`), expect: 'found' },
  { name: 'HTML number as a tag', raw: html(`<${CPR}>`), expect: 'found' },
  { name: 'HTML attribute names', raw: html('<p 070761-4285>'), expect: 'found' },
  { name: 'HTML CDATA', raw: html(`<svg><![CDATA[${CPR}]]></svg>`), expect: 'found' },
  { name: 'HTML wbr', raw: html('070761<wbr>-<wbr>4285'), expect: 'found' },
  { name: 'HTML br', raw: html('070761-<br>4285'), expect: 'found' },
  {
    name: 'HTML textarea, template, noscript',
    raw: html(`<textarea><template><noscript>0707<b>61</b>-4285`),
    expect: 'found',
  },
  {
    name: 'HTML hidden digits inside the number',
    raw: html('0707<i style="display:none">99</i>61-4285'),
    expect: 'found',
  },
  {
    name: 'HTML tiny digits inside the number',
    raw: html('0707<i style="font-size:0">99</i>61-4285'),
    expect: 'found',
  },
  {
    name: 'HTML hidden digits by a class',
    raw: html('<style>.a{display:none}</style>0707<i class=a>99</i>61-4285'),
    expect: 'found',
  },
  {
    name: 'HTML reversed by style',
    raw: html('<span style="unicode-bidi:bidi-override; direction:rtl">5824-167070</span>'),
    expect: 'refused',
  },
  {
    name: 'HTML reversed by a style sheet',
    raw: html('<style>p{unicode-bidi:bidi-override;direction:rtl}</style><p>5824-167070</p>'),
    expect: 'refused',
  },
  {
    name: 'HTML in reversed order',
    raw: html('<div style="display:flex;flex-direction:row-reverse"><b>4285</b><b>-</b><b>070761</b></div>'),
    expect: 'refused',
  },
  {
    name: 'HTML with a style sheet of its own',
    raw: html('<link rel=stylesheet href="data:text/css;base64,cHt9">'),
    expect: 'refused',
  },
  { name: 'HTML SVG text', raw: html('<svg><text>0707<tspan>61</tspan>-4285</text></svg>'), expect: 'found' },
  { name: 'HTML mail address', raw: html(`<a href="mailto:a@b.example?body=070761%2D4285">a</a>`), expect: 'found' },
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
