/**
 * A connection that is handed on before its message is answered: the commands of the next message go out with the end
 * of this one's content (RFC 2920 section 3.1 allows that, content being the first of a group). It spares a write, a
 * read and a round trip per message.
 *
 * Of the two messages each has its own risk only. The one ahead has its final reply first, whatever the next one does.
 * The one behind has sent nothing but its envelope until that reply is there, so it can always go another way.
 */
import { performance } from 'node:perf_hooks'
import { ChannelError } from './channel'
import type { Session } from './session'
import type { StopSignal } from './stop'

/**
 * A server that answered the end of a message within so many milliseconds is expected to do so again. Behind one that
 * takes its time nobody queues up: the next connection that is free may be quicker.
 */
const PROMPT = 250
/** Milliseconds that the one behind waits all the same. */
const PATIENCE = 5_000

export class Handover {
  #state: 'offered' | 'taken' | 'left' | 'declined' = 'offered'
  #answered = false
  #over = false
  #signal: StopSignal | undefined
  #wake: (() => void) | undefined

  constructor(readonly session: Session) {}

  /** Is the message ahead still waiting for its final reply, on a connection that stands? */
  get pending(): boolean {
    return !this.#answered && !this.#over
  }

  /**
   * For the pool: it is somebody's from now on.
   *
   * @param signal stops the connection once the message ahead is answered
   */
  take(signal: StopSignal): void {
    this.#state = 'taken'
    this.#signal = signal
  }

  /** The message ahead has its final reply: what the server says now is for the one behind. */
  answer(): void {
    this.#answered = true
    this.#wake?.()
  }

  /**
   * The one ahead is done with the connection.
   *
   * @param usable it is in step, and can take another message
   * @returns is it still the one ahead's to put away?
   */
  finish(usable: boolean): boolean {
    this.#over = true
    this.#wake?.()
    if (!usable && !this.#answered) return true
    if (this.#state === 'left') {
      // what the commands of the other one are answered with has nobody to go to
      this.session.channel.destroy(new ChannelError('closed', 'the next message did not wait'))
      return false
    }
    return this.#state !== 'taken'
  }

  /**
   * For the one behind: until the message ahead is answered.
   *
   * @returns false when that takes too long or the connection is lost; it is not to be used then
   */
  async turn(): Promise<boolean> {
    if (this.pending) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        timer = setTimeout(resolve, PATIENCE)
      })
      clearTimeout(timer)
    }
    if (!this.#answered) {
      this.#state = 'left'
      return false
    }
    if (this.#signal !== undefined) this.session.channel.wake(this.#signal)
    return this.session.channel.fault() === undefined
  }

  /**
   * The one behind is done, whether he has said anything or not.
   *
   * @returns is the connection his to put away?
   */
  release(): boolean {
    if (this.#state === 'left') return false
    if (!this.pending) return true
    this.#state = 'declined'
    return false
  }
}

/** Watches how long a reply takes. @returns did it come soon? */
export function promptness(): () => boolean {
  const sent = performance.now()
  return () => performance.now() - sent <= PROMPT
}
