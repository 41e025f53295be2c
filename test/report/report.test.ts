import assert from 'node:assert/strict'
import { reportWith } from '../../bin/commands/report'
import { JUDGED, QUESTIONS, type Answer } from '../../lib/report/analysis'
import { ran, schemaErrors } from '../bin/run'
import { DAYS, NOW, smallLog, START } from './log'
import { comparable, oracle, type Oracle } from './oracle'

const COMMAND = [reportWith({ now: () => NOW })]

/** Every question; of what-if every level. */
const CALLS = QUESTIONS.flatMap(({ name }) =>
  name === 'what-if' ? JUDGED.map((level) => [name, '--level', level]) : [[name]],
)

describe('secure-mail report: every question, by SQL and by another computation', function () {
  this.timeout(300_000)
  let dir: string
  let expected: Oracle
  before(async () => {
    dir = await smallLog()
    expected = await oracle(dir, new Date(START).toISOString(), new Date(NOW).toISOString())
  })

  for (const [name = '', ...more] of CALLS) {
    it([name, ...more].join(' '), async () => {
      const argv = ['report', name, ...more, '--logs', dir, '--since', '2026-11-18', '--limit', '100000', '--json']
      const { out, err, exitCode } = await ran(argv, COMMAND)
      assert.ok(exitCode < 2, err)
      const answer = JSON.parse(out) as Answer
      assert.deepEqual(schemaErrors('report.schema.json', answer), [])
      assert.deepEqual([answer.question, answer.log.files, answer.log.damagedLines], [name, DAYS * 2, 1])
      // the torn line is bad news, and nothing else is
      assert.equal(exitCode, name === 'log-health' ? 1 : 0)
      const tables = expected[[name, ...more.slice(1)].join(' ')] ?? assert.fail(name)
      for (const [section, like] of Object.entries(tables)) {
        const rows = answer.sections.find((one) => one.name === section)?.rows ?? assert.fail(section)
        assert.deepEqual(comparable(rows, like), comparable(like, like), section)
      }
    })
  }
})
