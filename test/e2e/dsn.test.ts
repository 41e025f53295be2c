/**
 * RFC 3461 end to end: what a sender asks for with NOTIFY, RET, ENVID and ORCPT, by what becomes of the mail and by
 * whether the next hop knows DSN itself. Each row is a mail of its own; swaks sends where its command line can say it.
 */
import assert from 'node:assert/strict'
import { freePort, until } from '../../demo/processes'
import { findPart, parseWithPython, sendWithPython, sendWithSwaks } from '../internet/clients'
import { createTestCa, type TestCa } from '../internet/ca'
import { startDns, type Dns } from '../internet/dns'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { startMailServer, type MailServer } from '../internet/servers'

const HOSTS = { uni: '127.0.3.20', dsn: '127.0.3.21', plain: '127.0.3.22', late: '127.0.3.23' } as const
type Domain = keyof typeof HOSTS
const SENDER = 'anne@uni.test'
/** RFC 3461 section 4: xtext of `QQ+314`. */
const ENVID = 'QQ+2B314'
const ORCPT = 'rfc822;Bo.Original@partner.test'

/** What the sender is told: an action of RFC 3464, in order of arrival; the postmaster in brackets. */
type Told = 'failed' | 'delayed' | 'relayed' | '(failed)'

interface Row {
  section: string
  /** `ok` = taken, `no` = refused with 550, for the hosts `dsn` and `plain`; `late` is never there. */
  to: `${'ok' | 'no'}-${string}@${Exclude<Domain, 'uni'>}.test`
  notify?: string
  told: readonly Told[]
  /** What the next hop was given on RCPT TO; absent = it does not offer DSN, or never sees the mail. */
  handedOn?: string
}

/** With `ndr.dsn=advertise`. */
const ROWS: readonly Row[] = [
  { section: '4.1 no NOTIFY, taken: nothing', to: 'ok-1@plain.test', told: [] },
  { section: '4.1 no NOTIFY, refused: failed', to: 'no-2@plain.test', told: ['failed'] },
  { section: '4.1 no NOTIFY, late: delayed and failed', to: 'ok-3@late.test', told: ['delayed', 'failed'] },
  {
    section: '5.2.2 SUCCESS, the next hop knows no DSN: relayed',
    to: 'ok-4@plain.test',
    notify: 'SUCCESS',
    told: ['relayed'],
  },
  {
    section: '5.2.1 SUCCESS, the next hop knows DSN: it answers, not we',
    to: 'ok-5@dsn.test',
    notify: 'SUCCESS',
    told: [],
    handedOn: `NOTIFY=SUCCESS ORCPT=${ORCPT}`,
  },
  {
    section: '4.1 SUCCESS alone, refused: the sender asked for no failure, the postmaster hears of it',
    to: 'no-6@plain.test',
    notify: 'SUCCESS',
    told: ['(failed)'],
  },
  { section: '4.1 FAILURE, taken: nothing', to: 'ok-7@plain.test', notify: 'FAILURE', told: [] },
  {
    section: '4.1 FAILURE, refused: failed',
    to: 'no-8@dsn.test',
    notify: 'failure',
    told: ['failed'],
    handedOn: `NOTIFY=FAILURE ORCPT=${ORCPT}`,
  },
  { section: '4.1 FAILURE, late: failed without a notice', to: 'ok-9@late.test', notify: 'FAILURE', told: ['failed'] },
  {
    section: '4.1 DELAY, late: a notice, and the failure goes to the postmaster',
    to: 'ok-10@late.test',
    notify: 'DELAY',
    told: ['delayed', '(failed)'],
  },
  {
    section: '4.1 all three, late',
    to: 'ok-11@late.test',
    notify: 'SUCCESS,FAILURE,DELAY',
    told: ['delayed', 'failed'],
  },
  {
    section: '4.1 all three, taken: relayed',
    to: 'ok-12@plain.test',
    notify: 'SUCCESS,FAILURE,DELAY',
    told: ['relayed'],
  },
  {
    section: '4.1 NEVER, taken',
    to: 'ok-13@dsn.test',
    notify: 'NEVER',
    told: [],
    handedOn: `NOTIFY=NEVER ORCPT=${ORCPT}`,
  },
  { section: '4.1 NEVER, refused: the postmaster', to: 'no-14@plain.test', notify: 'NEVER', told: ['(failed)'] },
  { section: '4.1 NEVER, late: no notice, the postmaster', to: 'ok-15@late.test', notify: 'NEVER', told: ['(failed)'] },
]

describe('RFC 3461 end to end, ndr.dsn=advertise', function () {
  this.timeout(120_000)
  const keep = keeper()
  let ca: TestCa
  let dns: Dns
  let port: number
  let home: MailServer
  let dsn: MailServer
  let gateway: Gateway

  const detail = () => gateway.log().slice(-6_000)

  before(async function () {
    await requirePackages(this)
    ca = createTestCa()
    await keep(ca)
    port = await freePort(Object.values(HOSTS))
    home = await serve('uni')
    dsn = await serve('dsn', ['DSN'])
    await serve('plain')
    const zones = Object.entries(HOSTS).map(([name, address]) => ({
      name: `${name}.test`,
      records: ['@ MX 10 mx', `mx A ${address}`],
    }))
    dns = await keep(startDns({ zones }))
    gateway = await keep(startGateway({ settings: settings() }))
    for (const row of ROWS) {
      const { code, transcript } = await post(row)
      assert.equal(code, 0, transcript)
    }
    const expected = ROWS.reduce((sum, { told }) => sum + told.length, 0)
    await until('every report is there', () => home.mails.length >= expected, { limit: 60_000, detail })
    await until('the queue is empty', () => gateway.queue().length === 0, { limit: 30_000, detail })
  })
  after(() => keep.stop())

  function serve(name: Domain, more: readonly string[] = []): Promise<MailServer> {
    const hostname = `mx.${name}.test`
    return keep(
      startMailServer({
        address: HOSTS[name],
        port,
        hostname,
        certificate: ca.good(hostname),
        extensions: ['PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES', ...more],
        faults: { rcpt: (address) => (address.startsWith('no-') ? '550 5.1.1 no such mailbox' : undefined) },
      }),
    )
  }

  /** swaks puts what stands behind the address on its line as it is, but for commas, which part its recipients. */
  function post({ to, notify }: Row) {
    const server = `${gateway.address}:${gateway.port}`
    const data = `From: <${SENDER}>\r\nTo: <${to}>\r\nSubject: ${to}\r\nMessage-ID: <${to}>\r\n\r\nHello.\r\n`
    const given = notify === undefined ? '' : ` NOTIFY=${notify}`
    if (!given.includes(',')) {
      // its own `>` ends the line: it becomes part of a parameter that nobody knows
      const from = `${SENDER}> RET=FULL ENVID=${ENVID} X=1`
      return sendWithSwaks({ server, from, to: [`${to}>${given} ORCPT=${ORCPT} X=1`], data })
    }
    const mailOptions = ['RET=FULL', `ENVID=${ENVID}`]
    return sendWithPython({
      server,
      from: SENDER,
      to: [to],
      data,
      mailOptions,
      rcptOptions: [given.trim(), `ORCPT=${ORCPT}`],
    })
  }

  const about = (to: string) => home.mails.filter(({ sender, message }) => sender === '' && message.includes(`<${to}>`))
  const actionOf = (message: Buffer) => /^Action: (\S+)\r$/m.exec(message.toString('latin1'))?.[1] ?? ''

  for (const row of ROWS) {
    it(row.section, () => {
      const told = about(row.to).map(({ recipients, message }) =>
        recipients[0] === SENDER ? actionOf(message) : `(${actionOf(message)})`,
      )
      assert.deepEqual(told, row.told)
      const line = dsn.commands.find(({ line }) => line.includes(`<${row.to}>`))?.line
      if (row.handedOn !== undefined) assert.equal(line, `RCPT TO:<${row.to}> ${row.handedOn}`)
    })
  }

  it('section 6.3: ENVID and ORCPT come back decoded, RET=FULL brings headers only', async () => {
    const reports = ROWS.flatMap(({ to, told }) => (told.length > 0 ? about(to) : []))
    assert.ok(reports.length >= 10)
    for (const { message } of reports) {
      const parsed = await parseWithPython(message)
      const [mail, recipient] = findPart(parsed, 'message/delivery-status')?.status ?? []
      assert.equal(mail?.['original-envelope-id'], 'QQ+314')
      assert.equal(recipient?.['original-recipient'], 'rfc822; Bo.Original@partner.test')
      assert.deepEqual(parsed.defects, [])
      assert.ok(!message.includes('Hello.'))
      assert.equal(findPart(parsed, 'message/rfc822'), undefined)
    }
  })

  it('section 4.3: RET and ENVID are handed on to a server that offers DSN', () => {
    const mail = dsn.commands.find(({ line }) => line.startsWith('MAIL FROM:'))?.line ?? ''
    assert.match(mail, new RegExp(`RET=FULL ENVID=${ENVID.replace('+', '\\+')}$`))
  })

  it('a relayed report says who took the mail, with a code of class 2, and suggests nothing', async () => {
    const [mail] = about('ok-4@plain.test')
    const parsed = await parseWithPython(mail!.message)
    const [, recipient] = findPart(parsed, 'message/delivery-status')?.status ?? []
    assert.ok(recipient !== undefined)
    assert.equal(recipient.status, '2.0.0')
    assert.equal(recipient['remote-mta'], 'dns; mx.plain.test')
    assert.match(recipient['diagnostic-code'] ?? '', /^smtp; 250 /)
    assert.doesNotMatch(findPart(parsed, 'text/plain')?.text ?? '', /unsecure/)
    const [event] = gateway.events('report-sent').filter(({ securemail }) => kindOf(securemail) === 'relayed')
    assert.equal(event?.event?.outcome, 'success')
  })

  /** RFC section; parameters of MAIL, of RCPT. */
  const wrong: readonly [string, readonly string[], readonly string[]][] = [
    ['4.1 NEVER with another', [], ['NOTIFY=NEVER,FAILURE']],
    ['4.1 a word that is none', [], ['NOTIFY=ALWAYS']],
    ['4.1 the same twice', [], ['NOTIFY=DELAY,DELAY']],
    ['4.2 ORCPT without a type', [], ['ORCPT=bo@partner.test']],
    ['4.2 ORCPT that is no xtext', [], ['ORCPT=rfc822;a+b@partner.test']],
    ['4.3 RET that is neither', ['RET=BODY'], []],
    ['4.4 ENVID over 100 characters', [`ENVID=${'x'.repeat(101)}`], []],
  ]
  for (const [section, mailOptions, rcptOptions] of wrong) {
    it(`${section}: 501 5.5.4`, async () => {
      const server = `${gateway.address}:${gateway.port}`
      const sent = await sendWithPython({ server, from: SENDER, to: ['ok-0@plain.test'], mailOptions, rcptOptions })
      assert.notEqual(sent.code, 0)
      assert.match(sent.reply + Object.values(sent.refused).join(), /^501 5\.5\.4 /)
    })
  }

  function settings(): string {
    return `[main]
internal_domains[]=uni.test
[tls]
ca_file=${ca.file}
[delivery]
port=${port}
local_mx_ok=true
retry=2s,2s
timeout_connect=3s
[ndr]
dsn=advertise
postmaster=postmaster@uni.test
tls_failure_after=9s
undeliverable_after=9s
delay_notice_after=3s
coalesce=1s
[dns]
servers[]=${dns.server}
timeout=2s
`
  }
})

function kindOf(securemail: unknown): string | undefined {
  return (securemail as { report?: { kind?: string } }).report?.kind
}
