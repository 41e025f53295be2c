/** probe/: what a delivery to a domain would meet, looked at live, without a mail. */
export { letterFor } from './letter'
export { probe, type ProbeQuestion } from './probe'
export { LETTER_TEXTS } from './problems'
export type { ProbeDeps } from './server'
export type { ProbedServer, ProbeReport, ProbeStep, ProbeVerdict, Risk, ToldStep } from './types'
