/**
 * The proof that a mail went encrypted: each delivery with server, TLS version, cipher, certificate and the server's own
 * answer. With --mail one mail (queue id, Message-ID or case number), else the latest of the period.
 */
import { text } from '../engine'
import { column, NOT_OUTSIDE, type Asked, type Question } from '../question'

function onlyAsked({ mailIds }: Asked): string {
  if (mailIds === null) return ''
  return mailIds.length === 0 ? 'AND false' : `AND mail_id IN (${mailIds.map(text).join(', ')})`
}

/** See the head of this file. */
export const proof: Question = {
  name: 'proof',
  title: 'Proof of encryption',
  answers: 'Whether a mail went encrypted, to which server, with which TLS and certificate.',
  sections: (asked) => [
    {
      name: 'deliveries',
      title: 'Deliveries',
      // without a mail there is no verdict, and the list is long
      ...(asked.mailIds === null ? {} : { judged: true as const }),
      columns: [
        column('time', 'when', 'time'),
        column('mail_id', 'mail'),
        column('case_id', 'case'),
        column('sender', 'sender'),
        column('domain', 'recipient domain'),
        column('recipient', 'recipient'),
        column('encrypted', 'encrypted', 'yes-no'),
        column('tls_version', 'TLS'),
        column('cipher', 'cipher'),
        column('verified', 'certificate checked', 'yes-no'),
        column('policy_level', 'level'),
        column('policy_source', 'requirement from'),
        column('mx_host', 'server'),
        column('mx_ip', 'address'),
        column('cert_subject', 'certificate'),
        column('cert_issuer', 'issuer'),
        column('cert_sha256', 'SHA-256 of the certificate'),
        column('message', 'what the server said'),
      ],
      from: `SELECT time, mail_id, case_id, sender, domains[1] AS domain,
          coalesce(hmacs[1], lower(addresses[1]), '@' || domains[1]) AS recipient, encrypted, tls_version, cipher,
          coalesce(verified, false) AS verified, policy_level, policy_source, mx_host, mx_ip, cert_subject, cert_issuer,
          cert_sha256, message
        FROM events WHERE action = 'delivery-succeeded'
          AND coalesce(policy_source, '') NOT IN ${NOT_OUTSIDE} ${onlyAsked(asked)}
        ORDER BY time DESC, mail_id, recipient`,
    },
    ...(asked.mailIds === null
      ? []
      : [
          {
            name: 'undelivered',
            title: 'Not delivered',
            judged: true as const,
            columns: [
              column('mail_id', 'mail'),
              column('domain', 'recipient domain'),
              column('recipient', 'recipient'),
              column('waiting', 'still waiting', 'yes-no'),
              column('result_type', 'why'),
              column('attempts', 'attempts', 'number'),
              column('last_at', 'last attempt', 'time'),
            ],
            from: `SELECT mail_id, domain, recipient, waiting, result_type, attempts, last_at FROM undelivered
              WHERE true ${onlyAsked(asked)} ORDER BY mail_id, recipient`,
          },
        ]),
  ],
  verdict(rows, { mailIds }) {
    if (mailIds === null) return null
    const delivered = rows.get('deliveries') ?? []
    const missing = rows.get('undelivered')?.length ?? 0
    const clear = delivered.filter((row) => row['encrypted'] !== true).length
    if (mailIds.length === 0) return { good: false, text: 'there is no such mail in the log of this period' }
    if (delivered.length === 0 && missing === 0)
      return { good: false, text: 'no delivery of this mail to the outside is on record in this period' }
    if (clear > 0) return { good: false, text: `${clear} of ${delivered.length} deliveries went in clear text` }
    if (missing > 0) return { good: false, text: `${missing} recipients have not been reached` }
    return { good: true, text: `encrypted: each of ${delivered.length} deliveries` }
  },
}
