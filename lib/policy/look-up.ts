/** Does the look-ups that an explanation needs, in the order delivery does them. No connection to any mail server. */
import type { TlsaQuestion } from '../dns/tlsa'
import type { HostAddresses, MxAnswer } from '../dns/types'
import type { Settings } from '../config/settings'
import { decide } from './decide'
import type { Findings, HostFindings } from './explain'
import { wantsTlsa } from './for-host'
import { inputsFrom } from './inputs'
import { domainOf } from './names'
import type { MtaStsState, PolicyInputs, TlsaState } from './types'

/** How facts are found; tests put in their own. */
export interface LookUps {
  mx(domain: string): Promise<MxAnswer>
  addresses(host: string): Promise<HostAddresses>
  isLocal(address: string): boolean
  /** What domain and host publish; a look-up that is absent is not done. */
  published?: {
    mtaSts?: (domain: string) => Promise<MtaStsState>
    tlsa?: (question: TlsaQuestion) => Promise<TlsaState>
  }
}

/**
 * @param recipient `local@domain`, domain in A-labels, lower case; an empty local part stands for nobody in particular
 * @param now milliseconds
 * @param asked what the mail itself would ask for
 */
export async function lookUp(
  settings: Pick<Settings, 'main' | 'tls' | 'override' | 'delivery' | 'map'>,
  recipient: string,
  lookUps: LookUps,
  now: number,
  asked: { requiretls?: boolean } = {},
): Promise<Findings> {
  const domain = domainOf(recipient)
  const { published } = lookUps
  const [mx, mtaSts] = await Promise.all([
    lookUps.mx(domain),
    settings.tls.mtaSts && published?.mtaSts !== undefined ? published.mtaSts(domain) : ABSENT,
  ])
  const { requiretls = false } = asked
  const inputs: PolicyInputs = {
    ...inputsFrom(settings, { recipient, route: { kind: 'mx' }, requiretls, now }),
    mtaSts,
  }
  // As in delivery: where TLSA records change nothing, nobody asks for them.
  const tlsa = wantsTlsa(decide(inputs)) ? published?.tlsa : undefined
  return {
    inputs,
    mx,
    hosts: mx.kind === 'hosts' ? await lookUpHosts(mx, domain, settings.delivery, lookUps, tlsa) : [],
    mtaStsEnabled: settings.tls.mtaSts,
    lookedUp: { mtaSts: published?.mtaSts !== undefined, tlsa: tlsa !== undefined },
  }
}

const ABSENT: MtaStsState & TlsaState = { state: 'absent' }

type TlsaLookUp = NonNullable<NonNullable<LookUps['published']>['tlsa']>

async function lookUpHosts(
  mx: Extract<MxAnswer, { kind: 'hosts' }>,
  domain: string,
  { localMxOk, port }: Pick<Settings['delivery'], 'localMxOk' | 'port'>,
  lookUps: Pick<LookUps, 'addresses' | 'isLocal'>,
  tlsaOf: TlsaLookUp | undefined,
): Promise<HostFindings[]> {
  return Promise.all(
    mx.hosts.map(async ({ host, preference }) => {
      const addresses = await lookUps.addresses(host)
      const list = addresses.kind === 'addresses' ? addresses.addresses : []
      const aliasOf = mx.implicit && mx.secure && host !== domain ? { aliasOf: domain } : {}
      const tlsa = (await tlsaOf?.({ host, addresses, mxSecure: mx.secure, port, ...aliasOf })) ?? ABSENT
      const ownHost = !localMxOk && list.length > 0 && list.every((address) => lookUps.isLocal(address))
      return { host, preference, addresses, tlsa, ownHost }
    }),
  )
}
