/** Starts a relay by its id. */
import { startGateway } from './gateway'
import { startHaraka } from './haraka'
import { startPostfix } from './postfix'
import type { Relay, RelaySetup } from './relay'

/**
 * @throws Unavailable when it cannot be measured on this machine at all
 * @throws Error when it does not start
 */
export async function startRelay(setup: RelaySetup): Promise<Relay> {
  switch (setup.id) {
    case 'haraka-stock':
    case 'haraka-force':
      return await startHaraka(setup)
    case 'gateway':
    case 'gateway-verify':
    case 'gateway-without-audit':
      return await startGateway(setup)
    case 'postfix-plain':
    case 'postfix-tls':
      return await startPostfix(setup)
  }
}
