/** What one process of the gateway has to tell about the mails of one day. */
import type { AuditEvent } from '../../lib/audit/types'
import type { RefusalCode } from '../../lib/gate/types'
import type { Failure, TlsFacts } from '../../lib/failure'
import { tlsToken } from '../../lib/policy/tls-token'
import type { Requirement } from '../../lib/policy/types'
import { caseId } from '../../lib/notify/case-id'
import { DOMAINS, failureOf, partner, tlsOf, type Partner } from './partners'

export interface Told {
  at: number
  event: AuditEvent
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const SENDERS = 3000

export interface DayOptions {
  /** Start of the day, milliseconds. */
  start: number
  /** From 0. */
  number: number
  mails: number
  random: () => number
  /** `monitor` mode is played on the first days. */
  monitor: boolean
  /** The day (from 0) on which an attack, a burst and trouble are played; absent = never. */
  incidentDay?: number
}

/** Events in no order; some are of the days after. */
export function dayEvents(options: DayOptions): Told[] {
  const told: Told[] = []
  const { random } = options
  for (let n = 0; n < options.mails; n++) mail(told, options, { at: options.start + hourOfDay(random) })
  if (options.incidentDay !== undefined) incidents(told, options, options.incidentDay)
  return told
}

/** Most mail is written between eight and four. */
function hourOfDay(random: () => number): number {
  const office = random() < 0.85
  return Math.floor(office ? 7 * HOUR + (random() + random()) * 4.5 * HOUR : random() * DAY)
}

interface Wish {
  at: number
  sender?: string
  domains?: number[]
  optOut?: 'granted' | 'refused'
  /** Persons of an attack: another issuer, or no TLS. */
  attack?: 'issuer' | 'no-tls'
  source?: string
}

type Common = Pick<AuditEvent, 'mailId' | 'caseId' | 'sender' | 'source'>

function uuid(random: () => number): string {
  let hex = ''
  while (hex.length < 32)
    hex += Math.floor(random() * 0x100000000)
      .toString(16)
      .padStart(8, '0')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)]
    .join('-')
    .toUpperCase()
}

function mail(told: Told[], options: DayOptions, wish: Wish): void {
  const { random } = options
  const mailId = `${uuid(random)}.1`
  // few write much
  const person = Math.floor(SENDERS * random() ** 3)
  const sender = wish.sender ?? `person${person}@uni.example`
  const source = {
    ip: wish.source ?? `192.0.2.${person % 250}`,
    port: 40_000 + (person % 20_000),
    user: sender.split('@')[0] ?? '',
  }
  const common: Common = { mailId, caseId: caseId(mailId), sender, source }
  if (wish.domains === undefined && random() < 0.1) {
    internalMail(told, common, wish.at, random)
    return
  }
  const domains =
    wish.domains ?? Array.from({ length: random() < 0.06 ? 2 : 1 }, () => 1 + Math.floor((DOMAINS - 1) * random() ** 2))
  const groups = [...new Set(domains)].map((index) => ({
    to: partner(index),
    recipients: Array.from(
      { length: random() < 0.1 ? 3 : 1 },
      () => `modtager${Math.floor(random() * 400)}@${partner(index).domain}`,
    ),
  }))
  const all = groups.flatMap(({ recipients }) => recipients)
  const persons = random() < 0.003 ? 6 + Math.floor(random() * 40) : Math.floor(random() * 3)
  told.push({
    at: wish.at,
    event: {
      ...common,
      action: 'message-accepted',
      message: 'accepted and queued',
      messageId: `<${mailId.slice(0, 13).toLowerCase()}@uni.example>`,
      recipients: all,
      extra: {
        bytes: 2000 + Math.floor(random() ** 4 * 4_000_000),
        category: random() < 0.004 ? 3 : 2,
        persons,
        inspected: random() < 0.99,
      },
    },
  })
  const granted = optOut(told, options, { ...wish, at: wish.at - 40 }, common, all)
  if (persons > 5) category3(told, common, wish.at - 30, all, persons)
  for (const group of groups) deliver(told, options, common, wish, group, granted)
}

function internalMail(told: Told[], common: Common, at: number, random: () => number): void {
  const recipients = [`person${Math.floor(random() * SENDERS)}@uni.example`]
  const policy = { source: 'internal', level: 'may', reason: 'uni.example is internal' } as const
  const base = { ...common, recipients, policy, destination: { host: 'mail.uni.example', ip: '10.0.0.5', port: 25 } }
  told.push({
    at,
    event: {
      ...common,
      action: 'message-accepted',
      message: 'accepted and queued',
      recipients,
      extra: { bytes: 4000 },
    },
  })
  told.push({
    at: at + 300,
    event: {
      ...base,
      action: 'delivery-succeeded',
      message: 'delivered to mail.uni.example: 250 ok',
      outcome: 'success',
      tls: null,
      attempt: 1,
      queueAge: 300,
    },
  })
}

const REFUSALS: readonly RefusalCode[][] = [
  ['cpr'],
  ['no-public-marker'],
  ['sensitive'],
  ['cpr', 'no-public-marker'],
  ['uninspected'],
  ['tag-in-reply'],
]

function optOut(told: Told[], { random }: DayOptions, wish: Wish, common: Common, recipients: string[]): boolean {
  const asked = wish.optOut ?? (random() < 0.004 ? (random() < 0.6 ? 'granted' : 'refused') : undefined)
  if (asked === undefined) return false
  const granted = asked === 'granted'
  const refusals = granted ? [] : (REFUSALS[Math.floor(random() * REFUSALS.length)] ?? [])
  const by = random() < 0.9 ? 'subject-tag' : 'tls-required-no'
  const base = { ...common, recipients, optOut: { by, granted, refusals } }
  told.push({
    at: wish.at,
    event: { ...base, action: 'optout-requested', message: `an opt-out of encryption was asked for by ${by}` },
  })
  told.push({
    at: wish.at + 1,
    event: {
      ...base,
      action: granted ? 'optout-granted' : 'optout-refused',
      message: granted
        ? 'the opt-out is granted: public marker, nothing found, everything inspected'
        : `the opt-out is refused: ${refusals.join(', ')}`,
      outcome: granted ? 'success' : 'failure',
      extra: { cpr_findings: refusals.includes('cpr') ? 1 : 0, persons: 0 },
    },
  })
  return granted
}

function category3(told: Told[], common: Common, at: number, recipients: string[], persons: number): void {
  told.push({
    at,
    event: {
      ...common,
      action: 'category3-detected',
      message: 'more persons are named than may go without full encryption',
      recipients,
      extra: { persons, name_rows: persons, threshold: 5, reasons: 'persons', category3_action: 'notice' },
    },
  })
}

interface Group {
  to: Partner
  recipients: string[]
}

/** Which requirement holds: the partner's, the opt-out's, or monitor mode's. */
function policyFor({ to }: Group, options: DayOptions, granted: boolean): Partner['policy'] {
  if (granted && to.policy.source === 'default') {
    return { source: 'override', level: 'may', reason: 'the sender asked for it, and the gate granted it' }
  }
  if (options.monitor && to.policy.source !== 'map') {
    return {
      source: to.policy.source,
      level: 'may',
      reason: `monitor mode; ${to.policy.reason}, which is not enforced`,
    }
  }
  return to.policy
}

function deliver(told: Told[], options: DayOptions, common: Common, wish: Wish, group: Group, granted: boolean): void {
  const { random, monitor } = options
  const { to, recipients } = group
  const policy = policyFor(group, options, granted)
  const at = wish.at + 100 + Math.floor(random() * 400)
  told.push({
    at,
    event: {
      ...common,
      action: 'policy-resolved',
      message: policy.reason,
      recipients,
      policy,
      queueAge: at - wish.at,
      extra: { route: 'mx', sts_state: to.kind === 'mta-sts' ? 'policy' : 'absent' },
    },
  })
  const facts = tlsFactsFor(to, at, wish, policy.level)
  const failure = wish.attack === 'no-tls' ? noTls(to) : failureOf(to)
  const clearAllowed = policy.level === 'may' || policy.level === 'none'
  if (failure !== undefined && !(clearAllowed && failure.resultType !== 'connection-failed')) {
    retries(told, options, common, wish, group, policy, failure)
    return
  }
  const outcome: Outcome = {
    common,
    group,
    policy,
    at: at + 900,
    queuedAt: wish.at,
    facts: failure?.resultType === 'tls-version-too-low' ? null : facts,
    attempt: 1,
  }
  if (random() < 0.01) {
    later(told, outcome)
    outcome.at += 5 * MINUTE
    outcome.attempt = 2
  } else if (random() < 0.003) {
    rejected(told, outcome)
    return
  }
  succeed(told, outcome, random, monitor && to.policy.source !== 'map' ? (failure ?? null) : undefined)
}

function tlsFactsFor(to: Partner, at: number, wish: Wish, level: string): TlsFacts | null {
  const facts = tlsOf(to, at, wish.attack === 'issuer' ? 'CN=Other CA, C=XX' : undefined)
  if (facts === null || level === 'none' || wish.attack === 'no-tls') return null
  if (level !== 'may' && level !== 'encrypt') return facts
  const unchecked = { ...facts, verified: false }
  delete unchecked.auth
  return unchecked
}

function noTls(to: Partner): Failure {
  return {
    resultType: 'starttls-not-supported',
    enhancedCode: '4.7.10',
    publicText: 'The server does not offer TLS (STARTTLS).',
    mx: to.mx,
    address: to.ip,
    port: 25,
  }
}

interface Outcome {
  common: Common
  group: Group
  policy: Partner['policy']
  at: number
  queuedAt: number
  facts: TlsFacts | null
  attempt: number
}

function requirementOf(policy: Partner['policy']): Requirement {
  return {
    level: policy.level,
    minVersion: 'TLSv1.2',
    names: [],
    fingerprints: [],
    requiretls: false,
    source: policy.source,
    reason: policy.reason,
    daneRaises: false,
    overrideForbidden: false,
  }
}

/** @param monitored undefined = not in monitor mode; null = enforcing would have taken it all the same */
function succeed(
  told: Told[],
  { common, group, policy, at, queuedAt, facts, attempt }: Outcome,
  random: () => number,
  monitored?: Failure | null,
): void {
  const { to, recipients } = group
  const destination = { host: to.mx, ip: to.ip, port: 25 }
  const tlsWord = tlsToken(requirementOf(policy), facts)
  if (facts !== null && random() < 0.55) {
    told.push({
      at: at - 500,
      event: {
        ...common,
        action: 'tls-negotiated',
        message: `TLS with ${to.mx}`,
        outcome: 'success',
        recipients: [`@${to.domain}`],
        destination,
        tls: facts,
        policy,
        tlsToken: tlsWord,
      },
    })
  }
  const optOut = policy.source === 'override' ? { optOut: { by: 'subject-tag', granted: true, refusals: [] } } : {}
  if (facts === null) {
    told.push({
      at: at - 400,
      event: {
        ...common,
        action: 'plaintext-permitted',
        message: `clear text to ${to.mx} is permitted: ${policy.reason}`,
        recipients,
        destination: { host: to.mx, ip: to.ip },
        policy,
        ...optOut,
      },
    })
  }
  for (const recipient of recipients) {
    const event = {
      ...common,
      recipients: [recipient],
      attempt,
      queueAge: at - queuedAt,
      outcome: 'success' as const,
      destination,
      tls: facts,
      tlsToken: tlsWord,
      policy:
        monitored === undefined
          ? policy
          : { ...policy, wouldHave: monitored === null ? ('delivered' as const) : ('deferred' as const) },
      ...(monitored === undefined || monitored === null
        ? {}
        : {
            extra: {
              would_level: 'encrypt',
              would_result_type: monitored.resultType,
              would_reason: monitored.publicText,
            },
          }),
    }
    told.push({
      at,
      event: { ...event, action: 'delivery-succeeded', message: `delivered to ${to.mx}: 250 2.0.0 ok: queued as 4XyZ` },
    })
    if (facts === null)
      told.push({
        at: at + 1,
        event: { ...event, ...optOut, action: 'plaintext-delivered', message: `went out in clear text to ${to.mx}` },
      })
  }
}

function later(told: Told[], { common, group, policy, at, queuedAt, attempt }: Outcome): void {
  const failure: Failure = {
    resultType: 'smtp-deferred',
    enhancedCode: '4.2.0',
    publicText: 'The server asks to try again later.',
    smtp: { code: 450, enhanced: '4.2.0', text: 'Greylisted, try again in 300 seconds' },
    mx: group.to.mx,
    address: group.to.ip,
    port: 25,
  }
  for (const recipient of group.recipients) {
    told.push({
      at,
      event: {
        ...common,
        action: 'delivery-deferred',
        message: failure.publicText,
        outcome: 'failure',
        recipients: [recipient],
        policy,
        failure,
        attempt,
        queueAge: at - queuedAt,
      },
    })
  }
}

function rejected(told: Told[], { common, group, policy, at, queuedAt, attempt }: Outcome): void {
  const failure: Failure = {
    resultType: 'smtp-rejected',
    enhancedCode: '5.1.1',
    publicText: 'The server does not know this recipient.',
    smtp: { code: 550, enhanced: '5.1.1', text: `User unknown` },
    mx: group.to.mx,
    address: group.to.ip,
    port: 25,
  }
  for (const recipient of group.recipients) {
    told.push({
      at,
      event: {
        ...common,
        action: 'delivery-failed',
        message: failure.publicText,
        outcome: 'failure',
        recipients: [recipient],
        policy,
        failure,
        attempt,
        queueAge: at - queuedAt,
      },
    })
  }
  report(told, common, group, 'mailbox-refused', failure, at + 60_000, queuedAt)
}

function report(
  told: Told[],
  common: Common,
  { recipients }: Group,
  kind: string,
  failure: Failure,
  at: number,
  queuedAt: number,
): void {
  const action = kind === 'delayed' ? 'delay-notice-sent' : 'report-sent'
  told.push({
    at,
    event: {
      mailId: common.mailId ?? '',
      caseId: common.caseId ?? '',
      sender: common.sender ?? '',
      action,
      message: `report ${kind} queued for the sender`,
      outcome: 'success',
      recipients,
      report: { kind, status: failure.enhancedCode },
      queueAge: at - queuedAt,
      failure,
      extra: { report_to: common.sender ?? '' },
    },
  })
}

/** Minutes after which an attempt follows the one before. */
const WAITS = [1, 2, 5, 10, 20, 30]

/** Tried for its time; sometimes the partner mends the server meanwhile. */
function retries(
  told: Told[],
  { random, start }: DayOptions,
  common: Common,
  wish: Wish,
  group: Group,
  policy: Partner['policy'],
  failure: Failure,
): void {
  const { to, recipients } = group
  const isTls = failure.resultType !== 'connection-failed'
  const deadline = wish.at + (isTls ? 4 : 23) * HOUR
  const mendedAt =
    wish.attack === 'no-tls' ? start + 14 * HOUR : random() < 0.1 ? wish.at + random() * 3 * HOUR : Infinity
  const destination = { host: to.mx, ip: to.ip, port: 25 }
  let delayTold = false
  let at = wish.at + 1500
  for (let attempt = 1; at < deadline; attempt++) {
    if (at >= mendedAt) {
      const facts = tlsOf({ ...to, kind: 'tls13' }, at)
      succeed(
        told,
        {
          common,
          group,
          policy,
          at,
          queuedAt: wish.at,
          facts: facts === null ? null : { ...facts, verified: false },
          attempt,
        },
        random,
      )
      return
    }
    if (isTls) {
      told.push({
        at: at - 20,
        event: {
          ...common,
          action: 'tls-failed',
          message: failure.publicText,
          outcome: 'failure',
          recipients: [`@${to.domain}`],
          destination,
          tls: null,
          failure,
          policy,
          tlsToken: `tls=${policy.level}?`,
        },
      })
    }
    for (const recipient of recipients) {
      told.push({
        at,
        event: {
          ...common,
          action: 'delivery-deferred',
          message: failure.publicText,
          outcome: 'failure',
          recipients: [recipient],
          policy,
          failure,
          attempt,
          queueAge: at - wish.at,
        },
      })
    }
    if (!delayTold && at - wish.at > 2 * HOUR) {
      delayTold = true
      report(told, common, group, 'delayed', failure, at + 1000, wish.at)
    }
    at += (WAITS[attempt - 1] ?? 30) * MINUTE
  }
  report(told, common, group, isTls ? 'tls-not-offered' : 'unreachable', failure, deadline + 90_000, wish.at)
}

function incidents(told: Told[], options: DayOptions, day: number): void {
  const { start, number, random } = options
  if (number < day) {
    for (let n = 0; n < 3; n++) mail(told, options, { at: start + 9 * HOUR + n * HOUR, domains: [0] })
    return
  }
  if (number > day) return
  for (let n = 0; n < 5; n++)
    mail(told, options, { at: start + 9 * HOUR + n * 10 * MINUTE, domains: [0], attack: 'issuer' })
  for (let n = 0; n < 5; n++)
    mail(told, options, { at: start + 11 * HOUR + n * 10 * MINUTE, domains: [0], attack: 'no-tls' })
  const taken = { sender: 'taken@uni.example', source: '203.0.113.66' }
  for (let n = 0; n < 40; n++) {
    mail(told, options, {
      ...taken,
      at: start + 3 * HOUR + n * MINUTE,
      domains: [100 + n * 7],
      optOut: random() < 0.5 ? 'granted' : 'refused',
    })
  }
  told.push({
    at: start + 8 * HOUR,
    event: {
      action: 'config-rejected',
      message: 'configuration rejected, the last good one stays: secure-mail.ini:3: unknown key levl',
      outcome: 'failure',
    },
  })
  told.push({
    at: start + 8 * HOUR + MINUTE,
    event: {
      action: 'config-loaded',
      message: 'configuration loaded: mode=enforce, level=encrypt, 200 policy rows',
      outcome: 'success',
    },
  })
  told.push({
    at: start + 8 * HOUR + MINUTE,
    event: {
      action: 'config-loaded',
      message: 'policy row added: partner.example may',
      outcome: 'success',
      policy: { source: 'map', level: 'may', rule: 'config/secure-mail.tls_policy:9 partner.example' },
      extra: { change: 'added', row: 'partner.example', expires: '2027-01-31', file_owner: 'postmaster' },
    },
  })
  told.push({
    at: start + 10 * HOUR,
    event: {
      action: 'plugin-error',
      message: 'store: the store cannot be reached',
      outcome: 'failure',
      extra: { what: 'store' },
    },
  })
}
