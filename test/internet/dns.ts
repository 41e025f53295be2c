/**
 * DNS with real DNSSEC: a root zone of our own and every zone below it signed with ldns (ECDSA P-256, RFC 6605),
 * served by NSD, and validated from that root's key by Unbound, which the gateway under test asks. AD, SERVFAIL for a
 * broken signature and the proof that a delegation is insecure are therefore what real software says.
 */
import dgram from 'node:dgram'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { accepts, freePort, run, runOk, start, temporaryDirectory, until, type Running } from '../../demo/processes'

export type ZoneState =
  /** Signed, and the parent says so (DS). */
  | 'secure'
  /** Not signed, and the parent proves that (no DS). */
  | 'insecure'
  /** Signed with a DS, but every signature over data is broken: a validator answers SERVFAIL. */
  | 'bogus'
  /** Its name server answers SERVFAIL to everything. */
  | 'servfail'
  /** Its name server never answers. */
  | 'silent'

export interface Zone {
  /** Without final dot; may be anything: parents that are not listed are made (`test` always is). */
  name: string
  /** Default `secure`. */
  state?: ZoneState
  /**
   * Lines of a master file (RFC 1035 section 5.1) without TTL and class, e.g. `@ MX 10 mx1`, `mx1 A 127.0.0.11`,
   * `_25._tcp.mx1 TLSA 3 1 1 ab..`. SOA and NS are added.
   */
  records: readonly string[]
}

export interface Dns {
  /** `address:port` of the validating resolver, as `[dns] servers[]` takes it. */
  readonly server: string
  readonly address: string
  readonly port: number
  /** Replace a zone's records (signed again, loaded, and visible in the resolver when this resolves). */
  setRecords(zone: string, records: readonly string[]): Promise<void>
  /** Ask with dig. */
  dig(name: string, type: string, ...options: string[]): Promise<DigAnswer>
  /** End the resolver alone, so that nobody answers; `resume` starts it again at the same place. */
  pause(): Promise<void>
  resume(): Promise<void>
  stop(): Promise<void>
}

export interface DigAnswer {
  /** e.g. `NOERROR`. */
  status: string
  ad: boolean
  /** Lines of the answer section. */
  answer: string[]
  text: string
}

const ADDRESS = '127.0.0.1'
/** Name of the one name server; stands in the root zone. */
const NAME_SERVER = 'a.ns.'

interface Key {
  /** File name without extension, as ldns wants it. */
  base: string
  /** The DS record line for the parent. */
  ds: string
}

/** Start NSD and Unbound for these zones. Whatever fails, nothing stays running. */
export async function startDns(options: { zones: readonly Zone[] }): Promise<Dns> {
  const temporary = temporaryDirectory('dns')
  const dir = temporary.path
  const running: Running[] = []
  const broken = await startBrokenServers()
  const stopAll = async () => {
    for (const program of running.splice(0)) await program.stop()
    broken.close()
    temporary.remove()
  }
  try {
    const zones = withParents(options.zones)
    const served = zones.filter(({ state }) => state !== 'servfail' && state !== 'silent')
    const signer = await createSigner(dir, zones)
    for (const zone of served) await signer.write(zone)

    const authorityPort = await freePort([ADDRESS])
    writeFileSync(path.join(dir, 'nsd.conf'), nsdConfig(dir, authorityPort, served))
    const nsd = start('/usr/sbin/nsd', ['-d', '-c', path.join(dir, 'nsd.conf')])
    running.push(nsd)
    await serving('NSD', nsd, authorityPort)

    const port = await freePort([ADDRESS])
    // AppArmor, where it is on, lets /usr/sbin/unbound read its own folders only; a profile goes by the program's path.
    const program = path.join(dir, 'unbound')
    copyFileSync('/usr/sbin/unbound', program)
    const stubs = zones.map(({ name, state }) => {
      const at = state === 'servfail' ? broken.servfail : state === 'silent' ? broken.silent : authorityPort
      return { name, port: at }
    })
    writeFileSync(path.join(dir, 'unbound.conf'), unboundConfig(dir, port, stubs))
    const startResolver = async () => {
      const unbound = start(program, ['-d', '-c', path.join(dir, 'unbound.conf')])
      running.push(unbound)
      await serving('Unbound', unbound, port)
      return unbound
    }
    let unbound = await startResolver()

    const dig = async (name: string, type: string, ...more: string[]): Promise<DigAnswer> => {
      const args = [`@${ADDRESS}`, '-p', String(port), name, type, '+dnssec', '+tries=1', '+time=5', ...more]
      const { stdout } = await run('/usr/bin/dig', args)
      return parseDig(stdout)
    }
    return {
      server: `${ADDRESS}:${port}`,
      address: ADDRESS,
      port,
      dig,
      async setRecords(name, records) {
        const zone = served.find((one) => one.name === name)
        if (!zone) throw new Error(`no zone ${name} is served`)
        zone.records = records
        const serial = await signer.write(zone)
        process.kill(nsd.pid, 'SIGHUP')
        await until(`zone ${name} loaded again`, async () => {
          const args = [`@${ADDRESS}`, '-p', String(authorityPort), '+short', name, 'SOA']
          return (await runOk('/usr/bin/dig', args)).includes(` ${serial} `)
        })
      },
      async pause() {
        running.splice(running.indexOf(unbound), 1)
        await unbound.stop()
      },
      async resume() {
        unbound = await startResolver()
      },
      stop: stopAll,
    }
  } catch (error) {
    await stopAll()
    throw error
  }
}

interface FullZone {
  name: string
  state: ZoneState
  records: readonly string[]
}

/** The zones with the root, `test` and every parent that is missing, parents first. */
function withParents(zones: readonly Zone[]): FullZone[] {
  const all = new Map<string, FullZone>()
  for (const { name, state, records } of zones) all.set(name, { name, state: state ?? 'secure', records })
  for (const name of ['', 'test']) if (!all.has(name)) all.set(name, { name, state: 'secure', records: [] })
  return [...all.values()].sort((a, b) => labels(a.name) - labels(b.name))
}

const labels = (name: string): number => (name === '' ? 0 : name.split('.').length)

/** The zone that delegates `name`; undefined for the root. */
function parentOf(name: string, zones: readonly FullZone[]): FullZone | undefined {
  return zones
    .filter((zone) => zone.name !== name && (zone.name === '' || name.endsWith(`.${zone.name}`)))
    .sort((a, b) => labels(b.name) - labels(a.name))[0]
}

/** Makes keys for all zones at once, so that a parent can be signed with its children's DS. */
async function createSigner(
  dir: string,
  zones: readonly FullZone[],
): Promise<{ write(zone: FullZone): Promise<number> }> {
  mkdirSync(path.join(dir, 'zones'))
  const keys = new Map<string, Key>()
  for (const { name, state } of zones) {
    if (state !== 'secure' && state !== 'bogus') continue
    const args = ['-a', 'ECDSAP256SHA256', '-k', '-r', '/dev/urandom', `${name}.`]
    const base = path.join(dir, (await runOk('/usr/bin/ldns-keygen', args, { cwd: dir })).trim())
    keys.set(name, { base, ds: readFileSync(`${base}.ds`, 'utf8').trim() })
  }
  const rootKey = keys.get('')
  if (!rootKey) throw new Error('the root zone must be signed')
  writeFileSync(path.join(dir, 'root.key'), readFileSync(`${rootKey.base}.key`))

  let serial = 1
  return {
    async write(zone) {
      serial++
      const file = path.join(dir, 'zones', fileName(zone.name))
      const children = zones.filter(({ name }) => parentOf(name, zones) === zone)
      const delegations = children.flatMap(({ name }) => [`${name}. NS ${NAME_SERVER}`, keys.get(name)?.ds ?? ''])
      const lines = [
        `$ORIGIN ${zone.name}.`,
        '$TTL 60',
        `@ SOA ${NAME_SERVER} hostmaster.ns. ${serial} 3600 600 86400 60`,
        `@ NS ${NAME_SERVER}`,
        ...(zone.name === '' ? [`${NAME_SERVER} A ${ADDRESS}`] : []),
        ...zone.records,
        ...delegations,
        '',
      ]
      writeFileSync(file, lines.join('\n'))
      const key = keys.get(zone.name)
      if (key) {
        await runOk('/usr/bin/ldns-signzone', ['-n', '-o', `${zone.name}.`, '-f', `${file}.signed`, file, key.base])
        const signed = readFileSync(`${file}.signed`, 'utf8')
        writeFileSync(file, zone.state === 'bogus' ? breakSignatures(signed) : signed)
      }
      return serial
    },
  }
}

const fileName = (zone: string): string => (zone === '' ? 'root.zone' : `${zone}.zone`)

/** Another signature of the same length in every RRSIG but the one over DNSKEY, so that the fault is in the data. */
function breakSignatures(zone: string): string {
  return zone.replace(
    /^(.*\sRRSIG\s+(?!DNSKEY)\S+\s.*\s)([A-Za-z0-9+/]{80,}=*)\s*$/gm,
    (_all, head: string, signature: string) => {
      const bytes = Buffer.from(signature, 'base64')
      bytes[10] = (bytes[10] ?? 0) ^ 0xff
      return head + bytes.toString('base64')
    },
  )
}

function nsdConfig(dir: string, port: number, zones: readonly FullZone[]): string {
  const server = {
    'ip-address': `${ADDRESS}@${port}`,
    'server-count': '1',
    username: '""',
    chroot: '""',
    zonesdir: `"${path.join(dir, 'zones')}"`,
    database: '""',
    zonelistfile: `"${path.join(dir, 'nsd.zonelist')}"`,
    xfrdfile: `"${path.join(dir, 'nsd.xfrd')}"`,
    xfrdir: `"${dir}"`,
    pidfile: `"${path.join(dir, 'nsd.pid')}"`,
    'rrl-ratelimit': '0',
  }
  return [
    section('server', server),
    section('remote-control', { 'control-enable': 'no' }),
    ...zones.map(({ name }) => section('zone', { name: `"${name}."`, zonefile: `"${fileName(name)}"` })),
  ].join('')
}

function unboundConfig(dir: string, port: number, stubs: readonly { name: string; port: number }[]): string {
  const server = {
    interface: `${ADDRESS}@${port}`,
    'access-control': '127.0.0.0/8 allow',
    'do-daemonize': 'no',
    username: '""',
    chroot: '""',
    directory: `"${dir}"`,
    pidfile: '""',
    'use-syslog': 'no',
    logfile: '""',
    'num-threads': '1',
    'module-config': '"validator iterator"',
    'trust-anchor-file': `"${path.join(dir, 'root.key')}"`,
    'val-log-level': '2',
    // Everything real is on loopback, and `test.` is answered locally (RFC 6761) unless told otherwise.
    'do-not-query-localhost': 'no',
    'do-ip6': 'no',
    'local-zone': '"test." nodefault',
    'unblock-lan-zones': 'yes',
    // Nothing is remembered, so that a changed zone is seen at once.
    'cache-max-ttl': '0',
    'cache-max-negative-ttl': '0',
    'infra-host-ttl': '0',
    'qname-minimisation': 'no',
    'aggressive-nsec': 'no',
    'target-fetch-policy': '"0 0 0 0 0"',
  }
  return [
    section('server', server),
    section('remote-control', { 'control-enable': 'no' }),
    ...stubs.map((stub) => section('stub-zone', { name: `"${stub.name}."`, 'stub-addr': `${ADDRESS}@${stub.port}` })),
  ].join('')
}

function section(name: string, values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(([key, value]) => `  ${key}: ${value}\n`)
  return `${name}:\n${lines.join('')}`
}

async function serving(name: string, program: Running, port: number): Promise<void> {
  await until(`${name} serves`, async () => {
    if (program.ended()) throw new Error(`${name} ended: ${program.output()}`)
    return accepts(ADDRESS, port)
  })
}

function parseDig(text: string): DigAnswer {
  const section = /;; ANSWER SECTION:\n([^]*?)\n\n/.exec(text)?.[1] ?? ''
  return {
    status: /status: ([A-Z]+)/.exec(text)?.[1] ?? 'NO ANSWER',
    ad: /;; flags:[^;]* ad[ ;]/.test(text),
    answer: section.split('\n').filter((line) => line !== ''),
    text,
  }
}

/** Two bad name servers: one answers SERVFAIL to everything, one nothing to anything. */
async function startBrokenServers(): Promise<{ servfail: number; silent: number; close(): void }> {
  const refusing = dgram.createSocket('udp4')
  refusing.on('message', (query, from) => {
    if (query.length < 12) return
    const answer = Buffer.from(query)
    answer[2] = (answer[2] ?? 0) | 0x80 // QR (RFC 1035 section 4.1.1)
    answer[3] = 2 // RCODE 2, SERVFAIL
    refusing.send(answer, from.port, from.address)
  })
  const silent = dgram.createSocket('udp4')
  for (const socket of [refusing, silent])
    await new Promise<void>((resolve) => {
      socket.bind(0, ADDRESS, resolve)
    })
  return {
    servfail: refusing.address().port,
    silent: silent.address().port,
    close() {
      refusing.close()
      silent.close()
    },
  }
}
