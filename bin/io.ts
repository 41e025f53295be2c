import type { Command } from 'commander'

/** What a command may touch of the outside, so that tests can hold it. */
export interface Io {
  /** Text to standard output, as given. */
  out(text: string): void
  /** Text to standard error, as given. */
  err(text: string): void
  /** May standard output carry colours (a terminal, and NO_COLOR not set)? */
  readonly color: boolean
  /** All of standard input. */
  stdin(): Promise<Buffer>
  /** Shows how far a command has come: one line that the next one replaces, '' = none. Absent = nobody watches. */
  progress?(line: string): void
  /** Asks the person at the terminal for a line; absent where there is no terminal to ask at. */
  ask?(question: string): Promise<string>
  /** The same for a secret, which is not shown while it is typed. */
  askSecret?(question: string): Promise<string>
  /** The exit code the process will end with: 0 ok, 1 the answer is bad news, 2 usage or configuration error. */
  exitCode: number
}

/** Options that every command has. */
export interface CommonOptions {
  /** Instance directory (holds `config/`); absent = $HARAKA, else the current folder if it is one, else the package's haraka-config. */
  config?: string
  json?: boolean
}

/** Each file in `commands/` exports one: it adds its sub-command to the program. */
export type RegisterCommand = (program: Command, io: Io) => void
