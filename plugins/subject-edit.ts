import type { Transaction } from './haraka'

/**
 * Put a new raw Subject field in the place of the old one, byte for byte where it stood. Haraka's own
 * `remove_header`/`add_header` would move it to the end and encode it anew.
 *
 * @param field the whole field with its folding, `Subject: ...`, CRLF or LF line ends, with or without the last one
 */
export function replaceSubject(transaction: Transaction, field: string): void {
  const { header } = transaction
  const at = header.header_list.findIndex((line) => /^subject[ \t]*:/i.test(line))
  if (at === -1) return
  const line = `${field.replace(/\r?\n$/, '').replace(/\r\n/g, '\n')}\n`
  header.header_list[at] = line
  const value = line.slice(line.indexOf(':') + 1).replace(/^[ \t]+/, '')
  header.headers.subject = [value]
  // decoded again on demand would be Haraka's way; a plain unfolded value is what plugins compare with
  header.headers_decoded.subject = [value.replace(/\r?\n(?=[ \t])/g, '').trim()]
}
