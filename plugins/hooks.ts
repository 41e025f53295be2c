/**
 * Other plugins' delivery hooks, asked as a question with one answer. Haraka calls `<hook>_respond` on the queued mail
 * when a chain has run; the methods installed here turn that call into the resolution of the promise that asked.
 */
import { CODE, type HarakaModules, type HMailItem } from './haraka'

export interface HookAnswer {
  code: number
  message: unknown
  timedOut: boolean
}

/** Longest that a chain of other plugins' hooks may take (each has Haraka's own time-out as well, which can be off). */
export const HOOK_CHAIN_DEADLINE = 120_000

interface Question {
  hook: string
  answer(code: number | undefined, message: unknown): void
}

const open = new WeakMap<HMailItem, Question>()

/** The `<hook>_respond` method for the prototype. An answer to a question nobody asked is dropped. */
export function responder(hook: string): (this: HMailItem, code?: number, message?: unknown) => void {
  return function (this: HMailItem, code?: number, message?: unknown): void {
    const question = open.get(this)
    if (question?.hook === hook) question.answer(code, message)
  }
}

/**
 * Run the chain of one delivery hook on a queued mail.
 *
 * @param params what the hooks get after the mail
 * @param deadline milliseconds; when it passes, whatever is still running is cancelled and its late answer ignored
 * @returns the chain's answer; `cont` when no hook has an opinion; never rejects
 */
export function runHooks(
  haraka: Pick<HarakaModules, 'plugins'>,
  item: HMailItem,
  hook: string,
  params?: unknown,
  deadline: number = HOOK_CHAIN_DEADLINE,
): Promise<HookAnswer> {
  // Most instances have no plugin on most of these hooks: a chain without links gives no answer.
  if ((haraka.plugins.registered_hooks[hook]?.length ?? 0) === 0) {
    return Promise.resolve({ code: CODE.cont, message: undefined, timedOut: false })
  }
  return new Promise((resolve) => {
    const settle = (answer: HookAnswer) => {
      clearTimeout(timer)
      open.delete(item)
      resolve(answer)
    }
    const timer = setTimeout(() => {
      cancel(item)
      item.logerror(
        `secure-mail: the ${hook} hooks of other plugins did not answer in ${deadline / 1000} s; going on without them`,
      )
      settle({ code: CODE.denysoft, message: 'plugin timeout', timedOut: true })
    }, deadline)
    open.set(item, {
      hook,
      answer: (code, message) => settle({ code: code ?? CODE.cont, message, timedOut: false }),
    })
    try {
      cancel(item)
      haraka.plugins.run_hooks(hook, item, params)
    } catch (error) {
      item.logerror(`secure-mail: running the ${hook} hooks failed: ${String(error)}`)
      cancel(item)
      settle({ code: CODE.cont, message: undefined, timedOut: false })
    }
  })
}

/** Forget hooks that are still to run and make the running one's late answer void. */
function cancel(item: HMailItem): void {
  item.hooks_to_run = []
  item.current_hook?.[2]()
  item.current_hook = null
}
