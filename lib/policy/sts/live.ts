/** The policy of a domain as it is published now, without any cache: what explains and probes asks this. */
import { normaliseName } from '../../dns/names'
import type { Resolver } from '../../dns/types'
import type { MtaStsState } from '../types'
import { discover } from './discover'
import { fetchPolicy, type FetchOptions } from './fetch'

/**
 * @param domain policy domain, A- or U-labels
 * @returns `error` also for a policy that is announced and cannot be had or read, which for delivery is no policy
 *   (RFC 8461 section 3.3); never rejects
 */
export async function lookUpPublished(domain: string, resolver: Resolver, options: FetchOptions): Promise<MtaStsState> {
  const name = normaliseName(domain)
  if (name === null || name === '') return { state: 'absent' }
  const found = await discover(name, resolver)
  switch (found.kind) {
    case 'none':
      if (!found.published) return { state: 'absent' }
      return { state: 'error', resultType: 'sts-policy-invalid', detail: `the TXT record is not valid: ${found.why}` }
    case 'error':
      return { state: 'error', resultType: 'dns-error', detail: found.detail }
    case 'record': {
      const fetched = await fetchPolicy(name, resolver, options)
      if (!fetched.ok) return { state: 'error', resultType: fetched.resultType, detail: fetched.detail }
      const { mode, mx, maxAge } = fetched.policy
      return { state: 'policy', mode, id: found.id, mx, maxAge }
    }
  }
}
