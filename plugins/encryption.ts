/**
 * Mail to the outside that goes only encrypted by the gateway: certificates are looked up, the mail is parted into one
 * message for To and Cc and one for each recipient that they do not name, and the sender is told about the others.
 * Whatever fails throws, and then nothing is queued (451).
 */
import { CannotEncrypt } from '../lib/encrypt/cannot-encrypt'
import { CertificateUnusable, recipientKey, type RecipientKey } from '../lib/encrypt/cms/certificate'
import { encryptMessage, type EncryptOptions } from '../lib/encrypt/encrypt-message'
import { planEncryption, type EncryptionPlan } from '../lib/encrypt/plan'
import { readSigner } from '../lib/encrypt/signing'
import { mailboxes, normalAddress } from '../lib/gate/addresses'
import type { Inspection } from '../lib/gate/types'
import { fieldsNamed, parseHeader } from '../lib/message/header'
import { decide, type EncryptionFacts, type GateDecision, type PendingCopy } from './decisions'
import type { HarakaAddress, HarakaModules, MessageStream, Transaction } from './haraka'
import { envelopeAddress } from './mail-facts'
import { holdMessage } from './intake'
import { NOTES_KEY } from './notes-key'
import { blocksOf, putMessage } from './rewritten-message'
import type { Runtime } from './runtime'

export type MailPlan = EncryptionPlan<HarakaAddress, RecipientKey>

/**
 * Who of the recipients outside gets which message. Changes nothing.
 *
 * @throws (rejects) Error when the store cannot be read
 */
export async function planFor(
  runtime: Runtime,
  transaction: Transaction,
  external: readonly HarakaAddress[],
): Promise<MailPlan> {
  const now = runtime.clock.now()
  const addressees = await Promise.all(
    external.map(async (recipient) => {
      const address = envelopeAddress(recipient)
      return { recipient, address: comparable(address), key: await keyFor(runtime, address, now) }
    }),
  )
  return planEncryption(addressees, visibleIn(transaction), runtime.settings().category3.withoutCertificate)
}

async function keyFor(runtime: Runtime, address: string, now: number): Promise<RecipientKey | null> {
  const found = await runtime.certificates.certificateFor(address, now)
  if (found === undefined) return null
  try {
    return recipientKey(found.certificate)
  } catch (error) {
    if (!(error instanceof CertificateUnusable)) throw error
    runtime.reportError('certificate', new Error(`${found.fingerprint}: ${error.message}`))
    return null
  }
}

/** Letters of local parts differ in case between envelope and header. */
function comparable(address: string): string {
  return (normalAddress(address) ?? address).toLowerCase()
}

/** Whom everybody sees anyway: To and Cc. null = a field does not parse. */
function visibleIn({ header }: Transaction): ReadonlySet<string> | null {
  const block = parseHeader(header.header_list)
  const lists = [...fieldsNamed(block, 'to'), ...fieldsNamed(block, 'cc')].map(({ value }) => mailboxes(value))
  if (lists.includes(null)) return null
  return new Set(lists.flatMap((list) => (list ?? []).map(comparable)))
}

/**
 * Encrypt. Where nobody inside gets the mail as it is, the transaction becomes the first of the encrypted messages; the
 * others are made when they are queued.
 *
 * @param plan with at least one message
 * @returns the decision by which the mail goes on
 * @throws (rejects) CannotEncrypt when that is no matter of time, with nothing changed; anything else
 */
export async function encryptMail(
  haraka: HarakaModules,
  runtime: Runtime,
  transaction: Transaction,
  decision: GateDecision,
  inspection: Inspection,
  plan: MailPlan,
  inside: readonly HarakaAddress[],
): Promise<GateDecision> {
  const common = await commonOptions(runtime, inspection)
  const { message_stream: original } = transaction
  await tryHeader(transaction, { ...common, recipients: plan.messages[0]?.map(({ key }) => key) ?? [] })
  const [first = [], ...others] = inside.length === 0 ? plan.messages : [[], ...plan.messages]
  const copies = others.map((message): PendingCopy => ({
    make: () => makeCopy(haraka, runtime, transaction, decision, original, common, message),
  }))
  const rest = copies.length === 0 ? {} : { copies }
  if (inside.length > 0) {
    transaction.rcpt_to = [...inside]
    return { ...decision, ...rest, notes: { ...decision.notes, recipients: inside.map(envelopeAddress) } }
  }
  const options = { ...common, recipients: first.map(({ key }) => key) }
  await putMessage(haraka, transaction, await encryptMessage(blocksOf(original), options))
  if (copies.length === 0) original.destroy()
  else destroyTogether(transaction.message_stream, original)
  transaction.rcpt_to = first.map(({ recipient }) => recipient)
  return { ...encryptedDecision(decision, transaction, options), ...rest }
}

type CommonOptions = Omit<EncryptOptions, 'recipients'>

async function commonOptions(runtime: Runtime, { verdict }: Inspection): Promise<CommonOptions> {
  const { category3: rules, override } = runtime.settings()
  const places = verdict.findings.map(({ where }) => where)
  const hide = rules.hideSubject === 'always' || places.includes('subject')
  return {
    padding: rules.rsaPadding,
    protection: rules.protectHeaders,
    hidden: {
      subject: hide ? rules.hiddenSubject : null,
      fields: new Set(places.flatMap((where) => /^header (\S+)$/.exec(where)?.[1]?.toLowerCase() ?? [])),
    },
    tags: [...rules.subjectTags, ...override.tags],
    signer: rules.signing === undefined ? null : await readSigner(rules.signing),
    now: runtime.clock.now(),
  }
}

/** What makes encryption impossible stands in the header: found out before anything is changed. */
async function tryHeader({ header }: Transaction, options: EncryptOptions): Promise<void> {
  const head = Buffer.from(`${header.header_list.join('')}\r\n`)
  const { body } = await encryptMessage(only(head), options)
  await body.return(undefined)
}

async function* only(piece: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(piece)
}

/** Read the original again, for people whose certificates nobody else shall see. */
async function makeCopy(
  haraka: HarakaModules,
  runtime: Runtime,
  transaction: Transaction,
  decision: GateDecision,
  original: MessageStream,
  common: CommonOptions,
  message: MailPlan['messages'][number],
): Promise<Transaction> {
  const copy = haraka.transaction.createTransaction(null, transaction.cfg)
  copy.mail_from = transaction.mail_from
  copy.rcpt_to = message.map(({ recipient }) => recipient)
  copy.notes = new haraka.Notes({ ...transaction.notes })
  Reflect.deleteProperty(copy.notes, NOTES_KEY)
  holdMessage(copy)
  const options = { ...common, recipients: message.map(({ key }) => key), now: runtime.clock.now() }
  const before = await putMessage(haraka, copy, await encryptMessage(blocksOf(original), options))
  before.destroy()
  decide(copy, encryptedDecision(decision, copy, options))
  return copy
}

/** A grant is about the mail in clear text: there is none for the encrypted one, and none is needed. */
function encryptedDecision(decision: GateDecision, transaction: Transaction, options: EncryptOptions): GateDecision {
  const encrypted: EncryptionFacts = {
    fingerprints: options.recipients.map(({ fingerprint }) => fingerprint),
    signed: options.signer !== null,
    subjectHidden: options.hidden.subject !== null,
  }
  const notes = {
    ...decision.notes,
    mailId: transaction.uuid,
    recipients: transaction.rcpt_to.map(envelopeAddress),
    category: 3 as const,
    grant: null,
  }
  return { ...decision, notes, digestAtVerdict: null, encrypted }
}

/** The original stays readable for as long as the transaction lives, and no longer. */
function destroyTogether(stream: MessageStream, original: MessageStream): void {
  const destroy = stream.destroy.bind(stream)
  stream.destroy = () => {
    original.destroy()
    destroy()
  }
}

/** Is the mail to be reported about, because it can never be encrypted? */
export function isHopeless(error: unknown): error is CannotEncrypt {
  return error instanceof CannotEncrypt
}
