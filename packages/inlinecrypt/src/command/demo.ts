import { SingleBar } from "cli-progress";
import pico from "picocolors";
import { DEMO_MODE, DemoDisk } from "../demo/demo-disk.js";
import { DemoFolder } from "../demo/demo-folder.js";
import { demoScreen } from "../demo/demo-screen.js";
import { type DemoSource, fileSource, generatedSource, imageSource } from "../demo/demo-source.js";
import { fetch, store, type Transfer } from "../demo/demo-transfer.js";
import { SAMPLE_BYTES, SampleFinder } from "../demo/sample-finder.js";
import { InterruptedError, RequestError } from "../failure.js";
import { type CommandIo, isTerminal, wantsColor } from "./command-io.js";
import { print } from "./print.js";
import { StopSignals } from "./stop-signal.js";

export interface DemoFlags {
  readonly image?: string;
}

const WARM_UP_BYTES = 64 * 2 ** 20;
const WARM_UP_ROUNDS = 8;

/** Runs between storing and reading back; tests damage the medium here. */
export type BetweenTransfers = (disk: DemoDisk) => Promise<void>;

/**
 * `inlinecrypt demo`: the whole path on a disk that is gone afterwards.
 *
 * @throws RequestError when what is read back is not what was stored, or lies on the medium as it is
 */
export async function demo(
  io: CommandIo,
  path: string | undefined,
  flags: DemoFlags,
  between: BetweenTransfers = async () => {},
): Promise<void> {
  const source = await chooseSource(path, flags);
  using folder = new DemoFolder();
  using stopSignals = new StopSignals(io, () => folder[Symbol.dispose]());
  await using disk = await DemoDisk.open(folder.path, source.bytes);
  const sample = new SampleFinder();
  const stored = await repeat(source, (round) =>
    withProgress(io, stopSignals, `storing ${round}`, source.bytes, (progress) =>
      store(disk.client, source, (chunk, byteOffset) => {
        sample.look(chunk, byteOffset);
        progress(chunk, byteOffset);
      }),
    ),
  );
  await between(disk);
  const fetched = await repeat(source, (round) =>
    withProgress(io, stopSignals, `reading back ${round}`, source.bytes, (progress) =>
      fetch(disk.client, source.bytes, progress),
    ),
  );
  expectSame(source, stored, fetched);
  const { byteOffset: sampleOffset } = sample;
  const clientSample = await disk.client.read(sampleOffset, SAMPLE_BYTES);
  const mediumSample = await disk.readMedium(sampleOffset, SAMPLE_BYTES);
  expectDifferent(clientSample, mediumSample);
  const { name, bytes } = source;
  const result = { name, bytes, mode: DEMO_MODE, stored, fetched, sampleOffset, clientSample, mediumSample };
  const slots = disk.stack.fallbackSlotTable();
  await print(io, `${demoScreen({ ...result, slots }, pico.createColors(wantsColor(io.stdout, io.env)))}\n`);
}

async function chooseSource(path: string | undefined, { image }: DemoFlags): Promise<DemoSource> {
  if (path !== undefined) return fileSource(path);
  return image === undefined ? generatedSource() : imageSource(image);
}

/** Repeats a small transfer, so that the last one, which counts, is measured at speed: V8 compiles as it goes. */
async function repeat(source: DemoSource, transfer: (round: string) => Promise<Transfer>): Promise<Transfer> {
  const rounds = Math.max(1, Math.min(WARM_UP_ROUNDS, Math.ceil(WARM_UP_BYTES / source.bytes)));
  for (let round = 1; round < rounds; round++) await transfer(`${round}/${rounds}`);
  return transfer(`${rounds}/${rounds}`);
}

function expectSame({ name }: DemoSource, stored: Transfer, fetched: Transfer): void {
  if (stored.sha256 === fetched.sha256) return;
  throw new RequestError(`${name} came back changed: sha256 ${stored.sha256} went in, ${fetched.sha256} came out`);
}

function expectDifferent(clientSample: Uint8Array, mediumSample: Uint8Array): void {
  if (Buffer.compare(clientSample, mediumSample) !== 0) return;
  throw new RequestError("the medium holds what the client wrote as it is: nothing encrypted it");
}

/** Runs `work` with a progress bar on a terminal, and ends it when a signal asks for that. */
async function withProgress<Result>(
  io: CommandIo,
  stopSignals: StopSignals,
  title: string,
  totalBytes: number,
  work: (progress: (chunk: Uint8Array, byteOffset: number) => void) => Promise<Result>,
): Promise<Result> {
  const bar = isTerminal(io.stderr) ? newProgressBar(io, title) : null;
  bar?.start(totalBytes, 0);
  try {
    return await work((chunk, byteOffset) => {
      if (stopSignals.received !== null) throw new InterruptedError(stopSignals.received);
      bar?.update(byteOffset + chunk.length);
    });
  } finally {
    bar?.stop();
  }
}

function newProgressBar(io: CommandIo, title: string): SingleBar {
  return new SingleBar({
    format: `${title} [{bar}] {percentage}%`,
    stream: io.stderr as NodeJS.WriteStream,
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
  });
}
