/** SMTP AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN. The caller has made sure that the channel is TLS. */
import type { Channel } from './channel'
import type { Capabilities } from './ehlo'
import { HostTrouble, replyFailure, unexpectedReply } from './failures'
import type { Reply } from './reply'
import type { StaticRoute } from './types'

/**
 * @param ms deadline of each answer
 * @throws HostTrouble (rejects) when the server does not take the login; always temporary, since it is our login that
 *   is wrong and not the mail
 */
export async function authenticate(
  channel: Channel,
  capabilities: Capabilities,
  auth: NonNullable<StaticRoute['auth']>,
  ms: number,
): Promise<void> {
  const offered = new Set((capabilities.get('AUTH') ?? '').toUpperCase().split(/\s+/u))
  const wanted = auth.type === undefined || auth.type === '' ? ['PLAIN', 'LOGIN'] : [auth.type.toUpperCase()]
  const mechanism = wanted.find((name) => offered.has(name))
  const say = async (line: string): Promise<Reply> => {
    channel.write(`${line}\r\n`)
    return await channel.reply(ms)
  }
  let reply: Reply
  switch (mechanism) {
    case 'PLAIN':
      reply = await say(`AUTH PLAIN ${base64(`\0${auth.user}\0${auth.pass}`)}`)
      break
    case 'LOGIN':
      reply = await say('AUTH LOGIN')
      for (const answer of [auth.user, auth.pass]) {
        if (reply.code !== 334) break
        reply = await say(base64(answer))
      }
      break
    default:
      throw new HostTrouble({
        resultType: 'protocol-error',
        enhancedCode: '4.7.0',
        publicText: 'The next mail server does not offer a way to log in that this gateway can use.',
        privateDetail: `wanted ${wanted.join(' or ')}, offered ${[...offered].join(' ') || 'nothing'}`,
      })
  }
  if (reply.code === 235) return
  throw new HostTrouble(
    reply.code >= 400
      ? { ...replyFailure(reply, 'login', true), enhancedCode: '4.7.8' }
      : unexpectedReply(reply, 'login'),
  )
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}
