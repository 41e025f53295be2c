/** Whoever changes which certificates are used is in the audit log of the gateway. */
import {
  ControlFailure,
  MAX_ABOUT,
  runDirectory,
  tellCertificates,
  type Operator,
  type ToldCertificate,
} from '../../lib/control'
import type { Scope } from '../../lib/encrypt/certificates/names'
import { oneLine } from '../../lib/util/one-line'
import type { Io } from '../io'

/**
 * The running gateway writes it: each of its files has one writer, or the hash chain would break. Where none runs, or it
 * cannot be told, the change stands all the same, and whoever made it is told that no log has it.
 */
export async function recordChanges(
  instance: string,
  changes: readonly ToldCertificate[],
  operator: Operator,
  io: Io,
): Promise<void> {
  if (changes.length === 0) return
  try {
    if (await tellCertificates(runDirectory(instance), changes, operator)) return
    io.err(`secure-mail: not in the audit log: the gateway of ${instance} does not run\n`)
  } catch (error) {
    if (!(error instanceof ControlFailure)) throw error
    io.err(`secure-mail: not in the audit log: ${error.message}\n`)
  }
}

/** What is known of a certificate that something is told about. */
interface About {
  scope?: Scope
  holder?: string
  fingerprint?: string
  subject?: string
  notAfter?: string
  state?: string
  why?: string
}

/** @param origin form of the file, or how it had come into the store */
export function toldCertificate(
  change: ToldCertificate['change'],
  done: boolean,
  origin: string,
  about: About,
): ToldCertificate {
  const { scope, holder = '', fingerprint = '', subject = '', notAfter = '', state = '', why = '' } = about
  return {
    change,
    done,
    holder: scope === 'domain' ? `@${holder}` : holder,
    fingerprint,
    subject: oneLine(subject).slice(0, MAX_ABOUT),
    notAfter,
    origin,
    state,
    why: oneLine(why).slice(0, MAX_ABOUT),
  }
}
