/**
 * @param ms longest wait; what comes later is nobody's any more, a rejection included
 * @returns undefined when it took longer
 * @throws (rejects) what `work` rejects with in time
 */
export async function inPatience<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
