import type { SeededRandom } from "@inlinecrypt/blk-sim";

/** Which page of which key. */
export interface Access {
  keyIndex: number;
  page: number;
}

/** Work for one task: batches, each submitted in one plug when the one before has ended. */
export type Task = readonly (readonly Access[])[];

/** Accesses in some order, by one or several tasks at the same time. */
export interface Order {
  name: string;
  tasks: readonly Task[];
}

/** The same number of accesses in several orders. */
export function ordersOf(random: SeededRandom, keyCount: number, pagesPerKey: number): Order[] {
  const accesses = keyCount * pagesPerKey;
  const pageAfterPage = Array.from({ length: accesses }, (_, at) => ({
    keyIndex: at % keyCount,
    page: Math.floor(at / keyCount),
  }));
  const keyAfterKey = Array.from({ length: accesses }, (_, at) => ({
    keyIndex: Math.floor(at / pagesPerKey),
    page: at % pagesPerKey,
  }));
  return [
    { name: "each key in turn, one I/O at a time", tasks: [inBatches(pageAfterPage, 1)] },
    { name: "each key in turn, 64 in a plug", tasks: [inBatches(pageAfterPage, 64)] },
    { name: "16 keys in turn, 64 in a plug", tasks: [inBatches(inTurns(keyAfterKey, pagesPerKey), 64)] },
    { name: "key after key, one I/O at a time", tasks: [inBatches(keyAfterKey, 1)] },
    { name: "key after key, 16 in a plug", tasks: [inBatches(keyAfterKey, 16)] },
    { name: "3 keys for 9 of 10, one at a time", tasks: [inBatches(favourites(random, keyAfterKey, 3), 1)] },
    { name: "8 tasks, a random key for 16 each", tasks: randomTasks(random, keyCount, pagesPerKey) },
  ];
}

function inBatches(accesses: readonly Access[], batch: number): Access[][] {
  const batches: Access[][] = [];
  for (let at = 0; at < accesses.length; at += batch) batches.push(accesses.slice(at, at + batch));
  return batches;
}

/** Groups of 64 of the same accesses, within which the keys take turns. */
function inTurns(keyAfterKey: readonly Access[], pagesPerKey: number): Access[] {
  return inBatches(keyAfterKey, 16 * pagesPerKey).flatMap((group) => group.sort((a, b) => a.page - b.page));
}

/** Nine of ten go to a few keys instead. */
function favourites(random: SeededRandom, accesses: readonly Access[], count: number): Access[] {
  return accesses.map((access) => (random.oneIn(10) ? access : { ...access, keyIndex: random.below(count) }));
}

/** Tasks at the same time. Two share each page number, one with the even keys: so each knows what it will read. */
function randomTasks(random: SeededRandom, keyCount: number, pagesPerKey: number): Task[] {
  return Array.from({ length: 2 * pagesPerKey }, (_, index) => {
    const task: Access[][] = [];
    while (task.length < keyCount / 2) {
      const keyIndex = 2 * random.below(keyCount / 2) + (index % 2);
      for (let repeat = 0; repeat < 16; repeat++) task.push([{ keyIndex, page: Math.floor(index / 2) }]);
    }
    return task.slice(0, keyCount / 2);
  });
}
