/** A little world around a deliverer: hosts on loopback with their scripts, a DNS that is a table, a fast clock's settings. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Settings } from '../../../lib/config/settings'
import { createDeliverer } from '../../../lib/deliver'
import type { DelivererDeps, DeliveryRequest, RecipientOutcome } from '../../../lib/deliver/types'
import type { HostAddresses, MxAnswer, Resolver } from '../../../lib/dns/types'
import { forHost } from '../../../lib/policy/for-host'
import type { Requirement, TlsaState } from '../../../lib/policy/types'
import { rootPem } from './certificates'
import { startServer, type Script, type TestServer } from './server'

/** Milliseconds: long enough for a busy machine, short enough for a hang to be a test. */
export const LONG = 8_000

/** A time-out that is meant to pass. */
export const SHORT = 150

export function settings(delivery: Partial<Settings['delivery']> = {}, tls: Partial<Settings['tls']> = {}): Settings {
  const timeouts = {
    connect: LONG,
    greeting: LONG,
    helo: LONG,
    starttls: LONG,
    mail: LONG,
    rcpt: LONG,
    data: LONG,
    dataBlock: LONG,
    dataEnd: LONG,
  }
  return {
    tls: { minVersion: 'TLSv1.2', dane: true, mtaSts: true, ...tls },
    delivery: {
      port: 25,
      connectionsPerDestination: 20,
      messagesPerConnection: 100,
      idle: 10_000,
      retry: [60_000],
      paused: false,
      localMxOk: true,
      inetPrefer: 'default',
      ...delivery,
      timeouts: { ...timeouts, ...delivery.timeouts },
    },
    // Delivery reads nothing else.
  } as Settings
}

/** A requirement of a level, as decide() would give it. */
export function requirement(level: Requirement['level'], more: Partial<Requirement> = {}): Requirement {
  return {
    level,
    minVersion: 'TLSv1.2',
    names: [],
    fingerprints: [],
    requiretls: false,
    source: 'map',
    reason: 'test',
    daneRaises: false,
    overrideForbidden: false,
    ...more,
  }
}

export interface World {
  /** A host with servers, one after another at its address list; each has its own port through the socket factory. */
  host(name: string, ...scripts: Script[]): Promise<TestServer[]>
  mx: Map<string, MxAnswer>
  addresses: Map<string, HostAddresses>
  /** By host; what is not there is absent. */
  tlsa: Map<string, TlsaState>
  /** Hosts whose TLSA records were asked for. */
  tlsaAsked: string[]
  /** Connections that were asked for. */
  dialled: string[]
  /** PEM file with the tests' root. */
  caFile: string
  deliver: ReturnType<typeof createDeliverer>['deliver']
  /** Close only the deliverer. */
  stop(): Promise<void>
  close(): Promise<void>
  log: string[]
}

const resolver: Resolver = {
  resolve: () => Promise.resolve({ kind: 'error', error: 'unreachable', detail: 'not used' }),
  close: () => Promise.resolve(),
}

/**
 * Every server gets an address of its own (192.0.2.n) in the table; the socket factory leads it to the server's port on
 * loopback. So the code under test uses one port, as on the Internet.
 */
export async function world(current: Settings = settings(), more: Partial<DelivererDeps> = {}): Promise<World> {
  const { connect } = await import('node:net')
  const directory = await mkdtemp(join(tmpdir(), 'deliver-'))
  const caFile = join(directory, 'root.pem')
  await writeFile(caFile, rootPem)
  const withCa = { ...current, tls: { caFile, ...current.tls } }
  const servers: TestServer[] = []
  const ports = new Map<string, number>()
  const mx = new Map<string, MxAnswer>()
  const addresses = new Map<string, HostAddresses>()
  const tlsa = new Map<string, TlsaState>()
  const tlsaAsked: string[] = []
  const dialled: string[] = []
  const log: string[] = []
  const deliverer = createDeliverer({
    settings: () => withCa,
    resolver: () => resolver,
    lookupMx: (_resolver, domain) => Promise.resolve(mx.get(domain) ?? { kind: 'no-domain', detail: 'NXDOMAIN' }),
    lookupAddresses: (_resolver, host) =>
      Promise.resolve(
        isIP(host) === 0 ? (addresses.get(host) ?? { kind: 'none', detail: 'no A' }) : addressesOf(host, host),
      ),
    lookupTlsa: (_resolver, { host }) => {
      tlsaAsked.push(host)
      return Promise.resolve(tlsa.get(host) ?? { state: 'absent' })
    },
    isLocalAddress: (address) => address.startsWith('127.'),
    forHost,
    clock: { now: () => Date.now() },
    heloName: () => 'gateway.test',
    log: (_level, message) => log.push(message),
    connect: (options) => {
      if ('path' in options) return connect(options)
      const address = 'host' in options ? (options.host ?? '') : ''
      dialled.push(address)
      // An address without a server: a port that nobody listens on.
      return connect({ ...options, host: '127.0.0.1', port: ports.get(address) ?? 1 })
    },
    ...more,
  })
  return {
    mx,
    addresses,
    tlsa,
    tlsaAsked,
    dialled,
    caFile,
    log,
    deliver: (request) => deliverer.deliver(request),
    stop: () => deliverer.close(),
    async host(name, ...scripts) {
      const started: TestServer[] = []
      const list: string[] = []
      for (const script of scripts) {
        const server = await startServer(script)
        servers.push(server)
        started.push(server)
        const address = `192.0.2.${servers.length}`
        ports.set(address, server.port)
        list.push(address)
      }
      addresses.set(name, addressesOf(name, ...list))
      return started
    },
    async close() {
      await deliverer.close()
      for (const server of servers) await server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Insecure addresses of a host. */
export function addressesOf(host: string, ...addresses: string[]): HostAddresses {
  return { kind: 'addresses', addresses, secure: false, secureAlias: false, expandedName: host }
}

/** MX hosts of a domain in order of preference. */
export function mxHosts(...hosts: string[]): Extract<MxAnswer, { kind: 'hosts' }> {
  return {
    kind: 'hosts',
    hosts: hosts.map((host, index) => ({ host, preference: 10 * (index + 1) })),
    secure: false,
    implicit: false,
    expandedDomain: 'dest.test',
  }
}

export const MESSAGE = 'Subject: hi\r\n\r\nsecret content\r\n'

/** A request with everything that a test does not care about. */
export function request(more: Partial<DeliveryRequest> = {}): DeliveryRequest {
  return {
    mailId: 'M1',
    sender: 'sender@own.test',
    recipients: ['rcpt@dest.test'],
    domain: 'dest.test',
    requirement: requirement('encrypt'),
    open: () => Readable.from([Buffer.from(MESSAGE)]),
    size: MESSAGE.length,
    eightBit: false,
    smtpUtf8: false,
    beforePlaintext: () => Promise.reject(new Error('clear text was not expected here')),
    onOutcome: () => Promise.resolve(),
    ...more,
  }
}

/** The failure of an outcome, or a thrown explanation. */
export function failureOf(
  outcome: RecipientOutcome | undefined,
): Extract<RecipientOutcome, { failure: unknown }>['failure'] {
  if (!outcome || outcome.result === 'delivered') throw new Error(`no failure: ${JSON.stringify(outcome)}`)
  return outcome.failure
}
