/** The same answers from oracle.py, which shares nothing with the SQL; and how two tables are compared. */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../../lib/package-root'

type Table = readonly Readonly<Record<string, unknown>>[]
export type Oracle = Readonly<Record<string, Readonly<Record<string, Table>>>>

/** @param since as `@timestamp` writes times; `until` does not belong to the period */
export async function oracle(log: string, since: string, until: string): Promise<Oracle> {
  const script = path.join(packageRoot(), 'test', 'report', 'oracle.py')
  const { stdout } = await promisify(execFile)('python3', [script, log, since, until], {
    maxBuffer: 512 * 1024 * 1024,
  })
  return JSON.parse(stdout) as Oracle
}

/** Rows as texts in one order, with the columns that the oracle computes, so that two tables can be compared. */
export function comparable(rows: Table, like: Table): string[] {
  const names = [...new Set(like.flatMap((row) => Object.keys(row)))].sort()
  return rows.map((row) => JSON.stringify(names.map((name) => rounded(row[name] ?? null)))).sort()
}

function rounded(value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(10)) : value
}
