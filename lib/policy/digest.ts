import { createHash } from 'node:crypto'
import { protectionOf } from './protection'
import type { Requirement } from './types'

/**
 * A key for the protection that a requirement means: equal if and only if the protection is. Recipients with equal
 * digests share a delivery, and an open connection or TLS session serves only the digest that made it. Why the
 * requirement is what it is (source, reason, rule) does not count, nor does the id of an MTA-STS policy.
 *
 * @returns 43 characters, base64url of a SHA-256
 */
export function requirementDigest(requirement: Requirement): string {
  const protection = JSON.stringify(protectionOf(requirement))
  let digest = known.get(protection)
  if (digest === undefined) {
    digest = createHash('sha256').update(protection).digest('base64url')
    if (known.size >= KNOWN) known.clear()
    known.set(protection, digest)
  }
  return digest
}

/** There are as many as the map has kinds of rows, and each mail asks. */
const KNOWN = 1000
const known = new Map<string, string>()

/** One recipient with its requirement. */
export interface Decided {
  recipient: string
  requirement: Requirement
}

/** Recipients that one delivery can serve. */
export interface RecipientGroup {
  digest: string
  /** Of the first member; the others' differ at most in why. */
  requirement: Requirement
  recipients: string[]
  /** Each recipient with its own reasons, for log and report. */
  members: Decided[]
}

/**
 * Group recipients by equal protection, in the order of first appearance. Recipients of one group must share a
 * next-hop domain; that is the caller's to see to (`secure` names the domain, weaker levels do not).
 */
export function groupRecipients(decided: readonly Decided[]): RecipientGroup[] {
  const [only] = decided
  // most mails have one recipient
  if (only !== undefined && decided.length === 1) return [groupOf(only)]
  const groups = new Map<string, RecipientGroup>()
  for (const member of decided) {
    const { requirement } = member
    // also by what enforcing would ask for in monitor mode, so that the record is right for each, and by what comes next
    const key = [requirement, requirement.enforced, requirement.otherwise]
      .map((one) => (one === undefined ? '' : requirementDigest(one)))
      .join(' ')
    const group = groups.get(key)
    if (group === undefined) {
      groups.set(key, groupOf(member))
    } else {
      group.recipients.push(member.recipient)
      group.members.push(member)
    }
  }
  return [...groups.values()]
}

function groupOf(member: Decided): RecipientGroup {
  const { recipient, requirement } = member
  return { digest: requirementDigest(requirement), requirement, recipients: [recipient], members: [member] }
}
