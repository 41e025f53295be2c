import assert from 'node:assert/strict'
import { readReports, type ReadReport } from './reports'
import { startWorld, type World } from './world'
import { clearTextDeliveries } from '../internet/capture'
import { sendWithPython, sendWithSwaks } from '../internet/clients'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { run, temporaryDirectory, until } from '../../demo/processes'
import { packageRoot } from '../../lib/package-root'
import { writeFileSync } from 'node:fs'
import path from 'node:path'

/** A published example, no real person's number (python-stdnum, stdnum/dk/cpr.py). */
const CPR = '211062-5629'
const PUBLIC = '[unsecure] [public]'
const HARMLESS = 'The open day is on Thursday at ten.'

interface Case {
  name: string
  /** Refusal code that must be among those told. */
  code: string
  from?: string
  /** Header fields besides From and To, and the body. */
  message: string
}

const html = Buffer.from(`<html><body><p>Nummer: <b>211062</b>-5629</p></body></html>`).toString('base64')

const REFUSED: Case[] = [
  {
    name: 'a CPR number in base64 HTML',
    code: 'cpr',
    message: `Subject: ${PUBLIC} one\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${html}\r\n`,
  },
  { name: 'a CPR number in the subject', code: 'cpr', message: `Subject: ${PUBLIC} om ${CPR}\r\n\r\n${HARMLESS}\r\n` },
  {
    name: 'a CPR number in a forwarded message',
    code: 'cpr',
    message: `Subject: ${PUBLIC} three\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${HARMLESS}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y.test\r\nSubject: old\r\n\r\nCPR ${CPR}\r\n--b--\r\n`,
  },
  { name: 'no public marker', code: 'no-public-marker', message: `Subject: [unsecure] four\r\n\r\n${HARMLESS}\r\n` },
  {
    name: 'Sensitivity: Private',
    code: 'contradicting-label',
    message: `Subject: ${PUBLIC} five\r\nSensitivity: Private\r\n\r\n${HARMLESS}\r\n`,
  },
  { name: 'the tag behind Re:', code: 'tag-in-reply', message: `Subject: Re: ${PUBLIC} six\r\n\r\n${HARMLESS}\r\n` },
  {
    name: 'a sender outside',
    code: 'sender-not-allowed',
    from: 'guest@good.test',
    message: `Subject: ${PUBLIC} seven\r\n\r\n${HARMLESS}\r\n`,
  },
  {
    name: 'two Subject fields',
    code: 'marker-conflict',
    message: `Subject: ${PUBLIC} eight\r\nSubject: another\r\n\r\n${HARMLESS}\r\n`,
  },
  {
    name: 'a zip attached',
    code: 'uninspected',
    message: `Subject: ${PUBLIC} nine\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${HARMLESS}\r\n--b\r\nContent-Type: application/zip; name=a.zip\r\nContent-Disposition: attachment; filename=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBAoAAAAAAAAAIQA=\r\n--b--\r\n`,
  },
]

/** The message of a case, as a client hands it over. */
function messageOf(one: Case, index: number): string {
  const from = one.from ?? 'anne@uni.test'
  return `From: <${from}>\r\nTo: <case${index}@notls.test>\r\nMessage-ID: <case${index}@uni.test>\r\n${one.message}`
}

describe('the opt-out, end to end', function () {
  this.timeout(120_000)
  const keep = keeper()
  let world: World
  let gateway: Gateway
  let reports: ReadReport[]
  const files = temporaryDirectory('scan')

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
    gateway = await keep(startGateway({ settings: world.settings() }))
    const granted = await sendWithSwaks({
      server: gateway.server,
      from: 'anne@uni.test',
      to: ['open@notls.test'],
      data: `From: <anne@uni.test>\r\nTo: <open@notls.test>\r\nSubject: ${PUBLIC} =?utf-8?q?=C3=85ben_dag?=\r\n\r\n${HARMLESS}\r\n`,
    })
    assert.equal(granted.code, 0, granted.transcript)
    for (const [index, one] of REFUSED.entries()) {
      const sent = await sendWithPython({
        server: gateway.server,
        from: one.from ?? 'anne@uni.test',
        to: [`case${index}@notls.test`],
        data: messageOf(one, index),
      })
      assert.equal(sent.code, 0, `${one.name}: ${sent.transcript}`)
    }
    await until('the queue is empty', () => gateway.queue().length === 0, {
      limit: 60_000,
      detail: () => gateway.log().slice(-6000),
    })
    const arrived = [
      ...(await world.postfix.waitFor('uni.test', REFUSED.length - 1)),
      ...(await world.postfix.waitFor('good.test', 1)),
    ]
    reports = await readReports(arrived)
  })
  after(async () => {
    files.remove()
    await keep.stop()
  })

  it('public marker and harmless text: delivered in clear text with the tag gone, and on record', () => {
    const mails = world.postfix.mails('notls.test')
    assert.deepEqual(
      mails.map((mail) => mail.recipient),
      ['open@notls.test'],
    )
    const text = mails[0]?.message.toString() ?? ''
    assert.match(text, /^Subject: \[public\] =\?utf-8\?q\?=C3=85ben_dag\?=\r$/im)
    assert.ok(text.endsWith(`\r\n\r\n${HARMLESS}\r\n`))
    const order = gateway
      .events()
      .map((event) => String(event.event?.action))
      .filter((action) => ['optout-granted', 'plaintext-permitted', 'plaintext-delivered'].includes(action))
    assert.deepEqual(order, ['optout-granted', 'plaintext-permitted', 'plaintext-delivered'])
  })

  it('only that one mail was on the wire in clear text', async () => {
    assert.equal(clearTextDeliveries(await world.capture.connections()).length, 1)
  })

  for (const [index, one] of REFUSED.entries()) {
    describe(one.name, () => {
      it('is refused, told in the audit log by its code', () => {
        const event = gateway
          .events('optout-refused')
          .find((line) => JSON.stringify(line).includes(`"${one.code}"`) && accepted(index).includes(localId(line)))
        assert.ok(event, `an event optout-refused with ${one.code}`)
      })

      it('reaches nobody, and the sender is told that and why', () => {
        const address = `case${index}@notls.test`
        assert.ok(!world.postfix.mails('notls.test').some((mail) => mail.recipient === address))
        const report = reports.find((candidate) => candidate.recipients.includes(address))
        assert.ok(report, 'a report')
        assert.equal(report.status(address), '5.7.4')
        assert.match(report.text, /\[unsecure\]/)
        assert.ok(!report.raw.includes('2110625629') && !report.raw.includes(CPR), 'no CPR number in the report')
        assert.ok(!report.text.includes(CPR))
      })

      it('has the same code in scan --json, with exit code 1', async () => {
        const file = path.join(files.path, `case${index}.eml`)
        writeFileSync(file, messageOf(one, index))
        const sides = one.from === undefined ? [] : ['--from', one.from, '--to', `case${index}@notls.test`]
        const { code, stdout } = await run(process.execPath, [
          path.join(packageRoot(), 'dist', 'bin', 'secure-mail.js'),
          '--config',
          gateway.dir,
          'scan',
          '--json',
          ...sides,
          file,
        ])
        assert.equal(code, 1, stdout)
        const result = JSON.parse(stdout) as { override: { granted: boolean; refusals: { code: string }[] } }
        assert.equal(result.override.granted, false)
        assert.ok(
          result.override.refusals.some((refusal) => refusal.code === one.code),
          stdout,
        )
        assert.ok(!stdout.includes(CPR))
      })
    })
  }

  it('no CPR number stands in the audit log or in Haraka’s log', () => {
    const everything = JSON.stringify(gateway.events())
    assert.ok(!everything.includes(CPR) && !everything.includes(CPR.replace('-', '')))
  })

  /** Ids of the mails accepted for a case. */
  function accepted(index: number): string[] {
    return gateway
      .events('message-accepted')
      .filter((line) => JSON.stringify(line).includes(`<case${index}@uni.test>`))
      .map(localId)
  }
})

function localId(line: Readonly<Record<string, unknown>>): string {
  return String((line.email as { local_id?: string } | undefined)?.local_id)
}

describe('the opt-out and a plugin that changes the mail after the verdict', function () {
  this.timeout(60_000)
  const keep = keeper()
  after(() => keep.stop())

  it('loses its grant', async function () {
    await requirePackages(this)
    const world = await keep(startWorld())
    const gateway = await keep(
      startGateway({
        settings: world.settings(),
        plugins: [
          {
            name: 'footer',
            place: 'after',
            source: `exports.hook_pre_send_trans_email = (next, fake) => {
              const { header } = fake.transaction
              const at = header.header_list.findIndex((line) => /^subject:/i.test(line))
              if (at >= 0 && header.header_list[at].includes('[public]')) header.header_list[at] = 'Subject: changed\\n'
              next()
            }`,
          },
        ],
      }),
    )
    const sent = await sendWithPython({
      server: gateway.server,
      from: 'anne@uni.test',
      to: ['open@notls.test'],
      data: `From: <anne@uni.test>\r\nTo: <open@notls.test>\r\nSubject: ${PUBLIC} x\r\n\r\n${HARMLESS}\r\n`,
    })
    assert.equal(sent.code, 0, sent.transcript)
    const [report] = await readReports(await world.postfix.waitFor('uni.test', 1, 40_000))
    assert.ok(report)
    assert.deepEqual(report.recipients, ['open@notls.test'])
    assert.match(report.text, /changed|ændret/)
    assert.deepEqual(world.postfix.mails('notls.test'), [])
    assert.ok(JSON.stringify(gateway.events('optout-refused')).includes('changed-after-verdict'))
    assert.deepEqual(gateway.events('plaintext-permitted'), [])
  })
})

for (const [refused, expectation] of [
  ['ndr', 'a report at once'],
  ['reject', '550 5.7.1 at submission'],
] as const) {
  describe(`override.refused=${refused}: ${expectation}`, function () {
    this.timeout(60_000)
    const keep = keeper()
    after(() => keep.stop())

    it('nothing is sent', async function () {
      await requirePackages(this)
      const world = await keep(startWorld())
      const gateway = await keep(startGateway({ settings: world.settings(`[override]\nrefused=${refused}\n`) }))
      const sent = await sendWithPython({
        server: gateway.server,
        from: 'anne@uni.test',
        to: ['open@notls.test', 'b@good.test'],
        data: `From: <anne@uni.test>\r\nTo: <open@notls.test>\r\nSubject: [unsecure] x\r\n\r\n${HARMLESS}\r\n`,
      })
      if (refused === 'reject') {
        assert.notEqual(sent.code, 0)
        assert.match(sent.reply, /^550 5\.7\.1 .*no-public-marker/)
      } else {
        assert.equal(sent.code, 0, sent.transcript)
        const [report] = await readReports(await world.postfix.waitFor('uni.test', 1))
        assert.ok(report)
        assert.deepEqual(report.recipients, ['open@notls.test', 'b@good.test'])
        assert.equal(report.status('b@good.test'), '5.7.1')
      }
      await until('the queue is empty', () => gateway.queue().length === 0)
      assert.deepEqual(world.postfix.mails('notls.test'), [])
      assert.deepEqual(world.postfix.mails('good.test'), [])
    })
  })
}
