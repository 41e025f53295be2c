#!/usr/bin/env node
import type { Io } from './io'
import { run } from './program'

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  // https://no-color.org: any value but the empty one switches colours off
  color: process.stdout.isTTY && (process.env.NO_COLOR ?? '') === '',
  async stdin() {
    const chunks: Buffer[] = []
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  },
  exitCode: 0,
}

// a reader that has seen enough (`| head`) is no error
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? io.exitCode : 2))

void run(process.argv.slice(2), io).then(() => {
  process.exitCode = io.exitCode
})
