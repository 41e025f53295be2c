/**
 * RFC 3461 section 4: the parameters of MAIL and RCPT by which a sender says what reports it wants. Pure; each reader
 * gives the value, or undefined for what the RFC's grammar does not allow.
 */

/** Section 4.1, with the parameter's keyword: NEVER stands alone, the others may stand together, each once. */
const NOTIFY = new Set(['SUCCESS', 'FAILURE', 'DELAY'])
/** Section 4, xtext. */
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/
/** Section 4.2: addr-type is an atom (RFC 3464 section 2.1.2). */
const ADDRESS_TYPE = /^[A-Za-z0-9-]{1,63}$/
/** Section 5.4 and 4.4: longest values, in characters. */
const LONGEST = { orcpt: 500, envid: 100 } as const

/** @returns the keywords in upper case, `SUCCESS,FAILURE` */
export function readNotify(value: string): string | undefined {
  const words = value.toUpperCase().split(',')
  if (words.length === 1 && words[0] === 'NEVER') return 'NEVER'
  const once = new Set(words).size === words.length
  return once && words.every((word) => NOTIFY.has(word)) ? words.join(',') : undefined
}

/** @returns `type;address`, the address still in xtext */
export function readOrcpt(value: string): string | undefined {
  const semicolon = value.indexOf(';')
  if (semicolon < 1 || value.length > LONGEST.orcpt) return undefined
  return ADDRESS_TYPE.test(value.slice(0, semicolon)) && XTEXT.test(value.slice(semicolon + 1)) ? value : undefined
}

export function readRet(value: string): 'FULL' | 'HDRS' | undefined {
  const word = value.toUpperCase()
  return word === 'FULL' || word === 'HDRS' ? word : undefined
}

/** @returns the id, still in xtext */
export function readEnvid(value: string): string | undefined {
  return value.length <= LONGEST.envid && XTEXT.test(value) ? value : undefined
}
