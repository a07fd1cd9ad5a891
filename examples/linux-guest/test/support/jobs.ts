import type { EncryptedFile } from "./encrypted-files.js";

// Jobs of the guest. The shell is the guest's first process: a job must not end it. What the host looks for starts with "@@".

const MOUNT = 'mount -t ext4 -o inlinecrypt /dev/sda /mnt || echo "@@FAIL mount"';

const UNMOUNT = 'umount /mnt || echo "@@FAIL umount"';

const DROP_CACHES = "sync; echo 3 > /proc/sys/vm/drop_caches";

function addKey({ directory, masterKey }: EncryptedFile): string {
  return `${directory}_id=$(fscrypt-tool addkey /mnt ${Buffer.from(masterKey).toString("hex")})`;
}

/** Contents in AES-256-XTS (1), names in AES-256-CTS (4), padded to 32 bytes (3). */
function makeDirectory({ directory, flags }: EncryptedFile): string {
  return `mkdir /mnt/${directory} && fscrypt-tool setpolicy /mnt/${directory} $${directory}_id 1 4 ${flags + 3} || echo "@@FAIL policy ${directory}"`;
}

function writeFile({ directory, firstNumber, bytes }: EncryptedFile): string {
  const lines = Math.ceil(bytes / 8);
  return `seq ${firstNumber} ${firstNumber + lines} | head -c ${bytes} > /mnt/${directory}/f || echo "@@FAIL write ${directory}"`;
}

function tellOfFile({ directory }: EncryptedFile): string {
  return `echo "@@FILE ${directory} $(ls -i /mnt/${directory}/f | { read i rest; echo $i; }) $(fscrypt-tool nonce /mnt/${directory}/f)"`;
}

function sumOfFile({ directory }: EncryptedFile): string {
  return `echo "@@SUM ${directory} $(sha256sum < /mnt/${directory}/f | cut -c 1-64)"`;
}

/** Writes the files, forgets them, reads them back, and tells where they are. */
export function writeJob(files: readonly EncryptedFile[]): string {
  const steps = [MOUNT, ...files.map(addKey), ...files.map(makeDirectory), ...files.map(writeFile)];
  steps.push(DROP_CACHES, ...files.map(sumOfFile), ...files.map(tellOfFile), UNMOUNT);
  return `${steps.join("\n")}\n`;
}

/** Reads the files of an earlier boot. */
export function readJob(files: readonly EncryptedFile[]): string {
  return `${[MOUNT, ...files.map(addKey), ...files.map(sumOfFile), UNMOUNT].join("\n")}\n`;
}

/** As `writeJob`, on a disk whose commands are given up on after a few seconds. */
export function tooSlowJob(files: readonly EncryptedFile[]): string {
  return `echo 5 > /sys/block/sda/device/timeout\n${writeJob(files)}`;
}

/** Reads a file of an earlier boot that may be unreadable, and tells how much of it came. */
export function tryReadJob(file: EncryptedFile): string {
  const read = `echo "@@READ ${file.directory} $(cat /mnt/${file.directory}/f | wc -c) bytes"`;
  return `${[MOUNT, addKey(file), read, UNMOUNT].join("\n")}\n`;
}

/** Prints what `queue/crypto` in sysfs says of the disk. */
export const SYSFS_JOB =
  'cd /sys/block/sda/queue/crypto && for f in $(find . -type f); do echo "@@SYSFS $f $(cat $f)"; done; cd /\n';
