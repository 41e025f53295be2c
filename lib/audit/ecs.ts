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
  append,
  constant,
  exact,
  exacts,
  fragment,
  key,
  object,
  plain,
  put,
  text,
  texts,
  type Fragment,
  type Json,
  type Key,
  type Mask,
  type Members,
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
  const known = knownOf(context)
  const mask = maskOf(event, context)
  const tls = tlsJson(event.tls, mask)
  const policy = event.policy === undefined ? undefined : policyJson(event.policy, known, mask)
  let line = put('', K.timestamp, exact(new Date(stamp.now).toISOString(), TIME, mask))
  line = append(line, fixed.front)
  line = put(line, K.message, text(event.message, mask))
  line = put(line, K.event, eventJson(event, fixed, facts, stamp, mask))
  line = put(line, K.observer, known.observer)
  line = putMail(line, event, context, mask)
  line = put(line, K.tls, tls.tls)
  line = put(line, K.rule, policy?.rule)
  line = put(line, K.error, errorJson(event.failure, mask))
  line = put(line, K.securemail, securemailJson(event, context, stamp, { tls: tls.own, policy: policy?.own }, mask))
  return object(line) ?? '{}'
}

function eventJson(
  { outcome, failure, optOut, duration }: AuditEvent,
  fixed: Fixed,
  facts: ActionFacts,
  stamp: EcsStamp,
  mask: Mask,
): Json | undefined {
  let json = append(put('', K.id, exact(stamp.id, UUID, mask)), fixed.kind)
  json = put(json, K.outcome, text(outcome ?? facts.outcome, mask))
  json = put(json, K.reason, text(failure?.resultType ?? optOut?.refusals[0], mask))
  json = put(append(json, fixed.source), K.sequence, plain(stamp.sequence))
  // ECS counts nanoseconds.
  if (duration !== undefined) json = put(json, K.duration, plain(Math.round(duration) * 1_000_000))
  return object(json)
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
  front: Fragment
  kind: Fragment
  source: Fragment
}

const fixedParts = new Map<ActionFacts, Fixed>()

function fixedOf(facts: ActionFacts, action: AuditEvent['action']): Fixed {
  let known = fixedParts.get(facts)
  if (known === undefined) {
    const { level, category, type } = facts
    known = {
      front: fragment(
        [K.ecs, object(put('', K.version, constant(ECS_VERSION)))],
        [K.log, object(put('', K.level, constant(level)))],
      ),
      kind: fragment(
        [K.kind, constant('event')],
        [K.category, constant(category)],
        [K.type, constant(type)],
        [K.action, constant(action)],
      ),
      source: fragment(
        [K.dataset, constant('securemail.audit')],
        [K.module, constant('securemail')],
        [K.provider, constant('haraka')],
        [K.severity, constant(SEVERITY[level])],
      ),
    }
    fixedParts.set(facts, known)
  }
  return known
}

/** What was made before, in the words of one context. */
interface Known {
  /** The same in every line of a process. */
  observer: Json | undefined
  /** Rows and sources are few, and come again with every mail. */
  policies: Map<string, { policy: Policy; json: PolicyJson }>
}

const knownIn = new WeakMap<EcsContext, Known>()

function knownOf(context: EcsContext): Known {
  let known = knownIn.get(context)
  if (known === undefined) {
    known = { observer: observerJson(context), policies: new Map() }
    knownIn.set(context, known)
  }
  return known
}

function observerJson(context: EcsContext): Json | undefined {
  const mask: Mask = (value) => maskNumbers(value, context)
  let json = put('', K.hostname, text(context.hostname, mask))
  json = put(json, K.product, constant('haraka-plugin-secure-mail'))
  json = put(json, K.version, text(context.version, mask))
  return object(put(json, K.type, constant('mta')))
}

/** Which mail, whose, from where and where to. */
function putMail(line: Members, event: AuditEvent, context: EcsContext, mask: Mask): Members {
  const { sender, source, destination } = event
  const aboutMail = event.mailId !== undefined || sender !== undefined || event.recipients !== undefined
  const from = text(sender, mask)
  let email = put('', K.direction, aboutMail ? OUTBOUND : undefined)
  email = put(email, K.localId, exact(event.mailId, MAIL_ID, mask))
  email = put(email, K.messageId, text(event.messageId, mask))
  email = put(email, K.sender, object(put('', K.address, from)))
  if (context.recipients === 'clear') email = put(email, K.to, object(put('', K.address, addressesJson(event, mask))))
  line = put(line, K.email, object(email))
  line = put(
    line,
    K.user,
    object(put(put('', K.email, sender === '' ? undefined : from), K.name, text(source?.user, mask))),
  )
  if (source !== undefined) {
    line = put(line, K.source, object(put(put('', K.ip, text(source.ip, mask)), K.port, plain(source.port))))
  }
  if (destination === undefined) return line
  const { host, ip, port } = destination
  const json = put(put('', K.domain, text(host, mask)), K.ip, text(ip, mask))
  return put(line, K.destination, object(put(json, K.port, plain(port))))
}

function addressesJson(event: AuditEvent, mask: Mask): Json | undefined {
  const addresses = event.recipients?.filter((address) => addressParts(address).local !== '')
  return texts(addresses, mask)
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
  let json = put('', IN.count, plain(all.length))
  json = put(json, K.domain, texts([...domains], mask))
  return object(put(json, IN.hmac, exacts([...digests], RECIPIENT_HMAC, mask)))
}

type Policy = NonNullable<AuditEvent['policy']>

/** What stands under `rule`, and under `securemail.policy`. */
interface PolicyJson {
  rule: Json | undefined
  own: Json | undefined
}

const MOST_POLICIES = 1000

function policyJson(policy: Policy, { policies }: Known, mask: Mask): PolicyJson {
  const { source, level, reason, rule, wouldHave } = policy
  const name = rule ?? reason ?? source
  const found = policies.get(name)
  if (found !== undefined) {
    const { policy: one } = found
    const same = one.reason === reason && one.level === level && one.source === source && one.rule === rule
    if (same && one.wouldHave === wouldHave) return found.json
  }
  let json = put('', K.ruleset, RULESET)
  json = put(json, K.id, text(rule ?? source, mask))
  json = put(json, K.name, text(level, mask))
  const ruleJson = object(put(json, K.description, text(reason, mask)))
  const own = put(put('', K.source, text(source, mask)), K.level, text(level, mask))
  const made: PolicyJson = { rule: ruleJson, own: object(put(own, IN.wouldHave, text(wouldHave, mask))) }
  // who is taken out of a text differs from mail to mail
  if (!JSON.stringify(policy).includes('@')) {
    if (policies.size >= MOST_POLICIES) policies.clear()
    policies.set(name, { policy: { ...policy }, json: made })
  }
  return made
}

function errorJson(failure: Failure | undefined, mask: Mask): Json | undefined {
  if (failure === undefined) return undefined
  const json = put(put('', K.code, text(failure.enhancedCode, mask)), K.type, text(failure.resultType, mask))
  return object(put(json, K.message, text(failure.publicText, mask)))
}

function securemailJson(
  event: AuditEvent,
  context: EcsContext,
  stamp: EcsStamp,
  { tls, policy }: { tls: Json | undefined; policy: Json | undefined },
  mask: Mask,
): Json | undefined {
  const { failure, optOut, report, attempt, queueAge, extra } = event
  let json = put('', OWN.case_id, exact(event.caseId, CASE_ID, mask))
  json = put(json, OWN.recipient, recipientJson(event, context, mask))
  json = put(json, OWN.result_type, text(failure?.resultType ?? event.resultType, mask))
  if (failure !== undefined) json = putFailure(json, failure, mask)
  json = put(json, OWN.policy, policy)
  if (optOut !== undefined) json = put(json, OWN.optout, optOutJson(optOut, mask))
  if (report !== undefined) {
    const { kind, status } = report
    json = put(json, OWN.report, object(put(put('', K.kind, text(kind, mask)), IN.status, text(status, mask))))
  }
  json = put(json, OWN.attempt, plain(attempt))
  if (queueAge !== undefined) json = put(json, OWN.queue_age_s, plain(Math.round(queueAge) / 1000))
  json = put(json, OWN.tls, tls)
  json = put(json, OWN.tls_token, text(event.tlsToken, mask))
  json = put(json, OWN.prev_hash, exact(stamp.prevHash, DIGEST, mask))
  return object(extra === undefined ? json : putExtra(json, extra, context, mask))
}

/** Where it failed, and in the remote server's own words. */
function putFailure(members: Members, failure: Failure, mask: Mask): Members {
  const { privateDetail, mx, address, port, smtp } = failure
  const where = put(put('', IN.detail, text(privateDetail, mask)), IN.mx, text(mx, mask))
  members = put(members, OWN.failure, object(put(put(where, K.address, text(address, mask)), K.port, plain(port))))
  if (smtp === undefined) return members
  const said = put(put('', K.code, plain(smtp.code)), IN.enhanced, text(smtp.enhanced, mask))
  return put(members, OWN.smtp, object(put(said, IN.text, text(smtp.text, mask))))
}

function optOutJson({ by, granted, refusals }: NonNullable<AuditEvent['optOut']>, mask: Mask): Json | undefined {
  const json = put(put('', IN.by, text(by ?? undefined, mask)), IN.granted, plain(granted))
  return object(put(json, IN.refusals, texts(refusals, mask)))
}

/**
 * Further fields: only names that are names, only values that can be none of a person's numbers. They cannot take the
 * place of the fields that this file makes itself.
 */
function putExtra(members: Members, extra: NonNullable<AuditEvent['extra']>, context: EcsContext, mask: Mask): Members {
  for (const name of Object.keys(extra)) {
    const value = extra[name]
    const named = extraKey(name)
    // A number cannot be masked and stay one: what looks like a CPR number is left out.
    if (named === null || (typeof value === 'number' && looksMasked(value, context.mask))) continue
    members = put(members, named, typeof value === 'string' ? text(value, mask) : plain(value))
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
