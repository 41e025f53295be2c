/**
 * Haraka plugin of the benchmark: holds queued mail in the `send_email` hook until the process gets SIGUSR2, so that
 * acceptance and delivery can be measured apart. Then everything passes until no mail has come for a while: what had no
 * place among the held, because Haraka works on `concurrency_max` mails at a time, is to go as well.
 */
import { HELD_AGAIN } from './relay'

/** What Haraka calls back with: no argument = go on. */
type Next = () => void

/**
 * How many are let go at once, and every how many milliseconds: 5,000 per second, far more than any relay here delivers.
 * All at once, their DNS queries would overflow the socket buffer of the resolver, and what would be measured is its
 * time-outs.
 */
const BATCH = 50
const BATCH_MILLIS = 10

let held: Next[] = []
let open = false
let closing: NodeJS.Timeout | undefined

function letGo(going: readonly Next[]): void {
  keepOpen()
  for (const next of going.slice(0, BATCH)) next()
  if (going.length > BATCH) setTimeout(() => letGo(going.slice(BATCH)), BATCH_MILLIS)
}

function keepOpen(): void {
  open = true
  clearTimeout(closing)
  closing = setTimeout(() => {
    open = false
  }, HELD_AGAIN)
}

process.on('SIGUSR2', () => {
  const going = held
  held = []
  letGo(going)
})

/** Haraka's hook of that name. Its time limit must be 0 (none). */
export function hook_send_email(next: Next): void {
  if (!open) {
    held.push(next)
    return
  }
  keepOpen()
  next()
}
