/**
 * control/: how the command talks to the processes that deliver, over a unix socket of each in the instance's `run`
 * folder (mode 0700, sockets 0600). Who can open the socket is the gateway's own user or root.
 */
export { ask, ControlFailure } from './client'
export { MAX_ABOUT, MAX_MAILS, MAX_REASON, MAX_REPORTS } from './protocol'
export type {
  Bounced,
  DescribedMail,
  HeldMail,
  HeldState,
  Operator,
  Reply,
  Request,
  Retried,
  TlsReportsSent,
  ToldCertificate,
  ToldProbe,
} from './protocol'
export { bounceMail, retryMails, sendTlsReports, tellCertificates, tellProbe } from './orders'
export { controlSockets, runDirectory } from './run-directory'
export { openControl, type ControlServer, type Send } from './server'
export { describeMails, gatewayState, type GatewayProcess, type GatewayState, type HeldBy } from './state'
