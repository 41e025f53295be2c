/** RFC 3461 section 4, xtext: what ENVID and ORCPT are written in. On the way it stays as it is; in a report it is read. */

/** @returns the text that was meant; what is no `+HH` stands for itself */
export function decodeXtext(value: string): string {
  // the octets may be UTF-8 (RFC 6533 section 3); what is not, comes out as U+FFFD
  const bytes = value.replace(/\+([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/**
 * An ORCPT parameter, `type;address`, decoded.
 *
 * @param value as it stood on RCPT TO
 */
export function decodeOrcpt(value: string): string {
  const text = decodeXtext(value)
  if (!/^utf-8;/i.test(text)) return text
  // RFC 6533 section 3, utf-8-addr-xtext
  return text.replace(/\\x\{([0-9A-F]{1,6})\}/g, (all, hex: string) => {
    const point = parseInt(hex, 16)
    return point <= 0x10ffff && (point < 0xd800 || point > 0xdfff) ? String.fromCodePoint(point) : all
  })
}
