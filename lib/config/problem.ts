import type { ConfigProblem } from './settings'

/** A message quotes what somebody wrote; more of it than this helps nobody. */
const LONGEST = 500

/**
 * `config/secure-mail.ini:12: unknown key "mod"; did you mean "mode"?` — one line whatever is quoted in it, fit for a
 * terminal and a log.
 */
export function formatProblem(problem: ConfigProblem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file
  const text = `${place}: ${problem.severity === 'warning' ? 'warning: ' : ''}${problem.message}`
  return (text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text).replace(/[\p{Cc}\u2028\u2029]/gu, '?')
}

/** A problem that stops a start and keeps a reload from being taken over. */
export function errorAt(file: string, line: number, message: string): ConfigProblem {
  return { file, line, severity: 'error', message }
}

/** A problem that is told and lived with. */
export function warningAt(file: string, line: number, message: string): ConfigProblem {
  return { file, line, severity: 'warning', message }
}
