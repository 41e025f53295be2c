/** DuckDB, with what it may use bounded, and nothing of the outside within reach once the views are made. */
import os from 'node:os'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'

/** A value of an answer: times are ISO 8601 in UTC, lists are lists of these. */
export type Value = string | number | boolean | null | Value[]
export type Row = Record<string, Value>

export interface Rows {
  columns: string[]
  rows: Row[]
  /** true: there are more rows than were asked for. */
  truncated: boolean
}

/** DuckDB is an optional dependency, and is not here. */
export class EngineMissing extends Error {}

/** The SQL of an analyst that is not run: no query, several statements, or one with an error. */
export class QueryRefused extends Error {}

export interface Engine {
  /** Run a statement of our own. */
  run(sql: string): Promise<void>
  /**
   * Rows of a query of our own.
   *
   * @param limit most rows
   */
  query(sql: string, limit?: number): Promise<Rows>
  /**
   * Rows of a query that somebody else wrote.
   *
   * @throws QueryRefused (rejects)
   */
  foreign(sql: string, limit: number): Promise<Rows>
  /**
   * From now on nothing but these files can be read, nothing written, and no setting changed.
   *
   * @param files absolute paths
   */
  seal(files: readonly string[]): Promise<void>
  close(): void
}

/** Memory of the engine; the process has some more. */
const MEMORY = '1200MB'
const MOST_THREADS = 4
/** What may be put aside on the disk for a sort or a join that does not fit. */
const MOST_SPILL = '20GB'

/**
 * @param temporary folder of this run, for what does not fit into memory
 * @throws EngineMissing (rejects) where the optional dependency is not installed
 */
export async function openEngine(temporary: string): Promise<Engine> {
  const duckdb = await load()
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    threads: String(Math.min(os.availableParallelism(), MOST_THREADS)),
    memory_limit: MEMORY,
    temp_directory: temporary,
    max_temp_directory_size: MOST_SPILL,
    // nothing is ever fetched
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
  })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  return engineOn(duckdb, instance, connection)
}

type DuckDb = typeof import('@duckdb/node-api')

async function load(): Promise<DuckDb> {
  try {
    return await import('@duckdb/node-api')
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    throw new EngineMissing(
      `the analysis needs DuckDB, an optional dependency that is not installed here; run: npm install @duckdb/node-api@1.5.6-r.1 (${why})`,
    )
  }
}

function engineOn(duckdb: DuckDb, instance: DuckDBInstance, connection: DuckDBConnection): Engine {
  return {
    async run(sql) {
      await connection.run(sql)
    },
    async query(sql, limit = Infinity) {
      return await read(await connection.stream(sql), limit)
    },
    async foreign(sql, limit) {
      try {
        const statements = await connection.extractStatements(sql)
        if (statements.count !== 1) throw new QueryRefused('--sql takes one statement')
        const prepared = await statements.prepare(0)
        const { SELECT, EXPLAIN } = duckdb.StatementType
        if (prepared.statementType !== SELECT && prepared.statementType !== EXPLAIN) {
          throw new QueryRefused('--sql takes a query (SELECT): the log is only read')
        }
        return await read(await prepared.stream(), limit)
      } catch (error) {
        if (error instanceof QueryRefused) throw error
        throw new QueryRefused(error instanceof Error ? error.message.trim() : String(error))
      }
    },
    async seal(files) {
      await connection.run(`SET allowed_paths = [${files.map(text).join(', ')}]`)
      await connection.run('SET enable_external_access = false')
      await connection.run('SET lock_configuration = true')
    },
    close() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

type Result = Awaited<ReturnType<DuckDBConnection['stream']>>

async function read(result: Result, limit: number): Promise<Rows> {
  const columns = result.deduplicatedColumnNames()
  const rows: Row[] = []
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return { columns, rows, truncated: false }
    for (const values of chunk.getRows()) {
      if (rows.length >= limit) return { columns, rows, truncated: true }
      rows.push(Object.fromEntries(columns.map((name, index) => [name, plain(values[index])])))
    }
  }
}

/** DuckDB's values as those of JSON. */
function plain(value: unknown): Value {
  switch (typeof value) {
    case 'bigint':
      return Number(value)
    case 'number':
      return Number.isFinite(value) ? value : null
    case 'string':
    case 'boolean':
      return value
    case 'object':
      return value === null ? null : structured(value)
    default:
      return null
  }
}

function structured(value: object): Value {
  if ('items' in value && Array.isArray(value.items)) return value.items.map(plain)
  // TIMESTAMP counts microseconds since 1970
  if ('micros' in value && typeof value.micros === 'bigint' && value.constructor.name.startsWith('DuckDBTimestamp')) {
    return new Date(Number(value.micros / 1000n)).toISOString()
  }
  if ('toDouble' in value && typeof value.toDouble === 'function')
    return Number(Reflect.apply(value.toDouble, value, []))
  // dates, intervals and the like say what they are
  const words: unknown = Reflect.get(value, 'toString')
  return typeof words === 'function' ? String(Reflect.apply(words, value, [])) : ''
}

/** A text as SQL writes it. */
export function text(value: string): string {
  return `'${value.replaceAll("'", "''").replaceAll('\0', '')}'`
}

/** A time as SQL writes it, UTC. */
export function time(millis: number): string {
  return `TIMESTAMP '${new Date(millis).toISOString().replace('T', ' ').replace('Z', '')}'`
}
