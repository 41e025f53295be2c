import type { Settings } from '../../config/settings'
import { isLocalAddress } from '../../dns/local-address'
import type { FetchOptions } from './fetch'

/**
 * How policy hosts are reached under these settings.
 *
 * @param testPort `SECURE_MAIL_STS_PORT`, for tests that serve policies on a port of their own: policy hosts are always
 *   on 443 (RFC 8461 section 3.3). What is no port number is passed over.
 */
export function stsFetchOptions(settings: Pick<Settings, 'tls' | 'delivery'>, testPort?: string): FetchOptions {
  const { caFile } = settings.tls
  const { inetPrefer, localMxOk } = settings.delivery
  const port = /^[0-9]{1,5}$/.test(testPort ?? '') ? Number(testPort) : 0
  return {
    ...(caFile === undefined ? {} : { caFile }),
    inetPrefer,
    mayConnect: (address) => localMxOk || !isLocalAddress(address),
    ...(port > 0 && port < 65_536 ? { port } : {}),
  }
}
