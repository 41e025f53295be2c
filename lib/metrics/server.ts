/** The endpoint: `GET /metrics`, plain HTTP, nothing else. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { CONTENT_TYPE } from './exposition'

export interface MetricsServer {
  /** Where it listens, once it does. */
  address(): AddressInfo | null
  close(): Promise<void>
}

export interface ServerOptions {
  /** `address:port` or `[v6]:port`. */
  listen: string
  /** The page. */
  page: () => Promise<string>
  /** Told when it cannot listen, or a page cannot be made; must not throw. */
  onError: (error: Error) => void
}

/** Who scrapes comes alone; what holds connections open is somebody else. */
const MAX_CONNECTIONS = 20
const TIMEOUT = 15_000

/** Listen; never throws: mail does not depend on it. */
export function serveMetrics({ listen, page, onError }: ServerOptions): MetricsServer {
  const server = http.createServer(
    { requestTimeout: TIMEOUT, headersTimeout: TIMEOUT, keepAliveTimeout: TIMEOUT, maxHeaderSize: 8192 },
    (request, response) => {
      answer(request, response, page, onError)
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  server.on('error', (error) => {
    onError(new Error(`metrics: cannot listen on ${listen}: ${error.message}`))
  })
  const colon = listen.lastIndexOf(':')
  server.listen(Number(listen.slice(colon + 1)), listen.slice(0, colon).replace(/^\[|\]$/g, ''))
  server.unref()
  return {
    address() {
      const address = server.address()
      return typeof address === 'string' ? null : address
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  page: () => Promise<string>,
  onError: (error: Error) => void,
): void {
  const say = (code: number, text: string, headers: http.OutgoingHttpHeaders = {}) => {
    response.writeHead(code, { 'Content-Type': 'text/plain; charset=utf-8', ...headers })
    response.end(request.method === 'HEAD' ? undefined : text)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    say(405, 'only GET\n', { Allow: 'GET, HEAD' })
  } else if (request.url?.split('?')[0] !== '/metrics') {
    say(404, 'the metrics are at /metrics\n')
  } else {
    page().then(
      (text) => {
        say(200, text, { 'Content-Type': CONTENT_TYPE })
      },
      (error: unknown) => {
        onError(error instanceof Error ? error : new Error(String(error)))
        say(500, 'the metrics cannot be collected; the log says why\n')
      },
    )
  }
}
