import assert from 'node:assert/strict'
import { hostilePlugin, OUTBOUND_HOOKS } from './support-hostile'
import {
  accepted,
  dueNow,
  letter,
  placesOf,
  post,
  journalTexts,
  queueFiles,
  somewhere,
  type Letter,
  type Place,
} from './support-mail'
import { HOSTS, startWorld, type World } from './world'
import { assertNothingInClear, startCapture, type Capture } from '../internet/capture'
import { prepareGateway, removePlugin, startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

interface Row {
  /** What the plugin does; the local part of the recipients. */
  way: string
  /** Body of the hook. */
  code: string
  /** Where the mail to the domain with TLS must end. */
  good: Place
  /** Where the mail to the domain without TLS must end. */
  bad: Place
}

/** Ways of a plugin that answers, in whatever way, or that Haraka's own time-out of 2 s answers for. */
const ROWS: readonly Row[] = [
  {
    way: 'ok-without-host',
    code: 'next(OK)',
    good: 'reported',
    bad: 'reported',
  },
  {
    way: 'ok-with-host',
    code: `hook === 'get_mx' ? next(OK, { exchange: '${HOSTS['mx.notls.test']}', priority: 0 }) : next(OK)`,
    good: 'reported',
    bad: 'reported',
  },
  {
    way: 'ok-with-url',
    code: `hook === 'get_mx' ? next(OK, 'smtp://${HOSTS['mx.notls.test']}') : next(OK)`,
    good: 'reported',
    bad: 'reported',
  },
  {
    way: 'ok-with-garbage',
    code: `hook === 'get_mx' ? next(OK, [{ exchange: 7, port: 'x' }, null, 42]) : next(OK, { toString: 1 })`,
    good: 'reported',
    bad: 'reported',
  },
  { way: 'throws', code: `throw new Error('in ' + hook)`, good: 'delivered', bad: 'reported' },
  { way: 'never', code: `void 0`, good: 'reported', bad: 'reported' },
  {
    way: 'answers-twice',
    code: `next(); next(DENY, 'again'); setTimeout(() => next(OK), 50)`,
    good: 'delivered',
    bad: 'reported',
  },
  { way: 'answers-late', code: `setTimeout(() => next(OK), 2500)`, good: 'reported', bad: 'reported' },
  ...['OK', 'STOP', 'DENY', 'DENYDISCONNECT', 'DENYSOFT', 'DELAY', '4711'].map((answer) => ({
    way: `outcome-${answer.toLowerCase()}`,
    code: `['delivered', 'deferred', 'bounce'].includes(hook) ? next(${answer}, { not: ['what', NaN] }) : next()`,
    good: 'delivered' as const,
    bad: 'reported' as const,
  })),
  ...["'soon'", 'NaN', '-5', '1e9', '[]'].map((delay, n) => ({
    way: `delay-${n}`,
    code: `hook === 'deferred' ? next(DENYSOFT, ${delay}) : next()`,
    good: 'delivered' as const,
    bad: 'reported' as const,
  })),
  {
    way: 'ends-it',
    code: `
      if (hook !== 'pre_send_trans_email') {
        item.bounce(new Error('I say so'), {})
        item.temp_fail('I say so')
        item.discard()
        item.double_bounce('I say so')
        item.delivered('127.0.0.1', 25, 'SMTP', 'x', '250 ok', item.todo.rcpt_to, [], [], true)
        item.convert_temp_failed_to_bounce('I say so')
        item.split_to_new_recipients(item.todo.rcpt_to, 'I say so', () => {})
      }
      next()`,
    good: 'delivered',
    bad: 'reported',
  },
  {
    way: 'delivers-itself',
    code: `
      if (hook === 'send_email') {
        item.get_mx()
        item.found_mx([{ exchange: '${HOSTS['mx.notls.test']}', priority: 0 }])
        item.try_deliver()
        item.try_deliver_host_on_socket({ exchange: '${HOSTS['mx.notls.test']}' }, '127.0.0.1', 25, null)
      }
      next()`,
    good: 'delivered',
    bad: 'reported',
  },
  {
    way: 'undoes-us',
    code: `
      const { prototype } = plugin.haraka_require('outbound/hmail')
      const outbound = plugin.haraka_require('outbound')
      for (const name of ['send', 'found_mx', 'get_mx_respond', 'temp_fail']) {
        try { prototype[name] = () => {} } catch (error) {}
        try { delete prototype[name] } catch (error) {}
        try { Object.defineProperty(prototype, name, { value: () => {} }) } catch (error) {}
      }
      try { outbound.process_delivery = () => Promise.resolve() } catch (error) {}
      next()`,
    good: 'delivered',
    bad: 'reported',
  },
  {
    way: 'forges-a-grant',
    code: `
      const todo = item.todo
      if (todo && todo.notes.secure_mail) {
        todo.notes.secure_mail.grant = { by: 'subject-tag' }
        todo.notes.secure_mail.category = 1
        todo.notes.secure_mail.digest = 'a'.repeat(64)
      }
      next()`,
    good: 'delivered',
    bad: 'reported',
  },
  {
    way: 'takes-notes-away',
    code: `
      if (item.todo) delete item.todo.notes.secure_mail
      if (item.transaction) item.transaction.notes.secure_mail = { v: 1, grant: { by: 'subject-tag' } }
      next()`,
    good: 'delivered',
    bad: 'reported',
  },
]

for (const nodes of [0, 2]) {
  describe(`hostile neighbours that answer, nodes=${nodes}`, function () {
    this.timeout(110_000)
    const keep = keeper()
    let world: World
    let gateway: Gateway
    let capture: Capture
    const mails = new Map<string, Letter>()

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
      capture = await keep(startCapture([world.port]))
      gateway = await keep(
        startGateway({
          nodes,
          settings: world.settings(),
          plugins: [hostilePlugin(Object.fromEntries(ROWS.map(({ way, code }) => [way, code])))],
          files: { plugin_timeout: '2\n' },
        }),
      )
      // all at once: one way must not keep another one's mail waiting
      await Promise.all(
        ROWS.map(async ({ way }) => {
          mails.set(way, await accepted(gateway, letter([`${way}@good.test`, `${way}@notls.test`])))
        }),
      )
      await until('the queue is empty', () => gateway.queue().length === 0, {
        limit: 60_000,
        detail: () => `${gateway.queue().join('\n')}\n${gateway.log().slice(-6000)}`,
      })
      await somewhere(world, gateway, mails.values())
    })
    after(() => keep.stop())

    const placesFor = ({ way }: Row, domain: string): Place[] => {
      const mail = mails.get(way)
      assert.ok(mail)
      return placesOf(world, gateway, mail, `${way}@${domain}`)
    }

    for (const row of ROWS) {
      it(`${row.way}: ${row.good} with TLS, ${row.bad} without, once each`, () => {
        assert.match(gateway.log(), new RegExp(`HOSTILE ${row.way} in `), 'the plugin did its worst')
        assert.deepEqual(placesFor(row, 'good.test'), [row.good])
        assert.deepEqual(placesFor(row, 'notls.test'), [row.bad])
      })
    }

    it('nothing of envelope or content was on the wire in clear text', async () => {
      assertNothingInClear(await capture.connections(), [
        'Nobody else may read this',
        ...[...mails.values()].map((mail) => mail.token),
        ...ROWS.map((row) => `${row.way}@`),
      ])
      assert.deepEqual(gateway.events('plaintext-permitted'), [])
    })

    it('no process of the gateway ended', () => {
      assert.doesNotMatch(gateway.log(), /killed by signal|exited with error code|uncaughtException|unhandledRejection/)
    })
  })
}

describe('a plugin that never answers, without any time-out of Haraka', function () {
  this.timeout(110_000)
  const keep = keeper()
  let world: World
  let gateway: Gateway
  let capture: Capture
  const mails = new Map<string, Letter>()
  const asked = OUTBOUND_HOOKS.filter((hook) => hook !== 'pre_send_trans_email')
  const both = (way: string) => [`${way}@good.test`, `${way}@notls.test`]
  const places = (way: string, domain: string) => {
    const mail = mails.get(way)
    assert.ok(mail)
    return placesOf(world, gateway, mail, `${way}@${domain}`)
  }

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
    capture = await keep(startCapture([world.port]))
    gateway = await keep(
      startGateway({
        settings: world.settings(),
        plugins: [
          hostilePlugin({
            ...Object.fromEntries(asked.map((hook) => [`no-${hook}`, `if (hook !== '${hook}') next()`])),
            'no-pre': `if (hook !== 'pre_send_trans_email') next()`,
          }),
        ],
        files: { plugin_timeout: '0\n' },
      }),
    )
    for (const hook of asked) mails.set(`no-${hook}`, await accepted(gateway, letter(both(`no-${hook}`))))
    for (const hook of asked) {
      await until(`${hook} is waiting`, () => gateway.log().includes(`HOSTILE no-${hook} in ${hook}`), {
        limit: 30_000,
        detail: () => gateway.log().slice(-4000),
      })
    }
  })
  after(() => keep.stop())

  for (const hook of asked) {
    it(`in ${hook}: the mail waits in the queue`, () => {
      const queued = [...queueFiles(gateway).map(({ text }) => text), ...journalTexts(gateway)]
      assert.ok(queued.some((text) => text.includes(`"no-${hook}"`)))
      const domain = hook === 'delivered' ? 'good.test' : 'notls.test'
      assert.ok(places(`no-${hook}`, domain).includes('queued'))
    })
  }

  it('in pre_send_trans_email: the mail is not taken, and nothing is queued', async () => {
    const mail = letter(['no-pre@good.test'])
    const sent = await post(gateway, mail, 4_000)
    assert.doesNotMatch(sent.reply, /^250/)
    assert.deepEqual(placesOf(world, gateway, mail, 'no-pre@good.test'), [])
  })

  it('meanwhile other mail flows', async () => {
    const mail = await accepted(gateway, letter(['friend@good.test']))
    await until('it is delivered', () => placesOf(world, gateway, mail, 'friend@good.test').join() === 'delivered')
  })

  it('without the plugin, all of it is delivered or reported', async () => {
    await gateway.kill9()
    removePlugin(gateway.dir, 'hostile')
    dueNow(gateway)
    await gateway.start()
    await until('the queue is empty', () => gateway.queue().length === 0, {
      limit: 40_000,
      detail: () => `${gateway.queue().join('\n')}\n${gateway.log().slice(-4000)}`,
    })
    await somewhere(world, gateway, mails.values())
    for (const hook of asked) {
      // a crash before the file is removed may serve a recipient twice, never not at all
      assert.deepEqual([...new Set(places(`no-${hook}`, 'good.test'))], ['delivered'], hook)
      assert.deepEqual([...new Set(places(`no-${hook}`, 'notls.test'))], ['reported'], hook)
    }
  })

  it('nothing of envelope or content was on the wire in clear text', async () => {
    assertNothingInClear(await capture.connections(), [
      'Nobody else may read this',
      ...[...mails.values()].map((mail) => mail.token),
      ...asked.map((hook) => `no-${hook}@`),
    ])
  })
})

describe('plugins that would take mail past the gate', function () {
  this.timeout(100_000)
  const keep = keeper()
  let world: World
  let capture: Capture

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
    capture = await keep(startCapture([world.port]))
  })
  after(() => keep.stop())

  const fine = (gateway: Gateway) =>
    until('the queue is empty', () => gateway.queue().length === 0, {
      limit: 40_000,
      detail: () => gateway.log().slice(-4000),
    })

  for (const nodes of [0, 2]) {
    it(`on queue_outbound: the gateway refuses to start and says why, nodes=${nodes}`, async () => {
      const gateway = await keep(
        prepareGateway({
          nodes,
          settings: world.settings(),
          plugins: [{ name: 'takes_it', source: 'exports.hook_queue_outbound = (next) => next(OK)' }],
        }),
      )
      const { code, output } = await gateway.startExpectingRefusal()
      assert.ok(code !== 0 && code !== null, `exit code ${code}`)
      const said = output.split('\n').filter((line) => line.startsWith('secure-mail: '))
      assert.match(said[0] ?? '', /the plugin takes_it is on queue_outbound .* remove it from config\/plugins/)
    })
  }

  it('skip_plugins=secure-mail: 451, and nothing is queued', async () => {
    const gateway = await keep(
      startGateway({
        settings: world.settings(),
        plugins: [
          {
            name: 'skips',
            source: `exports.hook_data = (next, connection) => {
              connection.transaction.notes.skip_plugins.push('secure-mail')
              next()
            }`,
          },
        ],
      }),
    )
    const sent = await post(gateway, letter(['a@good.test']))
    assert.match(sent.reply, /^451 4\.7\.0 the mail was not inspected/)
    assert.deepEqual(gateway.queue(), [])
    assert.ok(gateway.events('plugin-error').length > 0)
  })

  it('deny hooks that answer OK: our DENY never becomes a queued mail', async () => {
    const gateway = await keep(
      startGateway({
        settings: world.settings('[override]\nrefused=reject\n'),
        plugins: [{ name: 'overrules', source: 'exports.hook_deny = (next) => next(OK)' }],
      }),
    )
    const sent = await post(gateway, letter(['a@good.test'], { subject: '[unsecure] no marker' }))
    assert.match(sent.reply, /^[45]\d\d /)
    assert.deepEqual(gateway.queue(), [])
    // and ordinary mail is not in its way
    const mail = await accepted(gateway, letter(['a@good.test']))
    await fine(gateway)
    await somewhere(world, gateway, [mail])
    assert.deepEqual(placesOf(world, gateway, mail, 'a@good.test'), ['delivered'])
  })

  it('mail that a plugin generates is sent under the same requirement, or not at all', async () => {
    const generated = (token: string, to: string) =>
      `From: robot@uni.test\\r\\nTo: ${to}\\r\\nSubject: robot ${token}\\r\\nMessage-ID: <${token}@uni.test>\\r\\n\\r\\nthe end of ${token}\\r\\n`
    const robots: Letter[] = ['', 'robot@uni.test'].flatMap((from, n) =>
      ['r@good.test', 'r@notls.test'].map((to, m) => ({ token: `robot${n}${m}x`, from, to: [to], message: '' })),
    )
    const gateway = await keep(
      startGateway({
        settings: world.settings(),
        plugins: [
          {
            name: 'robot',
            source: `
              let done = false
              exports.hook_rcpt = function (next) {
                if (done) return next()
                done = true
                const outbound = this.haraka_require('outbound')
                const jobs = [${robots.map(({ token, from, to }) => `['<${from}>', '<${to[0]}>', "${generated(token, to[0] ?? '')}"]`).join(',')}]
                let left = jobs.length
                for (const [from, to, text] of jobs) {
                  const notes = { skip_plugins: ['secure-mail'], secure_mail: { v: 1, grant: { by: 'subject-tag' } }, secure_mail_report: 'x' }
                  outbound.send_email(from, to, text, (code) => {
                    this.lognotice('ROBOT ' + code)
                    if (--left === 0) next()
                  }, { notes })
                }
              }`,
          },
        ],
      }),
    )
    await accepted(gateway, letter(['a@good.test']))
    await fine(gateway)
    assert.equal(gateway.log().match(/ROBOT 906/g)?.length, robots.length)
    // what has no sender to report to is told to the postmaster
    const senders = robots.map((robot) => ({ ...robot, from: robot.from || 'postmaster@uni.test' }))
    await somewhere(world, gateway, senders)
    for (const sender of senders) {
      const to = sender.to[0] ?? ''
      assert.deepEqual(
        placesOf(world, gateway, sender, to),
        to.endsWith('@good.test') ? ['delivered'] : ['reported'],
        `${sender.from} to ${to}`,
      )
    }
  })

  it('nothing of envelope or content was on the wire in clear text', async () => {
    assertNothingInClear(await capture.connections(), ['robot', 'Nobody else may read this', 'a@good.test'])
  })
})
