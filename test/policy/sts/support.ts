/** A policy host on loopback that can do everything wrong, and a DNS that says where it is. */
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'
import type { Identity } from '../../../demo/certificates'
import type { FetchOptions } from '../../../lib/policy/sts'

export const POLICY = 'version: STSv1\nmode: enforce\nmx: mx.example.test\nmax_age: 86400\n'

/** Answers a request; the default is the policy as it should be. */
export type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void

export const policyAnswer =
  (text: string, more: { status?: number; type?: string; headers?: http.OutgoingHttpHeaders } = {}): Answer =>
  (_request, response) => {
    response.writeHead(more.status ?? 200, { 'content-type': more.type ?? 'text/plain', ...more.headers })
    response.end(text)
  }

export interface PolicyHost {
  port: number
  /** `Host` and path of each request so far. */
  requests: string[]
  /** SNI of each TLS client so far. */
  names: string[]
  /** Change what it answers. */
  answer: Answer
  stop(): Promise<void>
}

export async function startPolicyHost(identity: Identity, tlsOptions: TlsOptions = {}): Promise<PolicyHost> {
  const sockets = new Set<Socket>()
  const host: PolicyHost = {
    port: 0,
    requests: [],
    names: [],
    answer: policyAnswer(POLICY),
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const server = https.createServer({ key: identity.key, cert: identity.cert, ...tlsOptions }, (request, response) => {
    host.requests.push(`${request.method} https://${request.headers.host}${request.url}`)
    host.answer(request, response)
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('secureConnection', (socket) => host.names.push(String(socket.servername)))
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  host.port = (server.address() as AddressInfo).port
  return host
}

export function fetchOptions(caFile: string, port: number, more: Partial<FetchOptions> = {}): FetchOptions {
  return { caFile, port, inetPrefer: 'v4', mayConnect: () => true, deadline: 10_000, ...more }
}
