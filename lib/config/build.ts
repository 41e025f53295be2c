import path from 'node:path'
import type { PolicyMap } from '../policy/types'
import type { Values } from './schema'
import type { Settings } from './settings'

/**
 * The settings as the rooms want them, from values as they are written.
 *
 * @param instanceDir relative paths are below it
 */
export function buildSettings(values: Values, map: PolicyMap, instanceDir: string): Settings {
  const { main, tls, override, content, category3, ndr, delivery, support, dns, store, audit, tlsrpt } = values
  const below = (file: string) => path.resolve(instanceDir, file)
  return {
    main: { mode: main.mode, level: main.level, internalDomains: main.internal_domains },
    tls: {
      minVersion: tls.min_version,
      dane: tls.dane,
      mtaSts: tls.mta_sts,
      ...(tls.ca_file === undefined ? {} : { caFile: below(tls.ca_file) }),
      ...(tls.ciphers === undefined ? {} : { ciphers: tls.ciphers }),
    },
    override: {
      tags: override.tags,
      tlsRequiredNo: override.tls_required_no,
      mode: override.mode,
      refused: override.refused,
      stripTag: override.strip_tag,
      stripSigned: override.strip_signed,
      sendersAllow: override.senders_allow,
      sendersDeny: override.senders_deny,
    },
    public: {
      subjectTags: values.public.subject_tags,
      headers: values.public.headers,
      ...(values.public.purview_tenant === undefined ? {} : { purviewTenant: values.public.purview_tenant }),
      purviewLabels: values.public.purview_labels,
      bodyLines: values.public.body_lines,
    },
    content: {
      blockAt: content.block_at,
      maxParts: content.max_parts,
      maxDepth: content.max_depth,
      maxBytes: content.max_bytes,
      maxMillis: content.max_seconds,
      workers: content.workers,
      sensitive: content.sensitive,
    },
    category3: {
      persons: category3.persons,
      nameRows: category3.name_rows,
      action: category3.action,
      subjectTags: category3.subject_tags,
      withoutCertificate: category3.without_certificate,
      hideSubject: category3.hide_subject,
      hiddenSubject: category3.hidden_subject,
      protectHeaders: category3.protect_headers,
      rsaPadding: category3.rsa_padding,
      ...(category3.sign_certificate === undefined || category3.sign_key === undefined
        ? {}
        : { signing: { certificate: below(category3.sign_certificate), key: below(category3.sign_key) } }),
      harvest: category3.harvest,
      ...(category3.smime_roots === undefined ? {} : { smimeRoots: below(category3.smime_roots) }),
      ...(category3.smime_crls === undefined ? {} : { smimeCrls: below(category3.smime_crls) }),
    },
    ndr: {
      languages: ndr.languages,
      ...(ndr.postmaster === undefined ? {} : { postmaster: ndr.postmaster }),
      dsn: ndr.dsn,
      tlsFailureAfter: ndr.tls_failure_after,
      undeliverableAfter: ndr.undeliverable_after,
      delayNoticeAfter: ndr.delay_notice_after,
      style: ndr.style,
      coalesce: ndr.coalesce,
    },
    delivery: {
      port: delivery.port,
      connectionsPerDestination: delivery.connections_per_destination,
      messagesPerConnection: delivery.messages_per_connection,
      idle: delivery.idle_seconds,
      retry: delivery.retry,
      paused: delivery.paused,
      localMxOk: delivery.local_mx_ok,
      inetPrefer: delivery.inet_prefer,
      timeouts: {
        connect: delivery.timeout_connect,
        greeting: delivery.timeout_greeting,
        helo: delivery.timeout_helo,
        starttls: delivery.timeout_starttls,
        mail: delivery.timeout_mail,
        rcpt: delivery.timeout_rcpt,
        data: delivery.timeout_data,
        dataBlock: delivery.timeout_data_block,
        dataEnd: delivery.timeout_data_end,
      },
    },
    support: {
      name: support.name ?? '',
      address: support.address ?? '',
      phone: support.phone ?? '',
      digest: support.digest,
    },
    dns: { servers: dns.servers, trustAd: dns.trust_ad, timeout: dns.timeout },
    store: {
      engine: store.engine,
      path: below(store.path),
      ...(store.redis_url === undefined ? {} : { redisUrl: store.redis_url }),
    },
    audit: {
      dir: below(audit.dir),
      recipients: audit.recipients,
      keepDays: audit.keep_days,
      compressDays: audit.compress_days,
      keyDays: audit.key_days,
    },
    tlsrpt: {
      enabled: tlsrpt.enabled,
      ...(tlsrpt.organization === undefined ? {} : { organization: tlsrpt.organization }),
      ...(tlsrpt.contact === undefined ? {} : { contact: tlsrpt.contact }),
      ...(tlsrpt.from === undefined ? {} : { from: tlsrpt.from }),
      onlyFailures: tlsrpt.only_failures,
      excludeDomains: tlsrpt.exclude_domains,
      window: tlsrpt.window,
      https: tlsrpt.https,
    },
    metrics: values.metrics.listen === undefined ? {} : { listen: values.metrics.listen },
    map,
  }
}
