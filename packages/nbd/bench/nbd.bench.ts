// Our client against our server over a unix socket onto an array in memory: what the protocol and the path through the
// block layer cost. Both run in this one process, so a client of its own (fio, nbdcopy) sees more.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockLayer, HostExecutor, Volume } from "@inlinecrypt/blk-core";
import { NbdClient, NbdServer } from "../src/index.js";
import { ArrayDisk } from "../test/support/array-disk.js";

const MIB = 1 << 20;
const DISK_BYTES = 64 * MIB;

const folder = await mkdtemp(join(tmpdir(), "nbd-bench-"));
const layer = new BlockLayer({ executor: new HostExecutor() });
const disk = new ArrayDisk(layer, { bytes: DISK_BYTES });
const server = new NbdServer({ exports: [{ name: "bench", volume: new Volume(disk.bdev) }] });
const address = await server.listen({ unix: join(folder, "s") });
const client = await NbdClient.connect(address, { exportName: "bench" });

await proveAgreement();
await measure("read  4 KiB, depth 16", 16, 4096, 40_000, (offset, data) => client.read(offset, data));
await measure("write 4 KiB, depth 16", 16, 4096, 40_000, (offset, data) => client.write(offset, data));
await measure("write 4 KiB unaligned, depth 16", 16, 4096, 20_000, (offset, data) => client.write(offset + 100, data));
await measure("read  1 MiB, depth 4", 4, MIB, 1000, (offset, data) => client.read(offset, data));
await measure("write 1 MiB, depth 4", 4, MIB, 1000, (offset, data) => client.write(offset, data));

await client.close();
await server.close();
await rm(folder, { recursive: true });

async function proveAgreement(): Promise<void> {
  const data = new Uint8Array(3 * MIB).map((_, at) => (at * 7 + (at >>> 12)) & 0xff);
  await client.write(1001, data);
  const back = await client.read(1001, data.length);
  if (Buffer.compare(back, data) !== 0) throw new Error("what was read is not what was written");
}

async function measure(
  name: string,
  depth: number,
  bytes: number,
  count: number,
  run: (offset: number, data: Uint8Array) => Promise<unknown>,
): Promise<void> {
  let issued = 0;
  const worker = async (): Promise<void> => {
    const data = new Uint8Array(bytes);
    for (let index = issued++; index < count; index = issued++) {
      await run(((index * 7919) % (DISK_BYTES / bytes - 1)) * bytes, data);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: depth }, worker));
  const seconds = (performance.now() - startMs) / 1000;
  const iops = Math.round(count / seconds);
  console.log(
    `${name.padEnd(34)} ${String(iops).padStart(8)} IOPS ${((iops * bytes) / 1e6).toFixed(0).padStart(6)} MB/s`,
  );
}
