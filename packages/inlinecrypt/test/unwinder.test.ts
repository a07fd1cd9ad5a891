import { expect, it } from "vitest";
import { Unwinder } from "../src/stack/unwinder.js";

it("undoes last first, one after the other, once", async () => {
  const undone: string[] = [];
  const unwinder = new Unwinder();
  unwinder.defer(() => undone.push("first"));
  unwinder.defer(async () => {
    await Promise.resolve();
    undone.push("second");
  });
  await Promise.all([unwinder.unwind(), unwinder.unwind(), unwinder[Symbol.asyncDispose]()]);
  expect(undone).toEqual(["second", "first"]);
});

it("goes on past an undo that fails, and then says so", async () => {
  const undone: string[] = [];
  const unwinder = new Unwinder();
  unwinder.defer(() => undone.push("first"));
  unwinder.defer(() => Promise.reject(new Error("no")));
  await expect(unwinder.unwind()).rejects.toThrow("no");
  expect(undone).toEqual(["first"]);
});

it("tells of every undo that failed", async () => {
  const unwinder = new Unwinder();
  unwinder.defer(() => Promise.reject(new Error("one")));
  unwinder.defer(() => {
    throw new Error("two");
  });
  await expect(unwinder.unwind()).rejects.toThrow("two; one");
});
