/**
 * One GET over HTTPS, as little of it as a policy needs (RFC 8461 section 3.3): one request on one connection of its
 * own, no redirects, no cache, a limit on bytes and one deadline for everything.
 */
import http from 'node:http'
import type tls from 'node:tls'
import { connectHttps, HttpsTrouble, reasonOf, textOf, type HttpsTarget } from '../../util/https-connection'

export interface HttpsRequest extends HttpsTarget {
  path: string
  maxBytes: number
}

export { HttpsTrouble }

/**
 * @returns the body of an answer with status 200 and media type text/plain
 * @throws HttpsTrouble
 */
export async function httpsGet(request: HttpsRequest): Promise<Buffer> {
  const socket = await connectHttps(request)
  const onAbort = (): void => void socket.destroy(new HttpsTrouble('connection', reasonOf(request.signal)))
  request.signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (request.signal.aborted) onAbort()
    return await get(socket, request)
  } catch (error) {
    throw error instanceof HttpsTrouble ? error : new HttpsTrouble('http', textOf(error))
  } finally {
    request.signal.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}

function get(socket: tls.TLSSocket, request: HttpsRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asked = http.request({
      createConnection: () => socket,
      path: request.path,
      method: 'GET',
      // RFC 8461 section 3.3: HTTP caching must not be used, so not on the way either
      headers: { Host: request.host, Accept: 'text/plain', 'Cache-Control': 'no-cache', Connection: 'close' },
    })
    let answered = false
    asked.on('response', (response) => {
      answered = true
      readBody(response, request.maxBytes).then(resolve, reject)
    })
    asked.on('error', reject)
    asked.on('close', () => {
      if (!answered) reject(new HttpsTrouble('http', 'the connection ended without an answer'))
    })
    asked.end()
  })
}

async function readBody(response: http.IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { statusCode, headers } = response
  // RFC 8461 section 3.3: only 200 is an answer, and redirects must not be followed
  if (statusCode !== 200) throw new HttpsTrouble('http', `the answer has status ${statusCode ?? '?'}, not 200`)
  // RFC 8461 section 3.3: text/plain, so that nobody can plant a policy where users may upload files
  if (!/^text\/plain[ \t]*(;|$)/i.test(headers['content-type'] ?? '')) {
    throw new HttpsTrouble('http', `the media type is ${JSON.stringify(headers['content-type'] ?? '')}, not text/plain`)
  }
  const coding = headers['content-encoding'] ?? 'identity'
  if (coding.toLowerCase() !== 'identity') {
    throw new HttpsTrouble('http', 'the answer is compressed, which was not asked for')
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new HttpsTrouble('http', `the answer is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  if (!response.complete) throw new HttpsTrouble('http', 'the answer was cut short')
  return Buffer.concat(chunks)
}
