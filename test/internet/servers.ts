/** Bad mail servers by name: each one attack or defect that a delivery must stand (design: transport, "Attacks"). */
import net from 'node:net'
import type { Identity } from '../../demo/certificates'
import { startMailServer, type Faults, type MailServer, type MailServerOptions } from '../../demo/mail-server'
import { freePort } from '../../demo/processes'

export { startMailServer, type MailServer, type ReceivedMail } from '../../demo/mail-server'

/** What each does wrong. All of them have a good certificate, unless it is about TLS they behave otherwise. */
export const FAULTS = {
  none: {},
  /** RFC 3207 section 6: a man in the middle takes STARTTLS out of the reply to EHLO. */
  strippedStarttls: { stripStarttls: true },
  starttls454: { starttls: '454 4.7.0 TLS not available due to temporary reason' },
  starttls501: { starttls: '501 5.5.4 syntax error' },
  starttls502: { starttls: '502 5.5.1 command not implemented' },
  starttls554: { starttls: '554 5.7.3 no' },
  starttlsGarbage: { starttls: '\x01\x02 who are you?' },
  starttlsSilent: { starttls: { fault: 'silent' } },
  starttlsCut: { starttls: { fault: 'cut' } },
  /** RFC 3207 section 6 and CVE-2021-38371: replies sent before the handshake must not count after it. */
  injected: { starttls: { fault: 'inject', text: '250-evil.test\r\n250 AUTH PLAIN\r\n' } },
  /** The same, without the end of the line: what follows inside TLS would be glued to it. */
  injectedPart: { starttls: { fault: 'inject', text: '250 injected-par' } },
  injectedApart: { starttls: { fault: 'inject-apart', text: '250 injected\r\n' } },
  /** A verdict on the mail that nobody is to believe. */
  injectedRejection: { starttls: { fault: 'inject', text: '550 5.7.1 injected rejection\r\n' } },
  handshakeCut: { starttls: { fault: 'cut-handshake' } },
  handshakeSilent: { starttls: { fault: 'silent-handshake' } },
  handshakeNotTls: { starttls: { fault: 'not-tls', text: '250 go on in clear\r\n' } },
  silent: { greeting: { fault: 'silent' } },
  greeting421: { greeting: '421 4.3.2 closing down' },
  greeting554: { greeting: '554 5.7.1 no SMTP service here' },
  greetingGarbage: { greeting: 'SSH-2.0-OpenSSH_9.2' },
  greetingCut: { greeting: { fault: 'cut' } },
  ehlo550: { ehlo: '550 5.7.1 go away' },
  ehlo421: { ehlo: '421 4.7.0 too busy' },
  mail451: { mail: '451 4.3.0 not now' },
  mail550: { mail: '550 5.7.1 sender refused' },
  rcptAll450: { rcpt: () => '450 4.2.0 mailbox busy' },
  rcptAll550: { rcpt: () => '550 5.1.1 no such mailbox' },
  /** By local part: `4xx...@` is deferred, `5xx...@` refused, anybody else accepted. */
  rcptByName: {
    rcpt: (address: string) =>
      /^4xx/.test(address) ? '450 4.2.0 mailbox busy' : /^5xx/.test(address) ? '550 5.1.1 no such mailbox' : undefined,
  },
  rcpt421: { rcpt: () => '421 4.3.2 closing down' },
  data451: { data: '451 4.3.0 not now' },
  data554: { data: '554 5.5.0 no valid recipients' },
  final451: { final: '451 4.3.0 disk full' },
  final550: { final: '550 5.7.1 spam' },
  /** Stored, and the connection is gone before the reply: whoever sent it must send again, never lose it. */
  finalLost: { final: { fault: 'cut' } },
  finalSilent: { final: { fault: 'silent' } },
  finalSlow: { final: { fault: 'slow', milliseconds: 3_000 } },
} satisfies Record<string, Faults>

export type FaultName = keyof typeof FAULTS

/** Start one bad server. */
export async function startBadServer(
  fault: FaultName,
  options: Omit<MailServerOptions, 'faults'>,
): Promise<MailServer> {
  return startMailServer({ ...options, faults: FAULTS[fault] })
}

/** TLS 1.0 and 1.1 and nothing newer, in Node instead of Postfix. */
export async function startOldTlsServer(
  options: Omit<MailServerOptions, 'faults' | 'tls'> & { certificate: Identity },
): Promise<MailServer> {
  return startMailServer({
    ...options,
    tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' },
  })
}

/** A port on which nobody listens on any of the addresses: connections are refused. */
export async function unreachable(addresses: readonly string[]): Promise<number> {
  return freePort(addresses)
}

/** Accepts connections and never reads or writes. */
export async function startBlackHole(address: string, port: number): Promise<{ port: number; stop(): Promise<void> }> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, resolve)
  })
  const bound = server.address()
  return {
    port: bound !== null && typeof bound === 'object' ? bound.port : port,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
