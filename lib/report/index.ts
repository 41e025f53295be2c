/** report/: what the audit log and the queue say afterwards. Read only. */
export { queueDirectory } from './queue-files'
export { readMailId, whatBecameOf, type MailId, type MailTimeline, type RecipientState, type Why } from './timeline'
