/**
 * Every key of `secure-mail.ini`: its section, its name, how its value is read. What each means, and what happens when
 * it is wrong or missing, stands beside its default in `config/secure-mail.ini` of the package; a test holds the two
 * together.
 */
import { SENSITIVE_KINDS } from '../classify/sensitive-kinds'
import { LEVELS } from '../policy/types'
import * as value from './values'
import type { Parser } from './values'

/** A key with one value. */
export interface SingleSpec<T> {
  list: false
  parse: Parser<T>
}

/** A key written `key[]=`, once per item; what an instance gives replaces the default list. */
export interface ListSpec<T> {
  list: true
  parse: Parser<T>
}

const one = <T>(parse: Parser<T>): SingleSpec<T> => ({ list: false, parse })
const many = <T>(parse: Parser<T>): ListSpec<T> => ({ list: true, parse })

export const SCHEMA = {
  main: {
    mode: one(value.choice('enforce', 'monitor')),
    level: one(value.choice(...LEVELS)),
    internal_domains: many(value.domainPattern),
  },
  tls: {
    min_version: one(value.choice('TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3')),
    dane: one(value.boolean),
    mta_sts: one(value.boolean),
    ca_file: one(value.optional(value.text)),
    ciphers: one(value.optional(value.text)),
  },
  override: {
    tags: many(value.subjectTag),
    tls_required_no: one(value.boolean),
    mode: one(value.choice('opportunistic', 'plaintext')),
    refused: one(value.choice('enforce', 'ndr', 'reject')),
    strip_tag: one(value.boolean),
    strip_signed: one(value.boolean),
    senders_allow: many(value.addressOrDomain),
    senders_deny: many(value.addressOrDomain),
  },
  public: {
    subject_tags: many(value.subjectTag),
    headers: many(value.headerPair),
    purview_tenant: one(value.optional(value.guid)),
    purview_labels: many(value.guid),
    body_lines: many(value.text),
  },
  content: {
    block_at: one(value.choice('low', 'medium', 'high')),
    max_parts: one(value.integer(1, 100_000)),
    max_depth: one(value.integer(1, 200)),
    max_bytes: one(value.size),
    max_seconds: one(value.seconds),
    workers: one(value.integer(0, 64)),
    sensitive: many(value.choice(...SENSITIVE_KINDS)),
  },
  category3: {
    persons: one(value.integer(0, 100_000)),
    name_rows: one(value.boolean),
    action: one(value.choice('notify', 'encrypt', 'ndr', 'off')),
    subject_tags: many(value.subjectTag),
    without_certificate: one(value.choice('ndr', 'split')),
    hide_subject: one(value.choice('findings', 'always')),
    hidden_subject: one(value.text),
    protect_headers: one(value.choice('rfc9788', 'rfc8551')),
    rsa_padding: one(value.choice('pkcs1', 'oaep')),
    sign_certificate: one(value.optional(value.text)),
    sign_key: one(value.optional(value.text)),
    harvest: one(value.boolean),
    smime_roots: one(value.optional(value.text)),
    smime_crls: one(value.optional(value.text)),
  },
  ndr: {
    languages: one(value.commaList(value.choice('da', 'en'))),
    postmaster: one(value.optional(value.mailAddress)),
    dsn: one(value.choice('honour', 'advertise', 'ignore')),
    tls_failure_after: one(value.someTime),
    undeliverable_after: one(value.someTime),
    delay_notice_after: one(value.someTime),
    style: one(value.choice('report', 'plain')),
    coalesce: one(value.duration),
  },
  delivery: {
    port: one(value.integer(1, 65535)),
    connections_per_destination: one(value.integer(1, 1000)),
    messages_per_connection: one(value.integer(1, 100_000)),
    idle_seconds: one(value.seconds),
    retry: one(value.commaList(value.someTime)),
    paused: one(value.boolean),
    local_mx_ok: one(value.boolean),
    inet_prefer: one(value.choice('v4', 'v6', 'default')),
    timeout_connect: one(value.someTime),
    timeout_greeting: one(value.someTime),
    timeout_helo: one(value.someTime),
    timeout_starttls: one(value.someTime),
    timeout_mail: one(value.someTime),
    timeout_rcpt: one(value.someTime),
    timeout_data: one(value.someTime),
    timeout_data_block: one(value.someTime),
    timeout_data_end: one(value.someTime),
  },
  support: {
    name: one(value.optional(value.text)),
    address: one(value.optional(value.mailAddress)),
    phone: one(value.optional(value.text)),
    digest: one(value.choice('daily', 'off')),
  },
  dns: {
    servers: many(value.serverAddress),
    trust_ad: one(value.choice('loopback', 'always', 'never')),
    timeout: one(value.someTime),
  },
  store: {
    engine: one(value.choice('lmdb', 'redis')),
    path: one(value.text),
    redis_url: one(value.optional(value.redisUrl)),
  },
  audit: {
    dir: one(value.text),
    recipients: one(value.choice('domain+hmac', 'clear')),
    keep_days: one(value.integer(0, 36_500)),
    compress_days: one(value.integer(0, 36_500)),
    key_days: one(value.integer(0, 36_500)),
  },
  tlsrpt: {
    enabled: one(value.boolean),
    organization: one(value.optional(value.text)),
    contact: one(value.optional(value.mailAddress)),
    from: one(value.optional(value.mailAddress)),
    only_failures: one(value.boolean),
    exclude_domains: many(value.domainPattern),
    window: one(value.duration),
    https: one(value.boolean),
  },
  metrics: {
    listen: one(value.optional(value.listenAddress)),
  },
} as const

export type Schema = typeof SCHEMA
export type SectionName = keyof Schema

type ValueOf<S> = S extends ListSpec<infer T> ? readonly T[] : S extends SingleSpec<infer T> ? T : never

/** Typed values by section and key, as written in the file. */
export type Values = { [S in SectionName]: { -readonly [K in keyof Schema[S]]: ValueOf<Schema[S][K]> } }
