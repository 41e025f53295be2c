import assert from 'node:assert/strict'
import { reportWith } from '../../bin/commands/report'
import { QUESTIONS, type Answer } from '../../lib/report/analysis'
import { ran, type Ran } from '../bin/run'
import { NOW, smallLog } from './log'

const COMMAND = [reportWith({ now: () => NOW })]

describe('secure-mail report', () => {
  let dir: string
  before(async function () {
    this.timeout(120_000)
    dir = await smallLog()
  })

  const report = (...args: string[]): Promise<Ran> =>
    ran(['report', '--logs', dir, '--since', '2026-10-31', ...args], COMMAND)

  async function json(...args: string[]): Promise<Answer> {
    const { out, err, exitCode } = await report('--json', ...args)
    assert.ok(exitCode < 2, err)
    return JSON.parse(out) as Answer
  }

  it('every question has an answer', async function () {
    this.timeout(120_000)
    for (const { name } of QUESTIONS) {
      const answer = await json(name)
      assert.equal(answer.question, name)
      assert.equal(answer.log.files, 60)
      assert.equal(answer.log.damagedLines, 1)
      assert.ok(
        answer.sections.some(({ rows }) => rows.length > 0),
        name,
      )
    }
  })
})
