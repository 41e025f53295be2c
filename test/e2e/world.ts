/**
 * The world that the end-to-end tests share: a signed DNS, Postfix for every kind of recipient, and the senders' own
 * domain, where reports arrive. Every recipient listens on one port, on an address of its own.
 */
import { settingsFor, SUPPORT } from './settings'
import { createTestCa, type TestCa } from '../internet/ca'
import { startCapture, type Capture } from '../internet/capture'
import { startDns, type Dns, type Zone } from '../internet/dns'
import { keeper } from '../internet/keeper'
import { startPostfix, type Listener, type Postfix } from '../internet/postfix'
import { freePort } from '../../demo/processes'

/** Address of each host; the last octet is free of other suites' hosts. */
export const HOSTS = {
  'mx.good.test': '127.0.0.61',
  'mx.notls.test': '127.0.0.62',
  'mx.expired.test': '127.0.0.63',
  'mx1.two.test': '127.0.0.64',
  'mx2.two.test': '127.0.0.65',
  'mx.gone.test': '127.0.0.66',
  'mx.uni.test': '127.0.0.67',
  'mx.selfsigned.test': '127.0.0.68',
  'mx.wrongname.test': '127.0.0.69',
  'mx.old.test': '127.0.0.70',
} as const

export type HostName = keyof typeof HOSTS

export interface World {
  ca: TestCa
  dns: Dns
  postfix: Postfix
  /** Everything on the wire to and from recipients since before the first of them listened. */
  capture: Capture
  /** Port of every recipient. */
  port: number
  /** `secure-mail.ini` for a gateway in this world; more sections and keys can follow. */
  settings(more?: string): string
  stop(): Promise<void>
}

const listener = (
  hostname: HostName,
  profile: Listener['profile'],
  domains: readonly string[],
  more: Partial<Listener> = {},
): Listener => ({ address: HOSTS[hostname], hostname, profile, domains, ...more })

/** Start DNS and recipients. Whatever fails, nothing stays running. */
export async function startWorld(): Promise<World> {
  const keep = keeper()
  try {
    const ca = createTestCa()
    const port = await freePort(Object.values(HOSTS))
    const capture = await keep(startCapture([port]))
    const dns = await keep(startDns({ zones: zones() }))
    const postfix = await keep(
      startPostfix({
        port,
        listeners: [
          listener('mx.good.test', 'tls', ['good.test'], {
            certificate: ca.good('mx.good.test'),
            unknown: ['nobody@good.test'],
            busy: ['busy@good.test'],
          }),
          listener('mx.notls.test', 'noTls', ['notls.test']),
          listener('mx.expired.test', 'tls', ['expired.test'], { certificate: ca.expired('mx.expired.test') }),
          listener('mx1.two.test', 'noTls', ['two.test']),
          listener('mx2.two.test', 'tls', ['two.test'], { certificate: ca.good('mx2.two.test') }),
          listener('mx.uni.test', 'tls', ['uni.test'], { certificate: ca.good('mx.uni.test') }),
          listener('mx.selfsigned.test', 'tls', ['selfsigned.test'], {
            certificate: ca.selfSigned('mx.selfsigned.test'),
          }),
          listener('mx.wrongname.test', 'tls', ['wrongname.test'], { certificate: ca.wrongName() }),
          listener('mx.old.test', 'tls10only', ['old.test'], { certificate: ca.good('mx.old.test') }),
        ],
      }),
    )
    return { ca, dns, postfix, capture, port, settings: (more = '') => settings(ca, dns, port, more), stop: keep.stop }
  } catch (error) {
    await keep.stop()
    throw error
  }
}

function zones(): Zone[] {
  const simple = ['good', 'notls', 'expired', 'gone', 'uni', 'selfsigned', 'wrongname', 'old'].map((name) => ({
    name: `${name}.test`,
    records: ['@ MX 10 mx', `mx A ${HOSTS[`mx.${name}.test` as HostName]}`],
  }))
  return [
    ...simple,
    {
      name: 'two.test',
      records: ['@ MX 10 mx1', '@ MX 20 mx2', `mx1 A ${HOSTS['mx1.two.test']}`, `mx2 A ${HOSTS['mx2.two.test']}`],
    },
    { name: 'null.test', records: ['@ MX 0 .'] },
  ]
}

/** Deadlines are shortened so that a final failure is there within seconds; everything else is as shipped. */
function settings(ca: TestCa, dns: Dns, port: number, more: string): string {
  const ndr = { tls_failure_after: '3s', undeliverable_after: '8s', delay_notice_after: '8s', coalesce: '2s' }
  return settingsFor({ ca, dns, port }, { delivery: { retry: '2s,2s' }, ndr, support: SUPPORT }, more)
}
