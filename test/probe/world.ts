/** A domain on loopback for probes: real servers behind made-up addresses, DNS as a table, and an instance directory. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { probeWith } from '../../bin/commands/probe'
import type { Io } from '../../bin/io'
import { run } from '../../bin/program'
import type { MxAnswer } from '../../lib/dns/types'
import type { MtaStsState, TlsaState } from '../../lib/policy/types'
import type { ProbeReport } from '../../lib/probe'
import { schemaErrors, type Ran } from '../bin/run'
import assert from 'node:assert/strict'

export interface ProbeTestWorld {
  /** Host name -> server; an address for each is made up. */
  serve(host: string, port: number, address?: string): void
  /** The MX hosts of `partner.test`, best first. */
  mx(...hosts: string[]): void
  dns: { mx?: MxAnswer; sts: MtaStsState; tlsa: Map<string, TlsaState>; secure: boolean }
  write(name: string, text: string): void
  call(...args: string[]): Promise<Ran>
  /** `--json`, held to the schema. */
  report(...args: string[]): Promise<{ report: ProbeReport & { letter?: string | null }; exitCode: number }>
  remove(): void
}

const SETTINGS = `[main]
internal_domains[]=own.test
[support]
name=IT support
address=support@own.test
phone=+45 1234 5678
`

/** @param caFile PEM file of the root that the gateway trusts */
export function probeWorld(caFile: string): ProbeTestWorld {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-probe-'))
  const write = (name: string, text: string): void => {
    const file = path.join(dir, 'config', name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  write('plugins', 'secure-mail\n')
  write('me', 'gateway.own.test\n')
  write(
    'secure-mail.ini',
    `${SETTINGS}[tls]\nca_file=${caFile}\n[delivery]\ntimeout_greeting=1s\ntimeout_starttls=1s\n`,
  )
  const ports = new Map<string, number>()
  const addresses = new Map<string, string[]>()
  const dns: ProbeTestWorld['dns'] = { sts: { state: 'absent' }, tlsa: new Map(), secure: false }
  const command = probeWith({
    clock: { now: () => Date.now() },
    connect: () => ({
      lookUps: {
        mx: () => Promise.resolve(dns.mx ?? { kind: 'no-domain', detail: 'NXDOMAIN' }),
        addresses: (host) => {
          const list = addresses.get(host)
          if (list === undefined) return Promise.resolve({ kind: 'none', detail: `${host} has no address` })
          const found = { addresses: list, secure: dns.secure, secureAlias: false, expandedName: host }
          return Promise.resolve({ kind: 'addresses', ...found })
        },
        isLocal: () => false,
        published: {
          mtaSts: () => Promise.resolve(dns.sts),
          tlsa: ({ host }) => Promise.resolve(dns.tlsa.get(host) ?? { state: 'absent' }),
        },
      },
      close: () => Promise.resolve(),
    }),
    // An address without a server: a port that nobody listens on.
    socket: (options) => {
      const address = 'host' in options ? (options.host ?? '') : ''
      return connect({ host: '127.0.0.1', port: ports.get(address) ?? 1 })
    },
  })
  async function call(...args: string[]): Promise<Ran> {
    const result = { out: '', err: '' }
    const io: Io = {
      out: (text) => void (result.out += text),
      err: (text) => void (result.err += text),
      color: false,
      stdin: () => Promise.resolve(Buffer.alloc(0)),
      exitCode: 0,
    }
    await run(['probe', '--config', dir, ...args], io, [command])
    return { ...result, exitCode: io.exitCode }
  }
  return {
    dns,
    write,
    call,
    serve(host, port, address = `192.0.2.${ports.size + 1}`) {
      ports.set(address, port)
      addresses.set(host, [...(addresses.get(host) ?? []), address])
    },
    mx(...hosts) {
      dns.mx = {
        kind: 'hosts',
        hosts: hosts.map((host, i) => ({ host, preference: 10 * (i + 1) })),
        secure: dns.secure,
        implicit: false,
        expandedDomain: 'partner.test',
      }
    },
    async report(...args) {
      const { out, err, exitCode } = await call('partner.test', '--json', ...args)
      assert.equal(err, '')
      const report = JSON.parse(out) as ProbeReport
      assert.deepEqual(schemaErrors('probe.schema.json', report), [])
      return { report, exitCode }
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
}
