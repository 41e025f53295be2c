import assert from 'node:assert/strict'
import { letter, somewhere, type Letter } from './support-mail'
import { pump } from './support-pump'
import { startWorld, type World } from './world'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

const DOTS = '.\r\n..\r\n...\r\n.x\r\n..x\r\n. \r\nx.\r\n.\r\n'

/** A line of so many octets. */
const words = (octets: number): string => `${'lorem ipsum '.repeat(octets / 12 + 1).slice(0, octets - 1)}x`

/** Header fields and body of mails that a careless hand would change on the way. */
const CASES: readonly (readonly [what: string, options: { headers?: string; body?: string }])[] = [
  ['lines that begin with dots', { body: DOTS }],
  ['a dot as the first and only line', { body: '.\r\n' }],
  ['a header line that begins with a dot', { headers: '.dotted: yes\r\nX-After: still a header\r\n' }],
  ['a folded header line that begins with a dot after its blank', { headers: 'X-Fold: one\r\n .two\r\n\t..three\r\n' }],
  // RFC 5321 section 4.5.3.1.6: 998 octets and CRLF
  ['lines as long as they may be', { body: `${words(998)}\r\n`.repeat(50) }],
  ['long lines that begin with a dot', { body: `.${words(996)}\r\n`.repeat(50) }],
  ['8-bit bytes of several charsets', { body: 'æøå ÆØÅ \xff\xfe\x80 \xc3\xa6\xf0\x9f\x98\x80\r\n' }],
  ['UTF-8 in header fields', { headers: 'X-Raw: bl\xc3\xa5b\xc3\xa6r\r\n' }],
  ['blanks at line ends, tabs, empty lines', { body: 'a \r\nb\t\r\n \r\n\r\n\r\n\t\r\nc  \r\n' }],
  ['control characters', { body: 'bell \x07 escape \x1b[0m form feed \x0c\r\n' }],
  [
    'a MIME tree with a boundary of dots',
    {
      headers: 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="..."\r\n',
      body: `preamble\r\n--...\r\nContent-Type: text/plain\r\n\r\n${DOTS}--...\r\nContent-Type: message/rfc822\r\n\r\n.odd: 1\r\nSubject: inner\r\n\r\n${DOTS}--...--\r\n`,
    },
  ],
  ['many small lines', { body: 'a\r\n.\r\n'.repeat(20_000) }],
]

describe('what arrives is what was sent, byte for byte', function () {
  this.timeout(90_000)
  const keep = keeper()
  let world: World
  let gateway: Gateway
  const sent: { over: 'tls' | 'clear'; what: string; mail: Letter }[] = []

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
    gateway = await keep(startGateway({ settings: world.settings() }))
    for (const [index, [what, options]] of CASES.entries()) {
      sent.push({ over: 'tls', what, mail: letter([`b${index}@good.test`], options) })
      // under a grant the mail is also compared with what the verdict was about: dots must not spoil that
      if (!/[^\t\r\n -~]/.test(`${options.headers ?? ''}${options.body ?? ''}`) && !/MIME/.test(what)) {
        const subject = '[unsecure] [public]'
        sent.push({ over: 'clear', what, mail: letter([`b${index}@notls.test`], { ...options, subject }) })
      }
    }
    const pumping = pump(
      gateway.address,
      gateway.port,
      sent.map(({ mail }) => mail),
    )
    await pumping.done
    assert.deepEqual(pumping.refused, [])
    assert.equal(pumping.accepted.length, sent.length)
    await until('the queue is empty', () => gateway.queue().length === 0, {
      limit: 40_000,
      detail: () => gateway.log().slice(-4000),
    })
    await somewhere(
      world,
      gateway,
      sent.map(({ mail }) => mail),
    )
  })
  after(() => keep.stop())

  const arrived = (mail: Letter): string[] => {
    const to = mail.to[0] ?? ''
    return world.postfix
      .mails(to.slice(to.indexOf('@') + 1))
      .filter(({ recipient }) => recipient === to)
      .map(({ message }) => message.toString('latin1'))
  }

  for (const [what] of CASES) {
    it(what, () => {
      const { mail } = sent.find((one) => one.over === 'tls' && one.what === what) ?? assert.fail()
      const [copy, ...more] = arrived(mail)
      assert.deepEqual(more, [])
      assert.ok(copy !== undefined)
      // what stands before is the gateway's own Received fields
      assert.equal(copy.slice(-mail.message.length), mail.message)
      assert.match(copy.slice(0, -mail.message.length), /^(?:Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+$/)
    })
  }

  it('the same under a granted opt-out, but for the tag', () => {
    const clear = sent.filter(({ over }) => over === 'clear')
    assert.ok(clear.length > 5)
    for (const { what, mail } of clear) {
      const [copy, ...more] = arrived(mail)
      assert.deepEqual(more, [], what)
      assert.ok(copy !== undefined, `${what}: ${JSON.stringify(gateway.events('optout-refused').at(-1))}`)
      const body = (text: string) => text.slice(text.indexOf('\r\n\r\n'))
      assert.equal(body(copy), body(mail.message), what)
      assert.doesNotMatch(copy, /\[unsecure\]/, what)
    }
  })
})
