import type { Part } from './message'

/**
 * The parts that a reader is shown as the text of the message: one, or each alternative of it.
 *
 * @returns empty when some alternative is no readable text, so that nothing can be said about all of them
 */
export function bodiesOf(root: Part): Part[] {
  const bodies = collect(root)
  return bodies.every((part) => part.shown !== undefined && part.disposition !== 'attachment') ? bodies : []
}

function collect(part: Part): Part[] {
  if (!part.type.startsWith('multipart/')) return [part]
  // RFC 2046 section 5.1.4: alternatives are the same content; a reader sees one of them
  if (part.type === 'multipart/alternative') return part.children.flatMap((child) => collect(child))
  const [first] = part.children
  return first === undefined ? [part] : collect(first)
}
