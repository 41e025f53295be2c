import { execFileSync } from 'node:child_process'

/** One line of a page of metrics. */
export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** Read a page in Prometheus' text format; of the labels only those without quotes in their values are understood. */
export function readPage(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line)
      if (match === null) throw new Error(`no sample: ${line}`)
      const labels = [...(match[2] ?? '').matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!])
      return { name: match[1]!, labels: Object.fromEntries(labels) as Record<string, string>, value: Number(match[3]) }
    })
}

/** What Prometheus' own tool says of a page; throws with its words when it is not content. */
export function checkWithPromtool(page: string): void {
  execFileSync('promtool', ['check', 'metrics'], { input: page, stdio: ['pipe', 'pipe', 'pipe'] })
}
