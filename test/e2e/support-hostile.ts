/**
 * A plugin that misbehaves in the outbound hooks, one way per mail: the local part of the mail's first recipient names
 * the way. One gateway can so be put through all of them.
 */
import type { OtherPlugin } from '../internet/gateway'

/** Hooks of the outbound side, besides `queue_outbound`. */
export const OUTBOUND_HOOKS = [
  'send_email',
  'get_mx',
  'delivered',
  'deferred',
  'bounce',
  'pre_send_trans_email',
] as const

/**
 * @param ways JavaScript by local part: the body of `(hook, next, item, params) => { ... }`; `plugin` is the plugin. A
 *   way must answer the hooks that it does not abuse with `next()`.
 */
export function hostilePlugin(ways: Readonly<Record<string, string>>): OtherPlugin {
  const table = Object.entries(ways)
    .map(([name, body]) => `${JSON.stringify(name)}(hook, next, item, params, plugin) { ${body} }`)
    .join(',\n')
  const methods = OUTBOUND_HOOKS.map(
    (hook) => `exports.bad_${hook} = function (next, item, params) { act.call(this, '${hook}', next, item, params) }`,
  ).join('\n')
  const source = `
    const ways = { ${table} }
    function act(hook, next, item, params) {
      const todo = item.todo || item.transaction
      const first = todo && todo.rcpt_to && todo.rcpt_to[0]
      const way = first && Object.hasOwn(ways, first.user) ? ways[first.user] : undefined
      if (way === undefined) return next()
      this.lognotice('HOSTILE ' + first.user + ' in ' + hook)
      way(hook, next, item, params, this)
    }
    exports.register = function () {
      for (const hook of ${JSON.stringify(OUTBOUND_HOOKS)}) this.register_hook(hook, 'bad_' + hook, -100)
    }
    ${methods}`
  return { name: 'hostile', source }
}
