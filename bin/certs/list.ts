/** `secure-mail certs list` and `export`. */
import { createColors } from 'picocolors'
import { toPem } from '../../lib/encrypt/certificates/pem'
import type { Holder } from '../../lib/encrypt/certificates/types'
import { oneLine } from '../../lib/util/one-line'
import type { Io } from '../io'
import { columns, count } from '../queue/words'
import type { Found } from './find'
import { describe, type CertificateRoom, type ListedCertificate } from './room'

export interface ListOptions {
  /** Address, or `@domain` = the domain's own certificates and those of its addresses; undefined = all. */
  whose?: string
  state?: string
  json: boolean
}

/** Writes every certificate that is asked for, holders in alphabetical order. */
export async function listCertificates(room: CertificateRoom, options: ListOptions, io: Io): Promise<void> {
  const listed = (await room.book.all())
    .filter((holder) => options.whose === undefined || belongsTo(holder, options.whose))
    .flatMap(({ scope, name, certificates }) => certificates.map((one) => describe(scope, name, one, room)))
    .filter(({ state }) => options.state === undefined || state === options.state)
    .sort((a, b) => (a.holder < b.holder ? -1 : a.holder > b.holder ? 1 : a.notBefore < b.notBefore ? 1 : -1))
  const { roots, lists, problems } = room.trust
  const overdue = room.trust.overdue(room.now)
  if (options.json) {
    io.out(`${JSON.stringify({ trust: { roots, lists, overdue, problems }, certificates: listed })}\n`)
    return
  }
  if (listed.length > 0) io.out(`${table(listed, io.color).join('\n')}\n\n`)
  const waiting = listed.filter(({ state }) => state === 'candidate').length
  io.out(`${count(listed.length, 'certificate')}, ${listed.filter(({ usable }) => usable).length} in use\n`)
  if (waiting > 0) io.out(`${waiting} wait for approval: secure-mail certs trust FINGERPRINT\n`)
  if (roots === 0)
    io.out('no roots are configured ([category3] smime_roots): certificates from mail wait for approval\n')
  if (overdue > 0) io.err(`secure-mail: ${count(overdue, 'revocation list')} overdue: bring smime_crls up to date\n`)
  for (const { file, why } of problems) io.err(`secure-mail: ${oneLine(file)} is not used: ${oneLine(why)}\n`)
}

function belongsTo({ scope, name }: Holder, whose: string): boolean {
  if (!whose.startsWith('@')) return scope === 'address' && name === whose
  return scope === 'domain' ? `@${name}` === whose : name.endsWith(whose)
}

/** Digits of a fingerprint that are shown to people: enough for the other commands. */
const SHOWN_DIGITS = 16

function table(listed: readonly ListedCertificate[], color: boolean): string[] {
  const paint = createColors(color)
  const rows = listed.map((one) => [
    oneLine(one.scope === 'domain' ? `@${one.holder}` : one.holder),
    one.usable ? 'in use' : one.state === 'trusted' ? 'not usable' : one.state,
    one.source,
    one.key,
    one.notAfter.slice(0, 10),
    one.fingerprint.slice(0, SHOWN_DIGITS),
    oneLine(one.why),
  ])
  const [head = '', ...lines] = columns([['whose', 'state', 'source', 'key', 'until', 'fingerprint', 'why'], ...rows])
  return [paint.bold(head), ...lines.map((line, n) => (listed[n]?.usable === true ? line : paint.yellow(line)))]
}

/** Writes the certificates themselves. */
export function exportCertificates(found: readonly Found[], json: boolean, io: Io): void {
  const listed = found.map(({ scope, holder, stored }) => ({
    scope,
    holder,
    fingerprint: stored.fingerprint,
    pem: toPem(Buffer.from(stored.certificate, 'base64'), 'CERTIFICATE'),
  }))
  if (json) io.out(`${JSON.stringify({ certificates: listed })}\n`)
  else io.out([...new Set(listed.map(({ pem }) => pem))].join(''))
}
