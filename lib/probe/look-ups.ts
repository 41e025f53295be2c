/** The look-ups of a probe: each one a step with its time, and each question asked once. */
import type { Clock } from '../clock'
import type { MxAnswer } from '../dns/types'
import { tlsaSays, type LookUps } from '../policy'
import type { MtaStsState } from '../policy/types'
import type { ToldStep } from './types'

export interface TimedOptions {
  clock: Clock
  onStep(step: ToldStep): void
  /** Only this host, A-labels or a literal address, be it one of the domain's MX hosts or not. */
  only?: string
}

/** Look-ups that tell of themselves. */
export interface TimedLookUps extends LookUps {
  /** Is the host one of the domain's MX hosts? */
  isListed(host: string): boolean
}

/** @returns look-ups with the same answers; with `only`, that host stands in the place of the domain's MX hosts */
export function timedLookUps(lookUps: LookUps, options: TimedOptions): TimedLookUps {
  let listed: ReadonlySet<string> = new Set()
  const { published } = lookUps
  const { mtaSts, tlsa } = published ?? {}
  const timed = async <T>(
    work: () => Promise<T>,
    describe: (answer: T) => Pick<ToldStep, 'ok' | 'detail'>,
    step: Pick<ToldStep, 'step' | 'host'>,
  ): Promise<T> => {
    const began = options.clock.now()
    const answer = await work()
    options.onStep({ ...step, ms: options.clock.now() - began, ...describe(answer) })
    return answer
  }
  return {
    isLocal: (address) => lookUps.isLocal(address),
    isListed: (host) => listed.has(host),
    mx: async (domain) => {
      const answer = await timed(() => lookUps.mx(domain), mxSays, { step: 'mx' })
      listed = new Set(answer.kind === 'hosts' ? answer.hosts.map(({ host }) => host) : [])
      return options.only === undefined ? answer : onlyHost(answer, options.only, domain)
    },
    addresses: (host) =>
      timed(
        () => lookUps.addresses(host),
        (found) =>
          found.kind === 'addresses'
            ? { ok: true, detail: `${found.addresses.join(', ')}; ${dnssec(found.secure)}` }
            : { ok: false, detail: found.detail },
        { step: 'addresses', host },
      ),
    published: {
      ...(mtaSts === undefined
        ? {}
        : { mtaSts: (domain: string) => timed(() => mtaSts(domain), stsSays, { step: 'mta-sts' }) }),
      ...(tlsa === undefined
        ? {}
        : {
            tlsa: (question: Parameters<typeof tlsa>[0]) =>
              timed(
                () => tlsa(question),
                (state) => ({ ok: state.state !== 'error', detail: tlsaSays(state) }),
                { step: 'tlsa', host: question.host },
              ),
          }),
    },
  }
}

function onlyHost(answer: MxAnswer, only: string, domain: string): MxAnswer {
  if (answer.kind !== 'hosts') {
    // A server can be looked at before DNS names it.
    const hosts = [{ host: only, preference: 0 }]
    return { kind: 'hosts', hosts, secure: false, implicit: false, expandedDomain: domain }
  }
  const hosts = answer.hosts.filter(({ host }) => host === only)
  return { ...answer, hosts: hosts.length > 0 ? hosts : [{ host: only, preference: 0 }] }
}

function dnssec(secure: boolean): string {
  return secure ? 'DNSSEC secure' : 'not secured by DNSSEC'
}

function mxSays(answer: MxAnswer): Pick<ToldStep, 'ok' | 'detail'> {
  switch (answer.kind) {
    case 'hosts': {
      const list = answer.hosts.map(({ host, preference }) => `${host} (${preference})`).join(', ')
      const what = answer.implicit ? `no MX records, so the domain's own address: ${list}` : list
      return { ok: true, detail: `${what}; ${dnssec(answer.secure)}` }
    }
    case 'null-mx':
      return { ok: false, detail: 'the domain says that it takes no mail (null MX, RFC 7505)' }
    case 'no-domain':
    case 'error':
      return { ok: false, detail: answer.detail }
  }
}

function stsSays(state: MtaStsState): Pick<ToldStep, 'ok' | 'detail'> {
  switch (state.state) {
    case 'absent':
      return { ok: true, detail: 'none published' }
    case 'error':
      return { ok: false, detail: `${state.resultType}: ${state.detail}` }
    case 'policy':
      return {
        ok: true,
        detail: `policy ${state.id}, mode ${state.mode}, MX ${state.mx.join(' ')}, for ${state.maxAge} s`,
      }
  }
}
