/** Queue files of a gateway that does not run, taken apart and put together again, as somebody with the disk could. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { queueFiles, type Letter } from './support-mail'
import type { Gateway } from '../internet/gateway'

export interface Envelope {
  uuid: string
  mail_from: Record<string, unknown>
  rcpt_to: Record<string, unknown>[]
  notes: Record<string, unknown> & { secure_mail?: Record<string, unknown> }
  [key: string]: unknown
}

/** The file that the letter lies in. */
export function fileOf(gateway: Pick<Gateway, 'dir'>, mail: Letter): string {
  const found = queueFiles(gateway).filter(({ text }) => text.includes(`<${mail.token}@uni.test>`))
  assert.equal(found.length, 1, `one queue file of ${mail.token}`)
  return found[0]?.path ?? ''
}

/** Four bytes of length, the envelope as JSON, the message. */
export function readQueueFile(file: string): { envelope: Envelope; message: Buffer } {
  const all = readFileSync(file)
  const end = 4 + all.readUInt32BE(0)
  return { envelope: JSON.parse(all.subarray(4, end).toString()) as Envelope, message: all.subarray(end) }
}

/** Change a queue file in place. */
export function editQueueFile(
  file: string,
  change: (envelope: Envelope, message: string) => { envelope?: Envelope; message?: string },
): void {
  const before = readQueueFile(file)
  const after = change(before.envelope, before.message.toString('latin1'))
  const envelope = Buffer.from(JSON.stringify(after.envelope ?? before.envelope))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(envelope.length)
  const message = after.message === undefined ? before.message : Buffer.from(after.message, 'latin1')
  writeFileSync(file, Buffer.concat([length, envelope, message]))
}
