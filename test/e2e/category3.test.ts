import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { accepted, arrivals, letter, withSetting, type Letter } from './support-mail'
import { startWorld, type World } from './world'
import { docx, xlsx } from '../corpus/formats/office'
import { writeZip } from '../corpus/formats/zip-writer'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

/** Numbers that pass modulus 11, of nobody. */
const NUMBERS = ['070761-1006', '211062-1003', '131052-1007', '290444-1018', '010270-1003', '151175-1000']
const listOf = (count: number) =>
  NUMBERS.slice(0, count)
    .map((number, n) => `Person ${n}, CPR ${number}\r\n`)
    .join('')

for (const action of ['notify', 'ndr', 'off'] as const) {
  describe(`more persons than may go by encryption in transport, action=${action}`, function () {
    this.timeout(60_000)
    const keep = keeper()
    let world: World
    let gateway: Gateway

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
      gateway = await keep(startGateway({ nodes: 0, settings: `${world.settings()}\n[category3]\naction=${action}\n` }))
    })
    after(() => keep.stop())

    const told = (mail: Letter) =>
      world.postfix
        .mails('uni.test')
        .filter(({ sender, message }) => sender === '' && message.toString('latin1').includes(mail.token))
        .map(({ message }) => message.toString('latin1'))

    it('a list of six: advised, withheld or let go', async () => {
      const mail = await accepted(gateway, letter(['list@good.test'], { body: listOf(6) }))
      if (action === 'ndr') {
        await until('the sender is told', () => told(mail).length === 1)
        assert.match(told(mail)[0] ?? '', /5\.7\.10/)
        assert.deepEqual(arrivals(world, mail, 'list@good.test'), [])
      } else {
        await until('it is delivered', () => arrivals(world, mail, 'list@good.test').length === 1)
        if (action === 'notify') await until('the sender is advised', () => told(mail).length === 1)
      }
      assert.equal(told(mail).length, action === 'off' ? 0 : 1)
      for (const report of told(mail)) for (const number of NUMBERS) assert.ok(!report.includes(number))
    })

    it('a list of five goes without a word', async () => {
      const mail = await accepted(gateway, letter(['few@good.test'], { body: listOf(5) }))
      await until('it is delivered', () => arrivals(world, mail, 'few@good.test').length === 1)
      assert.deepEqual(told(mail), [])
    })
  })
}

const list = (count: number) => [
  ['Navn', 'CPR'],
  ...NUMBERS.slice(0, count).map((number, n) => [`Person ${n}`, number]),
]

/** What a list of that many persons looks like in files; the last one nobody can read, and nothing is known of it. */
const FILES: [name: string, file: (count: number) => Buffer, told: boolean][] = [
  ['list.xlsx', (count) => xlsx({ tables: [list(count)] }), true],
  ['list.docx', (count) => docx({ text: listOf(count).replace(/\r\n/g, '\n') }), true],
  [
    'list.zip',
    (count) =>
      writeZip([
        {
          name: 'list.csv',
          data: list(count)
            .map((row) => row.join(';'))
            .join('\n'),
        },
      ]),
    true,
  ],
  ['sealed.zip', () => writeZip([{ name: 'list.csv', data: randomBytes(400), flags: 1, method: 0 }]), false],
]

function withFiles(to: string, files: readonly { name: string; bytes: Buffer }[]): Letter {
  const mail = letter([to], {
    headers: 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=bnd\r\n',
    body: '',
  })
  const [head = '', text = ''] = mail.message.split('\r\n\r\n')
  const parts = files.map(
    ({ name, bytes }) =>
      `--bnd\r\nContent-Type: application/octet-stream; name="${name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n` +
      `${bytes.toString('base64').replace(/.{1,76}/g, '$&\r\n')}\r\n`,
  )
  const body = `--bnd\r\nContent-Type: text/plain\r\n\r\nThe list.\r\n${text}${parts.join('')}--bnd--\r\n`
  return { ...mail, message: `${head}\r\n\r\n${body}` }
}

for (const mode of ['enforce', 'monitor'] as const) {
  describe(`persons in files, action=ndr, mode=${mode}`, function () {
    this.timeout(60_000)
    const keep = keeper()
    let world: World
    let gateway: Gateway

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
      const settings = withSetting(`${world.settings()}\n[category3]\naction=ndr\n`, 'main', `mode=${mode}`)
      gateway = await keep(startGateway({ nodes: 0, settings }))
    })
    after(() => keep.stop())

    for (const [name, file, told] of FILES) {
      const withheld = told && mode === 'enforce'
      it(`${name} of six persons: ${withheld ? 'withheld' : 'delivered'}`, async () => {
        const before = gateway.events('category3-detected').length
        const mail = withFiles('list@good.test', [{ name, bytes: file(6) }])
        await accepted(gateway, mail)
        const reports = () =>
          world.postfix
            .mails('uni.test')
            .filter(({ sender, message }) => sender === '' && message.toString('latin1').includes(mail.token))
        const arrived = () => arrivals(world, mail, 'list@good.test').length
        await until(
          withheld ? 'the sender is told' : 'it is delivered',
          () => (withheld ? reports().length : arrived()) === 1,
        )
        assert.deepEqual([reports().length, arrived()], withheld ? [1, 0] : [0, 1])
        const detected = gateway.events('category3-detected').slice(before)
        assert.equal(detected.length, told ? 1 : 0)
        if (told) assert.match(JSON.stringify(detected), /"persons":6/)
        for (const number of NUMBERS) assert.ok(!JSON.stringify(gateway.events()).includes(number))
      })
    }

    it('five persons in a file go without a word', async () => {
      const mail = await accepted(
        gateway,
        withFiles('few@good.test', [{ name: 'few.xlsx', bytes: xlsx({ tables: [list(5)] }) }]),
      )
      await until('it is delivered', () => arrivals(world, mail, 'few@good.test').length === 1)
    })
  })
}
