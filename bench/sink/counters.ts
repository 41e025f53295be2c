/** What the sink counts for each of its addresses. Plain JSON: it crosses a process boundary. */
export interface SinkCounters {
  connections: number
  messages: number
  /** Bytes of the messages as on the wire, final dots included. */
  bytes: number
  tlsMessages: number
  clearMessages: number
  /** MAIL commands that came in clear text: an envelope that nobody should have seen. */
  clearEnvelopes: number
  /** Full and resumed TLS handshakes that came to an end. */
  handshakes: number
  resumed: number
  /** Connections that broke: handshake failures and socket errors. */
  errors: number
  /** Wall-clock milliseconds of the first and the last message; 0 when none came. */
  firstArrival: number
  lastArrival: number
}

/** All counters at zero. */
export function zeroCounters(): SinkCounters {
  return {
    connections: 0,
    messages: 0,
    bytes: 0,
    tlsMessages: 0,
    clearMessages: 0,
    clearEnvelopes: 0,
    handshakes: 0,
    resumed: 0,
    errors: 0,
    firstArrival: 0,
    lastArrival: 0,
  }
}

/** One address that the sink listens on. */
export interface SinkListener {
  /** Name under which its counters are asked for. */
  name: string
  address: string
  port: number
  /** PEM files; absent = STARTTLS is not offered. */
  tls?: { key: string; cert: string }
  /** Milliseconds that each reply takes. */
  delay?: number
  /** `greeting`: takes connections and says nothing. `handshake`: agrees to STARTTLS and says nothing after that. */
  silentAt?: 'greeting' | 'handshake'
}

/** What the parent process may ask of the sink; every request is answered once. */
export type SinkRequest = { ask: 'listen'; listeners: readonly SinkListener[] } | { ask: 'stats' } | { ask: 'reset' }

export type SinkReply =
  | { ok: true; counters: Record<string, SinkCounters>; cpuMillis: number; ports: Record<string, number> }
  | { ok: false; error: string }
