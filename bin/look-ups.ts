/** How commands reach DNS and policy hosts. */
import type { Settings } from '../lib/config/settings'
import { createResolver, isLocalAddress, lookupAddresses, lookupMx, lookupTlsa } from '../lib/dns'
import type { LookUps } from '../lib/policy'
import { lookUpPublished, stsFetchOptions } from '../lib/policy/sts'

/** Look-ups for one run of a command, and their end. */
export type Connect = (settings: Settings) => { lookUps: LookUps; close: () => Promise<void> }

/** Everything live: what a domain publishes now, not what the running gateway has in its cache. */
export const throughDns: Connect = (settings) => {
  const resolver = createResolver(settings.dns)
  return {
    lookUps: {
      mx: (domain) => lookupMx(resolver, domain),
      addresses: (host) => lookupAddresses(resolver, host, { inetPrefer: settings.delivery.inetPrefer }),
      isLocal: (address) => isLocalAddress(address),
      published: {
        tlsa: (question) => lookupTlsa(resolver, question),
        mtaSts: (domain) =>
          lookUpPublished(domain, resolver, stsFetchOptions(settings, process.env.SECURE_MAIL_STS_PORT)),
      },
    },
    close: () => resolver.close(),
  }
}
