import { openMemoryStore } from '../../lib/store/memory'
import { storeContract } from './contract'

storeContract('memory', (clock, onError) => Promise.resolve(openMemoryStore({ clock, onError })))
