import type { Marker } from '../gate/types'

const NON_PUBLIC =
  /(?<!\p{L})(?:intern|internt|internal|fortrolig\p{L}*|confidential|confidentiality|personf\p{L}*|f(?:ø|oe)lsom\p{L}*|sensitive|restricted|secret|hemmelig\p{L}*|protected|private|privat|personal|personlig\p{L}*|official|til tjenestebrug|classified|(?:level|niveau) ?[1-9]|company[- ]confidential|non[- ]public|not public|ikke[- ]offentlig\p{L}*)(?!\p{L})/iu
const PUBLIC = /(?<!\p{L})(?:public|offentlig\p{L}*|(?:level|niveau) ?0|unclassified|uklassificeret)(?!\p{L})/iu

/** What a label in words says; where words of both kinds stand, the higher class wins. */
export function classOfWords(text: string): Marker['class'] {
  const plain = text.normalize('NFKC')
  if (NON_PUBLIC.test(plain)) return 'non-public'
  return PUBLIC.test(plain) ? 'public' : 'unknown'
}
