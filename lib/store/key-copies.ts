/**
 * Copies of the secret keys beside a store that is elsewhere: should the server lose its data, the keys come back from
 * here instead of being made anew, which would silently make void everything that was sealed before. And a server that
 * has other keys is not ours.
 */
import { chmod, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Store, StoreKey } from './types'
import { makeWhole, syncDirectory } from './whole-file'

/** First element of the keys under which `secretKey` keeps them. */
const PREFIX = 'key'
const FILE = /^([a-z][a-z0-9-]{0,40})\.key$/
/** 32 bytes in base64. */
const SECRET = /^[A-Za-z0-9+/]{43}=$/

/** A key in the store is not the one this machine knows. */
export class KeyMismatch extends Error {}

export interface KeyCopies {
  /** Base64 by name, as in the store; grows with `keep`. */
  readonly known: ReadonlyMap<string, string>
  /**
   * Write a copy, or make sure that the one that is there says the same.
   *
   * @throws KeyMismatch (rejects) when it does not
   */
  keep(name: string, secret: string): Promise<void>
  /** @throws KeyMismatch when the store has another key under that name */
  compare(name: string, stored: unknown): void
}

/** Where the key called `name` is in the store. */
export function keyOfCopy(name: string): StoreKey {
  return [PREFIX, name]
}

/**
 * @param directory of its own; made when missing, closed to others (0700)
 * @throws Error (rejects) in plain words when it cannot be used or a copy in it is damaged
 */
export async function openKeyCopies(directory: string): Promise<KeyCopies> {
  const known = new Map<string, string>()
  const file = (name: string) => path.join(directory, `${name}.key`)
  const load = async (name: string): Promise<string> => {
    const secret = (await readFile(file(name), 'latin1')).trim()
    if (!SECRET.test(secret)) throw new Error(`${file(name)} is damaged: restore it from a backup`)
    known.set(name, secret)
    return secret
  }
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    if (((await stat(directory)).mode & 0o077) !== 0) await chmod(directory, 0o700)
    for (const entry of await readdir(directory)) {
      const name = FILE.exec(entry)?.[1]
      if (name !== undefined) await load(name)
    }
  } catch (error) {
    throw new Error(`store: cannot use ${directory}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }

  const compare = (name: string, stored: unknown): void => {
    if (known.get(name) === stored) return
    throw new KeyMismatch(
      `the key "${name}" there is not the one that this machine has used (${file(name)}): it is another server, or it ` +
        'lost its data and another machine made a new key; correct redis_url or restore the data, or move the file ' +
        'away to go on with the key of the server',
    )
  }

  return {
    known,
    compare,
    async keep(name, secret) {
      if (!known.has(name) && !(await writeNew(file(name), `${secret}\n`))) await load(name)
      else if (!known.has(name)) known.set(name, secret)
      compare(name, secret)
    },
  }
}

/** @returns false when somebody else was faster */
async function writeNew(file: string, text: string): Promise<boolean> {
  const made = await makeWhole(file, text)
  if (made) await syncDirectory(path.dirname(file))
  return made
}

/**
 * The same store; what is put under a secret's key is taken from its copy, and kept as one.
 *
 * @param onMade told of a key that nobody had before
 */
export function withKeyCopies(store: Store, copies: KeyCopies, onMade: (name: string) => void): Store {
  return {
    ...store,
    async putIfAbsent<T>(key: StoreKey, value: T, options?: { ttl?: number }) {
      const [prefix, name, ...more] = key
      if (prefix !== PREFIX || typeof name !== 'string' || more.length > 0) {
        return store.putIfAbsent(key, value, options)
      }
      const copy = copies.known.get(name)
      const stored = await store.putIfAbsent<unknown>(key, copy ?? value, options)
      if (copy !== undefined) copies.compare(name, stored)
      // what is no key is not kept: `secretKey` refuses it
      else if (typeof stored === 'string' && SECRET.test(stored)) {
        await copies.keep(name, stored)
        if (stored === value) onMade(name)
      }
      return stored as T
    },
  }
}
