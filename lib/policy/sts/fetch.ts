/** Getting a domain's policy from its policy host (RFC 8461 section 3.3). */
import { lookupAddresses } from '../../dns/addresses'
import type { Resolver } from '../../dns/types'
import type { ResultType } from '../../failure'
import { httpsGet, HttpsTrouble } from './https'
import { MAX_POLICY_BYTES, readStsPolicy, type StsPolicy } from './policy-file'

/** How policy hosts are reached; asked for at each fetch. */
export interface FetchOptions {
  /** PEM file of the roots to trust; absent = Node's own list. */
  caFile?: string
  inetPrefer: 'v4' | 'v6' | 'default'
  /** May this address be connected to? A stranger's DNS must not point us at services of this machine. */
  mayConnect(address: string): boolean
  /** 443, except in tests. */
  port?: number
  /** Milliseconds for everything; default one minute (RFC 8461 section 3.3). */
  deadline?: number
}

export type Fetched =
  | { ok: true; policy: StsPolicy }
  | {
      ok: false
      resultType: Extract<ResultType, 'sts-policy-fetch-error' | 'sts-policy-invalid' | 'sts-webpki-invalid'>
      /** One clause. */
      detail: string
    }

const DEADLINE = 60_000
const HTTPS = 443
const WELL_KNOWN = '/.well-known/mta-sts.txt'

/**
 * @param domain policy domain, A-labels, lower case
 * @param signal ends it early
 * @returns never rejects
 */
export async function fetchPolicy(
  domain: string,
  resolver: Resolver,
  options: FetchOptions,
  signal?: AbortSignal,
): Promise<Fetched> {
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(new Error('shutting down'))
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  const deadline = options.deadline ?? DEADLINE
  // one clock for everything: who sends a byte now and then does not gain time by it
  const timer = setTimeout(() => stop.abort(new Error(`no policy within ${deadline / 1000} s`)), deadline)
  try {
    return await fetchWithin(domain, resolver, options, stop.signal)
  } catch (error) {
    const resultType =
      error instanceof HttpsTrouble && error.kind === 'webpki' ? 'sts-webpki-invalid' : 'sts-policy-fetch-error'
    return { ok: false, resultType, detail: error instanceof Error ? error.message : String(error) }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

async function fetchWithin(
  domain: string,
  resolver: Resolver,
  options: FetchOptions,
  signal: AbortSignal,
): Promise<Fetched> {
  // RFC 8461 section 3.3: the policy host is `mta-sts` below the policy domain, never of a parent domain (section 3.4)
  const host = `mta-sts.${domain}`
  const found = await orAborted(lookupAddresses(resolver, host, { inetPrefer: options.inetPrefer }), signal)
  if (found.kind !== 'addresses') return unreachable(found.detail)
  const addresses = found.addresses.filter((address) => options.mayConnect(address))
  if (addresses.length === 0) return unreachable(`${host} has only addresses of this machine`)
  const body = await httpsGet({
    host,
    addresses,
    port: options.port ?? HTTPS,
    path: WELL_KNOWN,
    ...(options.caFile === undefined ? {} : { caFile: options.caFile }),
    maxBytes: MAX_POLICY_BYTES,
    signal,
  })
  const read = readStsPolicy(body)
  return read.ok
    ? read
    : { ok: false, resultType: 'sts-policy-invalid', detail: `the policy is not valid: ${read.why}` }
}

function unreachable(detail: string): Fetched {
  return { ok: false, resultType: 'sts-policy-fetch-error', detail }
}

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  let onAbort: (() => void) | undefined
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        onAbort = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
        signal.addEventListener('abort', onAbort, { once: true })
      }),
    ])
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}
