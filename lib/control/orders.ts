/** Orders of an operator to a running gateway: whichever of its processes holds a mail carries them out. */
import { ask, ControlFailure } from './client'
import {
  MAX_CHANGES,
  type Bounced,
  type Operator,
  type Request,
  type Retried,
  type TlsReportsSent,
  type ToldCertificate,
  type ToldProbe,
} from './protocol'
import { controlSockets } from './run-directory'
import { inParts } from './state'

/**
 * Have mails tried now.
 *
 * @param dir the instance's run directory
 * @returns every identity exactly once; `unknown`: no process holds it
 * @throws ControlFailure (rejects) when a process could not be asked; the others have been
 */
export async function retryMails(dir: string, identities: readonly string[], operator: Operator): Promise<Retried> {
  const all: Retried = { started: [], due: [], delivering: [], unknown: [] }
  let left = [...identities]
  let failure: ControlFailure | undefined
  for (const socket of controlSockets(dir)) {
    const unknown: string[] = []
    for (const mails of inParts(left)) {
      try {
        await ask(dir, socket, { op: 'retry', mails, operator }, (reply) => {
          if (reply.kind !== 'retried') return
          all.started.push(...reply.started)
          all.due.push(...reply.due)
          all.delivering.push(...reply.delivering)
          unknown.push(...reply.unknown)
        })
      } catch (error) {
        if (!(error instanceof ControlFailure)) throw error
        if (error.reason !== 'gone') failure ??= error
        unknown.push(...mails)
      }
    }
    left = unknown
  }
  if (failure !== undefined) throw failure
  all.unknown = left
  return all
}

/**
 * End one mail with a report to its sender.
 *
 * @param recipients null = all that are open
 * @throws ControlFailure (rejects): what became of it is not known
 */
export async function bounceMail(
  dir: string,
  mail: string,
  recipients: readonly string[] | null,
  reason: string,
  operator: Operator,
): Promise<Bounced> {
  let failure: ControlFailure | undefined
  for (const socket of controlSockets(dir)) {
    try {
      const answers: Bounced[] = []
      const request = { op: 'bounce' as const, mail, recipients: recipients && [...recipients], reason, operator }
      await ask(dir, socket, request, (reply) => {
        if (reply.kind === 'bounced') answers.push(reply.bounced)
      })
      const answer = answers.find(({ result }) => result !== 'unknown')
      if (answer !== undefined) return answer
    } catch (error) {
      if (!(error instanceof ControlFailure)) throw error
      if (error.reason !== 'gone') failure ??= error
    }
  }
  if (failure !== undefined) throw failure
  return { result: 'unknown' }
}

/**
 * Have a test of a domain recorded in the audit log, by the first process that answers.
 *
 * @returns false when no gateway runs there
 * @throws ControlFailure (rejects) when one runs that could not be told
 */
export async function tellProbe(dir: string, probe: ToldProbe, operator: Operator): Promise<boolean> {
  return await tellFirst(dir, { op: 'probed', probe, operator })
}

/**
 * Have changes of certificates recorded in the audit log, in their order; they are on the disk when this resolves.
 *
 * @returns false when no gateway runs there
 * @throws ControlFailure (rejects) when one runs that could not be told; the first ones may be recorded
 */
export async function tellCertificates(
  dir: string,
  changes: readonly ToldCertificate[],
  operator: Operator,
): Promise<boolean> {
  for (let from = 0; from < changes.length; from += MAX_CHANGES) {
    const some = changes.slice(from, from + MAX_CHANGES)
    if (!(await tellFirst(dir, { op: 'certs', changes: some, operator }))) return false
  }
  return true
}

/**
 * Tell the first process that answers.
 *
 * @returns false when no gateway runs there
 * @throws ControlFailure (rejects) when one runs that could not be told
 */
async function tellFirst(dir: string, request: Request): Promise<boolean> {
  let failure: ControlFailure | undefined
  for (const socket of controlSockets(dir)) {
    try {
      await ask(dir, socket, request, () => undefined)
      return true
    } catch (error) {
      if (!(error instanceof ControlFailure)) throw error
      if (error.reason !== 'gone') failure ??= error
    }
  }
  if (failure !== undefined) throw failure
  return false
}

/**
 * Have the TLS reports of a day sent by one process of the gateway.
 *
 * @param domain null = all
 * @returns null when no process runs
 * @throws ControlFailure (rejects): what was sent until then is not known
 */
export async function sendTlsReports(
  dir: string,
  day: string,
  domain: string | null,
  operator: Operator,
): Promise<TlsReportsSent | null> {
  for (const socket of controlSockets(dir)) {
    const sent: TlsReportsSent = { refused: null, reports: [] }
    try {
      await ask(dir, socket, { op: 'tlsrpt', day, domain, operator }, (reply) => {
        if (reply.kind !== 'tlsrpt') return
        sent.refused ??= reply.refused
        sent.reports.push(...reply.reports)
      })
      return sent
    } catch (error) {
      if (!(error instanceof ControlFailure) || error.reason !== 'gone') throw error
    }
  }
  return null
}
