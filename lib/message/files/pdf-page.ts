/** Can what a page shows be read from it as text? Pure. */
import type { PageFacts } from './pdfium'

/** Characters below which a page has hardly any text. */
const HARDLY = 20
/** Characters that a page with large pictures must have beside them. */
const BESIDE_PICTURES = 400
/** Part of the page from which pictures are what it shows. */
const LARGE = 0.3
/** A small picture alone on a page: a logo, a line. */
const SMALL = 0.02
/** Shapes that could be letters drawn one by one. */
const DRAWING = 40

/** @returns why the page is not read completely; empty = it is */
export function judgePage(page: PageFacts): string[] {
  const problems: string[] = []
  const visible = page.text.replace(/\s+/g, '').length
  if (visible < HARDLY && page.pictures > SMALL) problems.push('the page is a picture')
  else if (page.pictures >= LARGE && (visible < BESIDE_PICTURES || page.invisible)) {
    problems.push('the page shows mostly pictures')
  }
  if (visible < HARDLY && page.shapes > DRAWING) problems.push('the page is drawn, without text')
  // private use and replacement characters: the font has letters, but does not say which
  const strange = page.text.match(/[\ufffd\ufffe\uffff\ue000-\uf8ff\0-\x08\x0e-\x1f]/g)?.length ?? 0
  const unknown = Math.max(page.unmapped, strange)
  if (unknown > 4 && unknown * 50 > page.characters) problems.push('a font does not say which characters it shows')
  return problems
}
