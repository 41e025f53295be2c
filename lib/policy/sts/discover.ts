/** Asking DNS whether a domain has a policy (RFC 8461 section 3.1). */
import type { Resolver } from '../../dns/types'
import { readStsRecords, type StsRecord } from './record'

/** A fault is no answer: whether there is a record is unknown then. */
export type Discovery = StsRecord | { kind: 'error'; detail: string }

/**
 * @param domain policy domain, A-labels, lower case
 * @returns never rejects
 */
export async function discover(domain: string, resolver: Resolver): Promise<Discovery> {
  const answer = await resolver.resolve(`_mta-sts.${domain}`, 'TXT')
  switch (answer.kind) {
    case 'records':
      return readStsRecords(answer.records)
    case 'nodata':
    case 'nxdomain':
      return { kind: 'none', published: false, why: 'there is no TXT record' }
    case 'error':
      // a name that cannot be in DNS has no record
      if (answer.error === 'invalid-name') return { kind: 'none', published: false, why: answer.detail }
      return { kind: 'error', detail: `TXT of _mta-sts.${domain}: ${answer.detail}` }
  }
}
