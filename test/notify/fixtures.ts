import type { Language } from '../../lib/config/settings'
import { loadTemplates, type Templates } from '../../lib/notify/templates'
import { sampleReport, type SampleSettings } from '../../lib/notify/sample'
import type { ReportInput, ReportKind, ReportRecipient } from '../../lib/notify/types'

/** Settings as a university would have them. */
export const SETTINGS: SampleSettings = {
  support: { name: 'IT-support', address: 'it-support@uni.example', phone: '+45 99 40 20 20', digest: 'off' },
  ndr: {
    languages: ['da', 'en'],
    dsn: 'honour',
    tlsFailureAfter: 4 * 3_600_000,
    undeliverableAfter: 23 * 3_600_000,
    delayNoticeAfter: 2 * 3_600_000,
    style: 'report',
    coalesce: 0,
  },
  category3: { subjectTags: ['[secure]'] },
  override: {
    tags: ['[unsecure]'],
    tlsRequiredNo: false,
    mode: 'opportunistic',
    refused: 'enforce',
    stripTag: true,
    stripSigned: false,
    sendersAllow: [],
    sendersDeny: [],
  },
  public: { subjectTags: ['[public]'], headers: [], purviewLabels: [], bodyLines: [] },
}

/** The package's own texts. */
export function packageTemplates(): Templates {
  const loaded = loadTemplates(undefined)
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  return loaded.templates
}

/** A sample report with some of it changed. */
export function report(kind: ReportKind, change: Partial<ReportInput> = {}, languages?: Language[]): ReportInput {
  return { ...sampleReport(kind, SETTINGS, languages), ...change }
}

/** The sample's recipient with some of it changed. */
export function recipientOf(kind: ReportKind, change: Partial<ReportRecipient> = {}): ReportRecipient {
  return { ...sampleReport(kind, SETTINGS).recipients[0]!, ...change }
}
