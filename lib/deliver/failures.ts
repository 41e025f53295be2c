/** Failures of delivery, each made in one place, with the enhanced status code that RFC 5248's registry gives it. */
import { isPermanent, isTlsFailure, type Failure, type TlsFacts, type ResultType } from '../failure'
import { requiretlsCode } from '../policy/requiretls'
import type { Requirement } from '../policy/types'
import { ChannelError } from './channel'
import { toSmtpReply, type Reply } from './reply'

/** This address (or host) cannot take the mail now; the next one is tried. */
export class HostTrouble extends Error {
  /**
   * @param inStep no command is waiting for its answer: the session can be ended with QUIT
   */
  constructor(
    readonly failure: Failure,
    readonly inStep = false,
  ) {
    super(failure.publicText)
  }
}

/** Nothing more may be tried in this attempt. */
export class DeliveryStop extends Error {
  constructor(readonly failure: Failure) {
    super(failure.publicText)
  }
}

/** RFC 5248 registry: no or refused STARTTLS is X.7.4, a failed handshake or verification X.7.5, REQUIRETLS 5.7.30. */
function tlsCode(resultType: ResultType): string {
  if (resultType === 'starttls-not-supported') return '4.7.4'
  return resultType === 'requiretls-not-supported' ? '5.7.30' : '4.7.5'
}

/** A verdict on transport security. */
export function tlsFailure(
  resultType: ResultType,
  publicText: string,
  more: { privateDetail?: string; reply?: Reply; tls?: TlsFacts } = {},
): Failure {
  return {
    resultType,
    enhancedCode: tlsCode(resultType),
    publicText,
    ...(more.privateDetail === undefined ? {} : { privateDetail: more.privateDetail }),
    ...(more.reply === undefined ? {} : { smtp: toSmtpReply(more.reply) }),
    ...(more.tls === undefined ? {} : { tls: more.tls }),
  }
}

/** A failure as it counts under a requirement: with REQUIRETLS, TLS that cannot be had is no reason to wait. */
export function countedUnder(requirement: Pick<Requirement, 'requiretls'>, failure: Failure): Failure {
  const enhancedCode = requirement.requiretls ? requiretlsCode(failure) : undefined
  return enhancedCode === undefined ? failure : { ...failure, enhancedCode }
}

/** Our own machine is at fault: always temporary. */
export function localFailure(publicText: string, cause?: unknown): Failure {
  const detail = cause === undefined ? undefined : describe(cause)
  return {
    resultType: 'local-error',
    enhancedCode: '4.3.0',
    publicText,
    ...(detail === undefined ? {} : { privateDetail: detail }),
  }
}

/** The caller's signal, or `close()`, ended the attempt. */
export function abortedFailure(): Failure {
  return {
    resultType: 'local-error',
    enhancedCode: '4.3.2',
    publicText: 'Delivery was interrupted because the mail gateway is shutting down; it will be tried again.',
  }
}

/** What a broken conversation means for the mail. */
export function channelFailure(error: ChannelError, during: string): Failure {
  switch (error.kind) {
    case 'aborted':
      return abortedFailure()
    case 'protocol':
      return {
        resultType: 'protocol-error',
        enhancedCode: '4.5.0',
        publicText: `The receiving mail server gave an answer that is not valid SMTP (${during}).`,
        privateDetail: error.message,
      }
    case 'timeout':
      return {
        resultType: 'connection-failed',
        enhancedCode: '4.4.2',
        publicText: `The receiving mail server did not answer in time (${during}).`,
        privateDetail: error.message,
      }
    case 'closed':
      return {
        resultType: 'connection-failed',
        enhancedCode: '4.4.2',
        publicText: `The connection to the receiving mail server was lost (${during}).`,
        privateDetail: error.message,
      }
  }
}

/** TCP connect refused, unreachable or timed out. */
export function connectFailure(error: unknown): Failure {
  if (error instanceof ChannelError && error.kind === 'aborted') return abortedFailure()
  return {
    resultType: 'connection-failed',
    enhancedCode: '4.4.1',
    publicText: 'No connection could be made to the receiving mail server.',
    privateDetail: describe(error),
  }
}

/** The peer speaks SMTP, but says what it may not say here. */
export function unexpectedReply(reply: Reply, during: string): Failure {
  return {
    resultType: 'protocol-error',
    enhancedCode: '4.5.0',
    publicText: `The receiving mail server gave an unexpected answer (${during}).`,
    smtp: toSmtpReply(reply),
  }
}

/**
 * A 4xx or 5xx answer.
 * @param during what was asked, for people: "recipient", "message"
 * @param temporary make it temporary whatever the code is: a refused greeting or EHLO is about the host, not the mail
 */
export function replyFailure(reply: Reply, during: string, temporary = false): Failure {
  const permanent = reply.code >= 500 && !temporary
  // A 5xx that we take as temporary loses its 5.x.x code.
  const enhanced = permanent === reply.enhanced?.startsWith('5') ? reply.enhanced : undefined
  return {
    resultType: reply.code >= 500 ? 'smtp-rejected' : 'smtp-deferred',
    enhancedCode: enhanced ?? (permanent ? '5.0.0' : '4.0.0'),
    publicText: permanent
      ? `The receiving mail server refused the mail (${during}).`
      : `The receiving mail server does not take the mail at the moment (${during}).`,
    smtp: toSmtpReply(reply),
  }
}

/** Say where a failure happened. */
export function at(failure: Failure, where: { mx: string; address?: string; port?: number }): Failure {
  return { ...failure, ...where }
}

/** How much a failure tells the sender and the postmaster; lower is more. */
function rank(failure: Failure): number {
  if (failure.resultType === 'starttls-injection') return 0
  if (isTlsFailure(failure)) return failure.resultType === 'starttls-not-supported' ? 2 : 1
  switch (failure.resultType) {
    case 'local-error':
      return 3
    case 'smtp-rejected':
    case 'smtp-deferred':
      return 4
    case 'protocol-error':
      return 5
    case 'connection-failed':
      return 6
    case 'dns-error':
      return 7
    default:
      return 8
  }
}

/**
 * The one failure that stands for an attempt in which every host failed: the most telling one; a permanent one only if
 * all of them are permanent, since otherwise a later attempt can still succeed.
 */
export function mostTelling(failures: readonly Failure[]): Failure | undefined {
  const temporary = failures.filter((failure) => !isPermanent(failure))
  const candidates = temporary.length > 0 ? temporary : failures
  return candidates.toSorted((a, b) => rank(a) - rank(b))[0]
}

/** An error for the postmaster: name, code, message; no stack of our own paths. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : ''
  return `${code}${error.message}`.slice(0, 500)
}
