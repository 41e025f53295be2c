/** The gateway under test: `demo/gateway`, with other plugins beside ours, and stock Haraka to compare with. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createGateway, type Gateway, type GatewayOptions } from '../../demo/gateway'
import { packageRoot } from '../../lib/package-root'

export type { AuditLine, Gateway } from '../../demo/gateway'

/** Another plugin in the same Haraka. */
export interface OtherPlugin {
  /** Its line in `config/plugins`. */
  name: string
  /** CommonJS source with `exports.register` or `exports.hook_...`. */
  source: string
  /** Where its line stands: before ours (default) or after it. */
  place?: 'before' | 'after'
}

export interface TestGatewayOptions extends Omit<GatewayOptions, 'settings' | 'init'> {
  settings?: string
  plugins?: readonly OtherPlugin[]
  /** `ours` (default): an instance by `secure-mail init`. `stock`: Haraka without our plugin, relaying for loopback. */
  instance?: 'ours' | 'stock'
}

const OURS = 'secure-mail'

/** Make an instance and start it. */
export async function startGateway(options: TestGatewayOptions = {}): Promise<Gateway> {
  const gateway = await prepareGateway(options)
  try {
    await gateway.start()
    return gateway
  } catch (error) {
    await gateway.stop()
    throw error
  }
}

/** Make an instance without starting it. */
export async function prepareGateway(options: TestGatewayOptions = {}): Promise<Gateway> {
  const { plugins = [], instance = 'ours', settings = '', ...rest } = options
  const gateway = await createGateway({ ...rest, settings, ...(instance === 'stock' ? { init: stockInstance } : {}) })
  for (const plugin of plugins) addPlugin(gateway.dir, plugin)
  return gateway
}

/** Add a plugin to an instance that is not running. */
export function addPlugin(dir: string, { name, source, place = 'before' }: OtherPlugin): void {
  mkdirSync(path.join(dir, 'plugins'), { recursive: true })
  writeFileSync(path.join(dir, 'plugins', `${name}.js`), source)
  const lines = pluginLines(dir)
  const ours = lines.indexOf(OURS)
  const at = ours < 0 || place === 'after' ? lines.length : ours
  setPluginLines(dir, [...lines.slice(0, at), name, ...lines.slice(at)])
}

/** Take a plugin's line away from an instance that is not running, e.g. our own. */
export function removePlugin(dir: string, name = OURS): void {
  const lines = pluginLines(dir)
  if (!lines.includes(name)) throw new Error(`no line ${name} in config/plugins`)
  setPluginLines(
    dir,
    lines.filter((line) => line !== name),
  )
}

function pluginLines(dir: string): string[] {
  return readFileSync(path.join(dir, 'config', 'plugins'), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function setPluginLines(dir: string, lines: readonly string[]): void {
  writeFileSync(path.join(dir, 'config', 'plugins'), `${lines.join('\n')}\n`)
}

/** The least that Haraka needs to relay for loopback and deliver by itself. */
function stockInstance(dir: string): void {
  const config = path.join(dir, 'config')
  mkdirSync(config)
  for (const name of ['queue', 'plugins']) mkdirSync(path.join(dir, name))
  const haraka = path.join(packageRoot(), 'node_modules', 'haraka', 'config')
  cpSync(path.join(haraka, 'connection.ini'), path.join(config, 'connection.ini'))
  const files = {
    me: 'gateway.uni.test',
    plugins: 'relay',
    'relay.ini': '[relay]\nacl=true',
    relay_acl_allow: '127.0.0.0/8',
    'outbound.ini': 'local_mx_ok=true\nenable_tls=false',
    'log.ini': '[main]\nlevel=info\ntimestamps=true',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(config, name), `${text}\n`)
}
