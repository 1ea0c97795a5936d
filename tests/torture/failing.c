/* What writes below a folder fails from the n-th call on, as on a full disk; and locks fail. Preloaded; at rest
 * until the environment says FAILING_BELOW (a folder), FAILING_FROM (n), FAILING_ERRNO; or FAILING_LOCKS (an errno). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

static long calls = 0;

static int fails_at(const char *path) {
    const char *below = getenv("FAILING_BELOW");
    if (below == NULL || path == NULL || strncmp(path, below, strlen(below)) != 0)
        return 0;
    if (++calls < atol(getenv("FAILING_FROM")))
        return 0;
    errno = atoi(getenv("FAILING_ERRNO"));
    return 1;
}

static int fails_on(int file) {
    char link[64], path[4096];
    if (getenv("FAILING_BELOW") == NULL)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return fails_at(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_FILE(type, name, parameters, ...) \
    type name parameters { return fails_on(file) ? -1 : REAL(name)(file, __VA_ARGS__); }

ON_FILE(ssize_t, write, (int file, const void *from, size_t size), from, size)
ON_FILE(ssize_t, pwrite, (int file, const void *from, size_t size, off_t at), from, size, at)
ON_FILE(ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), from, size, at)
ON_FILE(ssize_t, writev, (int file, const struct iovec *from, int count), from, count)
ON_FILE(int, ftruncate, (int file, off_t size), size)
ON_FILE(int, ftruncate64, (int file, off64_t size), size)
ON_FILE(ssize_t, sendfile, (int file, int from, off_t *at, size_t size), from, at, size)
ON_FILE(ssize_t, sendfile64, (int file, int from, off64_t *at, size_t size), from, at, size)

int fsync(int file) { return fails_on(file) ? -1 : REAL(fsync)(file); }
int mkdir(const char *path, mode_t mode) { return fails_at(path) ? -1 : REAL(mkdir)(path, mode); }
int rename(const char *old, const char *new) { return fails_at(new) ? -1 : REAL(rename)(old, new); }

#define OPENING(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = va_arg(more, mode_t); \
        va_end(more); \
        return (flags & O_CREAT) && fails_at(path) ? -1 : REAL(name)(path, flags, mode); \
    }
OPENING(open)
OPENING(open64)

int flock(int file, int operation) {
    const char *number = getenv("FAILING_LOCKS");
    if (number != NULL) {
        errno = atoi(number);
        return -1;
    }
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    return real(file, operation);
}
