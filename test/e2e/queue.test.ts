/** `secure-mail queue` on a real gateway: seen, called and ended over the control socket. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { reportFor, readReports } from './reports'
import { accepted, arrivals, letter, patient, queueFiles, type Letter } from './support-mail'
import { HOSTS, startWorld, type World } from './world'
import { ran, schemaErrors } from '../bin/run'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { startPostfix, type Listener } from '../internet/postfix'
import { until } from '../../demo/processes'
import type { BounceResult } from '../../bin/queue/bounce'
import type { RetryResult } from '../../bin/queue/retry'
import type { DestinationSummary, QueueMail, StrayFile } from '../../lib/queue/types'

interface List {
  gateway: { running: boolean; processes: { pid: number; label: string }[]; silent: unknown[] }
  mails: QueueMail[]
  files: StrayFile[]
  destinations: DestinationSummary[]
  total: { mails: number; shown: number }
}

for (const nodes of [0, 2]) {
  describe(`the queue command, nodes=${nodes}`, function () {
    this.timeout(120_000)
    const keep = keeper()
    let world: World
    let gateway: Gateway
    let busy: Letter
    let gone: Letter[]

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
      gateway = await keep(startGateway({ settings: patient(world), nodes }))
    })
    after(() => keep.stop())

    async function command<T>(schema: string, ...args: string[]): Promise<T & { exitCode: number }> {
      const { out, err, exitCode } = await ran(['queue', ...args, '--json', '--config', gateway.dir])
      assert.notEqual(out, '', err)
      const value = JSON.parse(out) as T
      assert.deepEqual(schemaErrors(schema, value), [])
      return { ...value, exitCode }
    }
    const list = (...args: string[]) => command<List>('queue-list.schema.json', 'list', ...args)
    const waitingFor = (domain: string, mails: number) =>
      until(
        `${mails} mails wait for ${domain}`,
        async () => {
          const found = (await list('--domain', domain)).mails
          return found.length === mails && found.every(({ state }) => state === 'waiting') ? found : false
        },
        { limit: 30_000, every: 300, detail: () => gateway.log().slice(-3000) },
      )
    const partOf = async (domain: string, mail: Letter): Promise<QueueMail> => {
      const file = queueFiles(gateway).find(({ text }) => text.includes(mail.token))
      const found = (await list('--domain', domain)).mails.find((one) => one.file === file?.name)
      assert.ok(found, `${mail.token} in the list`)
      return found
    }

    it('every delivering process has its socket, closed to everybody else', async () => {
      const run = path.join(gateway.dir, 'run')
      const names = () => readdirSync(run).filter((name) => /^control\.\d+\.sock$/.test(name))
      await until('the sockets', () => names().length === Math.max(1, nodes), { limit: 10_000 })
      assert.equal(statSync(run).mode & 0o777, 0o700)
      for (const name of names()) assert.equal(statSync(path.join(run, name)).mode & 0o777, 0o600)
      const { gateway: about, total, exitCode } = await list()
      assert.equal(exitCode, 0)
      assert.deepEqual(about.processes.map(({ label }) => label).toSorted(), nodes === 0 ? ['main'] : ['w1', 'w2'])
      assert.equal(total.mails, 0)
    })

    it('list: a deferred mail with cause, next try and deadline', async () => {
      busy = await accepted(gateway, letter(['busy@good.test']))
      const [mail] = await waitingFor('good.test', 1)
      assert.ok(mail)
      assert.equal(mail.sender, 'anne@uni.test')
      assert.equal(mail.kind, 'mail')
      assert.match(mail.caseId, /^SM-/)
      assert.equal(mail.tries, 1)
      const [recipient] = mail.recipients
      assert.equal(recipient?.address, 'busy@good.test')
      assert.equal(recipient.state, 'open')
      assert.equal(recipient.lastFailure?.resultType, 'smtp-deferred')
      assert.equal(recipient.lastFailure.mx, 'mx.good.test')
      assert.match(recipient.lastFailure.reply ?? '', /^450 .*mailbox busy/)
      const age = (iso: string | null) => (Date.parse(iso ?? '') - Date.parse(mail.queuedAt)) / 60_000
      assert.ok(Math.abs(age(recipient.finalAt) - 23 * 60) < 1, `final at ${recipient.finalAt}`)
      assert.ok(Math.abs(age(mail.nextTryAt) - 30) < 2, `next try at ${mail.nextTryAt}`)
      const { destinations } = await list('--limit', '0')
      assert.deepEqual(
        destinations.map(({ domain, mails, cause }) => [domain, mails, cause]),
        [['good.test', 1, 'smtp-deferred']],
      )
      const people = await ran(['queue', '--config', gateway.dir])
      assert.match(people.out, /busy@good\.test: open; last: smtp-deferred .*mx\.good\.test.*given up at/)
      assert.match(people.out, /good\.test +1 +0 +1 /)
    })

    it('retry delivers after the partner got better, all of its mails, and only those', async () => {
      gone = []
      for (let n = 0; n < 4; n++) gone.push(await accepted(gateway, letter([`bo${n}@gone.test`])))
      await waitingFor('gone.test', 4)
      const partner = keeper()
      try {
        const better = await partner(startPostfix({ port: world.port, listeners: [theirs(world)] }))
        const arrived = (mail: Letter) => arrivals({ postfix: better }, mail, mail.to[0] ?? '').length
        const result = await command<RetryResult>('queue-retry.schema.json', 'retry', 'Gone.Test')
        assert.equal(result.exitCode, 0)
        assert.deepEqual([result.matched, result.started, result.notHeld], [4, 4, 0])
        await until('all are delivered', () => gone.every((mail) => arrived(mail) > 0), {
          limit: 30_000,
        })
      } finally {
        await partner.stop()
      }
      assert.equal((await partOf('good.test', busy)).tries, 1)
      const [event] = gateway.events('queue-retried')
      assert.match(JSON.stringify(event), /"operator_uid":0/)
    })

    it('retry of an id tries that mail, and its deadline stays', async () => {
      const before = await partOf('good.test', busy)
      const result = await command<RetryResult>('queue-retry.schema.json', 'retry', before.mailId)
      assert.equal(result.started, 1)
      await until('a second attempt', async () => (await list('--domain', 'good.test')).mails[0]?.tries === 2)
      const after = await partOf('good.test', busy)
      assert.equal(after.recipients[0]?.finalAt?.slice(0, 18), before.recipients[0]?.finalAt?.slice(0, 18))
    })

    it('what is not there is said, with the nearest', async () => {
      const domain = await ran(['queue', 'retry', 'god.test', '--config', gateway.dir])
      assert.equal(domain.exitCode, 1)
      assert.match(domain.err, /no queued mail for god\.test; did you mean good\.test\?/)
      const { caseId } = await partOf('good.test', busy)
      const wrong = `${caseId.slice(0, -1)}${caseId.endsWith('0') ? '1' : '0'}`
      const id = await ran(['queue', 'bounce', wrong, '--yes', '--config', gateway.dir])
      assert.equal(id.exitCode, 1)
      assert.ok(id.err.includes(`did you mean ${caseId}?`), id.err)
    })

    it('bounce asks first where nobody confirmed', async () => {
      const { queueId } = await partOf('good.test', busy)
      const { exitCode, err } = await ran(['queue', 'bounce', queueId, '--config', gateway.dir])
      assert.equal(exitCode, 2)
      assert.match(err, /--yes/)
      assert.equal((await list()).total.mails, 1)
    })

    it('bounce of one recipient: reported, the others go on', async () => {
      const two = await accepted(gateway, letter(['busy@good.test', 'busy@good.test'.replace('busy', 'BUSY')]))
      await waitingFor('good.test', 2)
      const part = await partOf('good.test', two)
      const one = part.recipients[0]?.address ?? ''
      const other = part.recipients[1]?.address
      assert.ok(other, 'two recipients in one file')
      const result = await command<BounceResult>(
        'queue-bounce.schema.json',
        ...['bounce', part.queueId, '--recipient', one, '--yes'],
      )
      assert.deepEqual([result.exitCode, result.mails[0]?.recipients, result.mails[0]?.left], [0, [one], 1])
      const after = await partOf('good.test', two)
      assert.deepEqual(
        after.recipients.map(({ address, state, reported }) => [address, state, reported]),
        [
          [one, 'failed', true],
          [other, 'open', false],
        ],
      )
      // a process counts the wait from now, so the last millisecond may be another one
      const moved = Date.parse(after.nextTryAt ?? '') - Date.parse(part.nextTryAt ?? '')
      assert.ok(Math.abs(moved) < 10, `${moved} ms`)
      const rest = await command<BounceResult>('queue-bounce.schema.json', 'bounce', part.mailId, '--yes')
      assert.deepEqual(rest.mails[0]?.recipients, [other])
      await until('it is out of the queue', async () => (await list('--domain', 'good.test')).mails.length === 1)
    })

    it('bounce: a report to the sender with the reason, the order on record, the file gone', async () => {
      const { mailId, caseId } = await partOf('good.test', busy)
      const reason = 'Sent twice by mistake'
      const result = await command<BounceResult>(
        'queue-bounce.schema.json',
        ...['bounce', caseId, '--reason', reason, '--yes'],
      )
      assert.equal(result.exitCode, 0)
      assert.deepEqual(
        result.mails.map((mail) => [mail.mailId, mail.result, mail.recipients]),
        [[mailId, 'ended', ['busy@good.test']]],
      )
      assert.ok(queueFiles(gateway).every(({ text }) => !text.includes(`the end of ${busy.token}`)))
      const mine = () => world.postfix.mails('uni.test').filter(({ message }) => message.includes(caseId))
      await until('the report', () => mine().length > 0, { limit: 30_000 })
      const report = reportFor(await readReports(mine()), 'busy@good.test')
      assert.deepEqual(report.defects, [])
      assert.equal(report.action('busy@good.test'), 'failed')
      assert.equal(report.status('busy@good.test'), '5.0.0')
      assert.match(report.text, /Begrundelse: Sent twice by mistake/)
      assert.match(report.text, /Reason given: Sent twice by mistake/)
      const order = gateway.events('queue-bounced').find((event) => JSON.stringify(event).includes(caseId))
      assert.ok(order)
      assert.match(JSON.stringify(order), /"operator_uid":0/)
      assert.match(JSON.stringify(order), /Sent twice by mistake/)
      const sent = gateway.events('report-sent').find((event) => JSON.stringify(event).includes(caseId))
      assert.ok(Date.parse(String(order['@timestamp'])) <= Date.parse(String(sent?.['@timestamp'])))
    })

    if (nodes === 0) {
      it('a mail under delivery is left alone: seen, not called, not ended; ended when the attempt is over', async () => {
        const sockets = new Set<net.Socket>()
        const tarpit = net.createServer((socket) => sockets.add(socket))
        await new Promise<void>((resolve) => tarpit.listen(world.port, HOSTS['mx.gone.test'], resolve))
        let mail: QueueMail
        try {
          const slow = await accepted(gateway, letter(['bo@gone.test']))
          await until('the server holds a connection', () => sockets.size > 0, { limit: 20_000 })
          const [found] = (await list('--domain', 'gone.test')).mails
          assert.ok(found)
          mail = found
          assert.deepEqual([mail.state, mail.nextTryAt, mail.sender], ['delivering', null, slow.from])
          const called = await command<RetryResult>('queue-retry.schema.json', 'retry', 'gone.test')
          assert.deepEqual([called.started, called.delivering], [0, 1])
          const refused = await command<BounceResult>('queue-bounce.schema.json', 'bounce', mail.queueId, '--yes')
          assert.deepEqual([refused.exitCode, refused.mails[0]?.result], [1, 'delivering'])
          assert.equal((await list('--domain', 'gone.test')).total.mails, 1)
        } finally {
          tarpit.close()
          for (const socket of sockets) socket.destroy()
        }
        // the order waits for the end of the attempt
        const ended = await command<BounceResult>('queue-bounce.schema.json', 'bounce', mail.queueId, '--yes')
        assert.deepEqual([ended.exitCode, ended.mails[0]?.result], [0, 'ended'])
        assert.equal((await list('--domain', 'gone.test')).total.mails, 0)
      })
    }

    it('files that nobody tries are told of, with what to do', async () => {
      const dir = path.join(gateway.dir, 'queue')
      writeFileSync(path.join(dir, 'error.1700000000000_1700000000000_0_1_AbCdEf_1_host'), 'x')
      writeFileSync(path.join(dir, 'notes.txt'), 'x')
      const { files } = await list()
      assert.deepEqual(
        files.map(({ file, reason }) => [file.slice(0, 9), reason]),
        [
          ['error.170', 'damaged'],
          ['notes.txt', 'foreign'],
        ],
      )
      assert.ok(files.every(({ advice }) => advice.length > 10))
    })

    it('a killed gateway: the list comes from the files, orders are refused; after the start all works again', async () => {
      const mail = await accepted(gateway, letter(['busy@good.test']))
      await waitingFor('good.test', 1)
      const before = await partOf('good.test', mail)
      await gateway.kill9()
      const dead = await list()
      assert.equal(dead.gateway.running, false)
      assert.deepEqual(
        dead.mails.map(({ state, file }) => [state, file]),
        [['stopped', before.file]],
      )
      assert.equal(dead.mails[0]?.recipients[0]?.lastFailure?.resultType, 'smtp-deferred')
      for (const order of [
        ['retry', '--all'],
        ['bounce', before.queueId, '--yes'],
      ]) {
        const { exitCode, err } = await ran(['queue', ...order, '--config', gateway.dir])
        assert.equal(exitCode, 2)
        assert.match(err, /does not run/)
      }
      const stale = readdirSync(path.join(gateway.dir, 'run')).filter((name) => name.startsWith('control.'))
      assert.equal(stale.length, Math.max(1, nodes))
      await gateway.start()
      await until('the sockets of the dead are gone', () =>
        stale.every((name) => !existsSync(path.join(gateway.dir, 'run', name))),
      )
      const [held] = await waitingFor('good.test', 1)
      assert.equal(held?.queueId, before.queueId)
      // it waits as a file that no item was made of yet
      const result = await command<RetryResult>('queue-retry.schema.json', 'retry', 'good.test')
      assert.equal(result.started, 1)
      await until('a second attempt', async () => (await list('--domain', 'good.test')).mails[0]?.tries === 2)
      await waitingFor('good.test', 1)
      const end = await command<BounceResult>('queue-bounce.schema.json', 'bounce', before.queueId, '--yes')
      assert.equal(end.mails[0]?.result, 'ended')
      assert.equal((await list('--domain', 'good.test')).total.mails, 0)
    })

    it('a file without a process: listed as such, and not called', async () => {
      const mail = await accepted(gateway, letter(['busy@good.test']))
      await waitingFor('good.test', 1)
      const { file } = await partOf('good.test', mail)
      assert.ok(file !== null)
      const dir = path.join(gateway.dir, 'queue')
      const other = file.replace(/_[A-Za-z0-9]{6}_/, '_ZZZZZZ_')
      renameSync(path.join(dir, file), path.join(dir, other))
      const [found] = (await list('--domain', 'good.test')).mails
      assert.equal(found?.state, 'not-held')
      const result = await command<RetryResult>('queue-retry.schema.json', 'retry', 'good.test')
      assert.deepEqual([result.started, result.notHeld], [0, 1])
    })

    it('a graceful end removes the sockets', async () => {
      await gateway.halt()
      assert.deepEqual(
        readdirSync(path.join(gateway.dir, 'run')).filter((name) => name.startsWith('control.')),
        [],
      )
    })
  })
}

/** The server of a partner who was away. */
function theirs({ ca }: World): Listener {
  const hostname = 'mx.gone.test'
  const certificate = ca.good(hostname)
  return { address: HOSTS[hostname], hostname, profile: 'tls', domains: ['gone.test'], certificate }
}
