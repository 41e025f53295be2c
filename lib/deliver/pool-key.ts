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
  const required = Object.entries(need)
    .filter(([name, value]) => value !== undefined && !EXPLANATIONS.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const identity = [bind ?? null, bindHelo ?? heloName, auth?.user ?? null, auth?.pass ?? null, auth?.type ?? null]
  return JSON.stringify([address, port, path ?? null, lmtp, identity, required])
}
