/** Which open connection may serve which target: only one that was made for exactly the same. */
import type { HostRequirement } from '../policy/types'
import type { Target } from './route'

/**
 * Fields of a requirement that explain it and are no part of it. Everything else counts, what is added later included:
 * a field that nobody thought of here separates connections instead of letting one through.
 */
const EXPLANATIONS: ReadonlySet<string> = new Set<keyof HostRequirement>(['usable', 'resultType', 'why'])

/**
 * @param heloName the name said in EHLO where the target names no other
 * @returns equal for two targets if and only if a connection that was opened, verified and logged in for one is what
 *   the other needs: same address and port, same SNI and requirement, same client identity
 */
export function connectionKey(target: Target, heloName: string): string {
  const { address, port, path, lmtp, bind, bindHelo, auth, need } = target
  const asked: Asked = { port, path, lmtp, bind, bindHelo, heloName, auth, need }
  const last = lastAsked.get(address)
  if (last !== undefined && same(last.asked, asked)) return last.key
  const key = keyOf(address, asked)
  if (lastAsked.size >= MAX_REMEMBERED) lastAsked.clear()
  // copies, so that what happens to the caller's changes nothing here
  lastAsked.set(address, { asked: { ...asked, auth: auth && { ...auth }, need: { ...need } }, key })
  return key
}

/** All that a key is made of, but for the address. */
type Asked = Omit<Target, 'host' | 'address' | 'bindHelo' | 'path' | 'bind' | 'auth' | 'enforced' | 'published'> & {
  heloName: string
} & { [name in 'path' | 'bind' | 'bindHelo' | 'auth']: Target[name] | undefined }

/** What was asked for last at each address: nearly every mail asks for the same, and comparing is cheaper than sorting. */
const lastAsked = new Map<string, { asked: Asked; key: string }>()
const MAX_REMEMBERED = 2_000

/** Equal in everything, explanations included; in doubt they are not. */
function same(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (!isObject(one) || !isObject(other) || Array.isArray(one) !== Array.isArray(other)) return false
  let more = 0
  for (const name in one) {
    if (!Object.hasOwn(other, name) || !same(one[name], other[name])) return false
    more += 1
  }
  for (const name in other) if (Object.hasOwn(other, name)) more -= 1
  return more === 0
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function keyOf(address: string, { port, path, lmtp, bind, bindHelo, heloName, auth, need }: Asked): string {
  const required = Object.entries(need)
    .filter(([name, value]) => value !== undefined && !EXPLANATIONS.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const identity = [bind ?? null, bindHelo ?? heloName, auth?.user ?? null, auth?.pass ?? null, auth?.type ?? null]
  return JSON.stringify([address, port, path ?? null, lmtp, identity, required])
}
