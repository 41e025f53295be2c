/** The part of the WebAssembly interface that is used; Node has it, its type declarations do not. */

export interface WasmMemory {
  readonly buffer: ArrayBuffer
}

export interface WasmTable {
  set(index: number, value: unknown): void
}

/** Modules that are imported from, by name, with their functions. */
export type WasmImports = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** A compiled module; only handed on. */
export type WasmModule = Readonly<object>

export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>
}

interface WasmApi {
  compile(bytes: Uint8Array): Promise<WasmModule>
  Module: new (bytes: Uint8Array) => WasmModule
  Instance: new (module: WasmModule, imports: WasmImports) => WasmInstance
}

/** W3C WebAssembly JavaScript Interface, sections 5.1 to 5.3. */
export const wasm = Reflect.get(globalThis, 'WebAssembly') as WasmApi
