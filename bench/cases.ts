/** What is measured, as data: which relay, to which sink, with what, and what is compared with what. */
import type { RelayId } from './relays/relay'

/** Sinks of the little Internet: one without STARTTLS, one with a P-256, one with an RSA-2048 certificate. */
export type Destination = 'plain' | 'ec' | 'rsa'

export const DESTINATIONS: readonly Destination[] = ['plain', 'ec', 'rsa']

/** Recipient domain that leads to a sink. */
export function domainOf(destination: Destination): string {
  return `${destination}.bench.test`
}

/** One set-up of one relay; cases with equal keys share a running instance. */
export interface InstanceSpec {
  relay: RelayId
  hold: boolean
  cores: 1 | 2
}

/** Names an instance: equal for equal specs. */
export function instanceKey({ relay, hold, cores }: InstanceSpec): string {
  return [relay, ...(hold ? ['hold'] : []), ...(cores === 2 ? ['2cores'] : [])].join('-')
}

/**
 * `flow`: messages are submitted and delivered at the same time.
 * `split`: all are accepted first, with delivery held back; then they are let go.
 */
export type CaseKind = 'flow' | 'split'

/** One row of the result. */
export interface Case {
  instance: InstanceSpec
  destination: Destination
  label: string
  /** Part that the row plays when ratios are formed: `ours` is divided by each baseline, and by itself without a part. */
  role: 'ours' | 'baseline' | 'shown' | 'without'
}

/** Rows that are measured under the same conditions, and so may be compared. */
export interface Group {
  id: string
  title: string
  kind: CaseKind
  /** Message size in bytes. */
  size: number
  /** Share of the number of messages asked for. */
  share: number
  cases: readonly Case[]
  /** Also measured by `--quick`. */
  quick: boolean
}

interface RowOptions {
  hold?: boolean
  cores?: 1 | 2
}

/** The rows that nearly every group has, in the order in which they are shown. */
function rows(tls: Destination, wanted: readonly (keyof typeof ROWS)[], options: RowOptions = {}): Case[] {
  return wanted.map((name) => {
    const { relay, clear, label, role } = ROWS[name]
    return {
      instance: { relay, hold: options.hold ?? false, cores: options.cores ?? 1 },
      destination: clear ? 'plain' : tls,
      label,
      role,
    }
  })
}

const ROWS = {
  harakaPlain: { relay: 'haraka-stock', clear: true, label: 'Haraka, clear text', role: 'baseline' },
  harakaMay: { relay: 'haraka-stock', clear: false, label: 'Haraka, opportunistic TLS', role: 'shown' },
  harakaForce: { relay: 'haraka-force', clear: false, label: 'Haraka, force_tls_hosts', role: 'baseline' },
  postfixPlain: { relay: 'postfix-plain', clear: true, label: 'Postfix, clear text', role: 'shown' },
  postfixTls: { relay: 'postfix-tls', clear: false, label: 'Postfix, encrypt + reuse', role: 'baseline' },
  ours: { relay: 'gateway', clear: false, label: 'secure-mail, encrypt', role: 'ours' },
  oursWithoutAudit: {
    relay: 'gateway-without-audit',
    clear: false,
    label: 'secure-mail, no audit log',
    role: 'without',
  },
  oursVerify: { relay: 'gateway-verify', clear: false, label: 'secure-mail, verify', role: 'shown' },
} as const satisfies Record<string, { relay: RelayId; clear: boolean; label: string; role: Case['role'] }>

const COMPARED = ['harakaPlain', 'harakaForce', 'postfixTls', 'ours'] as const

/** Everything that a full run measures. */
export const GROUPS: readonly Group[] = [
  {
    id: 'flow-5k-ec',
    title: 'Accept and deliver, 5 KB, P-256 sink, relay on one core',
    kind: 'flow',
    size: 5120,
    share: 1,
    quick: true,
    cases: rows('ec', [
      'harakaPlain',
      'harakaMay',
      'harakaForce',
      'postfixPlain',
      'postfixTls',
      'ours',
      'oursWithoutAudit',
      'oursVerify',
    ]),
  },
  {
    id: 'split-5k-ec',
    title: 'Accept first, then drain the queue, 5 KB, P-256 sink, relay on one core',
    kind: 'split',
    size: 5120,
    share: 0.75,
    quick: true,
    cases: rows('ec', COMPARED, { hold: true }),
  },
  {
    id: 'flow-5k-rsa',
    title: 'Accept and deliver, 5 KB, RSA-2048 sink, relay on one core',
    kind: 'flow',
    size: 5120,
    share: 0.5,
    quick: false,
    cases: rows('rsa', COMPARED),
  },
  {
    id: 'flow-100k-ec',
    title: 'Accept and deliver, 100 KB, P-256 sink, relay on one core',
    kind: 'flow',
    size: 102_400,
    share: 0.25,
    quick: false,
    cases: rows('ec', COMPARED),
  },
  {
    id: 'flow-5k-ec-2cores',
    title: 'Accept and deliver, 5 KB, P-256 sink, both cores shared with load and sink, two Haraka workers',
    kind: 'flow',
    size: 5120,
    share: 0.75,
    quick: false,
    cases: rows('ec', COMPARED, { cores: 2 }),
  },
]

/**
 * The groups of a run.
 *
 * @param quick only those marked so, and there only the rows that ratios need
 * @param only case-insensitive text; keeps groups whose id or title has it, and else rows whose label or relay has it
 *   (then with the rows they are compared with); `GROUP/ROW` keeps rows that have the one in groups that have the other
 */
export function selectGroups(quick: boolean, only: string | undefined): Group[] {
  const [wanted = '', row] = (only ?? '').toLowerCase().split('/')
  const has = (text: string, ...places: readonly string[]) => places.some((place) => place.toLowerCase().includes(text))
  const isWanted = (group: Group, { label, instance }: Case) => {
    const inGroup = has(wanted, group.id, group.title)
    return row === undefined
      ? inGroup || has(wanted, label, instance.relay)
      : inGroup && has(row, label, instance.relay)
  }
  return GROUPS.filter((group) => !quick || group.quick)
    .map((group) => ({
      ...group,
      cases: group.cases.filter((one) => (!quick || one.role !== 'shown') && isWanted(group, one)),
    }))
    .filter((group) => group.cases.length > 0)
}
