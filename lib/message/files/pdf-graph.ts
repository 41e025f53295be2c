/** Which part of a PDF each of its objects belongs to: a page, the form, the outline, the properties, or nothing. */
import { resolve, typeOf, type PdfFile, type PdfObject } from './pdf-objects'
import { isArray, isDictionary, isReference, type PdfValue } from './pdf-syntax'

export interface PdfOwners {
  /** `page 3`, `form`, `outline`, `properties`, `document`; absent = nothing leads to the object. */
  of: ReadonlyMap<PdfObject, string>
  /** Dictionaries of the pages, in order. */
  pages: readonly PdfObject[]
}

/** Keys that lead from a page to other pages. */
const AWAY = new Set(['Parent', 'P', 'Dest', 'D', 'SD', 'Next', 'Prev', 'B', 'Kids', 'Pg'])
const NONE: ReadonlySet<string> = new Set()

/** Label every object, from the nearest root: pages first. Loops and depth do not matter. */
export function findOwners(file: PdfFile, maxPages: number): PdfOwners {
  const owners = new Map<PdfObject, string>()
  const label = (start: PdfValue | undefined, owner: string, skip: ReadonlySet<string>) => {
    const open: PdfValue[] = start === undefined ? [] : [start]
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      if (isReference(value)) {
        for (const object of file.byNumber.get(value.ref) ?? []) {
          if (owners.has(object)) continue
          owners.set(object, owner)
          open.push(object.value)
        }
      } else if (isArray(value)) {
        for (const one of value) open.push(one)
      } else if (isDictionary(value)) {
        for (const [key, one] of value) {
          // the value of a field may stand in the field that its widget belongs to
          if (!skip.has(key) || (key === 'Parent' && typeOf(value, 'Subtype') === 'Widget')) open.push(one)
        }
      }
    }
  }
  const roots = file.trailers.map((trailer) => trailer.get('Root')).filter((root) => root !== undefined)
  const catalogs = file.objects.filter(({ value }) => typeOf(value) === 'Catalog')
  const known = roots.map((root) => resolve(file, root)).filter(isDictionary)
  const tops = known.length > 0 ? known : catalogs.map(({ value }) => value).filter(isDictionary)
  const pages = pagesOf(file, tops.at(-1)?.get('Pages'), maxPages)
  for (const [n, page] of pages.entries()) {
    owners.set(page, `page ${n + 1}`)
    label(page.value, `page ${n + 1}`, AWAY)
  }
  for (const top of tops) {
    label(top.get('AcroForm'), 'form', NONE)
    label(top.get('Outlines'), 'outline', NONE)
  }
  for (const trailer of file.trailers) label(trailer.get('Info'), 'properties', NONE)
  for (const top of tops) label(top.get('Metadata'), 'properties', NONE)
  for (const trailer of file.trailers) label(new Map(trailer), 'document', NONE)
  for (const top of catalogs) label({ ref: top.number }, 'document', NONE)
  return { of: owners, pages }
}

/** Leaves of the page tree in order (section 7.7.3); each node once. */
function pagesOf(file: PdfFile, root: PdfValue | undefined, maxPages: number): PdfObject[] {
  const pages: PdfObject[] = []
  const seen = new Set<PdfObject>()
  const open: PdfValue[] = root === undefined ? [] : [root]
  for (let value = open.pop(); value !== undefined && pages.length < maxPages; value = open.pop()) {
    const object = isReference(value) ? file.byNumber.get(value.ref)?.at(-1) : undefined
    if (object === undefined || seen.has(object) || !isDictionary(object.value)) continue
    seen.add(object)
    const kids = resolve(file, object.value.get('Kids'))
    if (isArray(kids)) for (const kid of [...kids].reverse()) open.push(kid)
    else pages.push(object)
  }
  return pages
}
