// Calls of the C library that fail when told to, for LD_PRELOAD; see faults.py.
//
// A fault hits one call: the n-th of its kind on a file whose path contains a text. Writes can be
// short, and the clock can jump.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static char at_kind[32];    // kind of call that fails; "": none
static char at_path[4096];  // text in its path
static int at_number;       // errno; 0: a short write or read
static int at_call;         // calls left until it fails
static int at_times;        // calls in a row that fail
static int seen;            // calls of the kind on such a path
static int failed;          // calls that failed
static long jump;           // seconds by which the clock is wrong
static int jump_after;      // reads of the clock until it jumps

void fault_set(const char* kind, const char* path, int number, int call, int times) {
  snprintf(at_kind, sizeof at_kind, "%s", kind);
  snprintf(at_path, sizeof at_path, "%s", path);
  at_number = number;
  at_call = call;
  at_times = times;
  seen = failed = 0;
}

int fault_seen(void) { return seen; }
int fault_failed(void) { return failed; }

void fault_clock(long seconds, int after) {
  jump = seconds;
  jump_after = after;
}

// Returns whether this call fails, and sets errno.
static int hits(const char* kind, const char* path) {
  if (!at_kind[0] || strcmp(kind, at_kind) || !strstr(path, at_path)) return 0;
  const int call = seen++;
  if (call < at_call || call >= at_call + at_times) return 0;
  failed++;
  errno = at_number;
  return 1;
}

static int hits_at(const char* kind, int folder, const char* path) {
  char whole[8192], name[32], base[4096];
  if (path[0] == '/') return hits(kind, path);
  snprintf(name, sizeof name, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
  const ssize_t length = readlink(name, base, sizeof base - 1);
  base[length < 0 ? 0 : length] = 0;
  snprintf(whole, sizeof whole, "%s/%s", base, path);
  return hits(kind, whole);
}

static int hits_open(const char* kind, int descriptor) {
  char name[32], path[4096];
  if (!at_kind[0] || strcmp(kind, at_kind)) return 0;
  snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(name, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  return hits(kind, path);
}

#define REAL(name)               \
  static __typeof__(name)* real; \
  if (!real) real = (__typeof__(name)*)dlsym(RTLD_NEXT, #name)

#define MODE(flags)                      \
  mode_t mode = 0;                       \
  if ((flags) & (O_CREAT | O_TMPFILE)) { \
    va_list rest;                        \
    va_start(rest, flags);               \
    mode = va_arg(rest, mode_t);         \
    va_end(rest);                        \
  }

#define OPEN(name)                                                         \
  int name(const char* path, int flags, ...) {                             \
    REAL(name);                                                            \
    MODE(flags);                                                           \
    return hits_at("open", AT_FDCWD, path) ? -1 : real(path, flags, mode); \
  }
#define OPENAT(name)                                                             \
  int name(int folder, const char* path, int flags, ...) {                       \
    REAL(name);                                                                  \
    MODE(flags);                                                                 \
    return hits_at("open", folder, path) ? -1 : real(folder, path, flags, mode); \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

// A short call does half of what it was asked for, at least one byte.
#define TRANSFER(kind, type, name, offset_type)                                    \
  ssize_t name(int descriptor, type buffer, size_t count, offset_type offset) {    \
    REAL(name);                                                                    \
    const int hit = hits_open(kind, descriptor);                                   \
    if (hit && at_number) return -1;                                               \
    return real(descriptor, buffer, hit && count > 1 ? count / 2 : count, offset); \
  }
TRANSFER("write", const void*, pwrite, off_t)
TRANSFER("write", const void*, pwrite64, off64_t)
TRANSFER("read", void*, pread, off_t)
TRANSFER("read", void*, pread64, off64_t)

ssize_t write(int descriptor, const void* buffer, size_t count) {
  REAL(write);
  const int hit = hits_open("write", descriptor);
  if (hit && at_number) return -1;
  return real(descriptor, buffer, hit && count > 1 ? count / 2 : count);
}

ssize_t read(int descriptor, void* buffer, size_t count) {
  REAL(read);
  const int hit = hits_open("read", descriptor);
  if (hit && at_number) return -1;
  return real(descriptor, buffer, hit && count > 1 ? count / 2 : count);
}

#define ON_FILE(kind, name)                                     \
  int name(int descriptor) {                                    \
    REAL(name);                                                 \
    return hits_open(kind, descriptor) ? -1 : real(descriptor); \
  }
ON_FILE("sync", fsync)
ON_FILE("sync", fdatasync)

// Only of a file that is written: closing reports what writing back failed. The descriptor is
// closed all the same, as Linux does.
int close(int descriptor) {
  REAL(close);
  const int writes = (fcntl(descriptor, F_GETFL) & O_ACCMODE) != O_RDONLY;
  const int hit = writes && hits_open("close", descriptor), number = errno;
  const int result = real(descriptor);
  if (!hit) return result;
  errno = number;
  return -1;
}

int flock(int descriptor, int operation) {
  static int (*real)(int, int);
  if (!real) real = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
  return hits_open("lock", descriptor) ? -1 : real(descriptor, operation);
}

int ftruncate64(int descriptor, off64_t length) {
  REAL(ftruncate64);
  return hits_open("truncate", descriptor) ? -1 : real(descriptor, length);
}

int ftruncate(int descriptor, off_t length) {
  REAL(ftruncate);
  return hits_open("truncate", descriptor) ? -1 : real(descriptor, length);
}

int rename(const char* from, const char* to) {
  REAL(rename);
  return hits_at("rename", AT_FDCWD, from) ? -1 : real(from, to);
}

int unlink(const char* path) {
  REAL(unlink);
  return hits_at("unlink", AT_FDCWD, path) ? -1 : real(path);
}

int mkdir(const char* path, mode_t mode) {
  REAL(mkdir);
  return hits_at("mkdir", AT_FDCWD, path) ? -1 : real(path, mode);
}

// Seconds that are to be added now.
static long wrong_by(void) {
  if (!jump) return 0;
  if (jump_after > 0) {
    jump_after--;
    return 0;
  }
  return jump;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  REAL(clock_gettime);
  const int result = real(clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec += wrong_by();
  return result;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  REAL(gettimeofday);
  const int result = real(now, zone);
  now->tv_sec += wrong_by();
  return result;
}

time_t time(time_t* out) {
  REAL(time);
  const time_t now = real(NULL) + wrong_by();
  if (out) *out = now;
  return now;
}
