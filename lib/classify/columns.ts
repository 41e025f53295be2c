/** Tables in plain text (CSV, TSV, pipes, and HTML tables after reading): which cell is this, and what heads its column? */

interface Line {
  start: number
  end: number
  /** Index of the line that heads the table this line belongs to; -1 = no table. */
  head: number
  delimiter: string
}

export interface Columns {
  /** Is this stretch the whole of a table's cell, but for blanks and quotes? */
  isCell(start: number, end: number): boolean
  /** The first cell of the same column; null outside tables and in that cell itself. */
  heading(at: number): string | null
}

const DELIMITERS = ['\t', ';', '|', ','] as const

/** Linear over the text as long as the questions come in order of place. */
export function columnsOf(text: string): Columns {
  let known: Line[] | null = null
  const lines = () => (known ??= tableLines(text))
  const heads = new Map<number, string[]>()
  let counted = { line: -1, at: 0, column: 0 }
  const indexAt = (at: number): number => {
    let low = 0
    let high = lines().length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((lines()[middle]?.start ?? 0) <= at) low = middle
      else high = middle - 1
    }
    return low
  }
  const columnAt = (index: number, line: Line, at: number): number => {
    if (counted.line !== index || counted.at > at) counted = { line: index, at: line.start, column: 0 }
    const column = counted.column + text.slice(counted.at, at).split(line.delimiter).length - 1
    counted = { line: index, at, column }
    return column
  }
  const headCells = (index: number, head: Line): string[] => {
    const cells = heads.get(index) ?? text.slice(head.start, head.end).split(head.delimiter)
    heads.set(index, cells)
    return cells
  }
  return {
    isCell(start, end) {
      const line = lines()[indexAt(start)]
      if (line === undefined || line.head === -1) return false
      const before = text.slice(Math.max(line.start, start - 8), start).replace(/["' ]+$/, '')
      const after = text.slice(end, Math.min(line.end, end + 8)).replace(/^["' ]+/, '')
      return (before === '' || before.endsWith(line.delimiter)) && (after === '' || after.startsWith(line.delimiter))
    },
    heading(at) {
      const index = indexAt(at)
      const line = lines()[index]
      if (line === undefined || line.head === -1 || line.head === index) return null
      const head = lines()[line.head]
      if (head === undefined) return null
      return unquoted(headCells(line.head, head)[columnAt(index, line, at)] ?? '')
    },
  }
}

function unquoted(cell: string): string {
  return cell
    .trim()
    .replace(/^(["'])(.*)\1$/s, '$2')
    .trim()
}

/** Runs of lines that hold the same delimiter are tables; the first line heads them. */
function tableLines(text: string): Line[] {
  const lines: Line[] = []
  let start = 0
  while (start <= text.length) {
    const lf = text.indexOf('\n', start)
    const end = lf === -1 ? text.length : lf
    const previous = lines.at(-1)
    const line = text.slice(start, end)
    if (previous !== undefined && previous.head !== -1 && line.includes(previous.delimiter)) {
      lines.push({ start, end, head: previous.head, delimiter: previous.delimiter })
    } else {
      const delimiter = DELIMITERS.find((one) => line.includes(one)) ?? ''
      lines.push({ start, end, head: delimiter === '' ? -1 : lines.length, delimiter })
    }
    if (lf === -1) break
    start = lf + 1
  }
  return lines
}
