/**
 * Haraka's objects as they are in 3.3.x, read off its source: the one place where its untyped world gets types.
 * Only what this plugin touches is listed; nothing in `lib/` knows any of it.
 */
import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'

/** Return codes of hooks (package `haraka-constants`); `startup-check` compares them with the Haraka found. */
export const CODE = {
  cont: 900,
  stop: 901,
  deny: 902,
  denysoft: 903,
  denydisconnect: 904,
  disconnect: 905,
  ok: 906,
  nextHook: 907,
  delay: 908,
  denysoftdisconnect: 909,
} as const

/** The callback that every hook must call exactly once. */
export type Next = (code?: number, message?: unknown) => void

export interface HarakaAddress {
  user: string
  host: string
  original: string
  original_host?: string
  readonly address: string
  isNull(): boolean
  format(punycode?: boolean): string
}

/** `haraka-notes`: a plain object with two hidden path functions; what is stored must survive JSON. */
export type Notes = Record<string, unknown>

/** What a message is wanted as; see haraka-message-stream. */
export interface PipeOptions {
  /** true (the default): lines that begin with two dots lose one. */
  dot_stuffed?: boolean
  dot_stuffing?: boolean
  line_endings?: string
  skip_headers?: boolean
  ending_dot?: boolean
  clamd_style?: boolean
  end?: boolean
}

export interface MessageStream extends AsyncIterable<Buffer> {
  uuid: string
  /** The transaction's header fields, the very list. */
  headers: string[]
  /** Bytes that came in so far. */
  bytes_read?: number
  idx: unknown
  add_line(line: Buffer | string): void
  add_line_end(done?: () => void): void
  /** Gives the whole message: CRLF line ends, dots un-stuffed. Throws when somebody else is reading. */
  get_data(done: (data: Buffer) => void): void
  pipe<T extends NodeJS.WritableStream>(to: T, options?: PipeOptions): T
  unpipe(): void
  pause(): void
  resume(): void
  destroy(): void
  [Symbol.asyncIterator](options?: PipeOptions): AsyncIterator<Buffer>
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
}

export interface HarakaHeader {
  /** Raw fields in order, each with its folding and final line end; what goes out is written from here. */
  header_list: string[]
  /** Parsed values by lower-case name. */
  headers: Record<string, string[] | undefined>
  headers_decoded: Record<string, string[] | undefined>
  /** Adds fields to what is there. */
  parse(lines: readonly string[]): void
  get_all(name: string): string[]
  get(name: string): string
}

export interface ResultStore {
  get(plugin: string): { pass?: unknown[] } | undefined
  add(plugin: { name: string }, result: Record<string, unknown>): void
}

export interface Transaction {
  uuid: string
  /** Of the connection: where large messages lie, and from which size on. */
  cfg: unknown
  mail_from: HarakaAddress
  rcpt_to: HarakaAddress[]
  header: HarakaHeader
  message_stream: MessageStream
  notes: Notes
  data_bytes: number
  /** 0 until the header was parsed. */
  header_pos: number
  /** Somebody wants to look into the body while it comes in. */
  parse_body: boolean
  discard_data: boolean
  add_data(line: Buffer | string): void
  results?: ResultStore
  msg_status?: string
  add_leading_header(name: string, value: string): void
}

export interface Connection {
  /** Of `constants.connection.state`. */
  state: number
  /** What was received and not looked at yet. */
  current_data?: Buffer | null
  transaction: Transaction | null
  relaying: boolean
  remote: { ip: string; port: number; closed?: boolean }
  notes: Notes & { auth_user?: string }
  results: ResultStore
  msg_count: { accept: number; tempfail: number; reject: number }
  capabilities?: string[]
  tls?: { enabled: boolean }
  respond(code: number, message: string | string[], done?: () => void): void
  reset_transaction(done?: () => void): void
  resume(): void
  disconnect(): void
  queue_msg(code: number | undefined, message: unknown): string
  store_queue_result(code: number | undefined, message: string): void
  loginfo(...data: unknown[]): void
  lognotice(...data: unknown[]): void
  logerror(...data: unknown[]): void
}

export interface Todo {
  queue_time: number
  domain: string
  rcpt_to: HarakaAddress[]
  mail_from: HarakaAddress
  notes: Notes
  uuid: string
  message_stream?: MessageStream
}

/** What a `get_mx` hook may answer, one of them or a list. */
export interface HarakaMx {
  exchange?: string
  path?: string
  priority?: number
  port?: number
  bind?: string
  bind_helo?: string
  using_lmtp?: boolean
  auth_user?: string
  auth_pass?: string
  auth_type?: string
  from_dns?: string
}

/** `outbound/hmail`: one queued file. */
export interface HMailItem extends EventEmitter {
  path: string
  filename: string
  next_process: number
  num_failures: number
  todo: Todo | null
  notes: Notes
  file_size: number
  data_start: number
  bounce_error: Error | null
  refcount: number
  /** Gives the queue's slot back; must be called exactly once per `send()`. */
  next_cb: () => void
  hooks_to_run?: unknown[]
  current_hook?: [unknown, unknown, () => void] | null
  logdebug(...data: unknown[]): void
  loginfo(...data: unknown[]): void
  lognotice(...data: unknown[]): void
  logwarn(...data: unknown[]): void
  logerror(...data: unknown[]): void
  logcrit(...data: unknown[]): void
}

export interface HMailItemClass {
  new (filename: string, path: string, notes?: Notes): HMailItem
  prototype: HMailItem & Record<string, unknown>
}

export interface Outbound {
  send_email(
    from: string,
    to: string | string[],
    contents: string | NodeJS.ReadableStream,
    done: (code: number, message?: unknown) => void,
    options?: { notes?: Notes; dot_stuffed?: boolean; origin?: unknown },
  ): void
  send_trans_email(transaction: Transaction, done: (code: number, message?: unknown) => void): void
  process_delivery: (okPaths: string[], todo: Todo, items: HMailItem[]) => Promise<void>
  /** Writes once; `writeMore` is called when the stream takes more, at once when `write` says so. */
  build_todo: (todo: Todo, stream: { write(envelope: Buffer): boolean }, writeMore: () => void) => void
  net_utils: {
    HarakaMx: new (mx: unknown, domain?: string) => HarakaMx
    get_primary_host_name(): string
  }
}

export interface QueueModule {
  queue_dir: string
  /** Called for every name in the queue directory; false = no mail. */
  read_parts: (file: string) => QueueFileParts | false
  /** `tasks`: items that wait for a place. */
  delivery_queue: { push(item: HMailItem): void; length(): number; tasks: HMailItem[] }
  /** Called with the name of each file that was found at the start. */
  _add_file: (file: string) => Promise<string>
  temp_fail_queue: {
    add(id: string, milliseconds: number, due: () => void): unknown
    discard(id: string): void
    length(): number
  }
}

export interface QueueFileParts {
  arrival: number
  next_attempt: number
  attempts: number
  pid: number
  uid: string
  counter: number
  host: string
}

export interface QueueFileModule {
  name(overrides?: Partial<QueueFileParts>): string
  parts(filename: string): QueueFileParts | null
  platformDOT: string
}

export interface OutboundConfigModule {
  cfg: { disabled?: boolean; [key: string]: unknown }
}

export interface RegisteredHook {
  plugin: string
  method: string
  priority: number
  order: number
}

export interface PluginsModule {
  registered_hooks: Record<string, RegisteredHook[] | undefined>
  registered_plugins: Record<string, { plugin_path?: string } | undefined>
  run_hooks(hook: string, object: unknown, params?: unknown): void
}

export interface ConnectionModule {
  Connection: { prototype: Connection & Record<string, unknown> }
}

export interface TransactionModule {
  Transaction: { prototype: Transaction }
  createTransaction(uuid: string | null, cfg?: unknown): Transaction
}

export interface Server {
  cluster?: { isMaster: boolean; worker?: { id: number } }
  cfg: { main: { nodes?: number | string } }
}

/** `this` of every hook. */
export interface HarakaPlugin {
  name: string
  /** Seconds after which Haraka answers DENYSOFT in a hook's stead; 0 = never. */
  timeout: number
  plugin_path?: string
  hooks: Record<string, string[]>
  register_hook(hook: string, method: string, priority?: number): void
  haraka_require(module: 'outbound'): Outbound
  haraka_require(module: 'outbound/hmail'): HMailItemClass
  haraka_require(module: 'outbound/queue'): QueueModule
  haraka_require(module: 'outbound/qfile'): QueueFileModule
  haraka_require(module: 'outbound/config'): OutboundConfigModule
  haraka_require(module: 'plugins'): PluginsModule
  haraka_require(module: 'connection'): ConnectionModule
  haraka_require(module: 'transaction'): TransactionModule
  haraka_require(module: 'logger'): { would_log: (level: number) => boolean }
  haraka_require(module: 'package.json'): { version: string }
  logdebug(...data: unknown[]): void
  loginfo(...data: unknown[]): void
  lognotice(...data: unknown[]): void
  logwarn(...data: unknown[]): void
  logerror(...data: unknown[]): void
  logcrit(...data: unknown[]): void
}

/** The modules of the running Haraka, fetched once at `register()`. */
export interface HarakaModules {
  version: string
  outbound: Outbound
  HMailItem: HMailItemClass
  queue: QueueModule
  queueFile: QueueFileModule
  outboundConfig: OutboundConfigModule
  plugins: PluginsModule
  Connection: ConnectionModule['Connection']
  transaction: TransactionModule
  /** Haraka's logger: does it write lines of this level? */
  wouldLog: (level: number) => boolean
  /** Haraka's own address class: `instanceof` fails across copies of the package, so ours would not do. */
  Address: new (address: unknown) => HarakaAddress
  Notes: new (notes?: unknown) => Notes
  /** `haraka-dsn`: what `respond()` takes as a reply with a code of its own. */
  DSN: { create(code: number, text: string, subject: number, detail: number): unknown }
}

/** @throws whatever `require` throws when a module is not where Haraka 3.3 has it */
export function harakaModules(plugin: HarakaPlugin): HarakaModules {
  const HMailItem = plugin.haraka_require('outbound/hmail')
  // packages of Haraka are resolved from where its own file stands, hoisted or not
  const file = Object.keys(require.cache).find((name) => require.cache[name]?.exports === HMailItem)
  if (file === undefined) throw new Error('the module outbound/hmail of Haraka is not in the module cache')
  const requireOfHaraka = createRequire(file)
  const logger = plugin.haraka_require('logger')
  const { Address } = requireOfHaraka('@haraka/email-address') as Pick<HarakaModules, 'Address'>
  return {
    version: plugin.haraka_require('package.json').version,
    outbound: plugin.haraka_require('outbound'),
    HMailItem,
    Address,
    Notes: requireOfHaraka('haraka-notes') as HarakaModules['Notes'],
    DSN: requireOfHaraka('haraka-dsn') as HarakaModules['DSN'],
    queue: plugin.haraka_require('outbound/queue'),
    queueFile: plugin.haraka_require('outbound/qfile'),
    outboundConfig: plugin.haraka_require('outbound/config'),
    plugins: plugin.haraka_require('plugins'),
    Connection: plugin.haraka_require('connection').Connection,
    transaction: plugin.haraka_require('transaction'),
    wouldLog: (level) => logger.would_log(level),
  }
}
