/** Micro benchmarks as a process of its own: prints a JSON list of results. */
import { decide, forHost, type PolicyInputs, type PolicyMap } from '../lib/policy'
import type { MicroResult } from './micro'
import { summarise } from './stats'

/** Samples per benchmark, and how long each lasts. */
const SAMPLES = 5
const SAMPLE_MILLIS = 200

/** An empty map: every recipient gets the default level. */
const EMPTY_MAP: PolicyMap = { rows: [], find: () => undefined }

/** Where results go that nothing reads, so that the compiler cannot leave out the work. */
let sunk = 0

/**
 * Calls `work` for a while, several times.
 *
 * @param work one step; gives a number that is kept, so that the step is really done
 * @param perCall how much one step counts for in the unit
 */
function sample(
  name: string,
  unit: string,
  remark: string,
  perCall: number,
  work: (step: number) => number,
): MicroResult {
  const once = () => {
    const began = performance.now()
    let steps = 0
    for (; performance.now() - began < SAMPLE_MILLIS;) for (let i = 0; i < 64; i++) sunk += work(steps++)
    return (steps * perCall * 1000) / (performance.now() - began)
  }
  once() // the first one is the compiler's
  const summary = summarise(Array.from({ length: SAMPLES }, once))!
  return { ok: true, name, unit, summary, remark }
}

const RECIPIENTS = Array.from({ length: 500 }, (_, i) => `person${i}@partner${i % 97}.example`)

const inputs = (recipient: string): PolicyInputs => ({
  recipient,
  route: { kind: 'mx' },
  map: EMPTY_MAP,
  defaultLevel: 'encrypt',
  minVersion: 'TLSv1.2',
  internalDomains: ['university.example', '.university.example'],
  mode: 'enforce',
  overrideMode: 'opportunistic',
  grant: null,
  requiretls: false,
  mtaSts: { state: 'absent' },
  dane: true,
  kind: 'mail',
  now: 0,
})

const prepared = RECIPIENTS.map(inputs)
const requirement = decide(prepared[0]!)

const results: MicroResult[] = [
  sample(
    'decide()',
    'decisions/s',
    'default level, 500 recipients',
    1,
    (step) => decide(prepared[step % prepared.length]!).level.length,
  ),
  sample('decide() + forHost()', 'decisions/s', 'one MX host each', 1, (step) => {
    const decided = decide(prepared[step % prepared.length]!)
    const host = forHost(decided, {
      host: 'mx.partner.example',
      domain: 'partner.example',
      mxSecure: false,
      addressSecure: false,
      tlsa: { state: 'absent' },
    })
    return host.why.length
  }),
]

if (!Number.isFinite(sunk) || requirement.level.length === 0) throw new Error('nothing was measured')
process.stdout.write(JSON.stringify(results))
