/**
 * DATA in blocks instead of lines. Haraka hands every line of a message through five functions; a body that nobody wants
 * to look at while it comes in goes from the socket into `MessageBuffer` in the pieces it came in. What is unusual in
 * any way (a bare line feed, a long line, the end of the message, a plugin that filters the body) is left to Haraka.
 */
import type { Connection, HarakaModules, Transaction } from './haraka'
import { MessageBuffer } from './message-buffer'

/** `constants.connection.state.DATA` of Haraka. */
const DATA = 3
/** `logger.LOGDATA`: every line is logged. */
const LOG_DATA = 9
const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
/** Longest line that is taken here, in bytes; Haraka has its own ways with longer ones. RFC 5321 section 4.5.3.1.6: 1000. */
const LONGEST_LINE = 900
/** Up to here no limit on the size of a message can have been reached that anybody would set, in bytes. */
const SURELY_ALLOWED = 1024 * 1024

/** Hold the message of a transaction that has just begun in one piece. */
export function holdMessage(transaction: Transaction): void {
  const { message_stream: stream } = transaction
  if (stream instanceof MessageBuffer || stream.bytes_read !== 0) return
  transaction.message_stream = new MessageBuffer(stream)
}

/** @returns what takes the place of `Connection.prototype._process_data` */
export function blockwise(haraka: HarakaModules, lineByLine: (this: Connection) => void): (this: Connection) => void {
  const stockTransaction = haraka.transaction.Transaction.prototype
  const stockConnection = haraka.Connection.prototype
  return function (this: Connection): void {
    const { transaction, current_data: data } = this
    if (
      this.state === DATA &&
      data instanceof Buffer &&
      transaction?.message_stream instanceof MessageBuffer &&
      transaction.header_pos !== 0 &&
      !transaction.parse_body &&
      !transaction.discard_data &&
      transaction.data_bytes + data.length <= SURELY_ALLOWED &&
      transaction.add_data === stockTransaction.add_data &&
      (this as { accumulate_data?: unknown }).accumulate_data === stockConnection.accumulate_data &&
      !haraka.wouldLog(LOG_DATA)
    ) {
      const end = plainLines(data)
      if (end > 0) {
        transaction.data_bytes += end
        transaction.message_stream.add(data.subarray(0, end))
        this.current_data = data.subarray(end)
      }
    }
    lineByLine.call(this)
  }
}

/** @returns length of the whole lines at the beginning that are nothing but text */
export function plainLines(data: Buffer): number {
  let at = 0
  for (;;) {
    const lf = data.indexOf(LF, at)
    if (lf === -1 || lf - at > LONGEST_LINE || data[lf - 1] !== CR || lf === at) return at
    if (data[at] === DOT && lf === at + 2) return at
    at = lf + 1
  }
}
