import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { Language } from '../../lib/config/settings'
import { composeReport, reportText } from '../../lib/notify/compose'
import { REPORT_KINDS } from '../../lib/notify/kinds'
import type { ReportInput } from '../../lib/notify/types'
import { packageTemplates, recipientOf, report } from './fixtures'
import { allParts, judge, judgeOne, valuesOf, type Judged } from './judge'

const options = { templates: packageTemplates() }

async function compose(input: ReportInput): Promise<{ judged: Judged }> {
  const { message } = await composeReport(input, options)
  return { judged: judgeOne(message) }
}

function textOf(judged: Judged, type: string): string {
  const found = allParts(judged).find((part) => part.type === type)
  assert.ok(found, `no ${type} part`)
  return found.text ?? ''
}

describe('a composed report', function () {
  // The judge is a process of its own.
  this.timeout(30_000)

  it('is a valid message of every kind in every language', async () => {
    const orders: Language[][] = [['da', 'en'], ['en', 'da'], ['da'], ['en']]
    const inputs = REPORT_KINDS.flatMap((kind) => orders.map((languages) => report(kind, {}, languages)))
    const messages = await Promise.all(inputs.map(async (input) => (await composeReport(input, options)).message))
    judge(messages).forEach((judged, i) => {
      const { kind, languages } = inputs[i]!
      const what = `${kind} ${languages.join()}`
      for (const part of allParts(judged)) assert.deepEqual(part.defects, [], what)
      assert.deepEqual(judged.headerDefects, [], what)
      for (const text of [textOf(judged, 'text/plain'), textOf(judged, 'text/html')]) {
        assert.doesNotMatch(text, /\{[a-z-]+\}|undefined|\[object|NaN|Invalid Date/, what)
        assert.match(text, /bo@partner\.example/, what)
        assert.match(text, /SM-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}/, what)
      }
      assert.equal(valuesOf(judged.headers, 'Content-Language')[0], languages.join(', '), what)
    })
  })

  it('has CRLF line ends only, and no line over 998 octets (RFC 5322 section 2.1.1)', async () => {
    const long = 'x'.repeat(20_000)
    for (const kind of REPORT_KINDS) {
      const input = report(kind)
      const { message } = await composeReport(
        {
          ...input,
          original: {
            headers: [
              { name: 'Subject', value: long },
              { name: 'To', value: `${'å'.repeat(9000)} <a@b>` },
            ],
            subject: long,
          },
          recipients: [
            recipientOf(kind, { failure: { ...input.recipients[0]!.failure, smtp: { code: 550, text: long } } }),
          ],
        },
        options,
      )
      const text = message.toString('latin1')
      assert.doesNotMatch(text.replaceAll('\r\n', ''), /[\r\n]/)
      assert.ok(Math.max(...text.split('\r\n').map((line) => line.length)) <= 998)
      assert.match(text, /^[\x00-\x7f]*$/, 'seven bits')
    }
  })

  it('is multipart/report with the three parts of RFC 6522 section 3', async () => {
    const { judged } = await compose(report('tls-not-offered'))
    assert.equal(judged.type, 'multipart/report')
    assert.equal(judged.reportType, 'delivery-status')
    assert.deepEqual(
      judged.parts.map((part) => part.type),
      ['multipart/alternative', 'message/delivery-status', 'text/rfc822-headers'],
    )
    assert.deepEqual(
      judged.parts[0]!.parts.map((part) => [part.type, part.charset]),
      [
        ['text/plain', 'utf-8'],
        ['text/html', 'utf-8'],
      ],
    )
    assert.equal(judged.parts[1]!.encoding, '7bit')
  })

  it('has the headers that keep it from being answered (RFC 3834, RFC 3464 section 2)', async () => {
    const { judged } = await compose(report('tls-not-offered'))
    const expected: [string, RegExp][] = [
      ['From', /^Mailsystemet <MAILER-DAEMON@mx\.uni\.example>$/],
      ['To', /^anne@uni\.example$/],
      ['Date', /^Mon, 23 Nov 2026 22:03:14 \+0000$/],
      ['Message-ID', /^<sample\.tls-not-offered@mx\.uni\.example>$/],
      ['Auto-Submitted', /^auto-replied$/],
      ['X-Auto-Response-Suppress', /^All$/],
      ['In-Reply-To', /^<m1\.20261123@uni\.example>$/],
      ['References', /^<m1\.20261123@uni\.example>$/],
      ['Content-Language', /^da, en$/],
      ['X-SecureMail-Case', /^SM-/],
      ['MIME-Version', /^1\.0$/],
      ['Subject', /^Ikke leveret: bo@partner\.example .* \/ Not delivered: bo@partner\.example /],
    ]
    for (const [name, pattern] of expected) {
      const values = valuesOf(judged.headers, name)
      assert.equal(values.length, 1, name)
      assert.match(values[0]!, pattern)
    }
  })

  it('is the same bytes for the same input', async () => {
    const first = await composeReport(report('dane-failed'), options)
    const second = await composeReport(report('dane-failed'), options)
    assert.ok(first.message.equals(second.message))
    assert.equal(first.to, 'anne@uni.example')
  })

  it('leaves the HTML out with style=plain', async () => {
    const { judged } = await compose(report('unreachable', { style: 'plain' }))
    assert.deepEqual(
      judged.parts.map((part) => part.type),
      ['text/plain', 'message/delivery-status', 'text/rfc822-headers'],
    )
  })

  it('is no delivery status when it only gives advice about a mail that was sent', async () => {
    const { judged } = await compose(report('category3-advice'))
    assert.equal(judged.type, 'multipart/mixed')
    assert.equal(
      allParts(judged).some((part) => part.type.includes('delivery-status')),
      false,
    )
  })

  it('refers to no Message-ID that is none', async () => {
    for (const messageId of ['no at sign', '<a@b>\r\nBcc: x@y', '<ø@x>', '<>', '']) {
      const input = report('unreachable')
      const { judged } = await compose({ ...input, original: { ...input.original, messageId } })
      assert.deepEqual(valuesOf(judged.headers, 'References'), [], messageId)
      assert.deepEqual(valuesOf(judged.headers, 'Bcc'), [])
    }
  })

  it('has HTML that is well formed, and loads and links to nothing but the support desk', () => {
    const texts = REPORT_KINDS.map(
      (kind) => reportText(report(kind, { optOut: { requested: true, refusals: [] } }), options).html,
    )
    const script =
      'import sys,json,xml.dom.minidom\nfor t in json.load(sys.stdin):\n xml.dom.minidom.parseString(t.encode())\nprint("ok")'
    const result = spawnSync('python3', ['-c', script], { input: JSON.stringify(texts) })
    assert.equal(result.stdout.toString().trim(), 'ok', result.stderr.toString())
    for (const html of texts) {
      assert.doesNotMatch(html, /<(img|script|link|iframe|object|form)|url\(|\ssrc=|https?:/i)
      for (const [, href] of html.matchAll(/href="([^"]*)"/g)) {
        assert.ok(['mailto:it-support@uni.example', 'tel:+4599402020'].includes(href!), href)
      }
    }
  })

  it('escapes in HTML whatever came from outside', () => {
    const evil = `<script>alert(1)</script>"'&`
    const input = report('mailbox-refused', {
      recipients: [
        recipientOf('mailbox-refused', {
          address: `"${evil}"@partner.example`,
          failure: {
            resultType: 'smtp-rejected',
            enhancedCode: '5.1.1',
            publicText: evil,
            mx: evil,
            smtp: { code: 550, text: evil },
          },
        }),
        recipientOf('mailbox-refused'),
      ],
      optOut: { requested: true, refusals: [{ code: 'cpr', where: `attachment ${evil}`, detail: evil }] },
      policySource: evil,
    })
    const { html } = reportText({ ...input, original: { ...input.original, subject: evil } }, options)
    assert.doesNotMatch(html, /<script|alert\(1\)<\/script>/)
    assert.match(html, /&lt;script&gt;/)
  })
})

describe('what a report says', function () {
  // The judge is a process of its own.
  this.timeout(30_000)

  const text = (input: ReportInput) => reportText(input, options).text.replace(/\s+/g, ' ')

  it('suggests the opt-out only where it is possible, and says why not elsewhere', () => {
    const rows: [Partial<ReportInput>, RegExp, RegExp][] = [
      [{ optOutPossible: true }, /send it again with \[unsecure\]/, /You cannot use|would not help/],
      [
        { optOutPossible: false, optOutWhyNot: 'findings' },
        /You cannot use \[unsecure\] for this mail/,
        /send it again with/,
      ],
      [{ optOutPossible: false, optOutWhyNot: 'map' }, /must always be encrypted/, /send it again with/],
      [{ optOutPossible: false, optOutWhyNot: 'not-tls' }, /Using \[unsecure\] would not help/, /send it again with/],
      [{ optOutPossible: false, optOutTag: '' }, /What can you do/, /unsecure|send it again with/],
    ]
    for (const [change, has, hasNot] of rows) {
      const said = text(report('tls-not-offered', change, ['en']))
      assert.match(said, has)
      assert.doesNotMatch(said, hasNot)
    }
  })

  it('says of a TLS failure that an opt-out was refused, too, and why', () => {
    const refusals = [
      { code: 'cpr' as const, where: 'text line 3', detail: '' },
      { code: 'no-public-marker' as const, where: 'subject', detail: '' },
    ]
    const said = text(
      report('tls-not-offered', {
        optOut: { requested: true, refusals },
        optOutPossible: false,
        optOutWhyNot: 'findings',
      }),
    )
    assert.match(
      said,
      /Du bad om at få mailen sendt uden kryptering \(\[unsecure\]\), men det kunne ikke lade sig gøre:/,
    )
    assert.match(said, /Der ser ud til at stå et CPR-nummer her: i teksten, linje 3\./)
    assert.match(said, /Mailen er ikke markeret som offentlig\./)
    assert.match(said, /There seems to be a CPR number .* here: in the text, line 3\./)
  })

  it('writes dates in Danish local time for people and in UTC for machines', () => {
    const said = text(report('tls-not-offered'))
    assert.match(said, /Sendt: mandag den 23\. november 2026 kl\. 19[.:]03/)
    assert.match(said, /Sent: Monday,? 23 November 2026 at 19:03 \(Danish time\)/)
    assert.match(said, /queued 2026-11-23T18:03:14Z/)
  })

  it('shows a table when several recipients failed together, and drops what differs between them', () => {
    const other = recipientOf('certificate-expired', { address: 'eva@other.example' })
    const input = report('certificate-expired', {
      recipients: [
        recipientOf('certificate-expired'),
        {
          ...other,
          failure: {
            ...other.failure,
            mx: 'mx.other.example',
            tls: {
              ...other.failure.tls!,
              certificate: { ...other.failure.tls!.certificate!, notAfter: '2025-01-01T00:00:00Z' },
            },
          },
        },
      ],
    })
    const said = reportText(input, options).text
    assert.match(said, /bo@partner\.example +mx1\.partner\.example +3 /)
    assert.match(said, /eva@other\.example +mx\.other\.example +3 /)
    assert.match(said, /bo@partner\.example og 1 anden/)
    assert.doesNotMatch(said, /Certifikatet gjaldt til/)
    assert.match(reportText(report('certificate-expired'), options).text, /Certifikatet gjaldt til/)
  })

  it('gives IT the line that shows the fault, and none made from a name that is no host name', () => {
    assert.match(
      text(report('certificate-expired')),
      /openssl s_client -starttls smtp -connect mx1\.partner\.example:25 -servername mx1\.partner\.example/,
    )
    for (const mx of ['mx.x;rm -rf', '$(reboot).example', '-connect.example', '`x`.example', 'localhost']) {
      const one = recipientOf('certificate-expired')
      assert.doesNotMatch(
        text(report('certificate-expired', { recipients: [{ ...one, failure: { ...one.failure, mx } }] })),
        /openssl/,
        mx,
      )
    }
  })

  it('tells the postmaster why a report comes to them', () => {
    const said = text(
      report('unreachable', { sender: 'postmaster@uni.example', postmaster: { why: 'null-sender', sender: '' } }, [
        'en',
      ]),
    )
    assert.match(said, /sent to you as the postmaster, because the mail has no sender .* Sender of the mail: <>/)
  })

  it('leaves out the actions that need a support desk when none is configured', () => {
    const said = text(report('tls-not-offered', { support: { name: '', address: '', phone: '' } }, ['en']))
    assert.doesNotMatch(said, /Contact|\(, \)/)
    assert.match(said, /1\. Use another secure channel/)
  })
})
