/**
 * Delivery taken over at the root. Hook chains can be cut short by any plugin, so the seam is the class: the methods
 * of `HMailItem.prototype` through which every outbound mail passes, generated ones included, are ours, and cannot be
 * put back. What stock Haraka would do with a mail after that point is unreachable.
 */
import fs from 'node:fs/promises'
import { CODE, type Connection, type HarakaModules, type HMailItem, type Todo } from './haraka'
import { responder } from './hooks'
import { isJournalFile } from '../lib/spool/run'
import { isSealedHere } from '../lib/store/seal'
import { blockwise } from './intake'
import { TROUBLE_RETRY } from './lifecycle'
import { NOTES_KEY } from './notes-key'
import { PREFIX, queueWriter, takeWritten } from './queue-writer'
import { openWire, setAside } from './queued-mail'
import { comeBack, watchWaiting } from './waiting-room'

/** Hooks whose answers come back to our questions. */
const ASKED_HOOKS = ['send_email', 'get_mx', 'delivered', 'deferred', 'bounce'] as const

/** Stock ways to send, put off or end a mail; whoever calls one of them gets a log line and the mail stays. */
const STOCK_WAYS = [
  '_send',
  'get_mx',
  'get_mx_error',
  'found_mx',
  'try_deliver',
  'try_deliver_host_on_socket',
  'bounce',
  '_bounce',
  'double_bounce',
  'discard',
  'convert_temp_failed_to_bounce',
  'temp_fail',
  'split_to_new_recipients',
] as const

/** Every method that must be Haraka's own before and ours afterwards. */
export const TAKEN_METHODS: readonly string[] = [
  'send',
  'size_file',
  'read_todo',
  'delivered',
  'data_stream',
  ...STOCK_WAYS,
  ...ASKED_HOOKS.map((hook) => `${hook}_respond`),
]

export interface Takeover {
  /** Are all methods still ours? Names those that are not. */
  missing(): string[]
}

export interface TakeoverHandlers {
  /** Deliver one mail; never rejects. */
  deliver: (item: HMailItem) => Promise<void>
  /** `queue_outbound_respond` of a connection. */
  queueOutboundRespond: (this: Connection, code?: number, message?: unknown) => void
  report: (what: string, error: unknown) => void
  /** Is nothing delivered at present? */
  isPaused: () => boolean
}

const envelopes = new WeakMap<HMailItem, Promise<boolean>>()

/** Resolves to true when the envelope of a queued mail is read, to false when its file cannot be used; never rejects. */
export function envelopeRead(item: HMailItem): Promise<boolean> {
  return envelopes.get(item) ?? Promise.resolve(false)
}

/**
 * @throws Error when a method cannot be taken (somebody else locked it)
 */
export function takeOver(haraka: HarakaModules, handlers: TakeoverHandlers): Takeover {
  const methods = new Map<string, unknown>()
  const { prototype } = haraka.HMailItem

  methods.set('send', function send(this: HMailItem): void {
    void handlers.deliver(this)
  })
  // called by the constructor; nobody waits for what it returns
  methods.set('size_file', function sizeFile(this: HMailItem): void {
    envelopes.set(this, readEnvelope(haraka, this, handlers.report))
  })
  methods.set('read_todo', unreachable(haraka, 'read_todo'))
  methods.set('delivered', unreachable(haraka, 'delivered'))
  for (const name of STOCK_WAYS) methods.set(name, unreachable(haraka, name))
  // other plugins read a queued mail by this one
  methods.set('data_stream', function dataStream(this: HMailItem) {
    return openWire(this)
  })
  for (const hook of ASKED_HOOKS) methods.set(`${hook}_respond`, responder(hook))
  for (const [name, value] of methods) lock(prototype, name, value)

  watchWaiting(haraka)
  // Haraka looks at every name in the queue directory, and calls ours an error
  const readParts = haraka.queue.read_parts
  haraka.queue.read_parts = (file) => (isJournalFile(file) ? false : readParts(file))

  const { prototype: connection } = haraka.Connection
  connection._process_data = blockwise(haraka, connection._process_data as (this: Connection) => void)

  const writer = queueWriter(haraka, handlers.report, handlers.isPaused)
  lock(haraka.outbound, 'process_delivery', writer)
  lock(haraka.Connection.prototype, 'queue_outbound_respond', handlers.queueOutboundRespond)

  return {
    missing() {
      const gone = [...methods]
        .filter(([name, value]) => prototype[name] !== value)
        .map(([name]) => `HMailItem.${name}`)
      if (haraka.outbound.process_delivery !== writer) gone.push('outbound.process_delivery')
      if (haraka.Connection.prototype.queue_outbound_respond !== handlers.queueOutboundRespond) {
        gone.push('Connection.queue_outbound_respond')
      }
      return gone
    },
  }
}

function lock(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: false, configurable: false, enumerable: false })
}

/** Stock delivery, called by somebody by its old name: nothing is sent and nothing is removed. */
function unreachable(haraka: HarakaModules, name: string): (this: HMailItem) => void {
  return function (this: HMailItem): void {
    this.logcrit(`secure-mail: ${name}() was called on ${this.filename}; ignored, the mail stays in the queue`)
    if (name === 'found_mx' || name.startsWith('try_deliver')) comeBack(haraka, this, TROUBLE_RETRY)
  }
}

/** Largest envelope that is believed; a bigger number is a damaged file. */
const MAX_ENVELOPE = 64 * 1024 * 1024

/**
 * Read size and envelope of a queue file: stock code ends the process on some damaged files and keeps the queue slot
 * on others. A damaged file is set aside under `error.*`; an unreadable one is tried again; a missing one was handled
 * elsewhere.
 */
async function readEnvelope(
  haraka: HarakaModules,
  item: HMailItem,
  report: (what: string, error: unknown) => void,
): Promise<boolean> {
  try {
    const own = takeWritten(item.path)
    const size = own?.size ?? (await fs.stat(item.path)).size
    if (own !== undefined) item.data_start = own.dataStart
    const todo = own === undefined ? await readTodo(item, size) : (JSON.parse(own.envelope) as Todo)
    item.file_size = size
    item.todo = revive(haraka, todo)
    if (isSealedHere(own?.sealed)) item.todo.notes[NOTES_KEY] = own.sealed
    item.emit('ready')
    return true
  } catch (error) {
    // only what the disk says is worth another try; errors of parsers may carry a `code` too, but no `syscall`
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') item.loginfo(`secure-mail: ${item.filename} is gone; handled elsewhere`)
    else if (syscall === undefined) {
      report(
        'queue-file',
        new Error(`${item.filename} is damaged and set aside as error.${item.filename}: ${(error as Error).message}`),
      )
      await setAside(haraka, item).catch((renameError: unknown) => {
        report('queue-file', renameError)
      })
    } else {
      report('queue-file', error)
      haraka.queue.temp_fail_queue.add(item.filename, TROUBLE_RETRY, () => {
        haraka.queue.delivery_queue.push(new haraka.HMailItem(item.filename, item.path))
      })
    }
    if (item.listenerCount('error') > 0) item.emit('error', `cannot read ${item.filename}`)
    return false
  }
}

async function readTodo(item: HMailItem, size: number): Promise<Todo> {
  const handle = await fs.open(item.path, 'r')
  try {
    const prefix = Buffer.alloc(PREFIX)
    if ((await handle.read(prefix, 0, PREFIX, 0)).bytesRead !== PREFIX) throw new Error('the length prefix is cut off')
    const length = prefix.readUInt32BE(0)
    if (length === 0 || length > MAX_ENVELOPE || length > size - PREFIX) throw new Error('the envelope is cut off')
    const envelope = Buffer.alloc(length)
    if ((await handle.read(envelope, 0, length, PREFIX)).bytesRead !== length)
      throw new Error('the envelope is cut off')
    item.data_start = PREFIX + length
    return JSON.parse(envelope.toString('utf8')) as Todo
  } finally {
    await handle.close()
  }
}

/** Make the parsed envelope what Haraka's plugins expect: addresses and notes are objects of its classes. */
function revive(haraka: HarakaModules, todo: Todo): Todo {
  if (!Array.isArray(todo.rcpt_to) || todo.rcpt_to.length === 0) throw new Error('the envelope has no recipients')
  if (typeof todo.uuid !== 'string' || typeof todo.domain !== 'string')
    throw new Error('the envelope has no id or domain')
  if (!Number.isFinite(todo.queue_time)) throw new Error('the envelope has no time')
  todo.mail_from = new haraka.Address(todo.mail_from)
  todo.rcpt_to = todo.rcpt_to.map((address) => new haraka.Address(address))
  const unusable = todo.rcpt_to.some(({ user, host }) => typeof user !== 'string' || typeof host !== 'string')
  if (unusable) throw new Error('the envelope has a recipient that is no address')
  todo.notes = new haraka.Notes(todo.notes)
  return todo
}

/** Answers of `queue_outbound` that reject or put off a message, as SMTP reply codes. */
export const REJECTIONS: ReadonlyMap<number, { reply: number; disconnect: boolean }> = new Map([
  [CODE.deny, { reply: 550, disconnect: false }],
  [CODE.denydisconnect, { reply: 550, disconnect: true }],
  [CODE.denysoft, { reply: 451, disconnect: false }],
  [CODE.denysoftdisconnect, { reply: 451, disconnect: true }],
])
