import { BlkError, BlkStatus, Errno, errnoToStatus, statusName, statusToErrno } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";

describe("statuses", () => {
  it("map to an errno and back", () => {
    for (const [name, status] of Object.entries(BlkStatus)) {
      expect(statusName(status)).toBe(name);
      if (status === BlkStatus.OK) continue;
      expect(errnoToStatus(statusToErrno(status)!), name).toBe(status);
    }
  });

  it("have the kernel's numbers for the ones a keyslot error can become", () => {
    const table = { EOPNOTSUPP: 1, ETIMEDOUT: 2, ENOSPC: 3, ENOMEM: 9, EAGAIN: 12, EBUSY: 13, ENODEV: 16, EINVAL: 19 };
    for (const [code, status] of Object.entries(table)) expect(errnoToStatus(code), code).toBe(status);
  });

  it("are IOERR for an errno nobody knows, and EIO for a status nobody knows", () => {
    expect(errnoToStatus("EWHATEVER")).toBe(BlkStatus.IOERR);
    expect(statusToErrno(18 as BlkStatus)).toBe("EIO");
    expect(statusName(18 as BlkStatus)).toBe("unknown status 18");
  });
});

describe("BlkError", () => {
  it("carries code, negative errno and operation", () => {
    const error = new BlkError("EINVAL", "blk_crypto_init_key", "no such mode");
    expect(error).toMatchObject({ code: "EINVAL", errno: -22, op: "blk_crypto_init_key" });
    expect(error.message).toBe("blk_crypto_init_key: no such mode (EINVAL)");
    expect(new Set(Object.values(Errno)).size).toBe(Object.keys(Errno).length);
  });
});
