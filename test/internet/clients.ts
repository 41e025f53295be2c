/** Real mail clients: swaks and Python's smtplib as senders, Python's email package as the judge of reports. */
import { run } from '../../demo/processes'

export interface Submission {
  /** `address:port` of the server. */
  server: string
  /** Envelope sender, '' = null sender. */
  from: string
  /** Envelope recipients. */
  to: readonly string[]
  /** The whole message; line ends of any kind. Absent = a small one that the client makes up. */
  data?: string | Buffer
  auth?: { user: string; pass: string }
  /** `no` (default), `starttls` = refuse to go on without. */
  tls?: 'no' | 'starttls'
  /** swaks only: the address that the client comes from. */
  localAddress?: string
  /** Python only: parameters of MAIL FROM, e.g. `REQUIRETLS`. */
  mailOptions?: readonly string[]
  /** Python only: parameters of every RCPT TO, e.g. `NOTIFY=NEVER`. */
  rcptOptions?: readonly string[]
  /** Name in EHLO; default `client.uni.test`. */
  helo?: string
  /** Milliseconds; default 30,000. */
  limit?: number
}

export interface Sent {
  /** 0 = the server took responsibility for the message for at least one recipient. */
  code: number | null
  /** The dialogue, one line each way. */
  transcript: string
  /** The server's last words to DATA, e.g. `250 2.0.0 Ok`; '' when it did not come so far. */
  reply: string
}

/** Submit with swaks (its own exit codes: 0 sent, 24 no recipient accepted, 26 DATA refused, 29 no TLS, ...). */
export async function sendWithSwaks(mail: Submission): Promise<Sent> {
  const args = ['--server', mail.server, '--helo', mail.helo ?? 'client.uni.test', '--from', mail.from || '<>']
  args.push('--to', mail.to.join(','), '--timeout', String(Math.ceil((mail.limit ?? 30_000) / 1000)))
  if (mail.auth) args.push('--auth', 'PLAIN', '--auth-user', mail.auth.user, '--auth-password', mail.auth.pass)
  if (mail.tls === 'starttls') args.push('--tls')
  if (mail.localAddress !== undefined) args.push('--local-interface', mail.localAddress)
  // Without this swaks replaces `\n` and `%DATE%` inside the text; the wire form is then ours to make.
  if (mail.data !== undefined) args.push('--no-data-fixup', '--data', '-')
  const input = mail.data === undefined ? '' : wireForm(mail.data)
  const { code, stdout, stderr } = await run('/usr/bin/swaks', args, { input, limit: mail.limit ?? 30_000 })
  return { code, transcript: stdout + stderr, reply: afterData(stdout) }
}

/** swaks marks what the server says with `<~`, `<-` or, for errors, `<*`/`<~*`. */
function afterData(transcript: string): string {
  const lines = transcript.split('\n')
  const dot = lines.findIndex((line) => /^ [-~]> \.$/.test(line))
  const reply = dot < 0 ? undefined : lines.slice(dot).find((line) => /^<[-~*]/.test(line))
  return reply?.replace(/^<\S+\s+/, '') ?? ''
}

/** RFC 5321 section 4.5.2: CRLF line ends, dots doubled at line starts, and the final dot (whose CRLF swaks adds). */
function wireForm(data: string | Buffer): Buffer {
  const text = Buffer.from(data).toString('latin1').replace(/\r?\n/g, '\r\n')
  const whole = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`
  return Buffer.from(`${whole.replace(/^\./gm, '..')}.`, 'latin1')
}

const SENDER = `
import json, smtplib, sys
job = json.loads(sys.argv[1])
data = sys.stdin.buffer.read()
class Talking(smtplib.SMTP):
    debuglevel = 1
    def _print_debug(self, *args):
        print(*args, file=sys.stderr)
host, port = job['server'].rsplit(':', 1)
result = {'refused': {}, 'reply': ''}
try:
    client = Talking(host, int(port), timeout=job['seconds'])
    client.ehlo(job['helo'])
    if job['tls'] == 'starttls':
        client.starttls()
        client.ehlo(job['helo'])
    if job['auth']:
        client.login(job['auth']['user'], job['auth']['pass'])
    code, text = client.mail(job['from'], job['mailOptions'])
    if code != 250:
        raise smtplib.SMTPResponseException(code, text)
    accepted = 0
    for to in job['to']:
        code, text = client.rcpt(to, job['rcptOptions'])
        if code in (250, 251):
            accepted += 1
        else:
            result['refused'][to] = '%d %s' % (code, text.decode())
    if not accepted:
        raise SystemExit(24)
    code, text = client.data(data)
    result['reply'] = '%d %s' % (code, text.decode())
    client.quit()
    sys.exit(0 if code == 250 else 26)
except smtplib.SMTPResponseException as error:
    result['reply'] = '%d %s' % (error.smtp_code, error.smtp_error.decode())
    sys.exit(23)
finally:
    print(json.dumps(result))
`

/** Submit with Python's smtplib; exit codes as swaks' where there are such, and what was refused at RCPT. */
export async function sendWithPython(mail: Submission): Promise<Sent & { refused: Record<string, string> }> {
  const job = {
    server: mail.server,
    from: mail.from,
    to: mail.to,
    helo: mail.helo ?? 'client.uni.test',
    tls: mail.tls ?? 'no',
    mailOptions: mail.mailOptions ?? [],
    rcptOptions: mail.rcptOptions ?? [],
    auth: mail.auth ?? null,
    seconds: Math.ceil((mail.limit ?? 30_000) / 1000),
  }
  const input =
    mail.data ?? `From: <${mail.from}>\r\nTo: ${mail.to.join(', ')}\r\nSubject: from Python\r\n\r\nHello.\r\n`
  const { code, stdout, stderr } = await run('python3', ['-c', SENDER, JSON.stringify(job)], {
    input,
    limit: mail.limit,
  })
  const result = (stdout === '' ? {} : JSON.parse(stdout)) as { refused?: Record<string, string>; reply?: string }
  return { code, transcript: stderr, reply: result.reply ?? '', refused: result.refused ?? {} }
}

/** A message as Python's email package (policy.default) understands it. */
export interface ParsedPart {
  contentType: string
  /** Content-Type parameters, e.g. report-type. */
  parameters: Record<string, string>
  /** Header fields in order, decoded. */
  headers: [string, string][]
  /** What the parser complained about. */
  defects: string[]
  /** Decoded text of text parts; for message/delivery-status the blocks joined by blank lines. */
  text?: string
  /** message/delivery-status: one record per block, names in lower case. */
  status?: Record<string, string>[]
  parts: ParsedPart[]
}

const PARSER = `
import json, sys
from email import message_from_bytes, policy
def plain(part):
    kind = part.get_content_type()
    out = {
        'contentType': kind,
        'parameters': {k: v for k, v in (part.get_params(failobj=[]) or [])[1:]},
        'headers': [[k, str(v)] for k, v in part.items()],
        'defects': [repr(d) for d in part.defects]
            + [k + ': ' + repr(d) for k, v in part.items() for d in getattr(v, 'defects', ())],
        'parts': [],
    }
    if kind == 'message/delivery-status':
        out['status'] = [{k.lower(): str(v) for k, v in block.items()} for block in part.get_payload()]
        out['text'] = '\\n'.join(block.as_string() for block in part.get_payload())
    elif kind == 'text/rfc822-headers':
        out['text'] = part.get_payload(decode=True).decode('utf-8', 'replace')
    elif part.is_multipart():
        out['parts'] = [plain(p) for p in part.iter_parts()] if part.get_content_maintype() == 'multipart' else [plain(p) for p in part.get_payload()]
    elif part.get_content_maintype() == 'text':
        out['text'] = part.get_content()
    return out
print(json.dumps(plain(message_from_bytes(sys.stdin.buffer.read(), policy=policy.default))))
`

/**
 * Let Python judge a message, e.g. a report.
 *
 * @throws when Python's parser cannot make anything of it
 */
export async function parseWithPython(message: Buffer): Promise<ParsedPart> {
  const { code, stdout, stderr } = await run('python3', ['-c', PARSER], {
    input: message,
    env: { PYTHONIOENCODING: 'utf8' },
  })
  if (code !== 0) throw new Error(`Python cannot parse it: ${stderr}`)
  return JSON.parse(stdout) as ParsedPart
}

/** The first part of that type, searched depth first. */
export function findPart(message: ParsedPart, contentType: string): ParsedPart | undefined {
  if (message.contentType === contentType) return message
  for (const part of message.parts) {
    const found = findPart(part, contentType)
    if (found) return found
  }
  return undefined
}
