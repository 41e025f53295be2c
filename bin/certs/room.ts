/** What the certificate commands begin with: the store, and who is trusted. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Clock } from '../../lib/clock'
import type { Settings } from '../../lib/config/settings'
import type { ToldCertificate } from '../../lib/control'
import { certificateBook, type CertificateBook } from '../../lib/encrypt/certificates/book'
import { judge } from '../../lib/encrypt/certificates/judge'
import type { Scope } from '../../lib/encrypt/certificates/names'
import { trustOf, type ReadTrust } from '../../lib/encrypt/certificates/trust'
import type { StoredCertificate } from '../../lib/encrypt/certificates/types'
import { openMemoryStore } from '../../lib/store/memory'
import type { CommonOptions } from '../io'
import { openStoreInTime } from '../open-store'
import { readyInstance } from '../ready'

/** An open room; `close` it. */
export interface CertificateRoom {
  settings: Settings
  book: CertificateBook
  trust: ReadTrust
  now: number
  instance: string
  /** What was done in it so far, for the audit log. */
  told: ToldCertificate[]
  close: () => Promise<void>
}

export type Entered = { ok: true; room: CertificateRoom } | { ok: false; problems: string[] }

/** @param writes the command changes something: a store that is not there is made */
export async function enterCertificates(options: CommonOptions, clock: Clock, writes: boolean): Promise<Entered> {
  const ready = readyInstance(options, clock)
  if (!ready.ok) return ready
  const { instance, settings } = ready
  let trust: ReadTrust
  try {
    trust = await trustOf(() => settings)()
  } catch (error) {
    return { ok: false, problems: [`smime_roots or smime_crls cannot be read: ${messageOf(error)}`] }
  }
  const { engine, path: dir } = settings.store
  const absent = engine === 'lmdb' && !existsSync(path.join(dir, 'data.mdb'))
  try {
    const store = absent && !writes ? openMemoryStore({ clock }) : await openStoreInTime(settings.store, clock)
    return {
      ok: true,
      room: {
        settings,
        book: certificateBook(store),
        trust,
        now: clock.now(),
        instance,
        told: [],
        close: () => store.close(),
      },
    }
  } catch (error) {
    return { ok: false, problems: [`the store cannot be opened: ${messageOf(error)}`] }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** One certificate of one address or domain, as the commands tell of it; JSON. */
export interface ListedCertificate {
  scope: Scope
  holder: string
  fingerprint: string
  state: 'trusted' | 'candidate' | 'rejected' | 'unreadable'
  /** Mail is encrypted to it now. */
  usable: boolean
  /** One clause. */
  why: string
  source: StoredCertificate['source']
  chain: { result: string; why: string } | null
  subject: string
  issuer: string
  serial: string
  /** ISO 8601; '' = it cannot be read. */
  notBefore: string
  notAfter: string
  key: string
  keyUsage: readonly string[] | null
  addresses: readonly string[]
  firstSeen: string
  lastSeen: string
}

/** Judged as the gateway does for the next mail. */
export function describe(
  scope: Scope,
  holder: string,
  stored: StoredCertificate,
  room: CertificateRoom,
): ListedCertificate {
  const { fingerprint, source } = stored
  const seen = { firstSeen: iso(stored.firstSeen), lastSeen: iso(stored.lastSeen) }
  try {
    const { facts, state, chain, unusable } = judge(stored, room.trust, room.now)
    return {
      scope,
      holder,
      fingerprint,
      state,
      usable: state === 'trusted' && unusable === null,
      why: unusable ?? whyState(stored, chain.why),
      source,
      chain: { result: chain.result, why: chain.why },
      subject: facts.subject,
      issuer: facts.issuer,
      serial: facts.serial,
      notBefore: iso(facts.notBefore),
      notAfter: iso(facts.notAfter),
      key: facts.key,
      keyUsage: facts.keyUsage,
      addresses: facts.addresses,
      ...seen,
    }
  } catch {
    const unknown = { subject: '', issuer: '', serial: '', notBefore: '', notAfter: '', key: '', keyUsage: null }
    const why = 'what is stored cannot be read'
    return {
      scope,
      holder,
      fingerprint,
      state: 'unreadable',
      usable: false,
      why,
      source,
      chain: null,
      ...unknown,
      addresses: [],
      ...seen,
    }
  }
}

function whyState({ rejected, source }: StoredCertificate, chain: string): string {
  if (rejected) return 'a postmaster has rejected it'
  if (source === 'imported') return 'a postmaster has imported it'
  return source === 'confirmed' ? 'a postmaster has approved it' : chain
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
