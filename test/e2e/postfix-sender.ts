/**
 * Postfix as the sending side, to compare with: level `dane`, MX and TLSA records from the same validating resolver. Its
 * DNS client reads /etc/resolv.conf and asks port 53, so it runs in a mount namespace with a resolv.conf of its own, and
 * a relay on a loopback address takes its questions to the resolver's port.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import dgram from 'node:dgram'
import net from 'node:net'
import path from 'node:path'
import type { Verdict } from './dane-cases'
import { accepts, freePort, run, start, temporaryDirectory, until, watchGroup } from '../../demo/processes'

export interface PostfixSender {
  /** Where it takes mail. */
  readonly server: string
  /** What became of the mail to this recipient; undefined = not known yet. Postfix has no names for why it waits. */
  outcome(recipient: string): Verdict | undefined
  log(): string
  stop(): Promise<void>
}

interface Options {
  dns: { address: string; port: number }
  /** Port of every MX host. */
  port: number
  /** Domain to level, as in smtp_tls_policy_maps. */
  rows: Readonly<Record<string, string>>
}

const ADDRESS = '127.0.0.1'
/** Addresses on which port 53 may be free. */
const RESOLVERS = Array.from({ length: 16 }, (_, i) => `127.0.0.${153 + i}`)

/** Start it. Whatever fails, nothing stays running. */
export async function startPostfixSender({ dns, port, rows }: Options): Promise<PostfixSender> {
  const temporary = temporaryDirectory('postfix-sender')
  const dir = temporary.path
  const etc = path.join(dir, 'etc')
  for (const folder of ['etc', 'queue', 'data']) mkdirSync(path.join(dir, folder))
  chownSync(path.join(dir, 'data'), Number((await run('/usr/bin/id', ['-u', 'postfix'])).stdout), 0)
  const listen = await freePort([ADDRESS])
  writeFileSync(path.join(etc, 'main.cf'), mainCf(dir, port, rows))
  writeFileSync(path.join(etc, 'master.cf'), masterCf(listen))
  // glibc hands AD on only when told that the way to the resolver is trusted (resolv.conf(5)).
  const resolvConf = path.join(dir, 'resolv.conf')
  const relay = await startRelay(dns)
  writeFileSync(resolvConf, `nameserver ${relay.address}\noptions edns0 trust-ad timeout:3 attempts:2\n`)

  const script = 'mount --bind "$1" /etc/resolv.conf && exec /usr/sbin/postfix -c "$2" start-fg'
  const program = start('/usr/bin/unshare', ['-m', 'sh', '-c', script, 'sh', resolvConf, etc])
  const logFile = path.join(dir, 'mail.log')
  const log = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '')
  let forget: (() => void) | undefined
  const masterPid = (): number | undefined => {
    const file = path.join(dir, 'queue', 'pid', 'master.pid')
    const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : NaN
    return Number.isInteger(pid) && pid > 1 ? pid : undefined
  }
  const stop = async () => {
    // master makes a session of its own and hands SIGTERM on to its children.
    const pid = masterPid()
    if (pid !== undefined && !program.ended()) {
      process.kill(pid, 'SIGTERM')
      await program.exit
    }
    await program.stop()
    forget?.()
    relay.close()
    temporary.remove()
  }
  try {
    await until(
      'Postfix takes mail',
      async () => {
        if (program.ended()) throw new Error(`Postfix ended: ${program.output()}${log()}`)
        return masterPid() !== undefined && (await accepts(ADDRESS, listen))
      },
      { detail: () => program.output() + log() },
    )
    const pid = masterPid()
    if (pid !== undefined) forget = watchGroup(pid)
    return { server: `${ADDRESS}:${listen}`, outcome: (recipient) => outcomeIn(log(), recipient), log, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** `to=<..>, relay=HOST[..]:.., .., status=sent`, and what TLS it last had with that host. */
function outcomeIn(log: string, recipient: string): Verdict | undefined {
  const lines = log.split('\n')
  const at = lines.findIndex((line) => line.includes(`to=<${recipient}>`) && line.includes('status='))
  const line = lines[at]
  if (line === undefined) return undefined
  if (!line.includes('status=sent')) return { waits: /status=(\w+)/.exec(line)?.[1] ?? 'unknown' }
  const by = /relay=([^[,]+)\[/.exec(line)?.[1] ?? 'nobody'
  const process = /postfix\/smtp\[\d+\]/.exec(line)?.[0] ?? '-'
  const session = lines
    .slice(0, at)
    .reverse()
    .find((one) => one.includes(process) && one.includes(`TLS connection established to ${by}[`))
  return { by, tls: session?.includes('Verified TLS') === true ? 'verified' : 'unverified' }
}

function mainCf(dir: string, port: number, rows: Options['rows']): string {
  const settings = {
    compatibility_level: '3.6',
    queue_directory: `${dir}/queue`,
    data_directory: `${dir}/data`,
    mail_owner: 'postfix',
    setgid_group: 'postdrop',
    myhostname: 'sender.uni.test',
    mydestination: '',
    mynetworks: '127.0.0.0/8',
    inet_interfaces: ADDRESS,
    inet_protocols: 'ipv4',
    maillog_file: `${dir}/mail.log`,
    maillog_file_prefixes: dir,
    smtpd_peername_lookup: 'no',
    smtpd_recipient_restrictions: 'permit_mynetworks, reject',
    smtp_tcp_port: String(port),
    smtp_dns_support_level: 'dnssec',
    smtp_host_lookup: 'dns',
    smtp_tls_security_level: 'dane',
    smtp_tls_policy_maps: `inline:{${Object.entries(rows)
      .map(([domain, level]) => `${domain}=${level}`)
      .join(', ')}}`,
    smtp_tls_loglevel: '1',
    smtp_connect_timeout: '3s',
    // A host is judged anew for each mail, and nothing waits for a second try.
    smtp_connection_cache_on_demand: 'no',
    default_destination_recipient_limit: '1',
    minimal_backoff_time: '1h',
    alias_maps: '',
    alias_database: '',
    local_recipient_maps: '',
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')
}

function masterCf(port: number): string {
  return [
    `${ADDRESS}:${port} inet n - n - - smtpd`,
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'rewrite unix - - n - - trivial-rewrite',
    'bounce unix - - n - 0 bounce',
    'defer unix - - n - 0 bounce',
    'trace unix - - n - 0 bounce',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    'proxymap unix - - n - - proxymap',
    'anvil unix - - n - 1 anvil',
    'smtp unix - - n - - smtp',
    'relay unix - - n - - smtp',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'postlog unix-dgram n - n - 1 postlogd',
    '',
  ].join('\n')
}

/** Port 53 of a loopback address, UDP and TCP, to the resolver. */
async function startRelay(to: Options['dns']): Promise<Relay> {
  for (const address of RESOLVERS) {
    const relay = await relayAt(address, to)
    if (relay !== undefined) return relay
  }
  throw new Error(`port 53 is taken on ${RESOLVERS.join(', ')}`)
}

interface Relay {
  address: string
  close(): void
}

/** @returns undefined when the port is taken there */
async function relayAt(address: string, to: Options['dns']): Promise<Relay | undefined> {
  const front = dgram.createSocket('udp4')
  const asking = new Set<dgram.Socket>()
  const forgetAll = () => {
    for (const socket of asking) socket.close()
    asking.clear()
  }
  front.on('message', (query, from) => {
    const back = dgram.createSocket('udp4')
    asking.add(back)
    const done = () => {
      if (asking.delete(back)) back.close()
    }
    const timer = setTimeout(done, 10_000).unref()
    back.on('error', done)
    back.once('message', (answer) => {
      clearTimeout(timer)
      front.send(answer, from.port, from.address)
      done()
    })
    back.send(query, to.port, to.address)
  })
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    const upstream = net.connect(to.port, to.address)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream).pipe(client)
  })
  const close = () => {
    front.close()
    forgetAll()
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  try {
    await new Promise<void>((resolve, reject) => {
      front.once('error', reject)
      front.bind(53, address, resolve)
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(53, address, resolve)
    })
    return { address, close }
  } catch {
    close()
    return undefined
  }
}
