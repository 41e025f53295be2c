/** What a question is: sections of an answer, each a table that SQL fills, and what makes the answer bad news. */
import { TLS_RESULT_TYPES } from '../../failure'
import type { Settings } from '../../config/settings'
import type { Level } from '../../policy/types'
import type { Copy } from './copies'
import type { Row } from './engine'
import type { Period } from './period'

/** What a column holds, which is how it is shown. */
export type ColumnType =
  | 'text'
  | 'number'
  | 'time'
  /** A share of 1. */
  | 'share'
  | 'yes-no'
  /** Seconds. */
  | 'seconds'
  | 'list'

export interface Column {
  name: string
  title: string
  type: ColumnType
}

/** A picture of a section's rows. */
export interface Chart {
  /** `days`: one mark a day, the series on top of each other; `lines`: the same as lines; `bars`: one bar a row. */
  kind: 'days' | 'lines' | 'bars'
  /** Column along the picture. */
  along: string
  /** Columns that are drawn. */
  series: readonly string[]
}

export interface Section {
  name: string
  title: string
  /** What one row is, where the title does not say it. */
  note?: string
  columns: readonly Column[]
  /** Query over the views of `views.ts`, without a LIMIT of its own, or the rows themselves. */
  from: string | readonly Row[]
  chart?: Chart
  /** The verdict needs every row, however few are shown. */
  judged?: true
  /** Rows, by their first column, that matter most. */
  cards?: readonly string[]
}

/** What a question may ask of. */
export interface Asked {
  period: Period
  now: number
  /** What was asked for with --mail: ids of the mail in the log. */
  mailIds: readonly string[] | null
  /** --level of `what-if`. */
  level: Level
  /** Of the instance; null = the log was named without one. */
  settings: Settings | null
  copies: readonly Copy[]
}

export interface Verdict {
  good: boolean
  text: string
}

export interface Question {
  name: string
  title: string
  /** One sentence: what it answers. */
  answers: string
  /** Days before the period that are needed to know what was usual. */
  lookBack?: number
  /** Is about files or settings, not about mail: --domain and --sender would change nothing. */
  unfiltered?: true
  /** Looks at every byte of the log. */
  scans?: true
  /** Statements that make tables for the sections: what several of them need is found out once. */
  prepare?(asked: Asked): string[]
  sections(asked: Asked): Section[]
  /** Rows by section name; null = there is no good or bad in it. */
  verdict?(rows: ReadonlyMap<string, readonly Row[]>, asked: Asked): Verdict | null
}

export const column = (name: string, title: string, type: ColumnType = 'text'): Column => ({ name, title, type })

/** SQL list of the result types that are about transport security. */
export const TLS_TYPES = `(${[...TLS_RESULT_TYPES].map((type) => `'${type}'`).join(', ')})`

/** Sources of a requirement that are not about somebody's mail to the outside. */
export const NOT_OUTSIDE = "('internal', 'local', 'report')"
