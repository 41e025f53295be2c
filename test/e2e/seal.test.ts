import assert from 'node:assert/strict'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { accepted, arrivals, letter, placesOf, somewhere, withSetting, type Letter } from './support-mail'
import { editQueueFile, fileOf, readQueueFile, type Envelope } from './support-queue-file'
import { startWorld, type World } from './world'
import { assertNothingInClear, clearTextDeliveries } from '../internet/capture'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

const TAGGED = '[unsecure] [public] open day'
const GRANT = { by: 'subject-tag' }

interface Forgery {
  what: string
  /** Was the opt-out granted when the mail was queued? */
  granted: boolean
  /** Why the seal is refused, as the audit log says. */
  reason: 'forged' | 'other-mail' | 'changed-after-verdict' | 'unparsable' | 'absent'
  /** Does the file still claim a grant, so that the event says that it is refused? */
  claims: boolean
  change(envelope: Envelope, message: string, granted: Envelope): { envelope?: Envelope; message?: string }
  /** Where the change leads to. */
  to?: string
  from?: string
}

const notesOf = (envelope: Envelope): Record<string, unknown> => {
  assert.ok(envelope.notes.secure_mail)
  return envelope.notes.secure_mail
}
const withNotes = (envelope: Envelope, secure_mail: unknown): { envelope: Envelope } => ({
  envelope: { ...envelope, notes: { ...envelope.notes, secure_mail } as Envelope['notes'] },
})

const FORGERIES: readonly Forgery[] = [
  {
    what: 'a grant written into the notes of an ordinary mail',
    granted: false,
    reason: 'forged',
    claims: true,
    change: (envelope) =>
      withNotes(envelope, { ...notesOf(envelope), grant: GRANT, category: 1, digest: 'a'.repeat(64) }),
  },
  {
    what: 'a grant without a digest',
    granted: false,
    reason: 'unparsable',
    claims: true,
    change: (envelope) => withNotes(envelope, { ...notesOf(envelope), grant: GRANT }),
  },
  {
    what: 'the sealed notes of a granted mail pasted into another mail',
    granted: false,
    reason: 'other-mail',
    claims: true,
    change: (envelope, _message, granted) => withNotes(envelope, notesOf(granted)),
  },
  {
    what: 'the pasted notes with this mail’s own id and recipients',
    granted: false,
    reason: 'forged',
    claims: true,
    change: (envelope, _message, granted) => {
      const { mailId, recipients, sender } = notesOf(envelope)
      return withNotes(envelope, { ...notesOf(granted), mailId, recipients, sender })
    },
  },
  {
    what: 'another body under a granted mail',
    granted: true,
    reason: 'changed-after-verdict',
    claims: true,
    change: (_envelope, message) => ({ message: message.replace('Nobody else may', 'Everybody may') }),
  },
  {
    what: 'a line added to a granted mail',
    granted: true,
    reason: 'changed-after-verdict',
    claims: true,
    change: (_envelope, message) => ({ message: `${message}one more line\r\n` }),
  },
  {
    what: 'another subject on a granted mail',
    granted: true,
    reason: 'changed-after-verdict',
    claims: true,
    change: (_envelope, message) => ({ message: message.replace(/^Subject: /im, 'Subject: secret ') }),
  },
  {
    what: 'another recipient on a granted mail',
    granted: true,
    reason: 'other-mail',
    claims: true,
    to: 'mallory@notls.test',
    change: (envelope) => ({
      envelope: { ...envelope, rcpt_to: [{ original: '<mallory@notls.test>', user: 'mallory', host: 'notls.test' }] },
    }),
  },
  {
    what: 'another sender on a granted mail',
    granted: true,
    reason: 'other-mail',
    claims: true,
    from: 'mallory@uni.test',
    change: (envelope) => ({
      envelope: { ...envelope, mail_from: { original: '<mallory@uni.test>', user: 'mallory', host: 'uni.test' } },
    }),
  },
  {
    what: 'another id on a granted mail',
    granted: true,
    reason: 'other-mail',
    claims: true,
    change: (envelope) => ({ envelope: { ...envelope, uuid: '00000000-0000-4000-8000-000000000000.1.1' } }),
  },
  {
    what: 'an ordinary mail made a TLS report, which may go in clear',
    granted: false,
    reason: 'forged',
    claims: false,
    change: (envelope) => withNotes(envelope, { ...notesOf(envelope), kind: 'tlsrpt' }),
  },
  {
    what: 'notes that are no notes',
    granted: true,
    reason: 'unparsable',
    claims: false,
    change: (envelope) => withNotes(envelope, ['what', { grant: null }]),
  },
  {
    what: 'a text in the place of all notes',
    granted: true,
    reason: 'absent',
    claims: false,
    change: (envelope) => ({ envelope: { ...envelope, notes: 'x' as unknown as Envelope['notes'] } }),
  },
  {
    what: 'no notes at all',
    granted: true,
    reason: 'absent',
    claims: false,
    change: (envelope) => ({ envelope: { ...envelope, notes: {} } }),
  },
]

/** Ways in which a queue file can be damaged so that nobody can know any more for whom it is. */
const DAMAGES: readonly (readonly [string, (file: string) => void])[] = [
  ['an empty file', (file) => truncateSync(file, 0)],
  ['two bytes', (file) => truncateSync(file, 2)],
  ['an envelope cut off', (file) => truncateSync(file, 100)],
  ['random bytes', (file) => writeFileSync(file, Buffer.from('\x00\x00\x00\x10garbage garbage garbage'))],
  ['a length beyond everything', (file) => writeFileSync(file, Buffer.alloc(64, 0xff))],
  ['text', (file) => writeFileSync(file, 'To: nobody\n\nhello, this is not a queue file at all\n')],
  ['an envelope that is a number', (file) => writeFileSync(file, Buffer.from('\x00\x00\x00\x0242To: x\r\n\r\n'))],
  ['an envelope that is null', (file) => writeFileSync(file, Buffer.from('\x00\x00\x00\x04nullTo: x\r\n\r\n'))],
  ['no recipients', (file) => editQueueFile(file, (envelope) => ({ envelope: { ...envelope, rcpt_to: [] } }))],
  [
    'a recipient without a domain',
    (file) => editQueueFile(file, (envelope) => ({ envelope: { ...envelope, rcpt_to: [{ user: 'a', host: null }] } })),
  ],
  [
    'recipients that are none',
    (file) => editQueueFile(file, (envelope) => ({ envelope: { ...envelope, rcpt_to: [{ not: 'an address' }] } })),
  ],
]

for (const nodes of [0, 2]) {
  describe(`queue files in strange hands, nodes=${nodes}`, function () {
    this.timeout(110_000)
    const keep = keeper()
    let world: World
    let gateway: Gateway
    let granted: Letter
    let ordinary: Letter
    const forged = new Map<Forgery, Letter>()
    const damaged = new Map<string, string>()

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
      const running = world.settings()
      gateway = await keep(startGateway({ nodes, settings: withSetting(running, 'delivery', 'paused=true') }))
      const send = (to: string, subject?: string) =>
        accepted(gateway, letter([to], subject === undefined ? {} : { subject }))
      granted = await send('control@notls.test', TAGGED)
      ordinary = await send('ordinary@good.test')
      for (const [index, forgery] of FORGERIES.entries())
        forged.set(forgery, await send(`f${index}@notls.test`, forgery.granted ? TAGGED : undefined))
      const toDamage: [string, Letter][] = []
      for (const [what] of DAMAGES) toDamage.push([what, await send('damaged@notls.test')])
      await gateway.halt()

      const { envelope: grantedEnvelope } = readQueueFile(fileOf(gateway, granted))
      assert.deepEqual(notesOf(grantedEnvelope).grant, GRANT, 'the opt-out was granted')
      for (const [forgery, mail] of forged)
        editQueueFile(fileOf(gateway, mail), (envelope, message) =>
          forgery.change(envelope, message, structuredClone(grantedEnvelope)),
        )
      for (const [index, [what, mail]] of toDamage.entries()) {
        const file = fileOf(gateway, mail)
        DAMAGES[index]?.[1](file)
        damaged.set(what, file)
      }
      gateway.write('secure-mail.ini', running)
      await gateway.start()
      await until('all that can be dealt with is', () => unfinished(gateway).length === 0, {
        limit: 45_000,
        detail: () => `${gateway.queue().join('\n')}\n${gateway.log().slice(-6000)}`,
      })
      const changed = [...forged].map(([{ to, from }, mail]) => ({
        ...mail,
        to: to === undefined ? mail.to : [to],
        from: from ?? mail.from,
      }))
      await somewhere(world, gateway, [granted, ordinary, ...changed])
    })
    after(() => keep.stop())

    it('to compare: the granted mail that nobody touched went out in clear text, without its tag', () => {
      const [copy, ...more] = arrivals(world, granted, 'control@notls.test')
      assert.ok(copy)
      assert.deepEqual(more, [])
      assert.doesNotMatch(copy.toString('latin1'), /unsecure/i)
    })

    it('to compare: the ordinary mail was delivered', () => {
      assert.deepEqual(placesOf(world, gateway, ordinary, 'ordinary@good.test'), ['delivered'])
    })

    for (const [index, forgery] of FORGERIES.entries()) {
      it(`${forgery.what}: treated as ordinary mail, not sent in clear, reported, and an event`, () => {
        const mail = forged.get(forgery)
        assert.ok(mail)
        const recipient = forgery.to ?? `f${index}@notls.test`
        const sender = forgery.from ?? mail.from
        assert.deepEqual(placesOf(world, gateway, { ...mail, from: sender }, recipient), ['reported'])
        const events = gateway
          .events(forgery.claims ? 'optout-refused' : 'plugin-error')
          .filter((event) => JSON.stringify(event).includes(`"${forgery.reason}"`))
        assert.ok(events.length > 0, `an event that says ${forgery.reason}`)
      })
    }

    for (const [what] of DAMAGES) {
      it(`${what}: set aside, with an event`, () => {
        const name = path.basename(damaged.get(what) ?? '')
        const aside = gateway.queue().filter((file) => file.startsWith('error.'))
        // a cluster gives a file the number of its new process, so names are compared by what a rename keeps
        const identity = (file: string) => file.replace(/^error\./, '').split('_')
        const [arrival, , , , uid] = identity(name)
        const found = aside.filter((file) => identity(file)[0] === arrival && identity(file)[4] === uid)
        assert.equal(found.length, 1, `${name} in ${gateway.queue().join(' ')}`)
        const told = gateway.events('plugin-error').filter((event) => JSON.stringify(event).includes(found[0] ?? '?'))
        assert.equal(told.length, 1)
      })
    }

    it('nothing but the granted mail was readable on the wire', async () => {
      const connections = await world.capture.connections()
      const clear = clearTextDeliveries(connections)
      assert.equal(clear.length, 1)
      assert.match(clear[0]?.toServer.toString('latin1') ?? '', new RegExp(`the end of ${granted.token}`))
      assert.doesNotMatch(clear[0]?.toServer.toString('latin1') ?? '', /RCPT TO:<(?!control@)/)
      assertNothingInClear(
        connections.filter((connection) => !clear.includes(connection)),
        [...forged.values(), ordinary].map((mail) => mail.token),
      )
      assert.equal(gateway.events('plaintext-permitted').length, 1)
    })

    it('the gateway still takes and delivers mail', async () => {
      const mail = await accepted(gateway, letter(['after@good.test']))
      await until('it is delivered', () => arrivals(world, mail, 'after@good.test').length === 1)
      assert.doesNotMatch(gateway.log(), /killed by signal|exited with error code/)
    })
  })
}

/** What is neither set aside nor gone. */
function unfinished(gateway: Gateway): string[] {
  return gateway.queue().filter((name) => {
    if (name.startsWith('error.')) return false
    try {
      return readFileSync(path.join(gateway.dir, 'queue', name)).length >= 0
    } catch {
      return false
    }
  })
}
