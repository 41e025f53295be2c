/** A mail in a file, encrypted into another by what the gateway encrypts with. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { RecipientKey } from '../../lib/encrypt/cms/certificate'
import { encryptMessage } from '../../lib/encrypt/encrypt-message'

/** Bytes that are read at a time, as by the plugin that encrypts. */
const READ_TOGETHER = 256 * 1024
/** Bytes that are written at a time while the next are encrypted. */
const WRITTEN_TOGETHER = 1024 * 1024

/**
 * @param from the mail as it travels, CRLF
 * @param to written anew: header and base64 lines
 * @throws (rejects) when the mail cannot be encrypted, or a file not be read or written
 */
export async function encryptFile(from: string, to: string, recipient: RecipientKey): Promise<void> {
  const { header, body } = await encryptMessage(createReadStream(from, { highWaterMark: READ_TOGETHER }), {
    recipients: [recipient],
    padding: 'pkcs1',
    protection: 'rfc9788',
    hidden: { subject: null, fields: new Set() },
    tags: [],
    signer: null,
    now: Date.now(),
  })
  const file = await open(to, 'w')
  try {
    await file.write(`${header.join('\r\n')}\r\n\r\n`, null, 'latin1')
    const writer = new Writable({
      objectMode: true,
      // one is written, one is made
      highWaterMark: 2,
      write(batch: Buffer[], _encoding, done) {
        file.writev(batch).then(() => {
          done()
        }, done)
      },
    })
    await pipeline(together(body), writer)
  } finally {
    await file.close()
  }
}

/** Each hand-over to another thread costs more than to encrypt a piece. */
async function* together(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let batch: Buffer[] = []
  let length = 0
  for await (const piece of pieces) {
    batch.push(piece)
    length += piece.length
    if (length >= WRITTEN_TOGETHER) {
      yield batch
      batch = []
      length = 0
    }
  }
  yield batch
}
