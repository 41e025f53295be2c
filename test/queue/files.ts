/** Queue files as Haraka writes them, for tests. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'

export interface FileOptions {
  arrival?: number
  nextTry?: number
  tries?: number
  pid?: number
  unique?: string
  uuid?: string
  from?: string
  to?: readonly string[]
  domain?: string
  queuedAt?: number
  notes?: object
  message?: string
  /** In front of the name. */
  prefix?: string
}

const addressOf = (text: string) => {
  const at = text.lastIndexOf('@')
  return text === ''
    ? { original: '<>', user: '', host: '' }
    : { original: `<${text}>`, user: text.slice(0, at), host: text.slice(at + 1) }
}

export function queueFileName(options: FileOptions = {}): string {
  const { arrival = 1_000_000, nextTry = 2_000_000, tries = 3, pid = 77, unique = 'AbCdEf', prefix = '' } = options
  return `${prefix}${arrival}_${nextTry}_${tries}_${pid}_${unique}_5_gw.test`
}

/** The bytes of a queue file. */
export function queueContent(options: FileOptions = {}): Buffer {
  const to = options.to ?? ['bo@partner.test']
  const envelope = Buffer.from(
    JSON.stringify({
      queue_time: options.queuedAt ?? options.arrival ?? 1_000_000,
      domain: options.domain ?? to[0]?.split('@')[1] ?? '',
      rcpt_to: to.map(addressOf),
      mail_from: addressOf(options.from ?? 'anne@own.test'),
      notes: options.notes ?? {},
      uuid: options.uuid ?? '0F3A7C11-82DF-489A-B731-8587E5178118.1.1',
    }),
  )
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32BE(envelope.length)
  return Buffer.concat([prefix, envelope, Buffer.from(options.message ?? 'Subject: x\r\n\r\nx\r\n')])
}

/** @returns its name */
export function writeQueueFile(dir: string, options: FileOptions = {}): string {
  const name = queueFileName(options)
  writeFileSync(path.join(dir, name), queueContent(options), { mode: 0o600 })
  return name
}
