import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { readReports, type ReadReport } from './reports'
import { startWorld, type World } from './world'
import { docx, docxBody, relsMember, xlsx, xmlMember } from '../corpus/formats/office'
import { pdf, pdfFile } from '../corpus/formats/pdf'
import { writeZip } from '../corpus/formats/zip-writer'
import { sendWithPython } from '../internet/clients'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

/** A published example, no real person's number (python-stdnum, stdnum/dk/cpr.py). */
const CPR = '211062-5629'
const HARMLESS = 'The open day is on Thursday at ten.'
const W = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main'

interface Attachment {
  name: string
  bytes: Buffer
}

interface Case {
  name: string
  files: Attachment[]
  /** Refusal code that must be among those told; null = granted. */
  code: string | null
  /** Place that the report names. */
  place?: RegExp
}

const CASES: Case[] = [
  {
    name: 'a PDF and a document that are clean',
    files: [
      { name: 'programme.pdf', bytes: pdf(HARMLESS) },
      { name: 'letter.docx', bytes: docx({ text: HARMLESS }) },
    ],
    code: null,
  },
  {
    name: 'a number in a comment of a document',
    files: [{ name: 'letter.docx', bytes: withComment(`CPR ${CPR}`) }],
    code: 'cpr',
    place: /letter\.docx/,
  },
  {
    name: 'a number in a cell',
    files: [
      {
        name: 'list.xlsx',
        bytes: xlsx({
          tables: [
            [
              ['Name', 'CPR'],
              ['Bo', CPR],
            ],
          ],
        }),
      },
    ],
    code: 'cpr',
    place: /list\.xlsx.*B2/,
  },
  {
    name: 'a number in a note on a page',
    files: [{ name: 'plan.pdf', bytes: pdfFile({ pages: [{ lines: [HARMLESS] }, { notes: [`CPR ${CPR}`] }] }) }],
    code: 'cpr',
    place: /plan\.pdf.*page 2/,
  },
  {
    name: 'an encrypted zip',
    files: [{ name: 'secret.zip', bytes: writeZip([{ name: 'a.txt', data: 'x', flags: 1 }]) }],
    code: 'uninspected',
    place: /secret\.zip/,
  },
  {
    name: 'a scanned page',
    files: [{ name: 'scan.pdf', bytes: pdfFile({ pages: [{ picture: 1 }] }) }],
    code: 'uninspected',
    place: /scan\.pdf.*page 1/,
  },
  {
    name: 'a long report that is clean',
    files: [{ name: 'report.pdf', bytes: pdf(`${HARMLESS}\n`.repeat(10_000)) }],
    code: null,
  },
]

/** Writes down every second how long the event loop was held up, and the memory of the process. */
const WATCH = `
const { monitorEventLoopDelay, performance } = require('node:perf_hooks')
const { writeFileSync } = require('node:fs')
const path = require('node:path')
exports.hook_init_master = function (next) {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  let before = performance.eventLoopUtilization()
  let rss = 0
  // what comes before, the start, is no mail's
  setTimeout(() => { delay.enable(); before = performance.eventLoopUtilization() }, 1000).unref()
  setInterval(() => {
    rss = Math.max(rss, process.memoryUsage().rss)
    const { utilization } = performance.eventLoopUtilization(before)
    const seen = { p90: delay.percentile(90) / 1e6, utilization, megabytes: rss / 1e6 }
    writeFileSync(path.join(process.env.HARAKA, 'watch.json'), JSON.stringify(seen))
  }, 500).unref()
  next()
}
`

function withComment(text: string): Buffer {
  const comment = `<w:comment w:id="0" w:author="Anna"><w:p><w:r><w:t>${text}</w:t></w:r></w:p></w:comment>`
  return docxBody(`<w:p><w:r><w:t>${HARMLESS}</w:t></w:r></w:p>`, [
    xmlMember('word/comments.xml', `<w:comments xmlns:w="${W}">${comment}</w:comments>`),
    relsMember('word/document.xml', [['comments', 'comments.xml']]),
  ])
}

function messageOf({ files }: Case, index: number): string {
  const parts = files.map(({ name, bytes }) => {
    const encoded = bytes.toString('base64').replace(/.{76}/g, '$&\r\n')
    return `--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="${name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${encoded}\r\n`
  })
  return (
    `From: <anne@uni.test>\r\nTo: <file${index}@notls.test>\r\nMessage-ID: <file${index}@uni.test>\r\n` +
    `Subject: [unsecure] [public] file ${index}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n` +
    `--b\r\n\r\n${HARMLESS}\r\n${parts.join('')}--b--\r\n`
  )
}

describe('what is attached, end to end', function () {
  this.timeout(180_000)
  const keep = keeper()
  let world: World
  let gateway: Gateway
  let reports: ReadReport[]
  let watched: { p90: number; utilization: number; megabytes: number }

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
    gateway = await keep(startGateway({ settings: world.settings(), plugins: [{ name: 'watch', source: WATCH }] }))
    await Promise.all(
      CASES.map(async (one, index) => {
        const sent = await sendWithPython({
          server: gateway.server,
          from: 'anne@uni.test',
          to: [`file${index}@notls.test`],
          data: messageOf(one, index),
          limit: 60_000,
        })
        assert.equal(sent.code, 0, `${one.name}: ${sent.transcript}`)
      }),
    )
    await until('the queue is empty', () => gateway.queue().length === 0, {
      limit: 60_000,
      detail: () => gateway.log().slice(-6000),
    })
    const refused = CASES.filter(({ code }) => code !== null)
    reports = await readReports(await world.postfix.waitFor('uni.test', refused.length))
    watched = JSON.parse(readFileSync(path.join(gateway.dir, 'watch.json'), 'utf8')) as typeof watched
  })
  after(() => keep.stop())

  for (const [index, { name, code, place }] of CASES.entries()) {
    const address = `file${index}@notls.test`
    if (code === null) {
      it(`${name}: the opt-out is granted, the mail is delivered`, () => {
        assert.ok(
          world.postfix.mails('notls.test').some((mail) => mail.recipient === address),
          JSON.stringify(gateway.events('optout-refused')),
        )
      })
      continue
    }
    it(`${name}: refused (${code}), and the report names the place`, () => {
      assert.ok(!world.postfix.mails('notls.test').some((mail) => mail.recipient === address))
      const report = reports.find((candidate) => candidate.recipients.includes(address))
      assert.ok(report, 'a report')
      assert.equal(report.status(address), '5.7.4')
      assert.match(report.text.replace(/\s+/g, ' '), place ?? /./)
      assert.ok(!report.raw.includes(CPR))
    })
  }

  it('the event loop was free, and the memory is that of a mail server', () => {
    // the time of a busy machine is in it: reading in this thread would hold the loop up all the time
    assert.ok(watched.p90 < 100, JSON.stringify(watched))
    assert.ok(watched.megabytes < 700, JSON.stringify(watched))
  })

  it('no number stands in the audit log', () => {
    assert.ok(!JSON.stringify(gateway.events()).includes(CPR))
  })
})
