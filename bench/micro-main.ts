/** Micro benchmarks as a process of its own: prints a JSON list of results. */
import { findCpr } from '../lib/classify/cpr'
import { emptyMap, parsePolicyMap } from '../lib/config/policy-map'
import { decide, forHost, type PolicyInputs, type PolicyMap } from '../lib/policy'
import type { MicroResult } from './micro'
import { letters } from './corpus'
import { summarise } from './stats'

/** Samples per benchmark, and how long each lasts. */
const SAMPLES = 5
const SAMPLE_MILLIS = 200

/** Where results go that nothing reads, so that the compiler cannot leave out the work. */
let sunk = 0

/** What is measured, and how its steps are counted. */
interface Probe {
  name: string
  unit: string
  remark: string
  /** How much one step counts for in the unit. */
  perStep: number
  /** Steps between two looks at the clock, so that looking costs nothing beside a short step. */
  batch: number
}

/**
 * Does the same for a while, several times.
 *
 * @param step gives a number that is kept, so that the work is really done
 */
function sample({ name, unit, remark, perStep, batch }: Probe, step: (count: number) => number): MicroResult {
  const once = () => {
    const began = performance.now()
    let steps = 0
    while (performance.now() - began < SAMPLE_MILLIS) for (let i = 0; i < batch; i++) sunk += step(steps++)
    return (steps * perStep * 1000) / (performance.now() - began)
  }
  once() // the first one is the compiler's
  return { ok: true, name, unit, remark, summary: summarise(Array.from({ length: SAMPLES }, once))! }
}

/** Recipients in 97 domains, looked up in turn. */
const RECIPIENTS = Array.from({ length: 500 }, (_, i) => `person${i}@partner${i % 97}.example`)

/** A map such as a large organisation may have: 1,000 rows, half of the recipients' domains among them. */
const MAP = parsePolicyMap(
  Array.from({ length: 1000 }, (_, i) => `partner${i * 2}.example verify`).join('\n'),
  'bench',
  (file) => file,
  0,
).map
if (MAP.rows.length !== 1000) throw new Error('the policy map of the benchmark was not understood')

const inputs = (map: PolicyMap): PolicyInputs[] =>
  RECIPIENTS.map((recipient) => ({
    recipient,
    route: { kind: 'mx' },
    map,
    defaultLevel: 'encrypt',
    minVersion: 'TLSv1.2',
    internalDomains: ['university.example', '.university.example'],
    mode: 'enforce',
    overrideMode: 'opportunistic',
    grant: null,
    requiretls: false,
    nullSender: false,
    mtaSts: { state: 'absent' },
    dane: true,
    kind: 'mail',
    now: 0,
  }))

/** Decisions per second; with a host, also what one of its MX hosts must show. */
function decisions(remark: string, map: PolicyMap, host: boolean): MicroResult {
  const prepared = inputs(map)
  const name = host ? 'decide() + forHost()' : 'decide()'
  return sample({ name, unit: 'decisions/s', remark, perStep: 1, batch: 64 }, (count) => {
    const required = decide(prepared[count % prepared.length]!)
    if (!host) return required.level.length
    return forHost(required, {
      host: 'mx.partner.example',
      domain: 'partner.example',
      mxSecure: false,
      addressSecure: false,
      tlsa: { state: 'absent' },
    }).why.length
  })
}

/** Size of what is scanned at a time: a long letter. Bytes. */
const CORPUS_BYTES = 64 * 1024
/** Nobody is born after this: the scanner's idea of today, fixed so that runs are alike. */
const TODAY = Date.UTC(2026, 0, 1)

function scan(remark: string, text: string): MicroResult {
  const perStep = Buffer.byteLength(text) / 1e6
  return sample({ name: 'CPR scan', unit: 'MB/s', remark, perStep, batch: 1 }, () => findCpr(text, TODAY).length)
}

const results: MicroResult[] = [
  decisions('500 recipients, empty map', emptyMap, false),
  decisions('500 recipients, map of 1,000 rows', MAP, false),
  decisions('500 recipients, map of 1,000 rows, one MX host each', MAP, true),
  scan('ordinary letters, dates, telephone numbers', letters(CORPUS_BYTES, 1)),
  scan('the same with a CPR number every 2,000 words', letters(CORPUS_BYTES, 1, 'CPR 070761-4285')),
  scan('words only, no digit at all', letters(CORPUS_BYTES, 1).replace(/\d/g, '')),
]

if (!(sunk > 0)) throw new Error('nothing was measured')
process.stdout.write(JSON.stringify(results))
