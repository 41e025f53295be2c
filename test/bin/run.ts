import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Io, RegisterCommand } from '../../bin/io'
import { run } from '../../bin/program'
import { packageRoot } from '../../lib/package-root'

export interface Ran {
  out: string
  err: string
  exitCode: number
}

/** Run the command in this process and hold what it says. */
export async function ran(argv: readonly string[], commands?: readonly RegisterCommand[]): Promise<Ran> {
  const result = { out: '', err: '' }
  const io: Io = {
    out: (text) => void (result.out += text),
    err: (text) => void (result.err += text),
    color: false,
    stdin: () => Promise.resolve(Buffer.alloc(0)),
    exitCode: 0,
  }
  await run(argv, io, commands)
  return { ...result, exitCode: io.exitCode }
}

const made: string[] = []

/** A folder that does not exist yet, in one that `removeFolders` removes. */
export function newFolder(): string {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-bin-'))
  made.push(dir)
  return path.join(dir, 'instance')
}

export function removeFolders(): void {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true })
}

/** Is this what the schema of that name in `docs/schema` describes? @returns the errors, none when it is */
export function schemaErrors(name: string, value: unknown): unknown[] {
  const schema = JSON.parse(readFileSync(path.join(packageRoot(), 'docs', 'schema', name), 'utf8')) as object
  const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema)
  validate(value)
  return validate.errors ?? []
}
