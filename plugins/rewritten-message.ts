/** The message of a transaction read as a stream, and another one put in its place. */
import { PassThrough } from 'node:stream'
import type { EncryptedMessage } from '../lib/encrypt/encrypt-message'
import type { HarakaModules, MessageStream, Transaction } from './haraka'
import { MessageBuffer } from './message-buffer'

/** Bytes that are read at a time. */
const BLOCK = 256 * 1024

/**
 * The message as it would be queued, dots un-stuffed. Haraka gives it line by line; these are blocks.
 *
 * @throws (while it is read) what the disk says
 */
export async function* blocksOf(stream: MessageStream): AsyncGenerator<Buffer> {
  const blocks = new PassThrough({ highWaterMark: BLOCK })
  const failed = (error: Error) => blocks.destroy(error)
  stream.on('error', failed)
  try {
    stream.pipe(blocks)
    for await (const block of blocks) yield block as Buffer
  } finally {
    stream.removeListener('error', failed)
    stream.unpipe()
  }
}

/**
 * Give a transaction another message. What it had before is not changed: it can still be read by its stream.
 *
 * @returns the stream it had before, for the caller to destroy
 * @throws (rejects) what reading the message throws; the transaction is then as it was
 */
export async function putMessage(
  haraka: HarakaModules,
  transaction: Transaction,
  { header, body }: EncryptedMessage,
): Promise<MessageStream> {
  // a stream of Haraka's own belongs to a transaction, and lies on the disk under its name when it is large
  const { message_stream: stock } = haraka.transaction.createTransaction(null, transaction.cfg)
  // Haraka's header list is text with LF line ends
  stock.headers = header.map((field) => `${Buffer.from(field, 'latin1').toString('utf8').replaceAll('\r\n', '\n')}\n`)
  const stream = new MessageBuffer(stock)
  try {
    // what stands before the empty line is replaced by the header list
    stream.add(Buffer.from('\r\n'), true)
    for await (const piece of body) stream.add(piece)
    await ended(stream)
  } catch (error) {
    stream.destroy()
    throw error
  }
  const before = transaction.message_stream
  const { header: parsed } = transaction
  parsed.header_list = []
  parsed.headers = Object.create(null) as typeof parsed.headers
  parsed.headers_decoded = Object.create(null) as typeof parsed.headers
  parsed.parse(stream.headers)
  // from now on one list, which signing plugins add to
  stream.headers.splice(0, Infinity, ...parsed.header_list)
  parsed.header_list = stream.headers
  transaction.message_stream = stream
  transaction.data_bytes = stream.bytes_read
  return before
}

function ended(stream: MessageBuffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      reject(error)
    }
    stream.on('error', failed)
    stream.add_line_end(() => {
      stream.removeListener('error', failed)
      resolve()
    })
  })
}
