/** `check.py`, the independent reader of TLS reports, and the schema of this package. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { packageRoot } from '../../../lib/package-root'
import type { TlsReport } from '../../../lib/report/tlsrpt'
import { schemaErrors } from '../../bin/run'

/** A mail, or the body of a POST. `key`: text of the DKIM key record; the signature is verified. */
export type Received = { mail: Buffer; key?: string } | { body: Buffer }

export interface JudgedReport {
  /** Empty = all is as RFC 8460 has it. */
  problems: string[]
  report: TlsReport
  headers: Readonly<Record<string, string | number>>
}

/** Everything that is wrong with them, by another program than the one that wrote them. */
export function judgeReports(received: readonly Received[]): JudgedReport[] {
  const input = received.map((one) =>
    'mail' in one
      ? { mail: one.mail.toString('base64'), ...(one.key === undefined ? {} : { key: one.key }) }
      : { body: one.body.toString('base64') },
  )
  const script = path.join(packageRoot(), 'test', 'report', 'tlsrpt', 'check.py')
  // dkimpy comes with Debian's own Python
  const python = received.some((one) => 'key' in one) ? '/usr/bin/python3' : 'python3'
  const result = spawnSync(python, [script], { input: JSON.stringify(input), maxBuffer: 256 * 1024 * 1024 })
  if (result.error !== undefined) throw new Error(`${python} cannot be run: ${result.error.message}`)
  if (result.status !== 0) throw new Error(`the judge failed: ${result.stderr.toString()}`)
  return JSON.parse(result.stdout.toString()) as JudgedReport[]
}

/** Received reports that nothing is wrong with, for the independent reader and for the schema. */
export function goodReports(received: readonly Received[]): JudgedReport[] {
  const all = judgeReports(received)
  for (const { problems, report } of all) {
    assert.deepEqual(problems, [])
    assertSchema('tls-report.schema.json', report)
  }
  return all
}

/** @param name in docs/schema */
export function assertSchema(name: string, value: unknown): void {
  assert.deepEqual(schemaErrors(name, value), [], JSON.stringify(value))
}
