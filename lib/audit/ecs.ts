/**
 * One event as the Elastic Common Schema names it. What ECS has a name for goes there; the rest goes under
 * `securemail.*`. docs/audit-events.md is the reference, docs/schema/audit-event.schema.json the schema.
 */
import { mayHoldCpr } from '../classify/cpr'
import type { CertificateFacts, Failure, TlsFacts } from '../failure'
import { ACTIONS, SEVERITY } from './actions'
import { addressParts } from '../util/address'
import { personsMask, recipientHmac, type DigestKey, type RecipientStyle } from './identity'
import { maskedJson, ReadyJson, type Tree } from './mask-tree'
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

/**
 * The event's line as JSON, every string masked, without a line end. Pure.
 */
export function ecsLine(event: AuditEvent, context: EcsContext, stamp: EcsStamp): string {
  const facts = ACTIONS[event.action]
  const tree: Tree = {
    '@timestamp': new Date(stamp.now).toISOString(),
    ecs: { version: ECS_VERSION },
    log: { level: facts.level },
    message: event.message,
    event: {
      id: stamp.id,
      kind: 'event',
      category: [...facts.category],
      type: [...facts.type],
      action: event.action,
      outcome: event.outcome ?? facts.outcome,
      reason: event.failure?.resultType ?? event.optOut?.refusals[0],
      dataset: 'securemail.audit',
      module: 'securemail',
      provider: 'haraka',
      severity: SEVERITY[facts.level],
      sequence: stamp.sequence,
      // ECS counts nanoseconds.
      duration: event.duration === undefined ? undefined : Math.round(event.duration) * 1_000_000,
    },
    observer: observerJson(context),
    email: emailTree(event, context),
    user: { email: event.sender === '' ? undefined : event.sender, name: event.source?.user },
    source: { ip: event.source?.ip, port: event.source?.port },
    destination: { domain: event.destination?.host, ip: event.destination?.ip, port: event.destination?.port },
    tls: tlsTree(event.tls, context),
    rule: ruleTree(event),
    error: errorTree(event.failure),
    securemail: securemailTree(event, context, stamp),
  }
  // Somebody who writes to themselves still stands there in clear, as the sender.
  const sender = event.sender?.toLowerCase()
  const persons =
    context.recipients === 'clear' ? [] : (event.recipients ?? []).filter((one) => one.toLowerCase() !== sender)
  const withoutPersons = personsMask(persons)
  return maskedJson(tree, (text) => {
    const anonymous = withoutPersons(text)
    return maskNumbers(anonymous, context)
  })
}

function maskNumbers(text: string, context: EcsContext): string {
  return mayHoldCpr(text) ? context.mask(text) : text
}

const observers = new WeakMap<EcsContext, ReadyJson>()

/** The same in every line of a process. */
function observerJson(context: EcsContext): ReadyJson {
  let ready = observers.get(context)
  if (ready === undefined) {
    const { hostname, version } = context
    const observer = { hostname, product: 'haraka-plugin-secure-mail', version, type: 'mta' }
    ready = new ReadyJson(maskedJson(observer, (text) => maskNumbers(text, context)))
    observers.set(context, ready)
  }
  return ready
}

function emailTree(event: AuditEvent, context: EcsContext): Tree {
  const aboutMail = event.mailId !== undefined || event.sender !== undefined || event.recipients !== undefined
  return {
    direction: aboutMail ? 'outbound' : undefined,
    local_id: event.mailId,
    message_id: event.messageId,
    sender: { address: event.sender },
    to: { address: context.recipients === 'clear' ? addressesOf(event) : undefined },
  }
}

function addressesOf(event: AuditEvent): string[] | undefined {
  const addresses = (event.recipients ?? []).filter((address) => addressParts(address).local !== '')
  return addresses.length === 0 ? undefined : addresses
}

/** Domains and digests are two lists, each value once: ECS has no lists of objects that can be searched. */
function recipientTree(event: AuditEvent, context: EcsContext): Tree | undefined {
  const all = event.recipients ?? []
  if (all.length === 0) return undefined
  const domains = [...new Set(all.map((address) => addressParts(address).domain).filter((domain) => domain !== ''))]
  const digests = (addressesOf(event) ?? []).map((address) => recipientHmac(context.mask(address), context.digestKey()))
  return {
    count: all.length,
    domain: domains.length === 0 ? undefined : domains,
    hmac: context.recipients === 'clear' || digests.length === 0 ? undefined : [...new Set(digests)],
  }
}

function tlsTree(tls: AuditEvent['tls'], context: EcsContext): Tree | undefined {
  if (tls === undefined) return undefined
  if (tls === null) return { established: false }
  const { name, number } = versionOf(tls)
  return {
    established: true,
    version: number,
    version_protocol: name,
    cipher: tls.cipher,
    resumed: tls.resumed,
    client: { server_name: tls.servername },
    server: tls.certificate === undefined ? undefined : certificateJson(tls.certificate, context),
  }
}

/** `TLSv1.3` -> tls, 1.3 (ECS keeps protocol and number apart). */
function versionOf(tls: TlsFacts): { name: string | undefined; number: string | undefined } {
  const match = /^(TLS|SSL)v?(\d(?:\.\d)?)$/i.exec(tls.version)
  if (match === null) return { name: undefined, number: undefined }
  const number = match[2] ?? ''
  return { name: (match[1] ?? '').toLowerCase(), number: number.includes('.') ? number : `${number}.0` }
}

const certificates = new WeakMap<CertificateFacts, ReadyJson>()

/** A connection that serves many mails has one certificate. One that names a mailbox is looked through each time. */
function certificateJson(certificate: CertificateFacts, context: EcsContext): Tree | ReadyJson {
  const known = certificates.get(certificate)
  if (known !== undefined) return known
  const tree = certificateTree(certificate)
  const json = maskedJson({ tls: { server: tree } }, (text) => maskNumbers(text, context))
  if (json === '{}' || json.includes('@')) return tree
  const ready = new ReadyJson(json.slice('{"tls":{"server":'.length, -2))
  certificates.set(certificate, ready)
  return ready
}

function certificateTree(certificate: CertificateFacts): Tree {
  return {
    subject: certificate.subject,
    issuer: certificate.issuer,
    not_before: isoDate(certificate.notBefore),
    not_after: isoDate(certificate.notAfter),
    // ECS asks for upper case here.
    hash: { sha256: certificate.sha256.toUpperCase() },
    x509: { alternative_names: certificate.names.length === 0 ? undefined : [...certificate.names] },
  }
}

function isoDate(text: string): string | undefined {
  const millis = Date.parse(text)
  return Number.isFinite(millis) ? new Date(millis).toISOString() : undefined
}

function ruleTree(event: AuditEvent): Tree | undefined {
  if (event.policy === undefined) return undefined
  return {
    ruleset: 'securemail.policy',
    id: event.policy.rule ?? event.policy.source,
    name: event.policy.level,
    description: event.policy.reason,
  }
}

function errorTree(failure: Failure | undefined): Tree | undefined {
  if (failure === undefined) return undefined
  return { code: failure.enhancedCode, type: failure.resultType, message: failure.publicText }
}

function securemailTree(event: AuditEvent, context: EcsContext, stamp: EcsStamp): Tree {
  const { failure, policy, optOut, tls } = event
  const tree: Tree = {
    case_id: event.caseId,
    recipient: recipientTree(event, context),
    result_type: failure?.resultType ?? event.resultType,
    failure: { detail: failure?.privateDetail, mx: failure?.mx, address: failure?.address, port: failure?.port },
    smtp:
      failure?.smtp === undefined
        ? undefined
        : { code: failure.smtp.code, enhanced: failure.smtp.enhanced, text: failure.smtp.text },
    policy:
      policy === undefined ? undefined : { source: policy.source, level: policy.level, would_have: policy.wouldHave },
    optout:
      optOut === undefined
        ? undefined
        : {
            by: optOut.by ?? undefined,
            granted: optOut.granted,
            refusals: optOut.refusals.length === 0 ? undefined : [...optOut.refusals],
          },
    report: event.report === undefined ? undefined : { kind: event.report.kind, status: event.report.status },
    attempt: event.attempt,
    queue_age_s: event.queueAge === undefined ? undefined : Math.round(event.queueAge) / 1000,
    tls:
      tls === undefined || tls === null
        ? undefined
        : {
            verified: tls.verified,
            auth: tls.auth,
            pkix: tls.pkix,
            spki_sha256: tls.certificate?.spkiSha256.toLowerCase(),
          },
    tls_token: event.tlsToken,
    prev_hash: stamp.prevHash,
  }
  addExtra(tree, event.extra, context.mask)
  return tree
}

/**
 * Further fields: only names that are names, only values that can be none of a person's numbers. They cannot take the
 * place of the fields that this file makes itself.
 */
function addExtra(tree: Tree, extra: AuditEvent['extra'], mask: (text: string) => string): void {
  for (const [name, value] of Object.entries(extra ?? {})) {
    if (Object.hasOwn(tree, name) || !/^[a-z][a-z_]{0,40}[0-9]{0,2}[a-z_]{0,20}$/.test(name)) continue
    // A number cannot be masked and stay one: what looks like a CPR number is left out.
    if (typeof value === 'number' && (!Number.isFinite(value) || looksMasked(value, mask))) continue
    tree[name] = value
  }
}

/** A CPR number read as a number has ten digits, or nine where its leading zero is lost. */
const LEAST_NUMBER = 100_000_000

function looksMasked(value: number, mask: (text: string) => string): boolean {
  if (Number.isInteger(value) && value >= 0 && value < LEAST_NUMBER) return false
  const digits = String(value)
  // A lost leading zero hides one, too.
  return [digits, digits.padStart(10, '0')].some((text) => mask(text) !== text)
}
