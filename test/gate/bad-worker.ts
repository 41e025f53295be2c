/** Stands in for the reader of the pool's tests: does what the message's text says. */
import type { ReadingTask } from '../../lib/gate/pool'
import type { Found } from '../../lib/gate/reading'

const CLEAN: Found = {
  markers: [],
  conflicts: [],
  findings: [],
  persons: 0,
  nameRows: 0,
  sensitive: [],
  uninspected: [],
  protection: [],
  wholeProtected: false,
  timeUp: false,
}

export default async function obey({ raw }: ReadingTask): Promise<Found> {
  const order = Buffer.from(raw.subarray(0, 2000)).toString('latin1')
  const kept: number[][] = []
  switch (order.split('\r\n\r\n')[1]?.trim().split(' ')[0]) {
    case 'throw':
      throw new Error('this reader breaks')
    case 'exit':
      return process.exit(3)
    case 'hang':
      for (;;) kept.length = 0
    case 'hoard':
      for (;;) kept.push(new Array<number>(100_000).fill(1.5))
    case 'wait':
      await new Promise((resolve) => setTimeout(resolve, 300))
      return CLEAN
    default:
      return CLEAN
  }
}
