/**
 * Shared TLS contexts. Building one with a full root list costs 25 ms of CPU, a handshake 1.4 ms: one context per
 * (roots, minimum version, ciphers) is built and used by every connection that asks for the same.
 */
import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext } from 'node:tls'
import type { Clock } from '../clock'
import type { TlsVersion } from '../policy/types'

export interface ContextRequest {
  /** PEM file of the roots to trust; absent = Node's own list. */
  caFile?: string
  minVersion: TlsVersion
  /** OpenSSL cipher string; absent = Node's default. */
  ciphers?: string
}

export interface Contexts {
  /**
   * @throws Error (rejects) when the file cannot be read or holds no certificate, or OpenSSL does not take the ciphers:
   *   never a context with other roots than asked for
   */
  get(request: ContextRequest): Promise<SecureContext>
}

/** A changed root file counts within this many milliseconds. */
const RECHECK = 60_000

interface Entry {
  context: Promise<SecureContext>
  checkedAt: number
  version: string
}

export function createContexts(clock: Clock): Contexts {
  const entries = new Map<string, Entry>()
  return {
    async get(request) {
      const key = JSON.stringify([request.caFile ?? null, request.minVersion, request.ciphers ?? null])
      const now = clock.now()
      const known = entries.get(key)
      if (known && (request.caFile === undefined || Math.abs(now - known.checkedAt) < RECHECK)) return known.context
      const version = request.caFile === undefined ? '' : await fileVersion(request.caFile)
      const current = entries.get(key)
      if (current?.version === version) {
        current.checkedAt = now
        return current.context
      }
      const entry: Entry = { context: build(request), checkedAt: now, version }
      entries.set(key, entry)
      // A context that could not be built is asked for again next time.
      entry.context.catch(() => {
        if (entries.get(key) === entry) entries.delete(key)
      })
      return entry.context
    },
  }
}

async function fileVersion(path: string): Promise<string> {
  const file = await stat(path)
  return `${file.mtimeMs}:${file.size}:${file.ino}`
}

async function build(request: ContextRequest): Promise<SecureContext> {
  const ca = request.caFile === undefined ? undefined : await readRoots(request.caFile)
  // OpenSSL 3 speaks TLS 1.0 and 1.1 only at security level 0; who asks for them has decided that weak is enough.
  const old = request.minVersion === 'TLSv1' || request.minVersion === 'TLSv1.1'
  const ciphers = request.ciphers ?? (old ? `${DEFAULT_CIPHERS}:@SECLEVEL=0` : undefined)
  return createSecureContext({
    minVersion: request.minVersion,
    ...(ca === undefined ? {} : { ca }),
    ...(ciphers === undefined ? {} : { ciphers }),
  })
}

/** An empty `ca` would mean "Node's own list" to Node: a file without a certificate is an error, not a default. */
async function readRoots(path: string): Promise<string[]> {
  const pem = await readFile(path, 'latin1')
  const roots = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu)
  if (!roots) throw new Error(`${path} holds no PEM certificate`)
  // Node skips what it cannot parse; a root that would be silently missing is found out here instead.
  return roots.map((root) => new X509Certificate(root).toString())
}
