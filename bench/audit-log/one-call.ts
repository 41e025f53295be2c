/** One call of `secure-mail report`, as its own process would do it; tells how long it took and how much memory it had. */
import { run } from '../../bin/program'
import type { Io } from '../../bin/io'
import type { Answer } from '../../lib/report/analysis'

const [, , question = 'overview', log = ''] = process.argv
let out = ''
let err = ''
const io: Io = {
  out: (text) => void (out += text),
  err: (text) => void (err += text),
  color: false,
  stdin: () => Promise.resolve(Buffer.alloc(0)),
  exitCode: 0,
}
const argv = ['report', question, '--logs', log, '--since', '2026-10-31', '--until', '2026-11-30', '--json']
void run(argv, io).then(() => {
  if (io.exitCode === 2) {
    process.stderr.write(err)
    process.exit(1)
  }
  const answer = JSON.parse(out) as Answer
  const { lines, files } = answer.log
  // with the start of the process; maxRSS is in kilobytes
  const memory = process.resourceUsage().maxRSS * 1024
  process.stdout.write(JSON.stringify({ seconds: process.uptime(), memory, lines, files }))
})
