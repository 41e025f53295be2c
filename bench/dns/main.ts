/** The benchmark's DNS server as a process of its own: UDP only, all answers fit. */
import dgram from 'node:dgram'
import { AUTHORITATIVE_ANSWER, decode, encode, RECURSION_AVAILABLE, RECURSION_DESIRED } from 'dns-packet'
import { answerQuestion, type BenchDomain } from './zone'

/** What the parent sends once; the answer is the port bound. */
export interface DnsStart {
  address: string
  port: number
  domains: readonly BenchDomain[]
}

/** Bytes: the most that Linux gives without being asked twice. A relay that starts many deliveries at once asks in bursts. */
const RECEIVE_BUFFER = 212_992

/** RFC 1035 section 4.1.1: the response code is the low nibble of the flags. */
const RCODE = { NOERROR: 0, NXDOMAIN: 3 } as const

function serve({ address, port, domains }: DnsStart): void {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER })
  socket.on('message', (packet, peer) => {
    let query
    try {
      query = decode(packet)
    } catch {
      return // not DNS: nobody to answer
    }
    const question = query.questions?.[0]
    if (query.type !== 'query' || !question) return
    const { rcode, answers, authorities } = answerQuestion(domains, question)
    const desired = (query.flags ?? 0) & RECURSION_DESIRED
    const reply = encode({
      type: 'response',
      id: query.id ?? 0,
      flags: AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | desired | RCODE[rcode],
      questions: [question],
      answers,
      authorities,
      // RFC 6891 section 6.1.1: an OPT record in the query is answered with one.
      additionals: query.additionals?.some((record) => record.type === 'OPT')
        ? [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: 1232,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ]
        : [],
    })
    socket.send(reply, peer.port, peer.address)
  })
  socket.bind(port, address, () => process.send?.({ port: socket.address().port }))
}

process.once('message', (start: DnsStart) => serve(start))
process.on('disconnect', () => process.exit(0))
