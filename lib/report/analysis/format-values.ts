/** Values as people read them. */
import type { Value } from './engine'
import type { ColumnType } from './question'

/** @returns '' for what is not known */
export function shown(value: Value, type: ColumnType): string {
  if (value === null) return ''
  if (Array.isArray(value)) return value.map((one) => shown(one, 'text')).join(', ')
  switch (type) {
    case 'number':
      return typeof value === 'number' ? grouped(value) : String(value)
    case 'share':
      return typeof value === 'number' ? share(value) : String(value)
    case 'seconds':
      return typeof value === 'number' ? age(value) : String(value)
    case 'yes-no':
      return value === true ? 'yes' : 'no'
    case 'time':
      // UTC, which is said once above the table
      return String(value)
        .replace('T', ' ')
        .replace(/\.\d+Z$/, '')
    case 'text':
    case 'list':
      return String(value)
  }
}

/** Groups of three with a thin gap: `10 000 000`. */
function grouped(value: number): string {
  const [whole = '', rest] = String(Number(value.toFixed(2))).split('.')
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f')
  return rest === undefined ? spaced : `${spaced}.${rest}`
}

/** Small shares per mille: the headline is one. */
function share(value: number): string {
  if (value === 0) return '0'
  return value < 0.1 ? `${Number((value * 1000).toPrecision(3))} ‰` : `${(value * 100).toFixed(1)} %`
}

function age(seconds: number): string {
  if (seconds < 120) return `${Number(seconds.toFixed(1))} s`
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}
