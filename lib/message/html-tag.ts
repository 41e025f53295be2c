/** As written, not decoded; the name in lower case. */
export interface Attribute {
  name: string
  value: string
}

const SPACE = /[ \t\r\n\f/]*/y
const TAG_NAME = /[^ \t\r\n\f/>]*/y
const ATTRIBUTE_NAME = /=?[^ \t\r\n\f/>=]*/y
const EQUALS = /[ \t\r\n\f]*=[ \t\r\n\f]*/y
const UNQUOTED = /[^ \t\r\n\f>]*/y

/**
 * Read a tag from its name on (HTML standard, section 13.2.5.8 and following).
 *
 * @param from first character of the name
 * @returns `end`: first character behind the tag; a tag without its end takes the rest of the source
 */
export function readTag(source: string, from: number): { name: string; attributes: Attribute[]; end: number } {
  const take = (pattern: RegExp, at: number): string => {
    pattern.lastIndex = at
    return pattern.exec(source)?.[0] ?? ''
  }
  const name = take(TAG_NAME, from)
  const attributes: Attribute[] = []
  let at = from + name.length
  while (at < source.length) {
    at += take(SPACE, at).length
    if (at >= source.length || source.charAt(at) === '>') break
    const attribute = take(ATTRIBUTE_NAME, at)
    at += attribute.length
    const equals = take(EQUALS, at)
    let value = ''
    if (equals !== '') {
      at += equals.length
      const quote = source.charAt(at)
      if (quote === '"' || quote === "'") {
        const close = source.indexOf(quote, at + 1)
        const end = close === -1 ? source.length : close
        value = source.slice(at + 1, end)
        at = close === -1 ? source.length : close + 1
      } else {
        value = take(UNQUOTED, at)
        at += value.length
      }
    }
    attributes.push({ name: attribute.toLowerCase(), value })
  }
  return { name: name.toLowerCase(), attributes, end: Math.min(at + 1, source.length) }
}
