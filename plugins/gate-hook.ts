/**
 * The gate's place in Haraka: `queue_outbound` of relaying connections, before anything signs the mail, and the seal at
 * the end of `pre_send_trans_email`. Between the two lies every other plugin, so the seal compares the mail with the
 * one the verdict was about.
 */
import { inspect } from '../lib/gate'
import type { ContentReader } from '../lib/gate/reading'
import type { Inspection, Refusal, Submission, Verdict } from '../lib/gate/types'
import { isInternalDomain } from '../lib/policy/internal'
import { contentDigestInSteps } from '../lib/message/digest'
import { caseId } from '../lib/notify/case-id'
import { sealNotes } from '../lib/store/seal'
import { CODE, type Connection, type HarakaModules, type Transaction } from './haraka'
import { decide, decisionOn, undecide, type GateDecision } from './decisions'
import { dsnParameters } from './envelope-hooks'
import { outcomeOfCategory3, reportedMail } from './category3'
import { withDeadline, type HookResult } from './guard'
import { asciiDomain } from '../lib/util/address'
import { envelopeAddress } from './mail-facts'
import { messageOf } from './message-of'
import { NOTES_KEY } from './notes-key'
import { redeemReport } from './report-pass'
import { requiretlsOf } from './requiretls'
import type { Runtime } from './runtime'
import { replaceSubject } from './subject-edit'
import { settleTlsRequired } from './tls-required-edit'

/** `queue_outbound`: take the verdict. Throwing here means 451 (see `guard`). */
export async function gate(haraka: HarakaModules, runtime: Runtime, connection: Connection): Promise<HookResult> {
  const { transaction } = connection
  if (transaction === null) return [CODE.denysoft, '4.3.0 no transaction']
  // an answer of an earlier try on this transaction must not stand
  undecide(transaction)
  const settings = runtime.settings()
  const requiretls = requiretlsOf(connection, transaction)
  if (requiretls === undefined) {
    return [CODE.denysoft, '4.3.0 another plugin hid the MAIL command, so nobody knows what it asked for']
  }
  const notes = freshNotes(connection, transaction, requiretls)
  const external = transaction.rcpt_to.filter(
    (recipient) => !isInternalDomain(asciiDomain(recipient.host), settings.main.internalDomains),
  )
  if (external.length === 0) {
    decide(transaction, { notes, digestAtVerdict: null, reportedInstead: false })
    return []
  }
  const inspection = await inspectMail(runtime, connection, transaction, notes)
  const { verdict, category3, inspected } = inspection
  const judged = verdict.requested
    ? await judgeOptOut(runtime, transaction, notes, inspection)
    : {
        notes: { ...notes, category: verdict.category, optOut: optOutOf(verdict) },
        digestAtVerdict: null,
        reportedInstead: false,
      }
  if (!('notes' in judged)) return judged.answer
  const decision = Object.assign({}, judged, { content: { persons: category3.persons, inspected } })
  const after = await outcomeOfCategory3(haraka, runtime, transaction, decision, inspection, external)
  if ('answer' in after) return after.answer
  if (after.decision.reportedInstead) {
    decide(transaction, after.decision)
    return [CODE.ok, `2.0.0 not sent, a report is on its way to the sender (case ${notes.caseId})`]
  }
  goOn(runtime, transaction, after.decision)
  return []
}

/** Bytes of messages that are read back and looked into at one time; a mail beyond that is not read. */
const MOST_BYTES = 256 * 1024 * 1024
/** When an answer must be there, well before the hook's own deadline, in milliseconds. */
const READING_ENDS = 50_000

let bytesInHand = 0

/** What cannot be read in time or for want of memory is said to be unread; only a broken disk rejects. */
async function inspectMail(
  runtime: Runtime,
  connection: Connection,
  transaction: Transaction,
  notes: GateDecision['notes'],
): Promise<Inspection> {
  const submission: Submission = {
    authenticated: typeof connection.notes.auth_user === 'string' && connection.notes.auth_user !== '',
    aclListed: connection.results.get('relay')?.pass?.includes('acl') ?? false,
    mailFrom: notes.sender,
    requiretls: notes.requiretls,
  }
  const bytes = transaction.data_bytes
  const began = performance.now()
  const tooMuch = bytesInHand > 0 && bytesInHand + bytes > MOST_BYTES
  const read: ContentReader = (...message) =>
    withDeadline(runtime.readers.read(...message), READING_ENDS - (performance.now() - began), 'reading a mail')
  bytesInHand += bytes
  try {
    if (tooMuch) {
      runtime.reportError('inspection', new Error('too much is being read at this time'))
      // the header says what is asked for
      const head = Buffer.from(`${transaction.header.header_list.join('')}\r\n`)
      return await inspect(head, submission, runtime.settings(), runtime.clock, null)
    }
    return await inspect(await messageOf(transaction), submission, runtime.settings(), runtime.clock, read)
  } finally {
    bytesInHand -= bytes
  }
}

/** The mail is to be queued: see to the header field that other servers would obey, and remember the verdict. */
function goOn(runtime: Runtime, transaction: Transaction, decision: GateDecision): void {
  const { main, override } = runtime.settings()
  const rules = { allowed: override.tlsRequiredNo, enforce: main.mode === 'enforce' }
  const tlsRequired = settleTlsRequired(transaction, decision.notes.grant !== null, rules)
  decide(transaction, { ...decision, ...(tlsRequired === undefined ? {} : { tlsRequired }) })
}

function freshNotes(connection: Connection, transaction: Transaction, requiretls: boolean): GateDecision['notes'] {
  const dsn = dsnParameters(transaction)
  const user = connection.notes.auth_user
  return {
    v: 1,
    mailId: transaction.uuid,
    sender: envelopeAddress(transaction.mail_from),
    recipients: transaction.rcpt_to.map(envelopeAddress),
    kind: 'mail',
    caseId: caseId(transaction.uuid),
    category: null,
    grant: null,
    requiretls,
    optOut: { requested: false, refusals: [] },
    acceptedAt: Date.now(),
    source: { ip: connection.remote.ip, ...(typeof user === 'string' ? { user } : {}) },
    ...(dsn === undefined ? {} : { dsn }),
  }
}

/** @returns the decision by which the mail goes on, or the hook's answer that ends it here */
async function judgeOptOut(
  runtime: Runtime,
  transaction: Transaction,
  notes: GateDecision['notes'],
  inspection: Inspection,
): Promise<GateDecision | { answer: HookResult }> {
  const enforce = runtime.settings().main.mode === 'enforce'
  const { verdict } = inspection
  tellVerdict(runtime, notes, verdict)
  if (verdict.granted && verdict.by !== null) {
    if (enforce) stripTag(transaction, inspection)
    return {
      notes: { ...notes, category: 1, grant: { by: verdict.by }, optOut: { requested: true, refusals: [] } },
      digestAtVerdict: await contentDigestInSteps(await messageOf(transaction)),
      reportedInstead: false,
    }
  }
  const refused = { ...notes, category: verdict.category, optOut: optOutOf(verdict) }
  return await refuse(runtime, transaction, refused, verdict.refusals, enforce)
}

function optOutOf({ requested, refusals, contentForbids }: Verdict): GateDecision['notes']['optOut'] {
  return { requested, refusals, ...(contentForbids ? { forbidden: true } : {}) }
}

/** The three forms of `override.refused`; in monitor mode only what would have been is recorded. */
async function refuse(
  runtime: Runtime,
  transaction: Transaction,
  notes: GateDecision['notes'],
  refusals: readonly Refusal[],
  enforce: boolean,
): Promise<GateDecision | { answer: HookResult }> {
  const { override } = runtime.settings()
  if (!enforce || override.refused === 'enforce') {
    return { notes, digestAtVerdict: null, reportedInstead: false }
  }
  const codes = [...new Set(refusals.map((refusal) => refusal.code))].join(', ')
  if (override.refused === 'reject') {
    const text = `5.7.1 The opt-out of encryption is refused (${codes}). Remove the tag from the subject and send again. Case ${notes.caseId}`
    return { answer: [CODE.deny, text] }
  }
  await runtime.reporter.optOutRefused(reportedMail(transaction, notes), notes.recipients, {
    resultType: 'optout-refused',
    // RFC 3463 X.7.1: delivery not authorized, message refused
    enhancedCode: '5.7.1',
    publicText: `the opt-out of encryption was refused: ${codes}`,
  })
  decide(transaction, { notes, digestAtVerdict: null, reportedInstead: true })
  return { answer: [CODE.ok, `2.0.0 not sent, a report is on its way to the sender (case ${notes.caseId})`] }
}

/** Take the tag out of the raw subject, where the gate found that it can be done and should be. */
function stripTag(transaction: Transaction, { strippedSubject }: Inspection): void {
  // the gate read bytes, one character each; Haraka's header list holds text
  if (strippedSubject !== null) replaceSubject(transaction, Buffer.from(strippedSubject, 'latin1').toString('utf8'))
}

function tellVerdict(runtime: Runtime, notes: GateDecision['notes'], verdict: Verdict): void {
  const common = {
    mailId: notes.mailId,
    caseId: notes.caseId,
    sender: notes.sender,
    recipients: notes.recipients,
    ...(notes.source === undefined ? {} : { source: notes.source }),
  }
  const refusals = [...new Set(verdict.refusals.map((refusal) => refusal.code))]
  runtime.audit.tell({
    action: 'optout-requested',
    ...common,
    message: `an opt-out of encryption was asked for by ${verdict.by ?? 'nobody'}`,
    optOut: { by: verdict.by, granted: verdict.granted, refusals },
  })
  runtime.audit.tell({
    action: verdict.granted ? 'optout-granted' : 'optout-refused',
    ...common,
    message: verdict.granted
      ? 'the opt-out is granted: public marker, nothing found, everything inspected'
      : `the opt-out is refused: ${refusals.join(', ')}`,
    outcome: verdict.granted ? 'success' : 'failure',
    optOut: { by: verdict.by, granted: verdict.granted, refusals },
    extra: {
      cpr_findings: verdict.findings.length,
      persons: verdict.persons,
      ...(runtime.settings().main.mode === 'monitor' && !verdict.granted ? { would_have: wouldHave(runtime) } : {}),
    },
  })
}

function wouldHave(runtime: Runtime): string {
  switch (runtime.settings().override.refused) {
    case 'reject':
      return 'rejected'
    case 'ndr':
      return 'report'
    case 'enforce':
      return 'delivered'
  }
}

/**
 * `pre_send_trans_email`, last of all: seal what the queue file will carry. Runs for generated mail as well.
 *
 * @returns a promise only where the content matters and is read again
 */
export function seal(runtime: Runtime, transaction: Transaction): Promise<HookResult> | HookResult {
  Reflect.deleteProperty(transaction.notes, NOTES_KEY)
  const decision = decisionOn(transaction) ?? generatedMail(transaction)
  const { notes } = decision
  return notes.grant !== null || notes.requiretls
    ? sealWithContent(runtime, transaction, decision)
    : putSeal(runtime, transaction, notes, null)
}

async function sealWithContent(
  runtime: Runtime,
  transaction: Transaction,
  { notes, digestAtVerdict }: GateDecision,
): Promise<HookResult> {
  const digest = await contentDigestInSteps(await messageOf(transaction))
  if (notes.grant === null || digest === digestAtVerdict) return putSeal(runtime, transaction, notes, digest)
  return putSeal(runtime, transaction, withdrawGrant(runtime, notes), notes.requiretls ? digest : null)
}

function putSeal(
  runtime: Runtime,
  transaction: Transaction,
  notes: GateDecision['notes'],
  digest: string | null,
): HookResult {
  transaction.notes[NOTES_KEY] = sealNotes(Object.assign({}, notes, { digest }), runtime.sealKey)
  return []
}

/** Mail that no client submitted: our reports, redeemed by their token, and what other plugins generate. */
function generatedMail(transaction: Transaction): GateDecision {
  const pass = redeemReport(transaction.notes)
  return {
    notes: {
      v: 1,
      mailId: transaction.uuid,
      sender: envelopeAddress(transaction.mail_from),
      recipients: transaction.rcpt_to.map(envelopeAddress),
      kind: pass?.kind ?? 'mail',
      caseId: pass?.caseId ?? caseId(transaction.uuid),
      category: null,
      grant: null,
      requiretls: pass?.requiretls ?? false,
      optOut: { requested: false, refusals: [] },
      acceptedAt: Date.now(),
    },
    digestAtVerdict: null,
    reportedInstead: false,
  }
}

function withdrawGrant(runtime: Runtime, notes: GateDecision['notes']): GateDecision['notes'] {
  const refusal: Refusal = {
    code: 'changed-after-verdict',
    where: 'message',
    detail: 'the mail was changed by another plugin after it had been inspected',
  }
  runtime.audit.tell({
    action: 'optout-refused',
    message: 'the grant is withdrawn: another plugin changed the mail after the verdict',
    outcome: 'failure',
    mailId: notes.mailId,
    caseId: notes.caseId,
    sender: notes.sender,
    recipients: notes.recipients,
    optOut: { by: notes.grant?.by ?? null, granted: false, refusals: [refusal.code] },
  })
  return {
    ...notes,
    category: 2,
    grant: null,
    optOut: { requested: true, refusals: [...notes.optOut.refusals, refusal] },
  }
}
