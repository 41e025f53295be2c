/** The message of a transaction, read back from where Haraka or we keep it. */
import type { Transaction } from './haraka'
import { MessageBuffer } from './message-buffer'

/** Longest that reading the message back from Haraka may take, in milliseconds. */
const READ_DEADLINE = 50_000

/**
 * The whole message as it would be queued: CRLF, dots un-stuffed. The bytes are the caller's.
 *
 * @param deadline milliseconds
 */
export function messageOf(transaction: Transaction, deadline = READ_DEADLINE): Promise<Buffer> | Buffer {
  const { message_stream: stream } = transaction
  return stream instanceof MessageBuffer && stream.held ? stream.content() : readBack(stream, deadline)
}

function readBack(stream: Transaction['message_stream'], deadline: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      clearTimeout(timer)
      stream.removeListener('error', failed)
      settle()
    }
    const failed = (error: Error) => done(() => reject(error))
    const timer = setTimeout(() => {
      stream.unpipe()
      failed(new Error('the message could not be read back in time'))
    }, deadline)
    stream.on('error', failed)
    try {
      stream.get_data((data) => done(() => resolve(data)))
    } catch (error) {
      failed(error as Error)
    }
  })
}
