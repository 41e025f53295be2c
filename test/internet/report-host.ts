/** An HTTPS server that takes TLS reports (RFC 8460 section 5.4). */
import https from 'node:https'
import type { CertificateFiles } from './ca'
import { freePort } from '../../demo/processes'

export interface ReportHost {
  readonly port: number
  /** Method, path and media type of each request so far. */
  readonly asked: readonly string[]
  /** What was posted. */
  readonly bodies: readonly Buffer[]
  stop(): Promise<void>
}

/** Takes everything with 201. */
export async function startReportHost(options: {
  certificate: Pick<CertificateFiles, 'key' | 'cert'>
  address: string
}): Promise<ReportHost> {
  const { certificate, address } = options
  const asked: string[] = []
  const bodies: Buffer[] = []
  const { key, cert } = certificate
  const port = await freePort([address])
  const server = https.createServer({ key, cert }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${request.headers['content-type']}`)
      bodies.push(Buffer.concat(chunks))
      response.writeHead(201).end()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, resolve)
  })
  return {
    ...{ port, asked, bodies },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
