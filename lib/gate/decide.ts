/**
 * The one place where it is decided whether a mail may leave without TLS. Pure: the same content and rules give the same
 * verdict, to the gateway, to `scan`, and to whoever explains it.
 */
import { addressListed, domainListed, domainOf, normalAddress } from './addresses'
import type { Content, Finding, Marker, Refusal, RefusalCode, Rules, SenderFacts, Verdict } from './types'

/** How many places are named per code; the rest is counted. */
const NAMED_PLACES = 20
const RANK: Readonly<Record<Finding['confidence'], number>> = { low: 0, medium: 1, high: 2 }

/**
 * @param content what a reading found
 * @param rules what the configuration allows
 * @returns the verdict, with every failing condition
 */
export function decide(content: Content, rules: Rules): Verdict {
  const requested = content.request.by !== null
  const refusals = requested ? refusalsOf(content, rules) : []
  const granted = requested && refusals.length === 0
  return {
    // an encrypted body below a subject with a CPR number is not fully encrypted content
    category: content.wholeProtected && content.findings.length === 0 ? 3 : granted ? 1 : 2,
    requested,
    by: content.request.by,
    granted,
    refusals,
    contentForbids: contentForbids(content, rules),
    persons: content.persons,
    nameRows: content.nameRows,
    findings: [...content.findings],
    markers: [...content.markers],
    protection: [...content.protection],
    uninspected: [...content.uninspected],
  }
}

function refusalsOf(content: Content, rules: Rules): Refusal[] {
  const { request, sender } = content
  const refusals: Refusal[] = []
  const refuse = (code: RefusalCode, where: string, detail: string) => refusals.push({ code, where, detail })
  if (request.inherited) refuse('tag-in-reply', request.where, 'The tag stands behind a reply or forward prefix.')
  if (request.secure) refuse('secure-requested', 'subject', 'Full encryption is asked for in the same subject.')
  // RFC 8689 section 4.1: who demands TLS at every hop cannot waive it in the same mail
  if (sender?.requiretls) refuse('secure-requested', 'MAIL FROM', 'REQUIRETLS was given with the mail.')
  for (const { where, detail } of senderProblems(sender, rules)) refuse('sender-not-allowed', where, detail)
  if (sender?.subjectFields !== 1) {
    refuse('marker-conflict', 'subject', `The message has ${sender?.subjectFields ?? 0} Subject fields instead of one.`)
  }
  for (const { where, detail } of content.conflicts) refuse('marker-conflict', where, detail)
  if (!content.markers.some((marker) => marker.class === 'public')) {
    refuse('no-public-marker', 'message', 'Nothing says that the content is classified as public.')
  }
  for (const marker of contradicting(content)) {
    const detail =
      marker.class === 'non-public'
        ? 'A mark says that the content is not public.'
        : 'A mark is not known to mean public.'
    refuse('contradicting-label', marker.where ?? marker.source, detail)
  }
  for (const finding of blocking(content, rules)) {
    refuse('cpr', finding.where, 'Something that reads as a CPR number stands there.')
  }
  for (const { where, detail } of content.sensitive) refuse('sensitive', where, detail)
  for (const { where, reason } of content.uninspected) refuse('uninspected', where, `It could not be read: ${reason}.`)
  // encrypted content is uninspected by nature, whatever else was found
  if (content.protection.length > 0 && content.uninspected.length === 0) {
    refuse('uninspected', content.protection[0]?.where ?? 'message', 'It is encrypted.')
  }
  if (content.timeUp) refuse('cannot-inspect-now', 'message', 'The reading was not complete in time.')
  return shortened(refusals)
}

/** The conditions that are about what is in the mail, and not about who asks or how. */
function contentForbids(content: Content, rules: Rules): boolean {
  return (
    blocking(content, rules).length > 0 ||
    content.sensitive.length > 0 ||
    contradicting(content).length > 0 ||
    content.protection.length > 0
  )
}

function blocking(content: Content, rules: Rules): Finding[] {
  return content.findings.filter((finding) => RANK[finding.confidence] >= RANK[rules.blockAt])
}

function contradicting(content: Content): Marker[] {
  return content.markers.filter((marker) => marker.class !== 'public')
}

/** Condition 1: who may opt out. */
function senderProblems(sender: SenderFacts | null, rules: Rules): { where: string; detail: string }[] {
  const problems: { where: string; detail: string }[] = []
  const problem = (where: string, detail: string) => problems.push({ where, detail })
  if (sender === null) {
    problem('header', 'Nobody looked at who sends the message.')
    return problems
  }
  if (!sender.authenticated && !sender.aclListed) {
    problem('submission', 'The submitter is neither authenticated nor listed in the relay ACL.')
  }
  const mailFrom = normalAddress(sender.mailFrom)
  const from = sender.fromFields === 1 && sender.from?.length === 1 ? sender.from[0] : undefined
  if (mailFrom === null) problem('MAIL FROM', 'The envelope sender is empty or no plain address.')
  else problems.push(...addressProblems('MAIL FROM', mailFrom, rules))
  if (from === undefined) problem('header From', 'There is not exactly one From field with one plain address.')
  else problems.push(...addressProblems('header From', from, rules))
  for (const name of sender.resent) problem(`header ${name}`, 'The message was resent.')
  if (sender.list) problem('header List-Id', 'The message comes from a mailing list.')
  if (sender.autoSubmitted !== null && sender.autoSubmitted !== 'no') {
    problem('header Auto-Submitted', 'The message was sent by a machine.')
  }
  return problems
}

function addressProblems(where: string, address: string, rules: Rules): { where: string; detail: string }[] {
  const problems: { where: string; detail: string }[] = []
  if (!domainListed(domainOf(address), rules.internalDomains)) {
    problems.push({ where, detail: 'The domain is not one of the own domains.' })
  }
  if (addressListed(address, rules.sendersDeny)) problems.push({ where, detail: 'The sender is on the deny list.' })
  if (rules.sendersAllow.length > 0 && !addressListed(address, rules.sendersAllow)) {
    problems.push({ where, detail: 'The sender is not on the allow list.' })
  }
  return problems
}

/** The same place once per code, and not without end. */
function shortened(refusals: readonly Refusal[]): Refusal[] {
  const seen = new Set<string>()
  const count = new Map<RefusalCode, number>()
  const kept: Refusal[] = []
  for (const refusal of refusals) {
    const key = `${refusal.code}\0${refusal.where}\0${refusal.detail}`
    if (seen.has(key)) continue
    seen.add(key)
    const n = (count.get(refusal.code) ?? 0) + 1
    count.set(refusal.code, n)
    if (n <= NAMED_PLACES) kept.push(refusal)
  }
  for (const [code, n] of count) {
    if (n > NAMED_PLACES) kept.push({ code, where: 'message', detail: `There are ${n - NAMED_PLACES} more places.` })
  }
  return kept
}
