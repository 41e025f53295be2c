/** What styles do to text: hide it, show it in another order, or write it themselves. */

/** Inline styles that may keep text from being seen; every repetition is bounded, so that the search stays linear. */
const HIDING = new RegExp(
  [
    'display\\s*:\\s*none',
    'visibility\\s*:\\s*(?:hidden|collapse)',
    'mso-hide',
    'opacity\\s*:\\s*0',
    'font-size\\s*:\\s*(?:[0-3](?:\\.\\d+)?p[xt]|0(?!\\.?[1-9]))',
    '(?<![-\\w])font\\s*:[^;]{0,60}?\\b[0-3]p[xt]',
    '(?<![-\\w])(?:max-)?(?:height|width)\\s*:\\s*[0-3](?![.\\d])',
    '(?<![-\\w])color\\s*:\\s*(?:white|transparent|#fff|#f[\\da-f]f|rgba?\\(\\s*2[3-5]\\d)',
    '(?<![-\\w])position\\s*:',
    'text-indent\\s*:\\s*-',
    '(?<![-\\w])clip(?:-path)?\\s*:',
    '(?<!text-)transform\\s*:',
    'margin[-a-z]{0,8}\\s*:[^;]{0,40}?-\\d',
    '(?<![-\\w])content\\s*:',
  ].join('|'),
  'i',
)
const HIDING_STYLE_SHEET =
  /display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0|font-size\s*:\s*0|color\s*:\s*(?:white|transparent|#fff)|text-indent\s*:\s*-|position\s*:/i
/** Styles that show characters or elements in another order than the source has them. */
const REORDERING =
  /unicode-bidi\s*:[^;}]{0,40}override|(?:row|column|wrap)-reverse|(?<![-\w])order\s*:\s*-?\d|text-orientation\s*:/i
/** Styles that put elements anywhere. */
const PLACING = /(?<![-\w])(?:position\s*:\s*(?:absolute|fixed)|float\s*:\s*(?:right|inline-end))/i
/** Text that a style writes (CSS Generated Content). */
const WRITTEN = /(?<![-\w])content\s*:([^;}]{0,2000})/gi
/** Digits, or what stands somewhere else. */
const WRITES = /\p{Nd}|(?:attr|var|counters?|string)\s*\(/iu
const RUNS_ON = /display\s*:\s*inline|float\s*:|display\s*:\s*contents/i

/** May the style of an element keep its text from being seen? */
export function styleHides(style: string): boolean {
  return HIDING.test(style)
}

/** May a style sheet keep the text of any element from being seen? */
export function styleSheetHides(sheet: string): boolean {
  return HIDING_STYLE_SHEET.test(sheet)
}

/** Does it show blocks in one line? */
export function runsOn(style: string): boolean {
  return RUNS_ON.test(style)
}

/** Does it put elements where the source does not have them? */
export function placesElements(style: string): boolean {
  return PLACING.test(style)
}

/** @returns why the text that is seen cannot be told from the source; empty = it can, as far as this style goes */
export function styleProblems(style: string): string[] {
  const problems: string[] = []
  if (REORDERING.test(style)) problems.push('the direction of the text is overridden')
  if (/content/i.test(style) && Array.from(style.matchAll(WRITTEN)).some(([, written = '']) => WRITES.test(written)))
    problems.push('a style writes text')
  return problems
}

/** @returns all style sheets of a page, one after the other, unescaped */
export function styleSheets(source: string): string {
  const sheets: string[] = []
  const open = /<style/gi
  for (let match = open.exec(source); match !== null; match = open.exec(source)) {
    const close = /<\/style/gi
    close.lastIndex = match.index
    const end = close.exec(source)?.index ?? source.length
    sheets.push(source.slice(match.index, end))
    open.lastIndex = end
  }
  return cssUnescaped(sheets.join('\n'))
}

/** CSS escapes (CSS Syntax section 4.3.7). */
export function cssUnescaped(css: string): string {
  if (!css.includes('\\')) return css
  return css.replace(/\\([0-9a-fA-F]{1,6})\s?/g, (_, hex: string) => {
    const code = Number.parseInt(hex, 16)
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
  })
}
