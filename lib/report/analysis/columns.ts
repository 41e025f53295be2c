/** The columns that an event has for a query: from which field each is taken, and what it is. */

export interface LogColumn {
  name: string
  /** Dotted path in the line. */
  path: string
  type: 'VARCHAR' | 'VARCHAR[]' | 'BIGINT' | 'DOUBLE' | 'BOOLEAN' | 'TIMESTAMP'
}

const column = (name: string, path: string, type: LogColumn['type'] = 'VARCHAR'): LogColumn => ({ name, path, type })

/** Every column is declared: what a field is does not depend on what happens to stand in the first lines. */
export const COLUMNS: readonly LogColumn[] = [
  column('time', '@timestamp', 'TIMESTAMP'),
  column('action', 'event.action'),
  column('outcome', 'event.outcome'),
  column('level', 'log.level'),
  column('message', 'message'),
  column('sequence', 'event.sequence', 'BIGINT'),
  column('gateway', 'observer.hostname'),
  column('version', 'observer.version'),
  column('mail_id', 'email.local_id'),
  column('message_id', 'email.message_id'),
  column('case_id', 'securemail.case_id'),
  column('sender', 'email.sender.address'),
  column('user_name', 'user.name'),
  column('source_ip', 'source.ip'),
  column('domains', 'securemail.recipient.domain', 'VARCHAR[]'),
  column('hmacs', 'securemail.recipient.hmac', 'VARCHAR[]'),
  column('addresses', 'email.to.address', 'VARCHAR[]'),
  column('recipients', 'securemail.recipient.count', 'BIGINT'),
  column('mx_host', 'destination.domain'),
  column('mx_ip', 'destination.ip'),
  column('mx_port', 'destination.port', 'BIGINT'),
  column('encrypted', 'tls.established', 'BOOLEAN'),
  column('tls_version', 'tls.version'),
  column('cipher', 'tls.cipher'),
  column('verified', 'securemail.tls.verified', 'BOOLEAN'),
  column('auth', 'securemail.tls.auth'),
  column('pkix', 'securemail.tls.pkix'),
  column('cert_subject', 'tls.server.subject'),
  column('cert_issuer', 'tls.server.issuer'),
  column('cert_not_after', 'tls.server.not_after', 'TIMESTAMP'),
  column('cert_sha256', 'tls.server.hash.sha256'),
  column('cert_names', 'tls.server.x509.alternative_names', 'VARCHAR[]'),
  column('spki_sha256', 'securemail.tls.spki_sha256'),
  column('tls_token', 'securemail.tls_token'),
  column('rule_id', 'rule.id'),
  column('rule_reason', 'rule.description'),
  column('policy_source', 'securemail.policy.source'),
  column('policy_level', 'securemail.policy.level'),
  column('policy_would_have', 'securemail.policy.would_have'),
  column('optout_by', 'securemail.optout.by'),
  column('optout_granted', 'securemail.optout.granted', 'BOOLEAN'),
  column('refusals', 'securemail.optout.refusals', 'VARCHAR[]'),
  column('result_type', 'securemail.result_type'),
  column('failure_mx', 'securemail.failure.mx'),
  column('failure_detail', 'securemail.failure.detail'),
  column('smtp_code', 'securemail.smtp.code', 'BIGINT'),
  column('smtp_text', 'securemail.smtp.text'),
  column('error_code', 'error.code'),
  column('attempt', 'securemail.attempt', 'BIGINT'),
  column('queue_age_s', 'securemail.queue_age_s', 'DOUBLE'),
  column('report_kind', 'securemail.report.kind'),
  column('report_status', 'securemail.report.status'),
  column('report_to', 'securemail.report_to'),
  column('would_have', 'securemail.would_have'),
  column('would_level', 'securemail.would_level'),
  column('would_result_type', 'securemail.would_result_type'),
  column('category', 'securemail.category', 'BIGINT'),
  column('persons', 'securemail.persons', 'BIGINT'),
  column('inspected', 'securemail.inspected', 'BOOLEAN'),
  column('reasons', 'securemail.reasons'),
  column('category3_action', 'securemail.category3_action'),
  column('bytes', 'securemail.bytes', 'BIGINT'),
  column('requiretls', 'securemail.requiretls', 'BOOLEAN'),
  column('tls_required', 'securemail.tls_required'),
  column('route', 'securemail.route'),
  column('sts_state', 'securemail.sts_state'),
  column('sts_mode', 'securemail.sts_mode'),
  column('sts_event', 'securemail.sts_event'),
  column('lost_events', 'securemail.lost_events', 'BIGINT'),
  column('what', 'securemail.what'),
  column('operator', 'securemail.operator'),
  column('file_owner', 'securemail.file_owner'),
  column('expires', 'securemail.expires'),
]

/** A folder of names, and fields with their type. */
interface Shape {
  [name: string]: Shape | string
}

/** `columns` of DuckDB's read_json: the shape of a line, as far as it is wanted. */
export function lineShape(): string {
  const shape: Shape = {}
  for (const { path, type } of COLUMNS) {
    const names = path.split('.')
    const last = names.pop() ?? ''
    let at = shape
    for (const name of names) {
      const inner = at[name]
      const next: Shape = typeof inner === 'object' ? inner : {}
      at[name] = next
      at = next
    }
    // a time that is none makes this field empty, not the line unreadable
    at[last] = type === 'TIMESTAMP' ? 'VARCHAR' : type
  }
  return `{${Object.entries(shape)
    .map(([name, inner]) => `'${name}': '${typeOf(inner)}'`)
    .join(', ')}}`
}

function typeOf(shape: Shape | string): string {
  if (typeof shape === 'string') return shape
  return `STRUCT(${Object.entries(shape)
    .map(([name, inner]) => `"${name}" ${typeOf(inner)}`)
    .join(', ')})`
}

/** The columns of a line that was read in that shape; a line that is no event has no `action`. */
export function lineColumns(): string {
  return COLUMNS.map(({ name, path, type }) => {
    const field = path
      .split('.')
      .map((part) => `"${part}"`)
      .join('.')
    if (name === 'action')
      return `CASE WHEN try_cast("@timestamp" AS TIMESTAMP) IS NULL THEN NULL ELSE ${field} END AS action`
    return type === 'TIMESTAMP' ? `try_cast(${field} AS TIMESTAMP) AS "${name}"` : `${field} AS "${name}"`
  }).join(', ')
}
