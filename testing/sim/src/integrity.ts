import {
  BioSegments,
  type BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  opOf,
  ReqOp,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { Violation } from "./violation.js";

const TUPLE_BYTES = 8;
const REF_TAG_AT = 4;

/**
 * Stands for the half of a simulated disk that keeps protection information, type 1 with the Internet checksum: what
 * comes with a write must fit its data, and what a read gets does. It sits where requests come to the driver and leave.
 */
export function keepIntegrity(queue: BlkMqQueue): void {
  const { blockRqIssue, blockRqComplete } = queue.layer.tracepoints;
  const isMine = (rq: BlkRequest, op: ReqOp): boolean => rq.queue === queue && opOf(rq.opf) === op;
  blockRqIssue.subscribe((rq) => {
    if (isMine(rq, ReqOp.WRITE)) eachTuple(rq, expectTuple);
  });
  blockRqComplete.subscribe((rq, status) => {
    if (isMine(rq, ReqOp.READ) && status === BlkStatus.OK) eachTuple(rq, setTuple);
  });
}

/** Gets a tuple, and what fits its interval of data. */
type TupleVisit = (tuple: DataView, guard: number, interval: number) => void;

function eachTuple(rq: BlkRequest, visit: TupleVisit): void {
  const { intervalBytes } = rq.queue.limits.integrity!;
  const data = dataOf(rq);
  const firstInterval = (rq.sector * SECTOR_BYTES) / intervalBytes;
  let index = 0;
  for (let bio = rq.bio; bio !== null; bio = bio.next) {
    if (bio.integrity === null) throw new Violation("a disk gets a bio without protection information");
    const { buffer, offset, bytes } = bio.integrity;
    for (let at = offset; at < offset + bytes; at += TUPLE_BYTES, index++) {
      const guard = internetChecksum(data.subarray(index * intervalBytes, (index + 1) * intervalBytes));
      visit(new DataView(buffer.buffer, buffer.byteOffset + at, TUPLE_BYTES), guard, firstInterval + index);
    }
  }
}

function dataOf(rq: BlkRequest): Uint8Array {
  const memory = new Uint8Array(rq.bytes);
  const segments = new BioSegments();
  segments.start(rq.bio);
  for (let done = 0; segments.next(); done += segments.bytes) {
    memory.set(segments.data.subarray(segments.offset, segments.offset + segments.bytes), done);
  }
  return memory;
}

function expectTuple(tuple: DataView, guard: number, interval: number): void {
  const found = [tuple.getUint16(0), tuple.getUint32(REF_TAG_AT)];
  if (found[0] === guard && found[1] === interval) return;
  throw new Violation(
    `interval ${interval} comes with guard and reference tag ${found}, expected ${guard},${interval}`,
  );
}

function setTuple(tuple: DataView, guard: number, interval: number): void {
  tuple.setUint16(0, guard);
  tuple.setUint16(2, 0);
  tuple.setUint32(REF_TAG_AT, interval);
}

/** As RFC 1071 words it. */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes[at]! * 256 + bytes[at + 1]!;
  while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536);
  return 0xffff - sum;
}
