/** Forms of the strings that this program makes itself: with these they stand in the log as they are. */

export const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$/
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** Haraka's transaction id: a UUID and counters. */
export const MAIL_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.\d{1,4}){0,3}$/i
export const CASE_ID = /^SM-[0-9A-Z]{4}-[0-9A-Z]{4}$/
/** SHA-256, in hex. */
export const DIGEST = /^[0-9a-fA-F]{64}$/
