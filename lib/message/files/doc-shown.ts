/** A text as it stands, and without what is hidden or deleted: the second is kept only once something is. */
export class ShownText {
  readonly #all: string[] = []
  #kept: string[] | null = null

  /** @param isRemoved hidden, or deleted with tracked changes */
  add(text: string, isRemoved = false): void {
    if (isRemoved) this.#kept ??= [...this.#all]
    this.#all.push(text)
    if (!isRemoved) this.#kept?.push(text)
  }

  all(): string {
    return this.#all.join('')
  }

  /** The same as `all` when nothing is hidden. */
  kept(): string {
    return this.#kept === null ? this.all() : this.#kept.join('')
  }
}
