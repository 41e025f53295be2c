/**
 * Postfix as an outbound relay, in an instance of its own under the benchmark's folder: the system's configuration
 * and queue are not touched.
 */
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { greets, must, run, start, stop, until, wallNow } from '../process'
import { closeMeter } from '../cpu'
import { Unavailable, type Relay, type RelaySetup } from './relay'

const START_LIMIT = 30_000
/** Queues that can hold a message, in Postfix's order. */
const QUEUES = ['maildrop', 'incoming', 'active', 'deferred', 'hold']

/**
 * `main.cf`: what Postfix ships, as a relay for loopback. For TLS: level encrypt, session cache, and connection reuse
 * through tlsproxy, which is the fastest that Postfix can do under enforced TLS.
 */
function mainCf(setup: RelaySetup): string[] {
  const tls =
    setup.id === 'postfix-tls'
      ? [
          'smtp_tls_security_level = encrypt',
          `smtp_tls_CAfile = ${setup.certificates.ca}`,
          'smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache',
          'smtp_tls_connection_reuse = yes',
          'smtp_connection_cache_on_demand = yes',
        ]
      : ['smtp_tls_security_level = none']
  return [
    'compatibility_level = 3.6',
    `queue_directory = ${path.join(setup.dir, 'spool')}`,
    `data_directory = ${path.join(setup.dir, 'data')}`,
    `maillog_file = ${path.join(setup.dir, 'postfix.log')}`,
    `maillog_file_prefixes = ${setup.dir}`,
    'myhostname = relay.bench.test',
    'mydestination =',
    'alias_maps =',
    'alias_database =',
    // Must be an address that an interface really has; where it listens is in master.cf.
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    'mynetworks = 127.0.0.0/8',
    'smtpd_relay_restrictions = permit_mynetworks, reject',
    ...(setup.hold ? ['smtpd_client_restrictions = static:HOLD'] : []),
    ...tls,
  ]
}

/** `master.cf`: the services that a relay needs. Debian's own lacks tlsproxy, without which reuse under TLS fails. */
function masterCf(setup: RelaySetup): string[] {
  return [
    `${setup.address}:${setup.port} inet n - n - - smtpd`,
    'pickup unix n - n 60 1 pickup',
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    'rewrite unix - - n - - trivial-rewrite',
    'bounce unix - - n - 0 bounce',
    'defer unix - - n - 0 bounce',
    'trace unix - - n - 0 bounce',
    'flush unix n - n 1000? 0 flush',
    'proxymap unix - - n - - proxymap',
    'smtp unix - - n - - smtp',
    'showq unix n - n - - showq',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'anvil unix - - n - 1 anvil',
    'scache unix - - n - 1 scache',
    'tlsproxy unix - - n - 0 tlsproxy',
    'postlog unix-dgram n - n - 1 postlogd',
  ]
}

/** Counts files below a folder; what disappears meanwhile does not count. */
function countFiles(dir: string): number {
  try {
    return readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
  } catch {
    return 0
  }
}

/** Can this process start Postfix? It needs root (its daemons change user) and the programs. */
function assertPossible(): void {
  if (process.getuid?.() !== 0 || process.env['SECURE_MAIL_BENCH_USERNS'] === '1')
    throw new Unavailable('Postfix needs real root')
  try {
    accessSync('/usr/sbin/postfix', constants.X_OK)
  } catch {
    throw new Unavailable('Postfix is not installed')
  }
}

/**
 * @throws Unavailable when Postfix is not there or may not be started
 * @throws Error when it does not greet in time
 */
export async function startPostfix(setup: RelaySetup): Promise<Relay> {
  assertPossible()
  const { dir } = setup
  const config = path.join(dir, 'config')
  const logFile = path.join(dir, 'postfix.log')
  for (const name of ['config', 'spool']) mkdirSync(path.join(dir, name))
  writeFileSync(path.join(config, 'main.cf'), mainCf(setup).join('\n') + '\n')
  writeFileSync(path.join(config, 'master.cf'), masterCf(setup).join('\n') + '\n')
  const version = `Postfix ${(await must('postconf', ['-d', '-h', 'mail_version'])).trim()}`

  const running = start('postfix', ['-c', config, 'start-fg'], {
    logFile: path.join(dir, 'start.log'),
    cores: setup.cores,
    ...(setup.meter.procsFile !== undefined && { procsFile: setup.meter.procsFile }),
  })
  try {
    await until(`${setup.id} greeting`, START_LIMIT, 50, async () => {
      if (!running.alive())
        throw new Error(`${setup.id} ended at start: ${readFileSync(path.join(dir, 'start.log'), 'utf8')}`)
      return await greets(setup.address, setup.port)
    })
  } catch (error) {
    await stop(running)
    throw error
  }
  return {
    setup,
    version,
    logFile,
    cpuMillis: () => setup.meter.millis(running.pid),
    queued: () => QUEUES.reduce((sum, queue) => sum + countFiles(path.join(dir, 'spool', queue)), 0),
    release: async () => {
      // postsuper moves held mail to the deferred queue, where the queue manager looks when it is told to.
      await must('postsuper', ['-c', config, '-H', 'ALL'])
      const released = wallNow()
      await must('postqueue', ['-c', config, '-f'])
      return released
    },
    stop: async () => {
      // The shell of start-fg does not hand SIGTERM on; `postfix stop` goes by the instance's own pid file.
      await run('postfix', ['-c', config, 'stop'], 15_000)
      await stop(running)
      await closeMeter(setup.meter)
    },
  }
}
