/** Values that the texts about one server may use. */
import type { Values } from '../notify/templates'
import type { ProbedServer } from './types'

/** What is not known is absent, and the line that would say it is left out. */
export function serverValues(server: ProbedServer, domain: string): Values {
  const { certificate, version } = server.tls ?? {}
  const older = server.steps
    .find(({ step, ok }) => step === 'older-tls' && ok)
    ?.detail.split(' ')
    .at(-1)
  return {
    domain,
    host: server.host,
    address: server.address ?? undefined,
    port: String(server.port),
    // What is not checked today would be checked against the host's own name.
    names: server.required.names.join(', ') || server.host,
    'cert-names': certificate?.names.slice(0, 10).join(', '),
    'cert-expiry': certificate?.notAfter.slice(0, 10),
    'cert-issuer': certificate?.issuer,
    'days-left': certificate === undefined ? undefined : String(certificate.daysLeft),
    'tls-version': version ?? older,
    'min-version': server.required.minVersion,
    'server-words': server.smtp === undefined ? undefined : `${server.smtp.code} ${server.smtp.text}`,
  }
}
