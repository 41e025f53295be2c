/** Configuration: read, validated, typed, reloaded. Whoever holds a `Settings` may trust every value in it. */
export { INI_FILE, loadConfig, MAP_FILE, type LoadedConfig } from './load'
export { compile, emptyMap, hasExpired, parsePolicyMap } from './policy-map'
export { formatProblem } from './problem'
export { replacedSettings, undermining } from './undermining'
export { watchConfig, type ConfigWatch, type WatchHandlers } from './watch'
export type { ConfigProblem, Settings } from './settings'
