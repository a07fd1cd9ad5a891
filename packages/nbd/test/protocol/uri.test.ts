import { describe, expect, it } from "vitest";
import { nbdUri } from "../../src/index.js";

describe("nbdUri", () => {
  it.each([
    [{ unix: "/run/nbd.sock" }, "disk", "nbd+unix:///disk?socket=/run/nbd.sock"],
    [{ unix: "./a b&c=d%.sock" }, "", "nbd+unix:///?socket=./a%20b%26c%3Dd%25.sock"],
    [{ unix: "/s" }, "a/b c?d#e", "nbd+unix:///a%2Fb%20c%3Fd%23e?socket=/s"],
    [{ host: "127.0.0.1", port: 10809 }, "disk", "nbd://127.0.0.1:10809/disk"],
    [{ host: "::1", port: 1 }, "ä", "nbd://[::1]:1/%C3%A4"],
  ])("escapes %j %j", (address, name, uri) => {
    expect(nbdUri(address, name)).toBe(uri);
    expect(decodeURIComponent(new URL(uri).pathname.slice(1))).toBe(name);
  });
});
