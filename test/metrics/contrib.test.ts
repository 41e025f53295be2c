/** Dashboard, alerts and documentation speak of the metrics that there are, all of them. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parse } from 'yaml'
import { OF_MACHINE, OF_PROCESSES, type Definition } from '../../lib/metrics/definitions'
import { packageRoot } from '../../lib/package-root'
import { requirePackages } from '../internet/packages'

const file = (...names: string[]) => path.join(packageRoot(), ...names)
const read = (...names: string[]) => readFileSync(file(...names), 'utf8')
const ALL: Readonly<Record<string, Definition>> = { ...OF_PROCESSES, ...OF_MACHINE }

/** Metrics of an expression with the labels that are asked of each. */
function metricsIn(expression: string): { name: string; labels: string[] }[] {
  return [...expression.matchAll(/\b(securemail_[a-z0-9_]+)(?:\{([^}]*)\})?/g)].map((match) => ({
    name: nameOf(match[1]!),
    labels: [...(match[2] ?? '').matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map((label) => label[1]!),
  }))
}

/** A histogram is three series. */
function nameOf(series: string): string {
  const base = series.replace(/_(bucket|count|sum)$/, '')
  return ALL[base]?.type === 'histogram' ? base : series
}

function checkExpression(expression: string, where: string): string[] {
  return metricsIn(expression).map(({ name, labels }) => {
    const metric = ALL[name]
    assert.ok(metric !== undefined, `${where}: there is no metric ${name}`)
    const known = [...metric.labels, 'instance', 'job', 'process', 'le']
    for (const label of labels) assert.ok(known.includes(label), `${where}: ${name} has no label ${label}`)
    for (const grouped of expression.matchAll(/\bby \(([^)]*)\)/g)) {
      for (const label of grouped[1]!.split(',').map((one) => one.trim())) {
        const somewhere = metricsIn(expression).some((one) => ALL[one.name]?.labels.includes(label))
        assert.ok(somewhere || known.includes(label), `${where}: nothing has a label ${label}`)
      }
    }
    return name
  })
}

interface Panel {
  id: number
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets: { expr: string }[]
}
interface Rule {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: { summary: string; runbook: string }
}

describe('what is made of the metrics', () => {
  it('docs/metrics.md has a section for each, and for nothing else', () => {
    const page = read('docs', 'metrics.md')
    const sections = [...page.matchAll(/^### (\S+)$/gm)].map((match) => match[1]!)
    assert.deepEqual(sections.toSorted(), Object.keys(ALL).toSorted())
    for (const { name } of metricsIn(page)) assert.ok(name in ALL, name)
    for (const [name, { labels }] of Object.entries(ALL)) {
      const section = page.slice(page.indexOf(`### ${name}\n`)).split(/\n##+ /)[0]!
      for (const label of labels)
        assert.ok(section.includes(`\`${label}\``), `${name}: label ${label} is not explained`)
    }
  })

  it('the dashboard asks for metrics that there are, and shows every one', () => {
    const dashboard = JSON.parse(read('contrib', 'grafana', 'secure-mail.json')) as {
      panels: Panel[]
      templating: { list: { query: { query: string } }[] }
    }
    const { panels } = dashboard
    const used = panels.flatMap(({ title, targets }) => targets.flatMap(({ expr }) => checkExpression(expr, title)))
    for (const { query } of dashboard.templating.list) checkExpression(query.query, 'variable')
    assert.deepEqual([...new Set(used)].toSorted(), Object.keys(ALL).toSorted())
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    for (const one of panels) {
      const { x, w } = one.gridPos
      assert.ok(x + w <= 24, `${one.title} is on the page`)
      const over = panels.find((other) => other.id < one.id && overlap(one.gridPos, other.gridPos))
      assert.equal(over, undefined, `${one.title} lies over ${over?.title}`)
    }
  })

  it('the alerts are about metrics that there are, and name the section that helps', () => {
    const { groups } = parse(read('contrib', 'prometheus', 'alerts.yml')) as { groups: { rules: Rule[] }[] }
    const rules = groups.flatMap((group) => group.rules)
    for (const { alert, expr, annotations } of rules) {
      const used = checkExpression(expr, alert)
      const [page, section] = annotations.runbook.split('#')
      assert.equal(page, 'docs/metrics.md')
      assert.ok(used.includes(section!), `${alert}: ${section}`)
    }
  })

  it('promtool takes the alerts; each fires when it should, and none on an ordinary day', async function () {
    await requirePackages(this)
    this.timeout(60_000)
    const alerts = file('contrib', 'prometheus', 'alerts.yml')
    execFileSync('promtool', ['check', 'rules', alerts], { stdio: 'pipe' })
    const dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-alerts-'))
    try {
      writeFileSync(path.join(dir, 'alerts.yml'), readFileSync(alerts))
      writeFileSync(path.join(dir, 'test.yml'), read('test', 'metrics', 'alerts.test.yml'))
      execFileSync('promtool', ['test', 'rules', 'test.yml'], { cwd: dir, stdio: 'pipe' })
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
    const tested = read('test', 'metrics', 'alerts.test.yml')
    const { groups } = parse(readFileSync(alerts, 'utf8')) as { groups: { rules: Rule[] }[] }
    for (const { alert } of groups.flatMap((group) => group.rules)) assert.ok(tested.includes(`"${alert}"`), alert)
  })
})

function overlap(a: Panel['gridPos'], b: Panel['gridPos']): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
}
