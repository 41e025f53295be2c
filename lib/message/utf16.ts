/** UTF-16 in files. */

/**
 * Text of UTF-16 (little-endian). Half a character at the end is left out.
 *
 * `Buffer.toString('utf16le')` must not be called for that directly: given an odd number of bytes (more than 512) at an
 * odd address, Node 24 writes one byte beyond its own memory, and whoever sends a file decides about both.
 *
 * @param from where it begins, in bytes
 * @param to where it ends
 */
export function utf16Text(bytes: Buffer, from = 0, to = bytes.length): string {
  const end = Math.min(to, bytes.length)
  return end <= from ? '' : bytes.toString('utf16le', from, end - ((end - from) % 2))
}
