/** The lines of a text, one after the other, without their ends (LF). */
export function* linesOf(text: string): Generator<string> {
  for (let start = 0; start <= text.length;) {
    const lf = text.indexOf('\n', start)
    const end = lf === -1 ? text.length : lf
    yield text.slice(start, end)
    start = end + 1
  }
}
