/** Running text with breaks that are only written once more text follows. */
export class Flow {
  readonly #pieces: string[] = []
  #pending: 'none' | 'line' | 'row' = 'none'
  /** Cell of the current row that text belongs to, and the one that text was last written to. */
  #cell = -1
  #written = -1
  readonly #outer: { cell: number; written: number }[] = []

  /** Text, decoded, white space collapsed. */
  add(text: string): void {
    if (text.trim() === '') {
      if (text !== '' && this.#pending === 'none' && this.#cell === this.#written) this.#pieces.push(text)
      return
    }
    const first = this.#pieces.length === 0
    if (this.#pending === 'row') {
      if (!first) this.#pieces.push('\n')
      this.#written = 0
    }
    if (this.#cell > this.#written) {
      this.#pieces.push('\t'.repeat(this.#written === -1 ? 0 : this.#cell - this.#written))
      this.#written = this.#cell
    } else if (this.#pending === 'line' && !first) this.#pieces.push('\n')
    this.#pending = 'none'
    this.#pieces.push(text)
  }

  /** A block begins or ends. */
  line(): void {
    if (this.#pending === 'none') this.#pending = 'line'
  }

  /** A table row begins or ends. */
  row(): void {
    this.#pending = 'row'
    this.#cell = -1
    this.#written = -1
  }

  /** A table cell begins or ends. */
  cell(isEnd: boolean): void {
    if (!isEnd) this.#cell++
  }

  /** A table begins or ends; its rows and cells are counted by themselves. */
  table(isEnd: boolean): void {
    if (!isEnd) {
      this.#outer.push({ cell: this.#cell, written: this.#written })
      this.row()
      return
    }
    const outer = this.#outer.pop() ?? { cell: -1, written: -1 }
    this.#cell = outer.cell
    this.#written = outer.cell
    this.#pending = 'row'
  }

  /** All of it so far. */
  text(): string {
    return this.#pieces.join('')
  }
}
