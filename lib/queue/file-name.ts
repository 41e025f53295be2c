/** What the name of a queue file says. Haraka: `arrival_nextattempt_attempts_pid_unique_counter_host`. */

/** A queue file by its name alone. */
export interface QueueFileName {
  name: string
  /** The part that stays when the file is renamed for its next try: the mail's identity in the queue. */
  identity: string
  /** Milliseconds since the epoch. */
  arrival: number
  nextTry: number
  /** Tries that failed so far. */
  tries: number
  /** Process that named it. */
  pid: number
}

/** Longest name that is looked at; no file system has longer ones. */
const LONGEST = 255

/** @returns null when no queue file is called so */
export function parseFileName(name: string): QueueFileName | null {
  if (name.length > LONGEST) return null
  const parts = name.split('_')
  if (parts.length !== 7) return null
  const [arrival = '', nextTry = '', tries = '', pid = '', unique = '', counter = ''] = parts
  if (![arrival, nextTry, tries, pid, counter].every((part) => /^\d{1,16}$/.test(part))) return null
  if (!/^[A-Za-z0-9]{1,40}$/.test(unique)) return null
  // a time that no Date can show is no time
  if (Number(arrival) > MAX_TIME || Number(nextTry) > MAX_TIME) return null
  return {
    name,
    identity: `${Number(arrival)}_${unique}`,
    arrival: Number(arrival),
    nextTry: Number(nextTry),
    tries: Number(tries),
    pid: Number(pid),
  }
}

/** ECMA-262 section 21.4.1.1. */
const MAX_TIME = 8.64e15

/** Is this the form of an identity? */
export function isIdentity(text: string): boolean {
  return /^\d{1,16}_[A-Za-z0-9]{1,40}$/.test(text)
}
