/** Does the look-ups that an explanation needs, in the order delivery does them. No connection to any mail server. */
import type { HostAddresses, MxAnswer } from '../dns/types'
import type { Settings } from '../config/settings'
import type { Findings, HostFindings } from './explain'
import { domainOf } from './names'
import type { MtaStsState, TlsaState } from './types'

/** How facts are found; tests put in their own. */
export interface LookUps {
  mx(domain: string): Promise<MxAnswer>
  addresses(host: string): Promise<HostAddresses>
  isLocal(address: string): boolean
  /** What domain and host publish; a look-up that is absent is not done. */
  published?: {
    mtaSts?(domain: string): Promise<MtaStsState>
    tlsa?(host: string, addresses: HostAddresses): Promise<TlsaState>
  }
}

/**
 * @param recipient `local@domain`, domain in A-labels, lower case; an empty local part stands for nobody in particular
 * @param now milliseconds
 */
export async function lookUp(
  settings: Pick<Settings, 'main' | 'tls' | 'override' | 'delivery' | 'map'>,
  recipient: string,
  lookUps: LookUps,
  now: number,
): Promise<Findings> {
  const domain = domainOf(recipient)
  const { published } = lookUps
  const [mx, mtaSts] = await Promise.all([
    lookUps.mx(domain),
    settings.tls.mtaSts && published?.mtaSts !== undefined ? published.mtaSts(domain) : ABSENT,
  ])
  const hosts = mx.kind === 'hosts' ? mx.hosts : []
  return {
    inputs: {
      recipient,
      route: { kind: 'mx' },
      map: settings.map,
      defaultLevel: settings.main.level,
      minVersion: settings.tls.minVersion,
      internalDomains: settings.main.internalDomains,
      mode: settings.main.mode,
      overrideMode: settings.override.mode,
      grant: null,
      requiretls: false,
      mtaSts,
      dane: settings.tls.dane,
      kind: 'mail',
      now,
    },
    mx,
    hosts: await Promise.all(hosts.map((host) => lookUpHost(host, settings.delivery.localMxOk, lookUps))),
    mtaStsEnabled: settings.tls.mtaSts,
    lookedUp: { mtaSts: published?.mtaSts !== undefined, tlsa: published?.tlsa !== undefined },
  }
}

const ABSENT: MtaStsState & TlsaState = { state: 'absent' }

async function lookUpHost(
  { host, preference }: { host: string; preference: number },
  localMxOk: boolean,
  lookUps: LookUps,
): Promise<HostFindings> {
  const addresses = await lookUps.addresses(host)
  const list = addresses.kind === 'addresses' ? addresses.addresses : []
  const tlsa = (await lookUps.published?.tlsa?.(host, addresses)) ?? ABSENT
  const ownHost = !localMxOk && list.length > 0 && list.every((address) => lookUps.isLocal(address))
  return { host, preference, addresses, tlsa, ownHost }
}
