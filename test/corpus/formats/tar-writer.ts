/** A small writer of tar files (ustar). */

export interface TarEntry {
  name: string
  data?: Buffer | string
  /** Default `0`: a file. */
  type?: string
  link?: string
  /** What the header says, when it is not the truth. */
  size?: number
  magic?: string
  prefix?: string
  checksum?: number
}

/** @returns the members, and two blocks of zeros */
export function writeTar(entries: readonly TarEntry[], end: Buffer = Buffer.alloc(1024)): Buffer {
  return Buffer.concat([...entries.map(tarMember), end])
}

/** A `pax` extended header (type `x`) that holds these records. */
export function paxHeader(records: Readonly<Record<string, string>>, type = 'x'): TarEntry {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`)
    let length = rest
    while (String(length).length + rest !== length) length = String(length).length + rest
    return `${length} ${key}=${value}\n`
  })
  return { name: 'PaxHeaders/x', data: lines.join(''), type }
}

function tarMember(entry: TarEntry): Buffer {
  const data = Buffer.from(entry.data ?? '')
  const header = Buffer.alloc(512)
  header.write(entry.name, 0, 100)
  header.write('0000644\0', 100)
  header.write('0001750\0', 108)
  header.write('0001750\0', 116)
  header.write((entry.size ?? data.length).toString(8).padStart(11, '0'), 124)
  header.write('14000000000\0', 136)
  header.write(entry.type ?? '0', 156)
  header.write(entry.link ?? '', 157, 100)
  header.write(entry.magic ?? 'ustar\x0000', 257, 'latin1')
  header.write('user', 265)
  header.write('group', 297)
  header.write(entry.prefix ?? '', 345, 155)
  header.fill(0x20, 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${(entry.checksum ?? sum).toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)])
}
