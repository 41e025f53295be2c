/** Who gets which encrypted message, and who none. Pure. */

/** A recipient outside, with the key of the certificate that is used for it; null = there is no usable one. */
export interface Addressee<Recipient, Key> {
  recipient: Recipient
  /** In the form in which `visible` holds addresses. */
  address: string
  key: Key | null
}

export interface EncryptionPlan<Recipient, Key> {
  /** One message each; everybody in one can see by its structure whose certificates it is for. */
  messages: readonly (readonly { recipient: Recipient; key: Key }[])[]
  /** Recipients that get nothing; the sender is told. */
  withheld: readonly Recipient[]
  /** Those without a usable certificate. */
  missing: readonly Recipient[]
}

/**
 * @param visible addresses of To and Cc; null = they cannot be read, so nobody is known to be seen by the others
 * @param without what becomes of a mail when not everybody has a certificate
 */
export function planEncryption<Recipient, Key>(
  addressees: readonly Addressee<Recipient, Key>[],
  visible: ReadonlySet<string> | null,
  without: 'ndr' | 'split',
): EncryptionPlan<Recipient, Key> {
  const missing = addressees.flatMap(({ recipient, key }) => (key === null ? [recipient] : []))
  const able = addressees.flatMap(({ recipient, address, key }) => (key === null ? [] : [{ recipient, address, key }]))
  if (missing.length > 0 && without === 'ndr') {
    return { messages: [], withheld: addressees.map(({ recipient }) => recipient), missing }
  }
  const seen = able.filter(({ address }) => visible?.has(address) ?? false)
  const unseen = able.filter((one) => !seen.includes(one))
  return {
    messages: [...(seen.length === 0 ? [] : [seen]), ...unseen.map((one) => [one])].map((message) =>
      message.map(({ recipient, key }) => ({ recipient, key })),
    ),
    withheld: missing,
    missing,
  }
}
