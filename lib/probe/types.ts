/** What a probe finds out. JSON-safe: the JSON of `secure-mail probe` (docs/schema/probe.schema.json). */
import type { CertificateFacts, ResultType, SmtpReply, TlsFacts } from '../failure'
import type { HostRequirement, Level, PolicySource } from '../policy/types'

/** `ok`: nothing to do. `at-risk`: mail is delivered, and something should be done. `fails`: it could not be delivered. */
export type ProbeVerdict = 'ok' | 'at-risk' | 'fails'

/** In the order in which they are done; the first four are about names, the others about one address. */
export type ProbeStepName =
  | 'mx'
  | 'mta-sts'
  | 'addresses'
  | 'tlsa'
  /** What our policy says of the host before anything is connected to. */
  | 'policy'
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'handshake'
  | 'verify'
  | 'ehlo-in-tls'
  /** A second connection, only when no common TLS version was found: which one does the server speak? */
  | 'older-tls'

export interface ProbeStep {
  step: ProbeStepName
  ok: boolean
  /** Milliseconds that it took. */
  ms: number
  /** One line. */
  detail: string
}

/** A step with what it is about, as it is told while the probe runs. */
export interface ToldStep extends ProbeStep {
  /** Absent for the domain. */
  host?: string
  address?: string
}

/** What is not in order although mail is delivered. */
export type RiskCode =
  /** The certificate expires within 30 days. */
  | 'certificate-expires-soon'
  /** The newest TLS version that the server speaks is the oldest that is allowed. */
  | 'only-oldest-tls'
  /** The certificate would not do where one has to be checked. */
  | 'not-verifiable'
  /** There is no TLS, and our policy lets mail out in clear text then. */
  | 'clear-text'
  /** Another server of the domain fails. */
  | 'server-fails'
  /** The domain announces an MTA-STS policy that cannot be used. */
  | 'mta-sts-unusable'

export interface Risk {
  code: RiskCode
  /** The failure it would be, or is, where there is one. */
  resultType: ResultType | null
  detail: string
  fix: string
}

export interface ProbedTls extends TlsFacts {
  certificate?: CertificateFacts & { daysLeft: number }
}

/** One address of one MX host. */
export interface ProbedServer {
  host: string
  /** null: the host was named with --mx and is none of the domain's MX hosts. */
  preference: number | null
  /** null: the host has none that could be tried. */
  address: string | null
  port: number
  /** When the first step began, ISO 8601. */
  at: string
  verdict: ProbeVerdict
  /** Whose it is to repair what fails: `own` = this machine or its configuration. null = nothing fails. */
  fault: 'partner' | 'own' | null
  /** What our policy requires of this host. */
  required: Pick<HostRequirement, 'tls' | 'auth' | 'minVersion' | 'why'> & { names: readonly string[] }
  steps: ProbeStep[]
  tls: ProbedTls | null
  /** Would the certificate pass where a valid one for the host name is asked for (level verify)? null = none was seen. */
  verifiable: { ok: boolean; resultType: ResultType | null; detail: string } | null
  /** Why mail could not be delivered here; null = it could. */
  resultType: ResultType | null
  detail: string
  /** The server's own words, where the failure is its answer. */
  smtp?: SmtpReply
  /** What the server's administrator has to do; '' = nothing. */
  fix: string
  risks: Risk[]
}

export interface ProbeReport {
  /** A-labels, lower case. */
  domain: string
  /** When the probe began, ISO 8601. */
  at: string
  verdict: ProbeVerdict
  /** The verdict in one sentence. */
  why: string
  /** What our policy requires for the domain, as it is when enforced. */
  required: { level: Level; source: PolicySource; reason: string; minVersion: string }
  /** Steps about the domain. */
  steps: ProbeStep[]
  mx: ProbedServer[]
  /** The most telling failure, where mail could not be delivered. */
  resultType: ResultType | null
  fix: string
  /** Risks of the domain as a whole. */
  risks: Risk[]
}
