import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import { accepted, arrivals, dueNow, letter, placesOf, post, queueFiles, somewhere, type Letter } from './support-mail'
import { fileOf } from './support-queue-file'
import { ran } from '../bin/run'
import { createPki } from '../encrypt/pki'
import { HOSTS, startWorld, type World } from './world'
import { assertNothingInClear, clearTextDeliveries } from '../internet/capture'
import { startGateway, prepareGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { policyText, sendPolicy, startPolicyHosts } from '../internet/policy-hosts'
import { startRedisProxy } from '../store/redis-proxy'
import { startRedis, stopRedisServers, type RedisServer } from '../store/redis-server'
import { removeTempDirs } from '../store/temp'
import { startMailServer, type Faults, type MailServer } from '../../demo/mail-server'
import { until } from '../../demo/processes'

/** The domain whose server is ours to script. */
const SCRIPTED = 'gone.test'
const MX = 'mx.gone.test'

const store = (redis: Pick<RedisServer, 'url'>, more = '') => `[store]\nengine=redis\nredis_url=${redis.url}${more}\n`
/** Deadlines that no pause of a test exceeds. */
const patient = (settings: string) =>
  settings.replace(/^(tls_failure_after|undeliverable_after|delay_notice_after)=.*/gm, '$1=10m')

/** What an operator does with the queue of a machine that is lost. */
function moveQueueFile(from: Gateway, to: Gateway, mail: Letter): void {
  const file = fileOf(from, mail)
  renameSync(file, path.join(to.dir, 'queue', path.basename(file)))
}

const keyOf = (gateway: Gateway) => readFileSync(path.join(gateway.dir, 'store', 'redis', 'seal.key'), 'latin1')

const settled = (gateway: Gateway, limit = 40_000) =>
  until('the queue is empty', () => gateway.queue().length === 0, {
    limit,
    detail: () => `${gateway.queue().join('\n')}\n${gateway.log().slice(-4000)}`,
  })

describe('two gateways, one Redis', function () {
  this.timeout(150_000)
  const keep = keeper()
  let world: World
  let server: MailServer | undefined

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
  })
  afterEach(async () => {
    await server?.stop()
    server = undefined
  })
  after(async () => {
    await keep.stop()
    await stopRedisServers()
    removeTempDirs()
  })

  const script = async (faults: Faults): Promise<MailServer> => {
    await server?.stop()
    server = await startMailServer({
      address: HOSTS[MX],
      port: world.port,
      hostname: MX,
      certificate: world.ca.good(MX),
      faults,
    })
    return server
  }
  const copies = (from: MailServer, mail: Letter, recipient: string) =>
    from.mails.filter(
      ({ message, recipients }) => message.includes(`the end of ${mail.token}`) && recipients.includes(recipient),
    ).length
  const picky: Faults['rcpt'] = (address) => (address.startsWith('4xx') ? '450 4.2.0 mailbox busy' : undefined)

  it('have the same keys, and the outcomes of one are known to the other', async () => {
    const redis = await startRedis()
    const settings = patient(world.settings(store(redis)))
    const [one, two] = await Promise.all([keep(startGateway({ settings })), keep(startGateway({ settings, nodes: 2 }))])
    assert.equal(keyOf(one), keyOf(two))

    const first = await script({ rcpt: picky })
    const [served, busy] = [`served@${SCRIPTED}`, `4xx-busy@${SCRIPTED}`]
    const mail = await accepted(one, letter([served, busy]))
    await until(
      'both outcomes are there',
      () => one.events('delivery-deferred').length > 0 && one.events('delivery-succeeded').length > 0,
    )
    await until('the mail has a file of its own', () => queueFiles(one).length === 1)
    await one.kill9()
    assert.equal(copies(first, mail, served), 1)
    const second = await script({})
    await two.halt()
    moveQueueFile(one, two, mail)
    dueNow(two)
    await two.start()
    await settled(two)
    assert.equal(copies(second, mail, served), 0, 'not again')
    assert.equal(copies(second, mail, busy), 1)
    assert.doesNotMatch(two.log(), /forged|other-mail/)
  })

  it('Redis is killed while mail is on its way, nodes=0 and nodes=2: nothing lost, nothing twice, all goes on by itself', async () => {
    const slow = await script({ rcpt: picky, final: { fault: 'slow', milliseconds: 3_000 } })
    const all = await Promise.all(
      [0, 2].map(async (nodes) => {
        const redis = await startRedis()
        const gateway = await keep(startGateway({ nodes, settings: patient(world.settings(store(redis))) }))
        const [served, busy] = [`served${nodes}@${SCRIPTED}`, `4xx-busy${nodes}@${SCRIPTED}`]
        const underWay = await accepted(gateway, letter([served, busy]))
        await until('the server has the mail', () => copies(slow, underWay, served) === 1)
        await redis.kill9()
        const meanwhile: Letter[] = []
        for (let n = 0; n < 3; n++) {
          meanwhile.push(await accepted(gateway, letter([`m${n}@good.test`, `m${n}@two.test`, `m${n}@notls.test`])))
        }
        await until('the outcome could not be recorded', () => /store: .*the server is away/.test(gateway.log()), {
          limit: 20_000,
        })
        await new Promise((resolve) => setTimeout(resolve, 3_000))
        for (const mail of meanwhile) {
          // for a moment it can be both in the journal and in a file of its own
          for (const to of mail.to) {
            assert.deepEqual(new Set(placesOf(world, gateway, mail, to)), new Set(['queued']), `${to} waits`)
          }
        }
        assert.equal(copies(slow, underWay, served), 1, 'memory knows who was served')
        return { redis, gateway, served, busy, underWay, meanwhile }
      }),
    )
    const good = await script({})
    await Promise.all(
      all.map(async ({ redis, gateway, served, busy, underWay, meanwhile }) => {
        await redis.start()
        gateway.write('secure-mail.ini', world.settings(store(redis)))
        await settled(gateway)
        assert.equal(copies(slow, underWay, served) + copies(good, underWay, served), 1)
        assert.equal(copies(good, underWay, busy), 1)
        await somewhere(world, gateway, meanwhile)
        for (const [n, mail] of meanwhile.entries()) {
          assert.deepEqual(placesOf(world, gateway, mail, `m${n}@good.test`), ['delivered'])
          assert.deepEqual(placesOf(world, gateway, mail, `m${n}@two.test`), ['delivered'])
          assert.deepEqual(placesOf(world, gateway, mail, `m${n}@notls.test`), ['reported'])
        }
        assert.doesNotMatch(
          gateway.log(),
          /killed by signal|exited with error code|uncaughtException|unhandledRejection/,
        )
      }),
    )
  })

  it('an outcome that could not be recorded is recorded later, for whoever has the queue then', async () => {
    const redis = await startRedis()
    const settings = patient(world.settings(store(redis))).replace('retry=2s,2s', 'retry=5m')
    const gateway = await keep(startGateway({ settings }))
    const slow = await script({ rcpt: picky, final: { fault: 'slow', milliseconds: 2_000 } })
    const [served, busy] = [`served@${SCRIPTED}`, `4xx-busy@${SCRIPTED}`]
    const mail = await accepted(gateway, letter([served, busy]))
    await until('the server has the mail', () => copies(slow, mail, served) === 1)
    await redis.kill9()
    await until('it is deferred', () => gateway.events('delivery-deferred').length > 0)
    await redis.start()
    await until('the record is there', async () => {
      const connection = await redis.connect()
      const keys = await connection.send(['ZRANGE', '{secure-mail}:keys', '0', '-1'])
      connection.destroy()
      return Array.isArray(keys) && keys.some((key) => String(key).includes(served))
    })
    await gateway.kill9()
    const good = await script({})
    dueNow(gateway)
    await gateway.start()
    await settled(gateway)
    assert.equal(copies(good, mail, served), 0, 'not again')
    assert.equal(copies(good, mail, busy), 1)
  })

  it('Redis is away at the start, nodes=0 and nodes=2: 451, what is queued waits, and all goes on when it comes', async () => {
    const begin = async (nodes: number) => {
      const redis = await startRedis()
      const settings = world.settings(store(redis))
      const gateway = await keep(
        startGateway({ nodes, settings: patient(settings).replace('[delivery]', '[delivery]\npaused=true') }),
      )
      const waiting = await accepted(gateway, letter(['w@good.test', 'w@notls.test']))
      await gateway.kill9()
      await redis.kill9()
      gateway.write('secure-mail.ini', settings)
      dueNow(gateway)
      await gateway.start()
      // each is answered after some seconds: with the start longer than Haraka's start is held up for it
      for (let n = 0; n < 2; n++) {
        const { reply, transcript } = await post(gateway, letter(['x@good.test']))
        assert.match(reply, /^451 4\.3\.2 /, transcript)
      }
      assert.deepEqual(placesOf(world, gateway, waiting, 'w@good.test'), ['queued'])
      assert.match(gateway.log(), /store: unix:.*: the server is away: .*(ECONNREFUSED|ENOENT)/)
      assert.equal(gateway.log().match(/the server is away/g)?.length, Math.max(1, nodes), 'said once a minute')
      await redis.start()
      const taken = async () => (await post(gateway, letter(['x@good.test']))).reply.startsWith('250')
      await until('it takes mail', taken, { limit: 20_000 })
      await settled(gateway)
      await somewhere(world, gateway, [waiting])
      assert.deepEqual(placesOf(world, gateway, waiting, 'w@good.test'), ['delivered'])
      assert.deepEqual(placesOf(world, gateway, waiting, 'w@notls.test'), ['reported'])
    }
    await Promise.all([0, 2].map(begin))
  })

  it('together have no more connections to a destination than allowed, also over a slow way to Redis', async () => {
    const LIMIT = 3
    const redis = await startRedis()
    const proxy = await keep(startRedisProxy(redis, 150))
    const limited = patient(world.settings(store(proxy))).replace(
      '[delivery]',
      `[delivery]\nconnections_per_destination=${LIMIT}`,
    )
    const gateways = await Promise.all(
      [0, 2].map((nodes) =>
        keep(startGateway({ nodes, settings: limited.replace('[delivery]', '[delivery]\npaused=true') })),
      ),
    )
    const busy = await script({ data: { fault: 'slow', milliseconds: 300 } })
    const letters = await Promise.all(
      gateways.map(async (gateway, g) => {
        const mails: Letter[] = []
        for (let n = 0; n < 6; n++) mails.push(await accepted(gateway, letter([`g${g}n${n}@${SCRIPTED}`])))
        return mails
      }),
    )
    for (const gateway of gateways) gateway.write('secure-mail.ini', limited)
    // it becomes slower still, and goes away for a while, with mail on its way
    await until('some are served', () => busy.mails.length >= 3)
    proxy.delay = 500
    await until('more are served', () => busy.mails.length >= 6)
    await redis.kill9()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await redis.start()
    proxy.delay = 20
    for (const gateway of gateways) await settled(gateway)
    for (const mail of letters.flat()) assert.equal(copies(busy, mail, mail.to[0] ?? ''), 1)
    assert.ok(busy.mostAtOnce() <= LIMIT, `${busy.mostAtOnce()} connections at once`)
    assert.ok(busy.mostAtOnce() >= 2)
  })

  it('the MTA-STS policy that one has fetched holds for the other, though nobody can be asked any more', async () => {
    const POLICY_HOST = '127.0.0.71'
    const hosts = await startPolicyHosts({
      ca: world.ca,
      address: POLICY_HOST,
      domains: [SCRIPTED],
      answer: (_domain, response) => sendPolicy(response, policyText('enforce', MX)),
    })
    try {
      await world.dns.setRecords(SCRIPTED, [
        '@ MX 10 mx',
        `mx A ${HOSTS[MX]}`,
        '_mta-sts TXT "v=STSv1; id=one;"',
        `mta-sts A ${POLICY_HOST}`,
      ])
      const redis = await startRedis()
      const options = {
        settings: patient(world.settings(store(redis))),
        env: { SECURE_MAIL_STS_PORT: String(hosts.port) },
      }
      const [one, two] = await Promise.all([keep(startGateway(options)), keep(startGateway({ ...options, nodes: 2 }))])
      const there = await script({})
      const first = await accepted(one, letter([`first@${SCRIPTED}`]))
      await settled(one)
      assert.equal(hosts.asked.length, 1)
      await hosts.stop()
      const second = await accepted(two, letter([`second@${SCRIPTED}`]))
      await settled(two)
      assert.equal(copies(there, first, `first@${SCRIPTED}`), 1)
      assert.equal(copies(there, second, `second@${SCRIPTED}`), 1)
      assert.match(JSON.stringify(two.events('policy-resolved')), /"mta-sts"/)
    } finally {
      await hosts.stop().catch(() => undefined)
      await world.dns.setRecords(SCRIPTED, ['@ MX 10 mx', `mx A ${HOSTS[MX]}`])
    }
  })

  it('a wrong password: nothing starts, and the reason is said', async () => {
    const redis = await startRedis({ args: ['--requirepass', 'secret'] })
    const gateway = await keep(prepareGateway({ settings: world.settings(store(redis, '?password=guess')) }))
    const { code, output } = await gateway.startExpectingRefusal()
    assert.notEqual(code, 0)
    assert.match(output, /store: unix:.*WRONGPASS/)
    assert.doesNotMatch(output, /guess|secret@/)
  })

  it('another Redis with another key: nothing starts', async () => {
    const [redis, another] = [await startRedis(), await startRedis()]
    const [gateway, stranger] = await Promise.all([
      keep(startGateway({ settings: world.settings(store(redis)) })),
      keep(startGateway({ settings: world.settings(store(another)) })),
    ])
    await Promise.all([gateway.halt(), stranger.halt()])
    gateway.write('secure-mail.ini', world.settings(store(another)))
    const { code, output } = await gateway.startExpectingRefusal()
    assert.notEqual(code, 0)
    assert.match(output, /the key "(seal|audit)" there is not the one/)
    assert.deepEqual(readdirSync(path.join(gateway.dir, 'store', 'redis')).sort(), [
      'audit.key',
      'seal.key',
      'tlsrpt.key',
    ])
  })

  it('nothing of envelope or content was on the wire in clear text', async () => {
    assertNothingInClear(await world.capture.connections(), ['Nobody else may read this', 'RCPT TO'])
  })

  it('share the certificates of correspondents: what is imported, approved or removed at one counts at the other', async () => {
    const [redis, pki] = [await startRedis(), createPki()]
    const settings = patient(world.settings(`${store(redis)}[category3]\naction=encrypt\n`))
    const [one, two] = await Promise.all([keep(startGateway({ settings })), keep(startGateway({ settings }))])
    try {
      const anna = pki.authority('/CN=Root of a stranger').issue({ names: 'email:anna@good.test', key: 'rsa2048' })
      const certs = async (at: Gateway, ...args: string[]) => {
        const { exitCode, out, err } = await ran(['certs', ...args, '--config', at.dir])
        assert.deepEqual([exitCode, err], [0, ''])
        return out
      }
      const secret = () => letter(['anna@good.test'], { subject: '[secure]' })
      const goesOut = async (from: Gateway) => {
        const mail = await accepted(from, secret())
        await until('it is there', () => mailsOf(mail).length > 0)
        assert.match(mailsOf(mail).join(), /^Content-Type: application\/pkcs7-mime; .*enveloped-data/m)
        assert.ok(!mailsOf(mail).join().includes('Nobody else may read this'))
      }
      const heldBack = async (from: Gateway) => {
        const mail = await accepted(from, secret())
        await until('the sender is told', () => placesOf(world, from, mail, 'anna@good.test').includes('reported'))
        assert.deepEqual(mailsOf(mail), [])
      }
      const mailsOf = ({ token }: Letter) =>
        world.postfix
          .mails('good.test')
          .flatMap(({ recipient, message }) =>
            recipient === 'anna@good.test' && message.includes(`<${token}@uni.test>`)
              ? [message.toString('latin1')]
              : [],
          )
      await heldBack(two)
      await certs(one, 'import', anna.certFile)
      await goesOut(two)
      assert.match(await certs(two, 'list', 'anna@good.test'), /in use +imported/)
      await certs(two, 'remove', '--reject', anna.fingerprint)
      await heldBack(one)
      await certs(one, 'trust', anna.fingerprint)
      await goesOut(two)
      await certs(two, 'remove', anna.fingerprint)
      await heldBack(one)
      const told = (gateway: Gateway) =>
        gateway
          .events('certificate-changed')
          .map(({ securemail }) => (securemail as Record<string, unknown>).certificate_change)
      assert.deepEqual(
        [told(one), told(two)],
        [
          ['import', 'trust'],
          ['reject', 'remove'],
        ],
        'each in its own log',
      )
    } finally {
      pki.remove()
    }
  })

  it('a grant under the seal of another machine is honoured where the key is shared, and nowhere else', async () => {
    const redis = await startRedis()
    const paused = (more: string) => patient(world.settings(more)).replace('[delivery]', '[delivery]\npaused=true')
    const one = await keep(startGateway({ settings: paused(store(redis)) }))
    const granted = (to: string) =>
      letter([to], { subject: '[unsecure] [public] open day', body: 'Everybody is welcome.\r\n' })
    const shared = await accepted(one, granted('shared@notls.test'))
    const foreign = await accepted(one, granted('foreign@notls.test'))
    await one.kill9()
    const [two, alone] = await Promise.all([
      keep(prepareGateway({ settings: world.settings(store(redis)) })),
      keep(prepareGateway({ settings: world.settings() })),
    ])
    moveQueueFile(one, two, shared)
    moveQueueFile(one, alone, foreign)
    await Promise.all([two, alone].map((gateway) => gateway.start()))
    await Promise.all([two, alone].map((gateway) => settled(gateway)))
    assert.equal(arrivals(world, shared, 'shared@notls.test').length, 1)
    assert.equal(arrivals(world, foreign, 'foreign@notls.test').length, 0)
    assert.deepEqual(placesOf(world, alone, foreign, 'foreign@notls.test'), ['reported'])
    assert.equal(clearTextDeliveries(await world.capture.connections()).length, 1)
  })
})
