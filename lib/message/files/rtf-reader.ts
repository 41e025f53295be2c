/** What the tokens of an RTF text come to. */
import { decodeCodePage, codePageName } from './ole-codepage'
import type { RtfHandler } from './rtf-tokens'
import { ShownText } from './doc-shown'
import type { ReadBudget } from './types'
import { ASIDES, CHARACTERS, CHARSETS, DATA, HIDDEN, PROPERTIES, SYMBOLS, TRANSPARENT } from './rtf-words'

export interface RtfResult {
  /** The running text (no name) and the ones beside it. */
  texts: readonly { name: string; shown: string; reduced: string }[]
  hidden: readonly string[]
  properties: readonly { key: string; value: string }[]
  data: readonly { kind: string; data: Buffer }[]
  /** The HTML that the text was made of; null = it was not. */
  html: string | null
  problems: readonly string[]
}

/** Where text goes. */
interface Sink {
  kind: 'text' | 'hidden' | 'property' | 'data' | 'html'
  /** Of the text, the property or the data. */
  name: string
  text: ShownText
  binary: Buffer[]
}

interface State {
  sink: Sink
  /** Sink around an alternative in Unicode. */
  outer: Sink
  /** How many fallback characters follow a Unicode character. */
  fallback: number
  page: number
  hidden: boolean
  deleted: boolean
  /** Only for readers that know no HTML. */
  notHtml: boolean
  inFonts: boolean
}

/** Groups inside groups; beyond them the innermost one goes on. */
const MAX_DEPTH = 2000

function sink(kind: Sink['kind'], name: string): Sink {
  return { kind, name, text: new ShownText(), binary: [] }
}

export class RtfReader implements RtfHandler {
  readonly #budget: ReadBudget
  readonly #body = sink('text', '')
  readonly #hidden = sink('hidden', '')
  readonly #tags = sink('html', '')
  readonly #asides = new Map<string, Sink>()
  /** Properties and data, in order. */
  readonly #sinks: Sink[] = []
  readonly #stack: State[] = []
  readonly #fonts = new Map<number, number>()
  readonly #problems = new Set<string>()
  readonly #html: string[] = []
  readonly #fallbacks: string[] = []
  #state: State = {
    sink: this.#body,
    outer: this.#body,
    fallback: 1,
    page: 1252,
    hidden: false,
    deleted: false,
    notHtml: false,
    inFonts: false,
  }
  #depth = 0
  #isHtml = false
  #documentPage = 1252
  #font = -1
  /** The next word names a group that may be left out by readers that do not know it. */
  #starred = false
  /** Nothing but `\*` has come since the group began. */
  #atStart = false
  #toSkip = 0
  #pending: string[] = []

  constructor(budget: ReadBudget) {
    this.#budget = budget
  }

  goOn(): boolean {
    return !this.#budget.timeUp()
  }

  open(): void {
    this.#flush()
    this.#toSkip = 0
    this.#depth++
    if (this.#stack.length >= MAX_DEPTH) this.#problems.add('groups are nested too deep')
    else this.#stack.push({ ...this.#state })
    this.#starred = false
    this.#atStart = true
  }

  close(): void {
    this.#flush()
    this.#toSkip = 0
    if (this.#depth === 0) return
    this.#depth--
    if (this.#depth < this.#stack.length) {
      const before = this.#stack.pop()
      if (before !== undefined) this.#state = before
    }
    this.#atStart = false
  }

  symbol(character: string): void {
    if (this.#skipped(`\\${character}`)) return
    if (character === '*') {
      this.#starred = true
      return
    }
    const text = SYMBOLS.get(character)
    if (text !== undefined) this.#write(text)
    else this.#atStart = false
  }

  hex(byte: number): void {
    const character = String.fromCharCode(byte)
    if (this.#skipped(character)) return
    this.#atStart = false
    this.#pending.push(character)
  }

  text(text: string): void {
    const skip = Math.min(this.#toSkip, text.length)
    if (skip > 0) {
      this.#toSkip -= skip
      this.#fallbacks.push(text.slice(0, skip))
    }
    if (skip === text.length) return
    this.#atStart = false
    this.#pending.push(text.slice(skip))
  }

  binary(bytes: Buffer): void {
    if (this.#skipped('')) return
    this.#flush()
    this.#atStart = false
    if (this.#state.sink.kind === 'data') this.#state.sink.binary.push(bytes)
    else {
      this.#problems.add('binary data stands in the text')
      this.#write(bytes.toString('latin1'))
    }
  }

  word(name: string, value: number | null): void {
    if (name === 'u') {
      this.#unicode(value ?? 0)
      return
    }
    if (this.#skipped('')) return
    this.#flush()
    const isGroup = this.#atStart || this.#starred
    const starred = this.#starred
    this.#starred = false
    this.#atStart = false
    const character = CHARACTERS.get(name)
    if (character !== undefined) this.#write(character)
    else if (!this.#format(name, value) && isGroup) this.#destination(name, starred)
  }

  result(): RtfResult {
    this.#flush()
    const texts = [this.#body, ...this.#asides.values()]
    const properties = this.#properties()
    const data = this.#sinks.filter((one) => one.kind === 'data').map((one) => this.#dataOf(one))
    const tags = this.#isHtml ? '' : this.#tags.text.all()
    return {
      texts: texts.map(({ name, text }) => ({ name, shown: text.all(), reduced: text.kept() })),
      hidden: [this.#hidden.text.all(), tags, this.#fallbacks.join('')].filter((text) => /[^?\s;]/.test(text)),
      properties,
      data,
      html: this.#isHtml ? this.#html.join('') : null,
      problems: [...this.#problems],
    }
  }

  /** @returns did the word say how what follows is to be read? */
  #format(name: string, value: number | null): boolean {
    const isOn = value !== 0
    switch (name) {
      case 'uc':
        this.#state.fallback = Math.max(0, value ?? 1)
        return true
      case 'v':
      case 'webhidden':
        this.#state.hidden = isOn
        return true
      case 'deleted':
        this.#state.deleted = isOn
        return true
      case 'plain':
        this.#state.hidden = false
        this.#state.deleted = false
        this.#state.page = this.#documentPage
        return true
      case 'ansicpg':
        this.#setPage(value ?? 1252)
        return true
      case 'mac':
        this.#setPage(10000)
        return true
      case 'pc':
        this.#setPage(437)
        return true
      case 'pca':
        this.#setPage(850)
        return true
      case 'f':
        if (this.#state.inFonts) this.#font = value ?? 0
        this.#state.page = this.#fonts.get(value ?? 0) ?? this.#documentPage
        return true
      case 'fcharset':
      case 'cpg': {
        const page = name === 'cpg' ? (value ?? 0) : CHARSETS.get(value ?? 0)
        if (this.#state.inFonts && page !== undefined) this.#fonts.set(this.#font, page)
        return true
      }
      case 'fromhtml':
        this.#isHtml = true
        return true
      case 'htmlrtf':
        this.#state.notHtml = isOn
        return true
      default:
        return false
    }
  }

  #setPage(page: number): void {
    if (codePageName(page) === null) this.#problems.add('the code page is not known')
    this.#documentPage = page
    this.#state.page = page
  }

  /** The first word of a group says what it holds. */
  #destination(name: string, starred: boolean): void {
    if (TRANSPARENT.has(name)) return
    if (name === 'ud') {
      this.#state.sink = this.#state.outer
      return
    }
    const key = PROPERTIES.get(name)
    const aside = ASIDES.get(name)
    if (DATA.has(name)) this.#enter('data', name)
    else if (name === 'htmltag') this.#state.sink = this.#tags
    else if (aside !== undefined) {
      const target = this.#asides.get(aside) ?? sink('text', aside)
      this.#asides.set(aside, target)
      this.#state.sink = target
      target.text.add('\n')
    } else if (key !== undefined) this.#enter('property', key)
    else if (name === 'propname' || name === 'staticval') this.#enter('property', name)
    else if (HIDDEN.has(name) || starred) {
      if (name === 'upr') this.#state.outer = this.#state.sink
      this.#state.sink = this.#hidden
      this.#hidden.text.add('\n')
      if (name === 'fonttbl') this.#state.inFonts = true
    }
  }

  #enter(kind: Sink['kind'], name: string): void {
    if (!this.#budget.part()) {
      this.#problems.add('there are too many parts')
      this.#state.sink = this.#hidden
      return
    }
    this.#state.sink = sink(kind, name)
    this.#sinks.push(this.#state.sink)
  }

  #unicode(value: number): void {
    // the fallback of one character may not be another one
    this.#toSkip = 0
    this.#flush()
    this.#atStart = false
    this.#write(String.fromCharCode(value < 0 ? value + 0x10000 : value))
    this.#toSkip = this.#state.fallback
  }

  /** Is this token part of the fallback of a Unicode character? */
  #skipped(fallback: string): boolean {
    if (this.#toSkip === 0) return false
    this.#toSkip--
    this.#fallbacks.push(fallback)
    return true
  }

  #flush(): void {
    if (this.#pending.length === 0) return
    const text = this.#pending.join('')
    this.#pending = []
    const isPlain = this.#state.sink.kind === 'data' || /^[\0-\x7f]*$/.test(text)
    this.#write(isPlain ? text : decodeCodePage(Buffer.from(text, 'latin1'), this.#state.page))
  }

  #write(text: string): void {
    const { sink: target, hidden, deleted, notHtml } = this.#state
    if (this.#pending.length > 0) this.#flush()
    if (/[\u202a-\u202e\u2066-\u2069]/.test(text)) this.#problems.add('the direction of the text is overridden')
    target.text.add(text, hidden || deleted)
    if (this.#isHtml && (target === this.#tags || (target === this.#body && !notHtml))) this.#html.push(text)
  }

  /** Those of users come in pairs of groups: a name, then a value. */
  #properties(): { key: string; value: string }[] {
    const found: { key: string; value: string }[] = []
    let userName = ''
    for (const { kind, name, text: shown } of this.#sinks) {
      if (kind !== 'property') continue
      const text = shown.all().trim()
      if (name === 'propname') {
        userName = text
        continue
      }
      const key = name === 'staticval' ? userName : name
      if (text !== '' || key !== '') found.push({ key, value: text })
    }
    return found.filter(({ value }) => value !== '')
  }

  #dataOf({ name, text, binary }: Sink): { kind: string; data: Buffer } {
    const hex = text.all().replace(/\s+/g, '')
    if (/[^0-9a-fA-F]/.test(hex)) {
      this.#problems.add('something else stands in the place of data')
      this.#hidden.text.add(`\n${text.all()}`)
    }
    return { kind: name, data: Buffer.concat([Buffer.from(hex, 'hex'), ...binary]) }
  }
}
