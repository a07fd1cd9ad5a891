/** As much of WebAssembly's JavaScript interface as is used here; it is declared only in the types of browsers. */
interface WebAssemblyApi {
  readonly Module: new (binary: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
}

/** What `WebAssembly.Memory` is to its users. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/**
 * Compiles and instantiates a module that imports nothing.
 *
 * @returns what it exports; the caller knows its type
 * @throws whatever the runtime throws when it has no WebAssembly (`node --jitless`) or lacks an instruction of the module
 */
export function instantiateWasm<Exports>(base64: string): Exports {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi };
  const module = new WebAssembly.Module(Buffer.from(base64, "base64"));
  return new WebAssembly.Instance(module).exports as Exports;
}

/** What the first function makes, or the second where the first one fails. */
export function firstThatWorks<Made>(make: () => Made, makeInstead: () => Made): Made {
  try {
    return make();
  } catch {
    return makeInstead();
  }
}
