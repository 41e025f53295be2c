/**
 * `SECURE_MAIL_LISTEN=address:port` in the place of `listen` of smtp.ini, for `npm start` beside something that already
 * has the port. Read while plugins are loaded, which is before Haraka opens its listeners.
 */
import type { HarakaPlugin } from './haraka'

interface ServerGlobal {
  server?: { cfg?: { main?: { listen?: string } } }
}

/** @throws Error when the value is not an address and port */
export function applyListen(plugin: HarakaPlugin, value: string | undefined): void {
  if (value === undefined || value === '') return
  if (!/^(\[[0-9a-f:.]+\]|[0-9.]+):\d{1,5}$/i.test(value)) {
    throw new Error(`SECURE_MAIL_LISTEN=${value} is not an address and port, e.g. 127.0.0.1:2525`)
  }
  const main = (globalThis as ServerGlobal).server?.cfg?.main
  if (main === undefined) {
    plugin.logwarn('secure-mail: SECURE_MAIL_LISTEN has no effect in this Haraka; set listen in smtp.ini')
    return
  }
  main.listen = value
}
