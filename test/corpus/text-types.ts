/** One item of the corpus. Readers of formats wrap the same items into their files. */
import type { Language } from './text-prose'

/** A number that stands in an item. */
export interface Planted {
  /** Ten characters, digits or with the letters of a replacement number; whom it names. */
  number: string
  /** Place in `text`. */
  start: number
  end: number
}

export interface CorpusItem {
  /** Name of its class. */
  class: string
  kind: 'positive' | 'negative' | 'list'
  language: Language
  /** What it would be: letter, table, log, ... */
  form: string
  text: string
  planted: readonly Planted[]
  /** Distinct persons that its numbers name. */
  persons: number
}

/** Text that is put together, and knows where its numbers are. */
export interface Draft {
  say(text: string): Draft
  /** @param written as it stands in the text */
  plant(number: string, written: string): Draft
  done(about: Pick<CorpusItem, 'class' | 'kind' | 'language' | 'form'>): CorpusItem
}

export function draft(): Draft {
  let text = ''
  const planted: Planted[] = []
  const self: Draft = {
    say(more) {
      text += more
      return self
    },
    plant(number, written) {
      planted.push({ number, start: text.length, end: text.length + written.length })
      text += written
      return self
    },
    done: (about) => ({ ...about, text, planted, persons: new Set(planted.map(({ number }) => number)).size }),
  }
  return self
}
