/** Kinds of sensitive content, as `[content] sensitive[]` names them; docs/configuration.md says what each finds. */
export const SENSITIVE_KINDS = [
  'private-key',
  'password',
  'iban',
  'card',
  'passport',
  'classification',
  'article9',
] as const
export type SensitiveKind = (typeof SENSITIVE_KINDS)[number]
