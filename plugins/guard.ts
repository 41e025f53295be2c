/**
 * Nothing of ours may throw, reject or hang into Haraka: a thrown exception in a hook makes Haraka go on as if nothing
 * had been said, a rejected promise ends the worker, and a hook that never answers is decided by somebody else's
 * default. Every hook, timer and promise therefore passes through here.
 */
import type { HarakaPlugin, Next } from './haraka'

/** What a guarded hook resolves to: the return code and message for `next`. */
export type HookResult = readonly [code?: number, message?: unknown]

export interface GuardOptions {
  /** For log and event. */
  hook: string
  /** Milliseconds after which `onFailure` is answered in the hook's stead. */
  deadline: number
  /** The answer when the hook throws, rejects or takes too long. */
  onFailure: HookResult
  /** Told of every failure; must not throw. */
  report(hook: string, error: unknown): void
}

/**
 * Wrap an async hook so that `next` is called exactly once, in time, whatever happens inside.
 *
 * @returns a function in the shape Haraka calls: `(next, ...args)` with `this` the plugin
 */
export function guard<A extends unknown[]>(
  options: GuardOptions,
  hook: (this: HarakaPlugin, ...args: A) => Promise<HookResult> | HookResult,
): (this: HarakaPlugin, next: Next, ...args: A) => void {
  return function (this: HarakaPlugin, next: Next, ...args: A): void {
    let answered = false
    const answer = (result: HookResult) => {
      if (answered) return
      answered = true
      next(...result)
    }
    const fail = (error: unknown) => {
      try {
        if (!answered) options.report(options.hook, error)
      } catch {
        // the answer matters more than the telling
      }
      answer(options.onFailure)
    }
    let result: ReturnType<typeof hook>
    try {
      result = hook.apply(this, args)
    } catch (error) {
      fail(error)
      return
    }
    if (!(result instanceof Promise)) {
      try {
        answer(result)
      } catch {
        // as below
      }
      return
    }
    const timer = setTimeout(() => {
      fail(new Error(`no answer within ${options.deadline / 1000} s`))
    }, options.deadline)
    const inTime =
      <T>(settle: (outcome: T) => void) =>
      (outcome: T) => {
        clearTimeout(timer)
        settle(outcome)
      }
    result
      .then(inTime(answer), inTime(fail))
      // what is thrown now comes out of `next`; the hook is answered, and a rejection would end the worker
      .catch(() => undefined)
  }
}

/**
 * Run something whose outcome nobody waits for (a timer, an event handler) without ever letting it reject.
 *
 * @param what for the log
 */
export function background(
  what: string,
  report: (hook: string, error: unknown) => void,
  run: () => Promise<void> | void,
): void {
  try {
    Promise.resolve(run()).catch((error: unknown) => {
      report(what, error)
    })
  } catch (error) {
    report(what, error)
  }
}

/**
 * @returns what `promise` gives, or rejects after `milliseconds`; the timer never keeps the process alive
 */
export async function withDeadline<T>(promise: Promise<T>, milliseconds: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          reject(new Error(`${what}: no answer within ${milliseconds / 1000} s`))
        }, milliseconds)
        timer.unref()
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}
