import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { allKeys } from '../../lib/audit/keys'
import { recipientHmac } from '../../lib/audit/identity'
import { systemClock } from '../../lib/clock'
import { openStore } from '../../lib/store'
import { newFolder, ran, removeFolders, schemaErrors } from './run'

describe('secure-mail audit', () => {
  afterEach(removeFolders)

  function instance(): string {
    const dir = newFolder()
    mkdirSync(path.join(dir, 'config'), { recursive: true })
    writeFileSync(path.join(dir, 'config', 'plugins'), 'secure-mail\n')
    writeFileSync(path.join(dir, 'config', 'secure-mail.ini'), '[main]\ninternal_domains[]=uni.test\n')
    writeFileSync(path.join(dir, 'config', 'secure-mail.tls_policy'), '')
    return dir
  }
  const openHere = (dir: string) => openStore({ engine: 'lmdb', path: path.join(dir, 'store') }, systemClock)

  it('rotates the key, and finds an address under the old and the new one', async () => {
    const dir = instance()
    await (await openHere(dir)).close()
    const rotated = await ran(['audit', 'rotate-key', '--config', dir, '--json'])
    assert.deepEqual(schemaErrors('audit-rotate-key.schema.json', JSON.parse(rotated.out)), [])
    const asked = await ran(['audit', 'digests', 'Bo@PARTNER.example', '--config', dir, '--json'])
    const answer = JSON.parse(asked.out) as { digests: string[] }
    assert.deepEqual(schemaErrors('audit-digests.schema.json', answer), [])
    const store = await openHere(dir)
    const keys = await allKeys(store, systemClock)
    await store.close()
    assert.deepEqual(
      answer.digests,
      keys.map((key) => recipientHmac('bo@partner.example', key)),
    )
    assert.equal(answer.digests.length, 2)
    const people = await ran(['audit', 'digests', 'bo@partner.example', '--config', dir])
    assert.deepEqual(people.out.trim().split('\n'), answer.digests)
    assert.match((await ran(['audit', 'rotate-key', '--config', dir])).out, /was k2 and is k3 now/)
  })

  it('makes no store of its own, and takes addresses only', async () => {
    const dir = instance()
    const none = await ran(['audit', 'digests', 'bo@partner.example', '--config', dir])
    assert.equal(none.exitCode, 2)
    assert.match(none.err, /start the gateway once/)
    assert.equal((await ran(['audit', 'digests', 'partner.example', '--config', dir])).exitCode, 2)
  })
})
