import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Settings } from '../../../lib/config/settings'
import { unsignedReports } from '../../../lib/report/tlsrpt'

const settings = (more: Partial<Settings['tlsrpt']> = {}) =>
  ({
    tlsrpt: { enabled: true, from: 'tls@mail.uni.test', ...more },
    main: { internalDomains: [] },
    ndr: {},
  }) as unknown as Settings

describe('report: will TLS reports be signed?', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'signing-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  const write = (name: string, text: string): void => {
    const file = path.join(dir, 'config', name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  const said = (more?: Partial<Settings['tlsrpt']>) =>
    unsignedReports(dir, settings(more)).map(({ message }) => message)

  it('each missing piece is named, the first one first', () => {
    write('plugins', 'secure-mail\n')
    assert.match(said().join(), /^the line "dkim" is missing/)
    assert.deepEqual(said({ enabled: false }), [])
    write('plugins', 'dkim\nsecure-mail\n')
    assert.match(said().join(), /^\[sign\] enabled is not true/)
    write('dkim.ini', '[sign]\nenabled=true\nheaders=From, Subject\n')
    const [key, headers] = said()
    assert.match(key ?? '', /^there is no key for mail\.uni\.test/)
    assert.match(headers ?? '', /lacks tls-report-domain and tls-report-submitter/)
    write('dkim/uni.test/private', 'key')
    write('dkim/uni.test/selector', 's')
    write('dkim.ini', '[sign]\nenabled=true\nheaders=From, TLS-Report-Domain, TLS-Report-Submitter\n')
    assert.deepEqual(said(), [])
  })

  it('the key of dkim.ini counts for its own domain alone', () => {
    write('plugins', 'dkim\n')
    const ini = (domain: string) =>
      write('dkim.ini', `[sign]\nenabled=true\ndomain=${domain}\nheaders=tls-report-domain,tls-report-submitter\n`)
    ini('mail.uni.test')
    assert.deepEqual(said(), [])
    ini('other.test')
    assert.equal(said().length, 1)
  })
})
