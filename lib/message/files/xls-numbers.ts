/** Numbers of a workbook as they are stored (MS-XLS section 2.5.122). */

/** @param rk 30 bits of an integer or of a floating point number, and two flags (section 2.5.122) */
export function rkValue(rk: number): number {
  const isHundredfold = (rk & 1) !== 0
  let value: number
  if ((rk & 2) !== 0) value = rk >> 2
  else {
    const bytes = Buffer.alloc(8)
    bytes.writeInt32LE(rk & ~3, 4)
    value = bytes.readDoubleLE(0)
  }
  return isHundredfold ? value / 100 : value
}

/**
 * Whole numbers of nine or ten digits that stand anywhere in bytes as floating point numbers: in formulas, caches and
 * pivot tables. By chance there are none: two bytes of zeros and an exponent have to fit.
 */
export function hiddenNumbers(bytes: Buffer): number[] {
  const found: number[] = []
  for (let end = bytes.indexOf(0x41, 7); end !== -1; end = bytes.indexOf(0x41, end + 1)) {
    const at = end - 7
    if (bytes[at] !== 0 || bytes[at + 1] !== 0) continue
    const value = bytes.readDoubleLE(at)
    if (Number.isInteger(value) && value >= 1e8 && value < 1e10) found.push(value)
  }
  // above 2^33 the exponent is one further
  for (let end = bytes.indexOf(0x42, 7); end !== -1; end = bytes.indexOf(0x42, end + 1)) {
    const at = end - 7
    if (bytes[at] !== 0 || bytes[at + 1] !== 0) continue
    const value = bytes.readDoubleLE(at)
    if (Number.isInteger(value) && value < 1e10) found.push(value)
  }
  return found
}
