/** Mail of our own on its way into Haraka's queue: reports to senders, and TLS reports. */
import { CODE, type HarakaModules, type Notes } from './haraka'
import { announceReport, type ReportPass } from './report-pass'

/**
 * Hand a finished message to Haraka's queue, from the null sender. Resolves when it is written and synced there; rejects
 * when it surely is not; stays pending while other plugins hold it.
 *
 * @param to envelope recipient
 * @param pass what the seal will say it is
 */
export function queueOwnMail(haraka: HarakaModules, to: string, message: Buffer, pass: ReportPass): Promise<void> {
  const notes: Notes = new haraka.Notes({ skip_plugins: [], ...announceReport(pass) })
  return new Promise((resolve, reject) => {
    haraka.outbound.send_email(
      '<>',
      `<${to}>`,
      message.toString('utf8'),
      (code, text) => {
        if (code === CODE.ok) resolve()
        else reject(new Error(`the report could not be queued: ${String(text)}`))
      },
      { notes },
    )
  })
}
