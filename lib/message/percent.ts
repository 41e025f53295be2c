/** Percent-encoding (RFC 3986 section 2.1), which programs also decode where no rule says so: in names, in attributes. */

/** @returns the text decoded as UTF-8, or byte by byte where it is none; as it was, where nothing is encoded */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
}

/** A name with every way to read it. */
export function nameText(name: string): string {
  const decoded = percentDecoded(name)
  return decoded === name ? name : `${name}\n${decoded}`
}
