/** What all processes of a gateway hold, merged. */
import { ask, ControlFailure } from './client'
import type { DescribedMail, HeldState } from './protocol'
import { controlSockets, type ControlSocket } from './run-directory'
import { MAX_MAILS } from './protocol'

export interface GatewayProcess {
  pid: number
  /** `main`, or `w1`, `w2` ... */
  label: string
  version: string
  /** `[delivery] paused`: nothing is tried. */
  paused: boolean
}

export interface HeldBy {
  state: HeldState
  pid: number
  /** Milliseconds since the epoch. */
  nextTry: number
}

export interface GatewayState {
  processes: GatewayProcess[]
  /** By identity. */
  held: Map<string, HeldBy>
  /** Processes that exist but could not be asked, and why. */
  silent: { pid: number; why: string }[]
}

/**
 * Ask every process of the gateway.
 *
 * @param dir the instance's run directory
 * @returns null when no process runs; sockets that ended processes left count for nothing
 * @throws ControlFailure `forbidden` (rejects)
 */
export async function gatewayState(dir: string): Promise<GatewayState | null> {
  const state: GatewayState = { processes: [], held: new Map(), silent: [] }
  for (const socket of socketsIn(dir)) {
    try {
      await askState(dir, socket, state)
    } catch (error) {
      if (!(error instanceof ControlFailure) || error.reason === 'forbidden') throw error
      if (error.reason !== 'gone') state.silent.push({ pid: socket.pid, why: error.message })
    }
  }
  return state.processes.length === 0 && state.silent.length === 0 ? null : state
}

/** @throws ControlFailure `forbidden` when the folder may not be read */
function socketsIn(dir: string): ControlSocket[] {
  try {
    return controlSockets(dir)
  } catch (error) {
    throw new ControlFailure('forbidden', (error as Error).message)
  }
}

async function askState(dir: string, socket: ControlSocket, into: GatewayState): Promise<void> {
  await ask(dir, socket, { op: 'state' }, (reply) => {
    if (reply.kind === 'process') {
      const { pid, label, version, paused } = reply
      into.processes.push({ pid, label, version, paused })
    } else if (reply.kind === 'held') {
      for (const [identity, nextTry] of reply.mails) {
        into.held.set(identity, { state: reply.state, pid: socket.pid, nextTry })
      }
    }
  })
}

/**
 * Envelopes of mails that have no file to read.
 *
 * @param identities by process id
 * @throws nothing: a process that does not answer any more gives none
 */
export async function describeMails(
  dir: string,
  identities: ReadonlyMap<number, readonly string[]>,
  onMail: (mail: DescribedMail, pid: number) => void,
): Promise<void> {
  for (const socket of socketsIn(dir)) {
    for (const mails of inParts(identities.get(socket.pid) ?? [])) {
      await ask(dir, socket, { op: 'describe', mails }, (reply) => {
        if (reply.kind === 'mail') onMail(reply.mail, socket.pid)
      }).catch(() => undefined)
    }
  }
}

/** As many as one request may hold. */
export function inParts(identities: readonly string[]): string[][] {
  const parts: string[][] = []
  for (let from = 0; from < identities.length; from += MAX_MAILS) parts.push(identities.slice(from, from + MAX_MAILS))
  return parts
}
