/** A worker thread that examines signed mails, one after the other. Started by `examiner.ts`. */
import { examine, type Examined } from './examine'

/** What a worker is sent. */
export interface ExamineTask {
  raw: Uint8Array
  /** Milliseconds since the epoch. */
  now: number
}

/** @returns plain values and bytes */
export default function examineTask({ raw, now }: ExamineTask): Examined {
  return examine(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), now)
}
