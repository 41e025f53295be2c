import assert from 'node:assert/strict'
import { GROUPS, instanceKey, selectGroups, type Case, type Group } from '../../bench/cases'
import { findProblem, type Measurement } from '../../bench/measure'
import { parseOptions } from '../../bench/options'
import { ratios, renderReport, warnings, type GroupResult, type RowResult, type Surroundings } from '../../bench/report'
import { zeroCounters } from '../../bench/sink/counters'

const measurement = (over: Partial<Measurement>): Measurement => ({
  messages: 100,
  acceptRate: 300,
  rate: 200,
  cpu: 4,
  clearMessages: 0,
  tlsMessages: 100,
  connections: 100,
  handshakes: 100,
  resumed: 0,
  sinkCpu: 0.5,
  loadCore: 0.4,
  foreign: 0,
  ...over,
})

const group: Group = { id: 'flow', title: 'Flow', kind: 'flow', size: 5120, share: 1, quick: true, cases: [] }

const row = (role: Case['role'], label: string, ...rounds: RowResult['rounds']): RowResult => ({
  case: { instance: { relay: 'gateway', hold: false, cores: 1 }, destination: 'ec', label, role },
  rounds,
})

const good = (over: Partial<Measurement>) => ({ ok: true as const, measurement: measurement(over) })
const bad = (reason: string) => ({ ok: false as const, reason, failed: true })

const around: Surroundings = {
  cpu: 'CPU',
  node: '20',
  openssl: '3',
  versions: ['Haraka 3.3.4'],
  relayCore: 0,
  loadCore: 1,
  meter: 'cgroup v2',
  rounds: 2,
  messages: 100,
  warmUp: 1000,
  sessions: 20,
  seconds: 12,
}

describe('bench: report', () => {
  it('forms ratios of our row against each baseline, paired by round', () => {
    const result: GroupResult = {
      group,
      rows: [
        row('baseline', 'stock', good({ rate: 100, cpu: 8 }), good({ rate: 50, cpu: 9 })),
        row('shown', 'other', good({}), good({})),
        row('ours', 'ours', good({ rate: 200, cpu: 4 }), good({ rate: 150, cpu: 3 })),
      ],
    }
    assert.deepEqual(
      ratios(result).map(({ against, metric, ratio }) => [against, metric, ratio?.median]),
      [
        ['stock', 'rate', 2.5],
        ['stock', 'CPU per message', (4 / 8 + 3 / 9) / 2],
      ],
    )
    const text = renderReport(around, [result], [])
    assert.match(text, /stock +\| rate +\| 2\.50 x \| 2\.00-3\.00 \| better/)
    assert.match(text, /stock +\| CPU per message +\| 0\.42 x \| 0\.33-0\.50 \| better/)
  })

  it('says beside each ratio that was promised whether it was reached', () => {
    const against = (relay: Case['instance']['relay'], rate: number, cpu: number): RowResult => {
      const baseline = row('baseline', relay, good({ rate, cpu }))
      return { ...baseline, case: { ...baseline.case, instance: { relay, hold: false, cores: 1 } } }
    }
    const result: GroupResult = {
      group,
      rows: [
        row('ours', 'ours', good({ rate: 200, cpu: 4 })),
        against('haraka-force', 100, 7),
        against('haraka-stock', 211, 4),
        against('postfix-tls', 200, 4),
      ],
    }
    const text = renderReport(
      around,
      [result],
      [{ ok: true, name: 'decide()', unit: 'per s', summary: { median: 99_999, min: 1, max: 1e6, n: 3 }, remark: 'x' }],
    )
    const cells = (line: RegExp) => (line.exec(text)?.[0] ?? '').split('|').map((cell) => cell.trim())
    assert.deepEqual(cells(/^.*haraka-force +\| rate.*$/m).slice(-3), ['>= 2.00 x', 'met', ''])
    assert.deepEqual(cells(/^.*haraka-force +\| CPU.*$/m).slice(-3), ['<= 0.55 x', 'NOT MET', ''])
    assert.deepEqual(cells(/^.*haraka-stock +\| rate.*$/m).slice(-3), ['>= 0.95 x', 'NOT MET', ''])
    assert.deepEqual(cells(/^.*postfix-tls +\| rate.*$/m).slice(-3), ['>= 1.00 x', 'met', ''])
    assert.deepEqual(cells(/^.*postfix-tls +\| CPU.*$/m).slice(-3), ['', '', ''])
    assert.match(text, /decide\(\).*target >= 100,000: NOT MET/)
  })

  it('keeps the row of what could not be measured, and says why', () => {
    const result: GroupResult = {
      group,
      rows: [row('baseline', 'Postfix', bad('Postfix is not installed\nsecond line')), row('ours', 'ours', good({}))],
    }
    const text = renderReport(around, [result], [{ ok: false, name: 'scan', unit: 'MB/s', reason: 'not built' }])
    assert.match(text, /^\| Postfix .*NOT MEASURED: Postfix is not installed +\|$/m)
    assert.doesNotMatch(text, /second line/)
    assert.match(text, /^\| flow .*NOT MEASURED/m)
    assert.match(text, /^\| scan .*NOT MEASURED: not built +\|$/m)
  })

  it('says when only some rounds failed', () => {
    const text = renderReport(around, [{ group, rows: [row('ours', 'ours', good({}), bad('lost mail'))] }], [])
    assert.match(text, /SOME ROUNDS FAILED: lost mail/)
  })

  it('splits acceptance from delivery', () => {
    const split: GroupResult = {
      group: { ...group, kind: 'split' },
      rows: [
        row('baseline', 'stock', good({ rate: 100, acceptCpu: 2, drainCpu: 4 })),
        row('ours', 'ours', good({ rate: 400, acceptCpu: 2.2, drainCpu: 1 })),
      ],
    }
    assert.deepEqual(
      ratios(split).map(({ metric, ratio }) => [metric, ratio?.median]),
      [
        ['accept rate', 1],
        ['drain rate', 4],
        ['CPU to accept', 1.1],
        ['CPU to deliver', 0.25],
      ],
    )
    assert.match(renderReport(around, [split], []), /CPU to accept +\| 1\.10 x .*about equal/)
  })

  it('warns of a shared machine and of a load that is the limit', () => {
    const busy = { group, rows: [row('ours', 'ours', good({ foreign: 0.3, loadCore: 0.95 }))] }
    assert.equal(warnings([busy]).length, 2)
    assert.match(warnings([busy])[0]!, /30 %/)
    assert.match(warnings([busy])[1]!, /ours \(flow\)/)
    assert.deepEqual(warnings([{ group, rows: [row('ours', 'ours', good({}))] }]), [])
  })
})

describe('bench: what makes a run worthless', () => {
  const counters = { ...zeroCounters(), messages: 10, tlsMessages: 10 }
  it('accepts a complete run', () => assert.equal(findProblem(counters, 'ec', 10), undefined))
  it('one message in clear where TLS was required', () =>
    assert.match(findProblem({ ...counters, clearMessages: 1 }, 'rsa', 10)!, /CLEAR TEXT/))
  it('clear text is what the clear sink is for', () =>
    assert.equal(findProblem({ ...counters, clearMessages: 10 }, 'plain', 10), undefined))
  it('a lost message', () => assert.match(findProblem(counters, 'ec', 11)!, /10 messages arrived of 11/))
  it('a doubled message', () => assert.match(findProblem(counters, 'ec', 9)!, /10 messages arrived of 9/))
})

describe('bench: cases and options', () => {
  it('has our row and all baselines in every group, each once', () => {
    for (const { cases, id } of GROUPS) {
      assert.equal(cases.filter(({ role }) => role === 'ours').length, 1, id)
      assert.equal(cases.filter(({ role }) => role === 'baseline').length, 3, id)
      assert.equal(
        new Set(cases.map(({ instance, destination }) => instanceKey(instance) + destination)).size,
        cases.length,
      )
    }
  })

  it('selects by group and by row', () => {
    assert.deepEqual(selectGroups(false, undefined), GROUPS)
    assert.deepEqual(
      selectGroups(true, undefined).map(({ id }) => id),
      ['flow-5k-ec', 'split-5k-ec'],
    )
    assert.deepEqual(
      selectGroups(false, 'RSA-2048').map(({ id, cases }) => [id, cases.length]),
      [['flow-5k-rsa', 4]],
    )
    assert.ok(
      selectGroups(false, 'postfix').every(({ cases }) => cases.every(({ label }) => label.includes('Postfix'))),
    )
    assert.deepEqual(selectGroups(false, 'nothing of the kind'), [])
    assert.deepEqual(
      selectGroups(false, 'split/Haraka').map(({ id, cases }) => [id, cases.map(({ instance }) => instance.relay)]),
      [['split-5k-ec', ['haraka-stock', 'haraka-force']]],
    )
    assert.deepEqual(selectGroups(false, 'split/nothing of the kind'), [])
    assert.deepEqual(selectGroups(false, 'nothing of the kind/Haraka'), [])
  })

  it('reads its options', () => {
    assert.deepEqual(parseOptions([]), {
      rounds: 3,
      messages: 800,
      warmUp: 1000,
      quick: false,
      only: undefined,
      json: false,
      profile: undefined,
      help: false,
    })
    const quick = parseOptions(['--quick', '--only', 'split', '--json'])
    assert.deepEqual([quick.rounds, quick.messages, quick.only, quick.json], [1, 300, 'split', true])
    assert.equal(parseOptions(['--quick', '--rounds', '2']).rounds, 2)
  })

  for (const args of [
    ['--rounds', '0'],
    ['--messages', 'many'],
    ['--messages', '1e9'],
    ['--rounds', '1.5'],
    ['--quik'],
    ['extra'],
  ])
    it(`refuses ${args.join(' ')}`, () => assert.throws(() => parseOptions(args)))
})
