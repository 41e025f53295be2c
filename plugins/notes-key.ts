/** Key of our record in `transaction.notes` and `todo.notes`. */
export const NOTES_KEY = 'secure_mail'
