/** What `scan` is given: a mail as it is, anything else as the attachment of a mail that has nothing else. */
import path from 'node:path'
import { looksLikeMessage } from '../lib/message/files/looks-like'

/**
 * @param file name as given; `-` is standard input, which is a mail
 * @returns the bytes to be read as a message
 */
export function asMessage(file: string, bytes: Buffer): Buffer {
  if (file === '-' || file.toLowerCase().endsWith('.eml') || looksLikeMessage(bytes)) return bytes
  const head = [
    'MIME-Version: 1.0',
    'Content-Type: application/octet-stream',
    `Content-Disposition: attachment; filename*=utf-8''${encodeName(path.basename(file))}`,
    // RFC 2045 section 6.2: the file as it is
    'Content-Transfer-Encoding: binary',
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes])
}

/** RFC 2231 section 4. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/['()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`)
}
