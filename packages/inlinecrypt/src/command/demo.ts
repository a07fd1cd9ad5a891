import type { CommandIo } from "./command-io.js";
export interface DemoFlags {
  readonly image?: string;
}
export async function demo(_io: CommandIo, _path: string | undefined, _flags: DemoFlags): Promise<void> {}
