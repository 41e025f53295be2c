/**
 * The process that encrypts, asked by its parent; argument: the certificate (PEM). Nothing is started from here: after a
 * fork the operating system copies or hands back every page that is written to, which takes longer than to encrypt.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { recipientKey } from '../../lib/encrypt/cms/certificate'
import { encryptFile } from './file'

/** Encrypt a file some times, or do nothing for some milliseconds. */
export type Question = { from: string; to: string; times: number } | { idle: number }

export interface Answer {
  /** Of each time. */
  milliseconds: number[]
  /** User and system, all threads, of all times together, milliseconds. */
  cpu: number
  /** The longest that a timer had to wait meanwhile, milliseconds. */
  delay: number
  /** By how much the most memory that the process ever had exceeds what it had before, bytes. */
  growth: number
}

/** Milliseconds between two looks at the event loop. */
const RESOLUTION = 1

const key = recipientKey(new X509Certificate(readFileSync(process.argv[2] ?? '')).raw)

async function answer(question: Question): Promise<Answer> {
  const milliseconds: number[] = []
  const before = process.memoryUsage.rss()
  const cpu = process.cpuUsage()
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  histogram.enable()
  if ('idle' in question) await setTimeout(question.idle)
  else
    for (let time = 0; time < question.times; time++) {
      const began = performance.now()
      await encryptFile(question.from, question.to, key)
      milliseconds.push(performance.now() - began)
    }
  histogram.disable()
  const { user, system } = process.cpuUsage(cpu)
  return {
    milliseconds,
    cpu: (user + system) / 1000,
    delay: histogram.max / 1e6,
    // the kernel's own high-water mark, in KiB: nothing between two looks is missed
    growth: process.resourceUsage().maxRSS * 1024 - before,
  }
}

process.on('message', (question: Question) => {
  answer(question).then(
    (found) => process.send?.(found),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    },
  )
})
