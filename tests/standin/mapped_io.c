/* Loads and stores to mapped devices become reads and writes of a file.

   A mapping of a file whose pages cannot be read raises SIGBUS at every access. The handler decodes
   the one instruction, carries out its access as a pread or pwrite of four bytes at the address that
   the mapping's offset stands for, and goes on behind it. Only aligned 32-bit moves are carried out, as an AXI4-Lite slave
   takes no others; anything else goes to the handler that was there before, which reports a crash. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <ucontext.h>
#include <unistd.h>

/* What an instruction does: `value` is stored, or loaded into the register `reg`. */
struct move {
  int is_store, length, reg;
  uint32_t value;
};

#if defined(__x86_64__)
#include "decode_x86_64.h"
#elif defined(__arm__)
#include "decode_arm.h"
#else
#error "the loads and stores of this processor are not known"
#endif

enum { MAPS_BYTES = 1 << 20, MOST_DEVICES = 4 };
static const uint32_t NOBODY = 0xFFFFFFFF; /* what a bus answers where nobody is */

/* A file that is mapped, and the address of its first byte on the bus. */
struct device {
  dev_t device;
  ino_t inode;
  int64_t base;
};

static int bus = -1;
static struct device devices[MOST_DEVICES];
static int device_count;
static struct sigaction previous;
static char maps[MAPS_BYTES]; /* too large for a signal's stack; one thread faults at a time */

/* Returns the place on the bus that an offset in a mapped file stands for, -1 for none. */
static int64_t place_in(dev_t device, ino_t inode, int64_t offset) {
  for (int index = 0; index < device_count; index++)
    if (devices[index].device == device && devices[index].inode == inode)
      return devices[index].base + offset;
  return -1;
}

/* Returns the place on the bus that an address stands for, -1 for none. */
static int64_t place_of(uintptr_t address) {
  int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  size_t have = 0;
  for (ssize_t got = 1; file >= 0 && got > 0 && have < MAPS_BYTES - 1; have += (size_t)got)
    if ((got = read(file, maps + have, MAPS_BYTES - 1 - have)) < 0) break;
  close(file);
  maps[have] = 0;
  for (char *line = maps; line && *line; line = strchr(line, '\n'), line += line != NULL) {
    char *next;
    uint64_t begin = strtoull(line, &next, 16), end = strtoull(next + 1, &next, 16);
    if (address < begin || address >= end) continue;
    uint64_t offset = strtoull(strchr(next + 1, ' '), &next, 16);
    unsigned major = strtoul(next, &next, 16), minor = strtoul(next + 1, &next, 16);
    ino_t inode = strtoull(next, &next, 10);
    return place_in(makedev(major, minor), inode, (int64_t)(offset + (address - begin)));
  }
  return -1;
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
  uintptr_t address = (uintptr_t)info->si_addr;
  int64_t place = place_of(address);
  struct move move;
  if (place < 0 || address & 3 || !decode(context, &move)) {
    if (place >= 0) dprintf(2, "access to %#" PRIx64 " is no aligned 32-bit move\n", place);
    sigaction(number, &previous, NULL);
    return; /* it faults again, and the handler before this one reports it */
  }
  if (!move.is_store) {
    if (pread(bus, &move.value, 4, place) != 4) move.value = NOBODY;
  } else if (pwrite(bus, &move.value, 4, place) != 4) {
    /* nobody is there to take it */
  }
  finish(context, &move);
}

/* Names a file whose mappings are the bus from an address on; 0, or -1 with errno. */
int mapped_io_add(const char *path, uint64_t base) {
  struct stat found;
  if (stat(path, &found) < 0) return -1;
  if (device_count == MOST_DEVICES) {
    errno = ENOSPC;
    return -1;
  }
  devices[device_count++] = (struct device){found.st_dev, found.st_ino, (int64_t)base};
  return 0;
}

/* Carries out accesses to mappings of the named files as accesses to the bus; 0, or -1. */
int mapped_io_install(const char *bus_path) {
  if ((bus = open(bus_path, O_RDWR | O_CLOEXEC)) < 0) return -1;
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
  return sigaction(SIGBUS, &action, &previous);
}

/* Brings back what was there before. */
void mapped_io_remove(void) {
  sigaction(SIGBUS, &previous, NULL);
  close(bus);
  bus = -1;
  device_count = 0;
}
