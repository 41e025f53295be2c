import type { Audit, AuditEvent } from './types'

/** An audit log that only remembers; for tests and for commands that must leave no trace. */
export interface MemoryAudit extends Audit {
  /** Everything told, oldest first. */
  readonly events: AuditEvent[]
  /** Set to make `tellDurably` reject, as a full disk would. */
  failWith: Error | undefined
}

/** Make an audit log in memory. */
export function memoryAudit(): MemoryAudit {
  const audit: MemoryAudit = {
    events: [],
    failWith: undefined,
    tell(event) {
      audit.events.push(event)
    },
    tellDurably(event) {
      if (audit.failWith !== undefined) return Promise.reject(audit.failWith)
      audit.events.push(event)
      return Promise.resolve()
    },
    written: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
  return audit
}
