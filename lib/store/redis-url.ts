/** `[store] redis_url=`, taken apart. */

/** Where a Redis server is, and how to be let in. */
export interface RedisTarget {
  place: { kind: 'tcp'; host: string; port: number; tls: boolean } | { kind: 'unix'; path: string }
  username?: string
  password?: string
  /** Number of the database, 0 as a rule. */
  database: number
  /** The address without user and password: for logs and errors. */
  shown: string
}

const DEFAULT_PORT = 6379
/** As many as anybody has configured; Redis itself has 16 unless told otherwise. */
const MAX_DATABASE = 9999

/**
 * `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS, and
 * `unix:///path/to/socket[?db=1&username=...&password=...]`.
 *
 * @returns a clause that says what is wrong, instead of a target
 */
export function parseRedisUrl(text: string): RedisTarget | { why: string } {
  const scheme = /^(redis|rediss|unix):\/\//.exec(text)?.[1]
  if (scheme === undefined || /\s/.test(text) || !URL.canParse(text)) {
    return {
      why: 'is no address of a Redis server; write redis://host:6379/0, rediss://host:6379/0 or unix:///path/to/socket',
    }
  }
  const url = new URL(text)
  try {
    return scheme === 'unix' ? unixTarget(url) : tcpTarget(url, scheme === 'rediss')
  } catch {
    return { why: 'holds a % that is not followed by two hexadecimal digits; write %25 for it' }
  }
}

function tcpTarget(url: URL, tls: boolean): RedisTarget | { why: string } {
  const host = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1')
  if (host === '') return { why: 'names no host' }
  if (url.search !== '' || url.hash !== '')
    return { why: 'has something after the database: encode ? as %3F and # as %23' }
  const database = databaseOf(url.pathname.replace(/^\//, ''))
  if (database === undefined) return { why: `${url.pathname} is no number of a database, like /0` }
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port)
  if (port === 0) return { why: 'has no port' }
  return {
    place: { kind: 'tcp', host, port, tls },
    ...credentials(decodeURIComponent(url.username), decodeURIComponent(url.password)),
    database,
    shown: `${url.protocol}//${url.hostname}:${port}/${database}`,
  }
}

function unixTarget(url: URL): RedisTarget | { why: string } {
  const path = decodeURIComponent(url.pathname)
  if (url.host !== '' || path === '' || path === '/') return { why: 'names no socket: write unix:///path/to/socket' }
  const unknown = [...url.searchParams.keys()].find((name) => !['db', 'username', 'password'].includes(name))
  if (unknown !== undefined) return { why: `${unknown} is none of db, username, password` }
  const database = databaseOf(url.searchParams.get('db') ?? '')
  if (database === undefined) return { why: 'db is no number of a database' }
  return {
    place: { kind: 'unix', path },
    ...credentials(url.searchParams.get('username') ?? '', url.searchParams.get('password') ?? ''),
    database,
    shown: `unix://${path}?db=${database}`,
  }
}

function databaseOf(text: string): number | undefined {
  if (text === '') return 0
  return /^\d{1,4}$/.test(text) && Number(text) <= MAX_DATABASE ? Number(text) : undefined
}

function credentials(username: string, password: string): Pick<RedisTarget, 'username' | 'password'> {
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

/** Do keys and addresses travel to this server in clear text, over a network? */
export function travelsInClear({ place }: RedisTarget): boolean {
  return place.kind === 'tcp' && !place.tls && !/^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i.test(place.host)
}
