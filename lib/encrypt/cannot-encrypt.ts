/** A mail that cannot be encrypted, today or tomorrow; the message says why, in one clause and without its content. */
export class CannotEncrypt extends Error {
  override name = 'CannotEncrypt'
}
