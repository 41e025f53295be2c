/** The bytes of audit files, plain or compressed. */
import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { PassThrough, pipeline, type Readable, type Transform } from 'node:stream'
import zlib from 'node:zlib'
import { namedFiles, type NamedFile } from '../audit/retention'

export interface LogFile extends NamedFile {
  /** Absolute. */
  path: string
}

/**
 * The audit files of a folder, oldest day first.
 *
 * @returns none when there is no such folder
 * @throws Error of the file system for any other reason
 */
export function logFiles(dir: string): LogFile[] {
  try {
    return namedFiles(dir).map((file) => ({ ...file, path: path.resolve(dir, file.name) }))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

const CHUNK = 256 * 1024

/**
 * The content of a file, decompressed. Fails with an Error where it ends too early or cannot be decompressed
 * (`isDamage`), after what came before.
 *
 * @param onStored given the bytes as they are stored, before they are decompressed
 */
export function openLog(
  { path: file, compression }: Pick<LogFile, 'path' | 'compression'>,
  onStored?: (bytes: Buffer) => void,
): Readable {
  const bytes = createReadStream(file, { highWaterMark: CHUNK })
  if (onStored !== undefined) bytes.on('data', (chunk) => onStored(chunk as Buffer))
  switch (compression) {
    case 'none':
      return bytes
    case 'gzip':
      return through(bytes, zlib.createGunzip({ chunkSize: CHUNK }))
    case 'zstd':
      return zstd(bytes)
  }
}

/** Is this about the content of a file, as against the way to it? */
export function isDamage(error: unknown): boolean {
  return error instanceof DamagedLog || (error instanceof Error && 'code' in error && /^Z/.test(String(error.code)))
}

/** What the program said about a file that it could not decompress. */
class DamagedLog extends Error {}

function through(bytes: Readable, transform: Transform): Readable {
  // an error of either is an error of what is read
  return pipeline(bytes, transform, () => undefined)
}

/** Node has it from 22.15 on; before that the program does it. */
function zstd(bytes: Readable): Readable {
  const native: unknown = Reflect.get(zlib, 'createZstdDecompress')
  if (typeof native === 'function') return through(bytes, Reflect.apply(native, zlib, []) as Transform)
  const child = spawn('zstd', ['-dcq'], { stdio: ['pipe', 'pipe', 'pipe'] })
  const content = new PassThrough({ highWaterMark: CHUNK })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString().slice(0, 500)))
  child.on('error', () => {
    content.destroy(new Error('reading .zst files needs Node 22.15 or the program zstd (Debian: zstd)'))
  })
  child.on('close', (code) => {
    if (code === 0) content.end()
    else content.destroy(new DamagedLog(said.trim() || `zstd ended with ${String(code)}`))
  })
  content.on('close', () => child.kill())
  child.stdout.pipe(content, { end: false })
  pipeline(bytes, child.stdin, () => undefined)
  return content
}
