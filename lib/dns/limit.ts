/** At most so many at once, the rest in line: each query holds a socket, and sockets are not without end. */
export function limiter(most: number): <R>(work: () => Promise<R>) => Promise<R> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    // whoever leaves hands its place to the first in line, so the count only grows while there is room
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
