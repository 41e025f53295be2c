import assert from 'node:assert/strict'
import { cgroupPlaces, parseBusyMillis, parseCpuStat, parseProcStat, treeTicks } from '../../bench/cpu'
import { allowedCores } from '../../bench/isolate'

/** A line of /proc/PID/stat up to field 17, the last one that is read. */
const line = (pid: number, name: string, ppid: number, times: readonly number[]) =>
  `${pid} (${name}) S ${ppid} 1 1 0 -1 4194560 100 0 0 0 ${times.join(' ')} 20 0 1 0 100`

describe('bench: CPU time', () => {
  it('reads /proc/PID/stat, whatever the command is called', () => {
    for (const name of ['node', 'a b', 'x) S 7 (y', ')'])
      assert.deepEqual(parseProcStat(line(42, name, 7, [10, 20, 3, 4])), { pid: 42, ppid: 7, own: 30, waited: 7 })
  })

  it('takes nothing else for it', () => {
    for (const text of ['', '42', '42 (node) S', 'no (node) S 1']) assert.equal(parseProcStat(text), undefined)
  })

  it('sums up a tree, late parents and ended children included, and nobody else', () => {
    const stats = [
      { pid: 30, ppid: 20, own: 1, waited: 0 },
      { pid: 20, ppid: 10, own: 10, waited: 5 },
      { pid: 10, ppid: 1, own: 100, waited: 50 },
      { pid: 11, ppid: 1, own: 1000, waited: 1000 },
    ]
    assert.equal(treeTicks(stats, 10), 166)
    assert.equal(treeTicks(stats, 30), 1)
    assert.equal(treeTicks(stats, 99), 0)
  })

  it('reads version 2 cpu.stat', () => {
    assert.equal(parseCpuStat('usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n'), 1.5)
    assert.throws(() => parseCpuStat('user_usec 1000\n'))
  })

  it('finds the places where a control group may be made, version 2 first', () => {
    const mountinfo = [
      '25 20 0:22 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
      '26 20 0:23 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
      '27 20 0:24 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate',
      '28 20 0:25 / /tmp rw - tmpfs tmpfs rw',
      '',
    ].join('\n')
    assert.deepEqual(cgroupPlaces(mountinfo, '4:memory:/m\n2:cpu,cpuacct:/box\n0::/user.slice\n'), [
      { version: 2, dir: '/sys/fs/cgroup/unified/user.slice' },
      { version: 1, dir: '/sys/fs/cgroup/cpu,cpuacct/box' },
    ])
    assert.deepEqual(cgroupPlaces('', ''), [])
  })

  it('counts the busy time of the machine without waiting', () => {
    // user nice system idle iowait irq softirq steal, in ticks of 10 ms
    assert.equal(parseBusyMillis('cpu  100 1 50 9999 777 2 3 555 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n'), 1560)
    assert.throws(() => parseBusyMillis('intr 1\n'))
  })

  const lists: [string, number[]][] = [
    ['0-1', [0, 1]],
    ['3', [3]],
    ['1-2,5,8-9', [1, 2, 5, 8, 9]],
  ]
  for (const [list, cores] of lists)
    it(`understands the list of cores ${list}`, () =>
      assert.deepEqual(allowedCores(`Name:\tnode\nCpus_allowed_list:\t${list}\nMems_allowed:\t1\n`), cores))
})
