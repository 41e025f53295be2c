/** What this gateway is meant to reach, as ratios to the others in one run. Pure data: a run prints them whether met or not. */
import type { CaseKind } from './cases'
import { figure } from './table'
import type { RelayId } from './relays/relay'

/** A bound for a ratio (or, for a micro benchmark, a rate). */
export interface Target {
  /** `>=`: as much at least; `<=`: at most. */
  is: '>=' | '<='
  value: number
}

/** By kind of group, metric as the report names it, and what our row is divided by. */
const TARGETS: Readonly<Record<CaseKind, Readonly<Record<string, Partial<Record<RelayId, Target>>>>>> = {
  flow: {
    rate: {
      'haraka-force': { is: '>=', value: 2 },
      'haraka-stock': { is: '>=', value: 0.95 },
      'postfix-tls': { is: '>=', value: 1 },
    },
    'CPU per message': { 'haraka-force': { is: '<=', value: 0.55 } },
  },
  split: {
    'drain rate': {
      'haraka-force': { is: '>=', value: 5 },
      'haraka-stock': { is: '>=', value: 1.5 },
      'postfix-tls': { is: '>=', value: 2 },
    },
  },
}

/** Per second, by the name of the micro benchmark. */
const MICRO_TARGETS: Readonly<Record<string, Target>> = { 'decide()': { is: '>=', value: 100_000 } }

/** Of `--only encrypt`: rate beside OpenSSL's, the longest delay of the event loop (ms), growth for a mail of 50 MB (MB). */
export const ENCRYPT_TARGETS: Readonly<Record<'ratio' | 'delay' | 'memory', Target>> = {
  ratio: { is: '>=', value: 0.8 },
  delay: { is: '<=', value: 50 },
  // less than the message itself: it never sits in memory as a whole
  memory: { is: '<=', value: 50 },
}

/** @returns undefined where nothing was promised */
export function targetOf(kind: CaseKind, metric: string, against: RelayId): Target | undefined {
  return TARGETS[kind][metric]?.[against]
}

/** @returns undefined where nothing was promised */
export function microTargetOf(name: string): Target | undefined {
  return MICRO_TARGETS[name]
}

/** Is it reached? A target that is missed by a hair is missed. */
export function isMet({ is, value }: Target, reached: number): boolean {
  return is === '>=' ? reached >= value : reached <= value
}

/** `>= 2.00`. */
export function shown({ is, value }: Target): string {
  return `${is} ${figure(value)}`
}
