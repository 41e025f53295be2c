/**
 * An envelope address in the form that is compared: the domain without regard to case (RFC 5321 section 2.4), the local
 * part exactly as it is, for only its own domain knows what case means there.
 *
 * @param address `local@domain`, or '' for the null sender; anything without `@` is compared exactly
 */
export function comparableAddress(address: string): string {
  const at = address.lastIndexOf('@')
  return at === -1 ? address : address.slice(0, at) + address.slice(at).toLowerCase()
}
