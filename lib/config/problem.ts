import type { ConfigProblem } from './settings'

/** `config/secure-mail.ini:12: unknown key "mod"; did you mean "mode"?` — one line, whatever the severity. */
export function formatProblem(problem: ConfigProblem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file
  return `${place}: ${problem.severity === 'warning' ? 'warning: ' : ''}${problem.message}`
}

/** A problem that stops a start and keeps a reload from being taken over. */
export function errorAt(file: string, line: number, message: string): ConfigProblem {
  return { file, line, severity: 'error', message }
}

/** A problem that is told and lived with. */
export function warningAt(file: string, line: number, message: string): ConfigProblem {
  return { file, line, severity: 'warning', message }
}
