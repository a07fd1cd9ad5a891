import { Mutex } from "@inlinecrypt/blk-core";
import { expect, it } from "vitest";

it("a mutex runs one operation at a time, in order, whatever the ones before end with", async () => {
  const mutex = new Mutex();
  const log: string[] = [];
  let finishFirst = (): void => {};
  const first = mutex.run(async () => {
    log.push("first");
    await new Promise<void>((resolve) => {
      finishFirst = resolve;
    });
    throw new Error("first failed");
  });
  const second = mutex.run(async () => {
    log.push("second");
    return 2;
  });
  await Promise.resolve();
  expect(log).toEqual(["first"]);
  finishFirst();
  await expect(first).rejects.toThrow("first failed");
  expect(await second).toBe(2);
  expect(log).toEqual(["first", "second"]);
});
