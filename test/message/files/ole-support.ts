/** Small structures that stand in compound files. */

/** A property set stream (MS-OLEPS) with texts by id, and texts of users by name. */
export function propertySet(
  texts: Readonly<Record<number, string>>,
  user: Readonly<Record<string, string>> = {},
): Buffer {
  const summary = section(Object.entries(texts).map(([id, text]) => [Number(id), textValue(text)]))
  const names = Object.keys(user)
  const dictionary = Buffer.concat([
    u32(names.length),
    ...names.map((name, n) => Buffer.concat([u32(n + 2), u32(name.length + 1), Buffer.from(`${name}\0`, 'utf8')])),
  ])
  const own = section([
    [0, dictionary],
    ...Object.values(user).map((text, n): [number, Buffer] => [n + 2, textValue(text)]),
  ])
  const sets = names.length === 0 ? [summary] : [summary, own]
  const formats = ['02d5cdd59c2e1b10939708002b2cf9ae', '05d5cdd59c2e1b10939708002b2cf9ae']
  let at = 28 + sets.length * 20
  const list = sets.map((set, n) => {
    const entry = Buffer.concat([Buffer.from(formats[n] ?? '', 'hex'), u32(at)])
    at += set.length
    return entry
  })
  return Buffer.concat([Buffer.from('feff000006020200', 'hex'), Buffer.alloc(16), u32(sets.length), ...list, ...sets])
}

function section(values: readonly (readonly [id: number, value: Buffer])[]): Buffer {
  const all = [[1, Buffer.from('02000000e9fd0000', 'hex')] as const, ...values]
  let at = 8 + all.length * 8
  const offsets = all.map(([id, value]) => {
    const entry = Buffer.concat([u32(id), u32(at)])
    at += fill(value).length
    return entry
  })
  const body = Buffer.concat([u32(all.length), ...offsets, ...all.map(([, value]) => fill(value))])
  return Buffer.concat([u32(body.length + 4), body])
}

/** VT_LPSTR in UTF-8. */
function textValue(text: string): Buffer {
  const bytes = Buffer.from(`${text}\0`, 'utf8')
  return Buffer.concat([u32(0x1e), u32(bytes.length), bytes])
}

/** The stream `\x01Ole10Native` with a file (MS-OLEDS section 2.3.6). */
export function nativeObject(name: string, bytes: Buffer): Buffer {
  const text = Buffer.from(`${name}\0`, 'latin1')
  const body = Buffer.concat([
    Buffer.from('0200', 'hex'),
    text,
    text,
    Buffer.from('00000300', 'hex'),
    u32(text.length),
    text,
    u32(bytes.length),
    bytes,
  ])
  return Buffer.concat([u32(body.length), body])
}

/** Streams of a project with one module (MS-OVBA), below the storage of that name. */
export function vbaProject(storage: string, source: string): Record<string, Buffer> {
  const record = (id: number, data: Buffer) => Buffer.concat([u16(id), u32(data.length), data])
  const name = Buffer.from('Module1')
  const dir = Buffer.concat([
    record(0x0003, u16(1252)),
    Buffer.concat([u16(0x0009), u32(4), u32(1), u16(2)]),
    record(0x000f, u16(1)),
    record(0x0019, name),
    record(0x001a, name),
    record(0x0032, Buffer.from('Module1', 'utf16le')),
    record(0x0031, u32(3)),
    record(0x0021, Buffer.alloc(0)),
    record(0x002b, Buffer.alloc(0)),
    record(0x0010, Buffer.alloc(0)),
  ])
  return {
    [`${storage}/PROJECT`]: Buffer.from('ID="{0}"\r\nModule=Module1\r\n'),
    [`${storage}/VBA/dir`]: ovba(dir),
    [`${storage}/VBA/_VBA_PROJECT`]: Buffer.from('cc61ffff000000', 'hex'),
    [`${storage}/VBA/Module1`]: Buffer.concat([Buffer.from('abc'), ovba(Buffer.from(source, 'latin1'))]),
  }
}

/** A compressed container (MS-OVBA section 2.4.1): literals, and copies of what stood three bytes before. */
export function ovba(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [Buffer.of(1)]
  for (let at = 0; at < bytes.length || at === 0; at += 3000) {
    const chunk = bytes.subarray(at, at + 3000)
    const tokens: Buffer[] = []
    for (let n = 0; n < chunk.length;) {
      const group: Buffer[] = []
      let flags = 0
      for (let bit = 0; bit < 8 && n < chunk.length; bit++) {
        const repeated = n >= 3 && n + 3 <= chunk.length && chunk.subarray(n, n + 3).equals(chunk.subarray(n - 3, n))
        if (repeated) {
          let bits = 4
          while (1 << bits < n) bits++
          flags |= 1 << bit
          group.push(u16((2 << (16 - bits)) | 0))
          n += 3
        } else group.push(chunk.subarray(n, ++n))
      }
      tokens.push(Buffer.of(flags), ...group)
    }
    const body = Buffer.concat(tokens)
    chunks.push(u16(0xb000 | (body.length - 1)), body)
  }
  return Buffer.concat(chunks)
}

export function u16(number: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(number)
  return bytes
}

export function u32(number: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(number)
  return bytes
}

function fill(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}
