/**
 * One event as the Elastic Common Schema names it. What ECS has a name for goes there; the rest goes under
 * `securemail.*`. docs/audit-events.md is the reference, docs/schema/audit-event.schema.json the schema.
 */
import { mayHoldCpr } from '../classify/cpr'
import type { Failure } from '../failure'
import { addressParts } from '../util/address'
import { ACTIONS, SEVERITY, type ActionFacts } from './actions'
import { tlsJson } from './ecs-tls'
import { CASE_ID, DIGEST, MAIL_ID, TIME, UUID } from './forms'
import { personsMask, RECIPIENT_HMAC, recipientHmac, type DigestKey, type RecipientStyle } from './identity'
import {
  constant,
  exact,
  exacts,
  key,
  member,
  object,
  plain,
  text,
  texts,
  type Json,
  type Key,
  type Mask,
} from './json'
import type { AuditEvent } from './types'

/** Version of ECS that the field names are from. */
export const ECS_VERSION = '8.17.0'

/** What is the same for every event of one process. */
export interface EcsContext {
  hostname: string
  version: string
  recipients: RecipientStyle
  /** The key in use now; it may change from one event to the next. */
  digestKey: () => DigestKey
  /** Replaces CPR numbers in a text. */
  mask: (text: string) => string
}

/** What is new with every event. */
export interface EcsStamp {
  /** Milliseconds. */
  now: number
  /** event.sequence of this line in its file. */
  sequence: number
  /** event.id */
  id: string
  /** Hash of the line before, in hex. */
  prevHash: string
}

/** Names of the members, in the order in which they stand in the line. */
const K = {
  timestamp: key('@timestamp'),
  ecs: key('ecs'),
  log: key('log'),
  message: key('message'),
  event: key('event'),
  id: key('id'),
  kind: key('kind'),
  category: key('category'),
  type: key('type'),
  action: key('action'),
  outcome: key('outcome'),
  reason: key('reason'),
  dataset: key('dataset'),
  module: key('module'),
  provider: key('provider'),
  severity: key('severity'),
  sequence: key('sequence'),
  duration: key('duration'),
  observer: key('observer'),
  hostname: key('hostname'),
  product: key('product'),
  version: key('version'),
  level: key('level'),
  email: key('email'),
  direction: key('direction'),
  localId: key('local_id'),
  messageId: key('message_id'),
  sender: key('sender'),
  to: key('to'),
  address: key('address'),
  user: key('user'),
  name: key('name'),
  source: key('source'),
  ip: key('ip'),
  port: key('port'),
  destination: key('destination'),
  domain: key('domain'),
  tls: key('tls'),
  rule: key('rule'),
  ruleset: key('ruleset'),
  description: key('description'),
  error: key('error'),
  code: key('code'),
  securemail: key('securemail'),
} as const

/** Names under `securemail`, by which nobody's further fields may go. */
const OWN = {
  case_id: key('case_id'),
  recipient: key('recipient'),
  result_type: key('result_type'),
  failure: key('failure'),
  smtp: key('smtp'),
  policy: key('policy'),
  optout: key('optout'),
  report: key('report'),
  attempt: key('attempt'),
  queue_age_s: key('queue_age_s'),
  tls: key('tls'),
  tls_token: key('tls_token'),
  prev_hash: key('prev_hash'),
} as const

/** And in the objects under these. */
const IN = {
  count: key('count'),
  hmac: key('hmac'),
  detail: key('detail'),
  mx: key('mx'),
  enhanced: key('enhanced'),
  text: key('text'),
  wouldHave: key('would_have'),
  by: key('by'),
  granted: key('granted'),
  refusals: key('refusals'),
  status: key('status'),
} as const

const OUTBOUND = constant('outbound')
const RULESET = constant('securemail.policy')

/**
 * The event's line as JSON, every string masked, without a line end. Pure.
 */
export function ecsLine(event: AuditEvent, context: EcsContext, stamp: EcsStamp): string {
  const facts = ACTIONS[event.action]
  const fixed = fixedOf(facts, event.action)
  const mask = maskOf(event, context)
  const { policy } = event
  const tls = tlsJson(event.tls, mask)
  const members =
    member(K.timestamp, exact(new Date(stamp.now).toISOString(), TIME, mask)) +
    fixed.front +
    member(K.message, text(event.message, mask)) +
    member(
      K.event,
      object(
        member(K.id, exact(stamp.id, UUID, mask)) +
          fixed.kind +
          member(K.outcome, text(event.outcome ?? facts.outcome, mask)) +
          member(K.reason, text(event.failure?.resultType ?? event.optOut?.refusals[0], mask)) +
          fixed.source +
          member(K.sequence, plain(stamp.sequence)) +
          // ECS counts nanoseconds.
          member(K.duration, plain(event.duration === undefined ? undefined : Math.round(event.duration) * 1_000_000)),
      ),
    ) +
    member(K.observer, observerJson(context)) +
    mailMembers(event, context, mask) +
    member(K.tls, tls.tls) +
    (policy === undefined
      ? ''
      : member(
          K.rule,
          object(
            member(K.ruleset, RULESET) +
              member(K.id, text(policy.rule ?? policy.source, mask)) +
              member(K.name, text(policy.level, mask)) +
              member(K.description, text(policy.reason, mask)),
          ),
        )) +
    member(K.error, errorJson(event.failure, mask)) +
    member(K.securemail, securemailJson(event, context, stamp, tls.own, mask))
  return object(members) ?? '{}'
}

/** What every text of this event goes through. */
function maskOf(event: AuditEvent, context: EcsContext): Mask {
  // Somebody who writes to themselves still stands there in clear, as the sender.
  const sender = event.sender?.toLowerCase()
  const persons =
    context.recipients === 'clear' ? [] : (event.recipients ?? []).filter((one) => one.toLowerCase() !== sender)
  const withoutPersons = personsMask(persons)
  return (value) => maskNumbers(withoutPersons(value), context)
}

function maskNumbers(value: string, context: EcsContext): string {
  return mayHoldCpr(value) ? context.mask(value) : value
}

/** Members that are the same in every event of an action. */
interface Fixed {
  front: string
  kind: string
  source: string
}

const fixed = new Map<ActionFacts, Fixed>()

function fixedOf(facts: ActionFacts, action: AuditEvent['action']): Fixed {
  let known = fixed.get(facts)
  if (known === undefined) {
    const { level } = facts
    known = {
      front:
        member(K.ecs, object(member(K.version, constant(ECS_VERSION)))) +
        member(K.log, object(member(K.level, constant(level)))),
      kind:
        member(K.kind, constant('event')) +
        member(K.category, constant(facts.category)) +
        member(K.type, constant(facts.type)) +
        member(K.action, constant(action)),
      source:
        member(K.dataset, constant('securemail.audit')) +
        member(K.module, constant('securemail')) +
        member(K.provider, constant('haraka')) +
        member(K.severity, constant(SEVERITY[level])),
    }
    fixed.set(facts, known)
  }
  return known
}

const observers = new WeakMap<EcsContext, Json>()

/** The same in every line of a process. */
function observerJson(context: EcsContext): Json | undefined {
  const known = observers.get(context)
  if (known !== undefined) return known
  const mask: Mask = (value) => maskNumbers(value, context)
  const json = object(
    member(K.hostname, text(context.hostname, mask)) +
      member(K.product, constant('haraka-plugin-secure-mail')) +
      member(K.version, text(context.version, mask)) +
      member(K.type, constant('mta')),
  )
  if (json !== undefined) observers.set(context, json)
  return json
}

/** Which mail, whose, from where and where to. */
function mailMembers(event: AuditEvent, context: EcsContext, mask: Mask): string {
  const { sender, source, destination } = event
  const aboutMail = event.mailId !== undefined || sender !== undefined || event.recipients !== undefined
  const from = text(sender, mask)
  const to = context.recipients === 'clear' ? texts(addressesOf(event), mask) : undefined
  const email =
    member(K.direction, aboutMail ? OUTBOUND : undefined) +
    member(K.localId, exact(event.mailId, MAIL_ID, mask)) +
    member(K.messageId, text(event.messageId, mask)) +
    member(K.sender, object(member(K.address, from))) +
    member(K.to, object(member(K.address, to)))
  const user = member(K.email, sender === '' ? undefined : from) + member(K.name, text(source?.user, mask))
  return (
    member(K.email, object(email)) +
    member(K.user, object(user)) +
    member(K.source, object(member(K.ip, text(source?.ip, mask)) + member(K.port, plain(source?.port)))) +
    (destination === undefined
      ? ''
      : member(
          K.destination,
          object(
            member(K.domain, text(destination.host, mask)) +
              member(K.ip, text(destination.ip, mask)) +
              member(K.port, plain(destination.port)),
          ),
        ))
  )
}

function addressesOf(event: AuditEvent): string[] {
  return (event.recipients ?? []).filter((address) => addressParts(address).local !== '')
}

/** Domains and digests are two lists, each value once: ECS has no lists of objects that can be searched. */
function recipientJson(event: AuditEvent, context: EcsContext, mask: Mask): Json | undefined {
  const all = event.recipients ?? []
  if (all.length === 0) return undefined
  const domains = new Set<string>()
  const digests = new Set<string>()
  for (const address of all) {
    const { local, domain } = addressParts(address)
    if (domain !== '') domains.add(domain)
    if (local !== '' && context.recipients !== 'clear') {
      digests.add(recipientHmac(maskNumbers(address, context), context.digestKey()))
    }
  }
  return object(
    member(IN.count, plain(all.length)) +
      member(K.domain, texts([...domains], mask)) +
      member(IN.hmac, exacts([...digests], RECIPIENT_HMAC, mask)),
  )
}

function errorJson(failure: Failure | undefined, mask: Mask): Json | undefined {
  if (failure === undefined) return undefined
  return object(
    member(K.code, text(failure.enhancedCode, mask)) +
      member(K.type, text(failure.resultType, mask)) +
      member(K.message, text(failure.publicText, mask)),
  )
}

function securemailJson(
  event: AuditEvent,
  context: EcsContext,
  stamp: EcsStamp,
  tls: Json | undefined,
  mask: Mask,
): Json | undefined {
  const { failure, policy, optOut, report } = event
  return object(
    member(OWN.case_id, exact(event.caseId, CASE_ID, mask)) +
      member(OWN.recipient, recipientJson(event, context, mask)) +
      member(OWN.result_type, text(failure?.resultType ?? event.resultType, mask)) +
      (failure === undefined ? '' : failureMembers(failure, mask)) +
      (policy === undefined
        ? ''
        : member(
            OWN.policy,
            object(
              member(K.source, text(policy.source, mask)) +
                member(K.level, text(policy.level, mask)) +
                member(IN.wouldHave, text(policy.wouldHave, mask)),
            ),
          )) +
      (optOut === undefined
        ? ''
        : member(
            OWN.optout,
            object(
              member(IN.by, text(optOut.by ?? undefined, mask)) +
                member(IN.granted, plain(optOut.granted)) +
                member(IN.refusals, texts(optOut.refusals, mask)),
            ),
          )) +
      (report === undefined
        ? ''
        : member(
            OWN.report,
            object(member(K.kind, text(report.kind, mask)) + member(IN.status, text(report.status, mask))),
          )) +
      member(OWN.attempt, plain(event.attempt)) +
      member(OWN.queue_age_s, plain(event.queueAge === undefined ? undefined : Math.round(event.queueAge) / 1000)) +
      member(OWN.tls, tls) +
      member(OWN.tls_token, text(event.tlsToken, mask)) +
      member(OWN.prev_hash, exact(stamp.prevHash, DIGEST, mask)) +
      extraMembers(event.extra, context, mask),
  )
}

/** Where it failed, and in the remote server's own words. */
function failureMembers({ privateDetail, mx, address, port, smtp }: Failure, mask: Mask): string {
  const failure =
    member(IN.detail, text(privateDetail, mask)) +
    member(IN.mx, text(mx, mask)) +
    member(K.address, text(address, mask)) +
    member(K.port, plain(port))
  return (
    member(OWN.failure, object(failure)) +
    (smtp === undefined
      ? ''
      : member(
          OWN.smtp,
          object(
            member(K.code, plain(smtp.code)) +
              member(IN.enhanced, text(smtp.enhanced, mask)) +
              member(IN.text, text(smtp.text, mask)),
          ),
        ))
  )
}

/**
 * Further fields: only names that are names, only values that can be none of a person's numbers. They cannot take the
 * place of the fields that this file makes itself.
 */
function extraMembers(extra: AuditEvent['extra'], context: EcsContext, mask: Mask): string {
  if (extra === undefined) return ''
  let members = ''
  for (const name of Object.keys(extra)) {
    const value = extra[name]
    const named = extraKey(name)
    // A number cannot be masked and stay one: what looks like a CPR number is left out.
    if (named === null || (typeof value === 'number' && looksMasked(value, context.mask))) continue
    members += member(named, typeof value === 'string' ? text(value, mask) : plain(value))
  }
  return members
}

/** Such names are few, and come again with every line; null = it is none. */
const extraKeys = new Map<string, Key | null>()
const MOST_EXTRA_KEYS = 1000

function extraKey(name: string): Key | null {
  let known = extraKeys.get(name)
  if (known === undefined) {
    const allowed = !Object.hasOwn(OWN, name) && /^[a-z][a-z_]{0,40}[0-9]{0,2}[a-z_]{0,20}$/.test(name)
    known = allowed ? key(name) : null
    if (extraKeys.size < MOST_EXTRA_KEYS) extraKeys.set(name, known)
  }
  return known
}

/** A CPR number read as a number has ten digits, or nine where its leading zero is lost. */
const LEAST_NUMBER = 100_000_000

/** Also what is no number. */
function looksMasked(value: number, mask: Mask): boolean {
  if (Number.isInteger(value) && value >= 0 && value < LEAST_NUMBER) return false
  if (!Number.isFinite(value)) return true
  const digits = String(value)
  // A lost leading zero hides one, too.
  return [digits, digits.padStart(10, '0')].some((one) => mask(one) !== one)
}
