#!/usr/bin/env node
import readline from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { Io } from './io'
import { run } from './program'

/** On standard error, so that what a command prints can still go into a file. */
async function ask(question: string): Promise<string> {
  const terminal = readline.createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await terminal.question(question)
  } finally {
    terminal.close()
  }
}

/** The terminal echoes by way of its output; one that swallows everything shows nothing. */
async function askSecret(question: string): Promise<string> {
  const nowhere = new Writable({
    write(_chunk, _encoding, done) {
      done()
    },
  })
  process.stderr.write(question)
  const terminal = readline.createInterface({ input: process.stdin, output: nowhere, terminal: true })
  try {
    return await terminal.question('')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}

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
  ...(process.stderr.isTTY ? { progress: (line) => void process.stderr.write(`\r\x1b[K${line}`) } : {}),
  ...(process.stdin.isTTY && process.stderr.isTTY ? { ask, askSecret } : {}),
  exitCode: 0,
}

// a reader that has seen enough (`| head`) is no error
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? io.exitCode : 2))

void run(process.argv.slice(2), io).then(() => {
  process.exitCode = io.exitCode
})
