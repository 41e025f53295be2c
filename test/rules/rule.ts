/** The numbered list of rules that implementers of transport security get wrong, as a table of proofs. */

/** One rule: what the RFC says, and a proof that calls the functions that deliver mail. */
export interface Rule {
  /** Position in the list, 1 to 33. */
  number: number
  /** Section(s) of the RFC of its file, or with another RFC's number in front. */
  section: string
  says: string
  /** Throws (rejects) when the rule is not kept. */
  holds: () => void | Promise<void>
}

/** Numbers of the rules that have a proof, in the files loaded so far. */
export const proved = new Set<number>()

/** One test per rule, named by the RFC and section. */
export function prove(rfc: string, rules: readonly Rule[]): void {
  for (const { number, section, says, holds } of rules) {
    proved.add(number)
    const where = /^\d{4} /.test(section) ? `RFC ${section}` : `${rfc} section ${section}`
    it(`rule ${number}, ${where}: ${says}`, async () => holds())
  }
}
