/** The policy hosts of several domains (RFC 8461 section 3.3) in one HTTPS server, told apart by the Host field. */
import type http from 'node:http'
import https from 'node:https'
import type { TestCa } from './ca'
import { freePort } from '../../demo/processes'

export interface PolicyHosts {
  /** For `SECURE_MAIL_STS_PORT`. */
  readonly port: number
  /** Host and path of each request so far. */
  readonly asked: readonly string[]
  stop(): Promise<void>
}

/**
 * @param domains whose policy hosts these are; the certificate has their names
 * @param answer what is said about a domain's policy
 */
export async function startPolicyHosts(options: {
  ca: Pick<TestCa, 'good'>
  address: string
  domains: readonly string[]
  answer: (domain: string, response: http.ServerResponse, port: number) => void
}): Promise<PolicyHosts> {
  const { ca, address, domains, answer } = options
  const asked: string[] = []
  const { key, cert } = ca.good(...domains.map((domain) => `mta-sts.${domain}`))
  const port = await freePort([address])
  const server = https.createServer({ key, cert }, (request, response) => {
    asked.push(`${request.headers.host}${request.url}`)
    answer(String(request.headers.host).replace('mta-sts.', ''), response, port)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, resolve)
  })
  return {
    port,
    asked,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Text of a policy file. */
export const policyText = (mode: string, ...mx: readonly string[]): string =>
  ['version: STSv1', `mode: ${mode}`, ...mx.map((name) => `mx: ${name}`), 'max_age: 86400', ''].join('\r\n')

/** Answer with a policy as it should be. */
export function sendPolicy(response: http.ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
}
