import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import Ajv from 'ajv/dist/2020'
import { Command } from 'commander'
import { registerNdr } from '../../bin/commands/ndr'
import type { Io } from '../../bin/io'
import { REPORT_KINDS } from '../../lib/notify/kinds'
import { packageRoot } from '../../lib/package-root'
import { judgeOne } from './judge'

interface Ran {
  out: string
  err: string
  exitCode: number
}

async function run(...args: string[]): Promise<Ran> {
  const ran: Ran = { out: '', err: '', exitCode: 0 }
  const io: Io = {
    out: (text) => {
      ran.out += text
    },
    err: (text) => {
      ran.err += text
    },
    color: false,
    stdin: () => Promise.resolve(Buffer.alloc(0)),
    exitCode: 0,
  }
  const program = new Command('secure-mail')
  program.exitOverride()
  registerNdr(program, io)
  await program.parseAsync(args, { from: 'user' })
  return { ...ran, exitCode: io.exitCode }
}

function validator(name: string) {
  const schema: unknown = JSON.parse(readFileSync(path.join(packageRoot(), 'docs', 'schema', name), 'utf8'))
  return new Ajv({ strict: true, allErrors: true }).compile(schema as object)
}

describe('secure-mail ndr preview', function () {
  this.timeout(30_000)
  let harakaBefore: string | undefined
  let dir: string

  beforeEach(() => {
    harakaBefore = process.env.HARAKA
    delete process.env.HARAKA
    dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-preview-'))
    mkdirSync(path.join(dir, 'config', 'secure-mail.ndr'), { recursive: true })
  })
  afterEach(() => {
    if (harakaBefore !== undefined) process.env.HARAKA = harakaBefore
    rmSync(dir, { recursive: true, force: true })
  })

  it('lists every kind with its title', async () => {
    const { out, exitCode } = await run('ndr', 'preview', '--list')
    assert.equal(exitCode, 0)
    assert.deepEqual(
      out
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[0]),
      REPORT_KINDS,
    )
    assert.match((await run('ndr', 'preview', '--list', '--lang', 'da')).out, /^delayed +Mailen er forsinket$/m)
  })

  it('keeps to its schemas', async () => {
    const list = JSON.parse((await run('ndr', 'preview', '--list', '--json')).out) as unknown[]
    const checkList = validator('ndr-list.schema.json')
    assert.ok(checkList(list), JSON.stringify(checkList.errors))
    assert.equal(list.length, 20)
    const checkPreview = validator('ndr-preview.schema.json')
    for (const kind of REPORT_KINDS) {
      const preview: unknown = JSON.parse((await run('ndr', 'preview', kind, '--json')).out)
      assert.ok(checkPreview(preview), JSON.stringify(checkPreview.errors))
    }
  })

  it('shows a report in the format and language asked for', async () => {
    const both = await run('ndr', 'preview', 'delayed')
    assert.match(both.out, /^Subject: Forsinket: .* \/ Delayed: /)
    const danish = await run('ndr', 'preview', 'delayed', '--lang', 'da')
    assert.match(danish.out, /^Subject: Forsinket: [^/]*\n/)
    assert.doesNotMatch(danish.out, /Your mail/)
    assert.match((await run('ndr', 'preview', 'delayed', '--format', 'html')).out, /^<!DOCTYPE html>/)
    const eml = await run('ndr', 'preview', 'delayed', '--format', 'eml')
    assert.equal(judgeOne(Buffer.from(eml.out)).reportType, 'delivery-status')
  })

  it('uses the texts and settings of the instance', async () => {
    writeFileSync(
      path.join(dir, 'config', 'secure-mail.ini'),
      '[main]\ninternal_domains[]=uni.example\n[support]\nname=Hjælpen\naddress=help@uni.example\n[ndr]\nlanguages=en\n',
    )
    writeFileSync(
      path.join(dir, 'config', 'secure-mail.ndr', 'en.txt'),
      '[delayed.what]\nPlease wait for {recipients}.\n',
    )
    const { out, err, exitCode } = await run('ndr', 'preview', 'delayed', '--config', dir)
    assert.equal(err, '')
    assert.equal(exitCode, 0)
    assert.match(out, /Please wait for bo@partner\.example\./)
    assert.match(out, /Contact Hjælpen \(help@uni\.example\)/)
    assert.doesNotMatch(out, /forsinket/)
  })

  it('is an error that says what would be right', async () => {
    writeFileSync(path.join(dir, 'config', 'secure-mail.ndr', 'da.txt'), '[delayed.what]\n{recipiens}\n')
    const rows: [string[], RegExp][] = [
      [['certificate-expird'], /^there is no kind of report "certificate-expird"; did you mean certificate-expired\?/],
      [[], /^which kind of report\?/],
      [['delayed', '--lang', 'de'], /^--lang is one of da, en, not "de"/],
      [['delayed', '--format', 'pdf'], /^--format is one of text, html, eml/],
      [['delayed', '--config', path.join(dir, 'nowhere')], /no instance/],
      [
        ['delayed', '--config', dir],
        /secure-mail\.ndr\/da\.txt:2: unknown placeholder \{recipiens\}; did you mean \{recipients\}\?/,
      ],
    ]
    for (const [args, message] of rows) {
      const ran = await run('ndr', 'preview', ...args)
      assert.equal(ran.exitCode, 2, args.join(' '))
      assert.match(ran.err, message)
      assert.equal(ran.out, '')
    }
  })
})
