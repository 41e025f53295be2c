/** The figures of all processes as one page in Prometheus' text format. */
import { AggregatorRegistry, type Registry } from 'prom-client'
import { OF_MACHINE, type MachineMetric } from './definitions'

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export interface MachineValue {
  name: MachineMetric
  value: number
  labels?: Readonly<Record<string, string>>
}

/**
 * @param processes what `values()` of each process gave; each names itself in the label `process`, so that nothing is
 *   added up and a process that ended takes no count of others with it
 * @throws Error (rejects) when a process gave something that are no metrics
 */
export async function exposition(processes: readonly unknown[][], machine: readonly MachineValue[]): Promise<string> {
  const merged = AggregatorRegistry.aggregate(processes.map((values) => values.map(asMetric)))
  return (await merged.metrics()) + machineText(machine)
}

type Metric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number]

function asMetric(value: unknown): Metric {
  const { name, values } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Metric>
  if (typeof name === 'string' && Array.isArray(values)) return value as Metric
  throw new Error('a process answered with something that are no metrics')
}

function machineText(machine: readonly MachineValue[]): string {
  return Object.entries(OF_MACHINE)
    .flatMap(([name, { type, help }]) => {
      const lines = machine
        .filter((one) => one.name === name)
        .map(({ value, labels = {} }) => `${name}${labelText(labels)} ${value}`)
      return lines.length === 0 ? [] : ['', `# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, '']
    })
    .join('\n')
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const inner = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return inner.length === 0 ? '' : `{${inner.join(',')}}`
}
