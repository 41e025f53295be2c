/** `secure-mail queue retry`: waiting mails are tried now; their deadlines stay. */
import { ControlFailure, retryMails, type Retried } from '../../lib/control'
import { listDirectory } from '../../lib/queue/directory'
import { idsOf, isWanted, nearestNames, type Wanted } from '../../lib/queue/find'
import type { Io } from '../io'
import { fail } from '../ready'
import { everyMail } from './every-mail'
import { thisOperator, type QueueRoom } from './room'
import { count } from './words'

/** `secure-mail queue retry --json`. */
export interface RetryResult {
  /** Mails that are meant. */
  matched: number
  /** Called now. */
  started: number
  /** Under an attempt already: left alone. */
  delivering: number
  /** Their turn already. */
  due: number
  /** Delivered or given up while the command ran. */
  gone: number
  /** Held by no process: taken up at the next start. */
  notHeld: number
  /** Delivery is paused: nothing is tried before that ends. */
  paused: boolean
}

/** @throws Error of the file system (rejects) */
export async function retryQueue(room: QueueRoom, wanted: Wanted, json: boolean, io: Io): Promise<void> {
  const { gateway, runDir } = room
  if (gateway === null) {
    fail(io, [notRunning(room)])
    return
  }
  const names = nearestNames()
  const identities = await matching(room, wanted, names)
  let retried: Retried
  try {
    retried = await retryMails(runDir, identities, thisOperator())
  } catch (error) {
    if (!(error instanceof ControlFailure)) throw error
    fail(io, [`${error.message}; mails of other processes have been called`])
    return
  }
  const stillThere = await identitiesIn(room.queueDir)
  const notHeld = retried.unknown.filter((identity) => stillThere.has(identity)).length
  const result: RetryResult = {
    matched: identities.length,
    started: retried.started.length,
    delivering: retried.delivering.length,
    due: retried.due.length,
    gone: retried.unknown.length - notHeld,
    notHeld,
    paused: gateway.processes.some(({ paused }) => paused),
  }
  if (result.matched === 0 && wanted.by !== 'all') io.exitCode = 1
  if (json) io.out(`${JSON.stringify(result)}\n`)
  else show(result, wanted, names.to(nameOf(wanted)), io)
}

/** For every command that needs the running gateway. */
export function notRunning({ instance }: QueueRoom): string {
  return `the gateway of ${instance} does not run; start it, and mail whose time has come is tried at once`
}

async function identitiesIn(dir: string): Promise<Set<string>> {
  return new Set((await listDirectory(dir)).mails.map(({ identity }) => identity))
}

async function matching(room: QueueRoom, wanted: Wanted, names: ReturnType<typeof nearestNames>): Promise<string[]> {
  const { mails } = await listDirectory(room.queueDir)
  if (wanted.by === 'all') {
    return [...new Set([...(room.gateway?.held.keys() ?? []), ...mails.map(({ identity }) => identity)])]
  }
  const found: string[] = []
  // what was tried so far does not matter here
  const quick = { ...room, sources: { ...room.sources, records: null } }
  for await (const entry of everyMail(quick, mails)) {
    if (!('mail' in entry)) continue
    names.seen(wanted.by === 'domain' ? [entry.mail.domain] : idsOf(entry.mail))
    if (isWanted(wanted, entry.mail)) found.push(entry.identity)
  }
  return found
}

function nameOf(wanted: Wanted): string {
  switch (wanted.by) {
    case 'all':
      return ''
    case 'domain':
      return wanted.domain
    case 'id':
      return wanted.id
  }
}

function show(result: RetryResult, wanted: Wanted, near: string | undefined, io: Io): void {
  const { matched, started, delivering, due, gone, notHeld, paused } = result
  if (matched === 0) {
    const meant = near === undefined ? '' : `; did you mean ${near}?`
    const nothing = wanted.by === 'all' ? 'the queue is empty' : `no queued mail for ${nameOf(wanted)}${meant}`
    io.err(`secure-mail: ${nothing}\n`)
    return
  }
  const parts: string[] = [`${count(started, 'mail')} called`]
  if (delivering > 0) parts.push(`${delivering} being delivered already`)
  if (due > 0) parts.push(`${due} due already`)
  if (gone > 0) parts.push(`${gone} gone meanwhile`)
  io.out(`${parts.join(', ')}; see how it went with: secure-mail queue list\n`)
  if (notHeld > 0) {
    io.err(`secure-mail: ${count(notHeld, 'mail')} held by no process of the gateway; restart it to take them up\n`)
  }
  if (paused) io.err('secure-mail: delivery is paused ([delivery] paused=true): nothing is tried before that ends\n')
}
