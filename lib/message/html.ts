/**
 * HTML to text by one pass over the source. Nothing is thrown away: what a reader sees and what the source holds besides
 * (comments, attributes, scripts, styles, hidden elements) are kept apart, and both are searched. Every input takes
 * linear time: an element stack is kept nowhere, and a construct without its end takes the rest of the source at once.
 */
import { decodeEntities } from './entities'
import { Flow } from './html-flow'
import {
  cssUnescaped,
  placesElements,
  runsOn,
  styleHides,
  styleProblems,
  styleSheetHides,
  styleSheets,
} from './html-style'
import { percentDecoded } from './percent'
import { readTag, type Attribute } from './html-tag'

export interface HtmlText {
  /** All element text in order, hidden or not, blocks on lines of their own and table cells apart by tabs. */
  all: string
  /** What surely is seen and not quoted; whatever might be hidden is left out. */
  visible: string
  /** `all` without any break, when styles may show blocks in one line; null when none do. */
  joined: string | null
  /** The rest of the source, one text each. */
  hidden: readonly { what: 'comment' | 'attribute' | 'script' | 'style'; text: string }[]
  /** Content ids that `cid:` URLs name, lower case. */
  cids: readonly string[]
  /** Embedded data (RFC 2397): everything between `data:` and the end of the URL. */
  dataUrls: readonly string[]
  /** Why the text cannot surely be told from the source; empty = sound. */
  problems: readonly string[]
}

/** Elements that begin on a new line; every other one, also an unknown one, runs on in its line. */
const BLOCK = new Set(
  (
    'address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption figure ' +
    'footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li main menu nav ol optgroup option p pre ' +
    'section select summary table tbody textarea tfoot thead title tr ul xmp'
  ).split(' '),
)
const VOID = new Set('area base br col embed hr img input link meta param source track wbr'.split(' '))
/** Never shown as running text. */
const UNSEEN = new Set(
  'head title template object noframes noembed audio video canvas datalist select textarea rt rp'.split(' '),
)
const PALE = /^(?:white|#?f[0-9a-f]?f[0-9a-f]?f)/i
/** A piece of text that is a part of a number and nothing else, and how long it may be. */
const LOOSE_DIGITS = /^[\p{Nd}\s\p{Pd}.]+$/u
const LOOSE_LENGTH = 12
/** Digits of a number. */
const NUMBER_LENGTH = 10
/** Types of scripts that are data (JSON-LD), not programs. */
const DATA_SCRIPT = /^(?:application|text)\/(?:[a-z0-9.-]+\+)?json$/i
/** Opened in a browser, it writes what stands nowhere in the source. */
const SCRIPT = 'a script may write text'
/** Attributes whose words are shown to somebody. */
const SPOKEN = new Set(['title', 'alt', 'placeholder', 'value', 'content', 'summary', 'label', 'aria-label', 'srcdoc'])
/** How often HTML inside HTML (conditional comments, srcdoc) is opened again. */
const INNER_DEPTH = 2

/** @param source decoded HTML */
export function readHtml(source: string): HtmlText {
  const reader = new Reader(INNER_DEPTH)
  reader.read(source)
  return reader.result()
}

class Reader {
  readonly #depth: number
  readonly #all = new Flow()
  readonly #visible = new Flow()
  readonly #hidden: { what: 'comment' | 'attribute' | 'script' | 'style'; text: string }[] = []
  readonly #cids = new Set<string>()
  readonly #dataUrls: string[] = []
  readonly #problems = new Set<string>()
  /** The element whose end tag shows text again, and how many of its kind are open inside. */
  #unseen: { name: string; open: number } | null = null
  #quoted = false
  readonly #joined: string[] = []
  #runsOn = false
  #styleSheetHides = false
  #preformatted = 0
  #placed = false
  /** Digits in pieces of their own, since the last cell began and the most in any. */
  #loose = 0
  #mostLoose = 0

  constructor(depth: number) {
    this.#depth = depth
  }

  read(source: string): void {
    // a style sheet that hides something may hide anything that has a class or an id
    const sheets = styleSheets(source)
    this.#styleSheetHides = styleSheetHides(sheets)
    this.#style(sheets)
    let at = 0
    while (at < source.length) {
      const open = source.indexOf('<', at)
      const end = open === -1 ? source.length : open
      if (end > at) this.#text(source.slice(at, end))
      if (open === -1) return
      at = this.#markup(source, open)
    }
  }

  result(): HtmlText {
    if (this.#placed && this.#mostLoose >= NUMBER_LENGTH)
      this.#problems.add('styles place digits where the source does not have them')
    return {
      all: this.#all.text(),
      visible: this.#visible.text(),
      joined: this.#runsOn ? this.#joined.join('') : null,
      hidden: this.#hidden,
      cids: [...this.#cids],
      dataUrls: this.#dataUrls,
      problems: [...this.#problems],
    }
  }

  /** @returns where to go on */
  #markup(source: string, open: number): number {
    const next = source.charAt(open + 1)
    if (source.startsWith('<!--', open)) {
      const close = source.indexOf('-->', open + 2)
      const end = close === -1 ? source.length : close
      this.#note('comment', source.slice(open + 4, end))
      return close === -1 ? source.length : close + 3
    }
    if (next === '!' || next === '?') {
      const close = source.indexOf('>', open)
      this.#note('comment', source.slice(open + 2, close === -1 ? source.length : close))
      return close === -1 ? source.length : close + 1
    }
    if (/[A-Za-z]/.test(next) || (next === '/' && /[A-Za-z]/.test(source.charAt(open + 2)))) {
      return this.#tag(source, open, next === '/')
    }
    if (next === '/') {
      const close = source.indexOf('>', open)
      this.#note('comment', source.slice(open + 2, close === -1 ? source.length : close))
      return close === -1 ? source.length : close + 1
    }
    // of several in a row only the last one can begin a tag
    let end = open + 1
    while (source.charAt(end) === '<' && source.charAt(end + 1) === '<') end++
    this.#text(source.slice(open, end))
    return end
  }

  #tag(source: string, open: number, isEnd: boolean): number {
    const tag = readTag(source, open + (isEnd ? 2 : 1))
    this.#attributes(tag.attributes)
    const { name } = tag
    const value = (wanted: string) => tag.attributes.find((attribute) => attribute.name === wanted)?.value ?? ''
    const style = cssUnescaped(decodeEntities(value('style')))
    this.#style(style)
    if (name === 'script' && !isEnd && !DATA_SCRIPT.test(value('type').trim())) this.#problems.add(SCRIPT)
    this.#breaks(name, isEnd)
    if (name === 'pre') this.#preformatted = Math.max(0, this.#preformatted + (isEnd ? -1 : 1))
    this.#seen(name, isEnd, tag.attributes, style)
    if (isEnd || (name !== 'script' && name !== 'style')) return tag.end
    const rawEnd = new RegExp(`</${name}`, 'gi')
    rawEnd.lastIndex = tag.end
    const end = rawEnd.exec(source)?.index ?? source.length
    this.#note(name, source.slice(tag.end, end))
    return end
  }

  /** What a style does to the order of the text, or writes itself. */
  #style(style: string): void {
    if (style === '') return
    this.#runsOn ||= runsOn(style)
    this.#placed ||= placesElements(style)
    for (const problem of styleProblems(style)) this.#problems.add(problem)
  }

  #breaks(name: string, isEnd: boolean): void {
    for (const flow of [this.#all, this.#visible]) {
      if (name === 'table') flow.table(isEnd)
      if (name === 'tr') flow.row()
      if (name === 'td' || name === 'th') flow.cell(isEnd)
      if (BLOCK.has(name)) flow.line()
    }
    // numbers in the cells of a table are no parts of one
    if (name === 'td' || name === 'th') this.#loose = 0
    if (name === 'bdo') this.#problems.add('the direction of the text is overridden')
  }

  #seen(name: string, isEnd: boolean, attributes: readonly Attribute[], style: string): void {
    if (this.#unseen !== null) {
      if (name === this.#unseen.name && !VOID.has(name)) {
        this.#unseen.open += isEnd ? -1 : 1
        if (this.#unseen.open === 0) this.#unseen = null
      }
      return
    }
    if (isEnd) return
    const value = (wanted: string) => attributes.find((attribute) => attribute.name === wanted)?.value
    const marks = `${value('class') ?? ''} ${value('id') ?? ''}`
    if (name === 'blockquote' || /gmail_quote|divRplyFwdMsg|moz-cite|yahoo_quoted|appendonsend/i.test(marks))
      this.#quoted = true
    const hides =
      UNSEEN.has(name) ||
      styleHides(style) ||
      value('hidden') !== undefined ||
      value('aria-hidden') === 'true' ||
      (name === 'font' && PALE.test(value('color') ?? '')) ||
      (this.#styleSheetHides && marks.trim() !== '')
    if (hides && !VOID.has(name)) this.#unseen = { name, open: 1 }
  }

  #text(source: string): void {
    const text = decodeEntities(this.#preformatted > 0 ? source : source.replace(/[ \t\r\n\f]+/g, ' '))
    if (/[\u202a-\u202e\u2066-\u2069]/.test(text)) this.#problems.add('the direction of the text is overridden')
    if (text.length <= LOOSE_LENGTH && LOOSE_DIGITS.test(text)) this.#loose += text.match(/\p{Nd}/gu)?.length ?? 0
    this.#mostLoose = Math.max(this.#mostLoose, this.#loose)
    this.#all.add(text)
    this.#joined.push(text)
    if (this.#unseen === null && !this.#quoted) this.#visible.add(text)
  }

  #note(what: 'comment' | 'script' | 'style', text: string): void {
    if (text.trim() === '') return
    this.#hidden.push({ what, text: decodeEntities(text) })
    if (what === 'style' && text.includes('\\')) {
      this.#hidden.push({ what, text: cssUnescaped(text) })
    }
    if (what !== 'script' && text.includes('data:')) this.#urls(text)
    if (what === 'comment' && text.includes('<')) this.#inner(text, 'comment')
  }

  /** HTML inside a comment (Outlook shows conditional ones) or an attribute is read again. */
  #inner(text: string, what: 'comment' | 'attribute'): void {
    if (this.#depth === 0) {
      this.#problems.add('HTML is nested too deep in comments or attributes')
      return
    }
    const inner = new Reader(this.#depth - 1)
    inner.read(text)
    const found = inner.result()
    this.#hidden.push({ what, text: found.all })
    for (const hidden of found.hidden) this.#hidden.push(hidden)
    for (const problem of found.problems) this.#problems.add(problem)
    for (const cid of found.cids) this.#cids.add(cid)
    for (const url of found.dataUrls) this.#dataUrls.push(url)
  }

  #attributes(attributes: readonly Attribute[]): void {
    for (const { name, value } of attributes) {
      if (value === '') continue
      const text = decodeEntities(value)
      if (/^on[a-z]/.test(name) || /^\s*javascript\s*:/i.test(text)) this.#problems.add(SCRIPT)
      this.#urls(text)
      if (text.toLowerCase().startsWith('data:')) continue
      if (SPOKEN.has(name) || digitsIn(`${name}${text}`))
        this.#hidden.push({ what: 'attribute', text: `${name}=${text}` })
      const unescaped = percentDecoded(text)
      if (unescaped !== text) this.#hidden.push({ what: 'attribute', text: `${name}=${unescaped}` })
      if (name === 'srcdoc') this.#inner(text, 'attribute')
    }
    // a number can also be made of attribute names
    const names = attributes.map((attribute) => attribute.name).join(' ')
    if (digitsIn(names)) this.#hidden.push({ what: 'attribute', text: names })
  }

  #urls(text: string): void {
    for (const match of text.matchAll(/\bcid:([^\s"'<>)]+)/gi))
      this.#cids.add(percentDecoded(match[1] ?? '').toLowerCase())
    for (const match of text.matchAll(/\bdata:([^\s"'<>)]+)/gi)) {
      if (match[1]?.includes(',') === true) this.#dataUrls.push(match[1])
    }
  }
}

function digitsIn(text: string): boolean {
  return /(?:\p{Nd}[^\p{Nd}]*){4}/u.test(text)
}
