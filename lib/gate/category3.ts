/**
 * Whether a mail to the outside needs more than encryption in transport (category 3), and what follows. Pure: the same
 * content and rules give the same answer, to the gateway, to `scan`, and to the audit log.
 */
import { domainListed, domainOf, normalAddress } from './addresses'
import type { Category3Decision, Category3Rules, Content, SenderFacts } from './types'

/** What the decision is made of. */
export type Category3Content = Pick<
  Content,
  'persons' | 'nameRows' | 'findings' | 'sensitive' | 'uninspected' | 'protection' | 'wholeProtected' | 'unread'
> & {
  /** A subject tag asks for full encryption. */
  asked: boolean
  /** The opt-out is granted: the sender has marked the content as public. */
  granted: boolean
}

/**
 * @param content what a reading of one mail for external recipients found
 * @returns `none`: it may go as it is; `notify`: it may go, and the sender is told of better channels; `encrypt`: it may go
 *   outside only encrypted by the gateway; `ndr`: it must not go outside, and the sender is told why; `defer`: nobody can tell now, and it must not go until then
 */
export function decideCategory3(content: Category3Content, rules: Category3Rules): Category3Decision {
  const persons = personsCounted(content)
  const reasons: Category3Decision['reasons'] = []
  if (persons > rules.persons) reasons.push('persons')
  if (content.asked && !isEncrypted(content)) reasons.push('asked')
  const told = { persons, threshold: rules.persons, reasons }
  // whether it is encrypted, or whom it names, may be known in a moment
  if (content.unread === true && (content.asked || withholds(rules.action))) {
    return { outcome: 'defer', ...told, reasons: [] }
  }
  // nobody but the sender can know why full encryption is wanted, so no setting makes less of it
  if (reasons.includes('asked')) return { outcome: encryptable(content), ...told }
  if (reasons.length === 0) return { outcome: 'none', ...told }
  return { outcome: forPersons(rules.action, content), ...told }
}

/**
 * Persons with a number, or rows that name a person beside something private: the larger of the two, because a row may
 * well be about a person whose number stands elsewhere in the same mail.
 */
export function personsCounted({ persons, nameRows }: Pick<Content, 'persons' | 'nameRows'>): number {
  return Math.max(persons, nameRows)
}

/** What is encrypted already and still tells of persons, in its subject, is not made readable by a second envelope. */
function encryptable({ wholeProtected }: Category3Content): Category3Decision['outcome'] {
  return wholeProtected ? 'ndr' : 'encrypt'
}

function forPersons(action: Category3Rules['action'], content: Category3Content): Category3Decision['outcome'] {
  switch (action) {
    case 'off':
      return 'none'
    case 'notify':
      // names beside grades that the sender has marked as public: advice to encrypt them would make no sense
      return content.granted ? 'none' : 'notify'
    case 'encrypt':
      return encryptable(content)
    // 'ndr', and whatever is not known: do not send
    default:
      return 'ndr'
  }
}

function withholds(action: Category3Rules['action']): boolean {
  return action !== 'notify' && action !== 'off'
}

/**
 * Has the sender encrypted it: the whole content, or, as the advice says, what matters in an attachment, with nothing in
 * the rest that would have to be? All of the rest must have been read.
 */
function isEncrypted(content: Category3Content): boolean {
  const { wholeProtected, protection, findings, nameRows, sensitive, uninspected } = content
  if (findings.length > 0 || nameRows > 0) return false
  if (wholeProtected) return true
  if (protection.length === 0 || sensitive.length > 0) return false
  return uninspected.every(({ where }) =>
    protection.some((one) => where === one.where || where.startsWith(`${one.where} > `)),
  )
}

/**
 * May the sender be sent advice about this mail? Only people of one's own: no machine, no list, nobody outside. (Reports
 * of mail that was not sent go to whoever sent it.)
 */
export function takesAdvice(
  sender: Pick<SenderFacts, 'mailFrom' | 'list' | 'autoSubmitted'>,
  internalDomains: readonly string[],
): boolean {
  const address = normalAddress(sender.mailFrom)
  return (
    address !== null &&
    domainListed(domainOf(address), internalDomains) &&
    !sender.list &&
    (sender.autoSubmitted === null || sender.autoSubmitted === 'no')
  )
}
