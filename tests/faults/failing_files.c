/* Preloaded into a process, it counts the operations that change files below one folder, and makes one of them fail,
   or all from one on (a disk that is full), or kills the process there. Whoever does them, Python, SQLite, FAISS or
   tantivy, goes through these functions. Switched by faults_arm(); off until then. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ONCE = 0, FROM = 1, KILL = 2 };

static char folder[4096];
static size_t folder_length;
static long counted, target;
static int mode, failure, armed;
static char last[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Operation number `at` fails with `error`; 0 only counts. */
void faults_arm(const char *below, long at, int how, int error) {
    strncpy(folder, below, sizeof folder - 1);
    folder_length = strlen(folder);
    counted = 0; target = at; mode = how; failure = error; armed = 1;
}

long faults_disarm(void) { armed = 0; return counted; }
const char *faults_last(void) { return last; }

static int fails(const char *operation) {
    int result = 0;
    pthread_mutex_lock(&lock);
    counted++;
    if (target && (counted == target || (mode == FROM && counted > target))) {
        if (counted == target) strncpy(last, operation, sizeof last - 1);
        if (mode == KILL) { kill(getpid(), SIGKILL); pause(); }
        result = 1;
    }
    pthread_mutex_unlock(&lock);
    if (result) errno = failure;
    return result;
}

static int is_below(const char *path) {
    return path && !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static int on_path(const char *operation, const char *path) { return armed && is_below(path) && fails(operation); }

static int on_file(const char *operation, int fd) {
    char link[64], path[4096];
    if (!armed) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path) && fails(operation);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size) { REAL(write); return on_file("write", fd) ? -1 : real(fd, data, size); }
ssize_t writev(int fd, const struct iovec *parts, int count) { REAL(writev); return on_file("writev", fd) ? -1 : real(fd, parts, count); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { REAL(pwrite); return on_file("pwrite", fd) ? -1 : real(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { REAL(pwrite64); return on_file("pwrite", fd) ? -1 : real(fd, data, size, at); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) { REAL(copy_file_range); return on_file("copy_file_range", out) ? -1 : real(in, from, out, to, size, flags); }
ssize_t sendfile64(int out, int in, off64_t *at, size_t size) {
    static ssize_t (*real)(int, int, off64_t *, size_t);
    if (!real) real = (ssize_t (*)(int, int, off64_t *, size_t))dlsym(RTLD_NEXT, "sendfile64");
    return on_file("sendfile", out) ? -1 : real(out, in, at, size);
}
ssize_t sendfile(int out, int in, off_t *at, size_t size) {
    static ssize_t (*real)(int, int, off_t *, size_t);
    if (!real) real = (ssize_t (*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile");
    return on_file("sendfile", out) ? -1 : real(out, in, at, size);
}
size_t fwrite(const void *data, size_t size, size_t count, FILE *file) { REAL(fwrite); return on_file("fwrite", fileno(file)) ? 0 : real(data, size, count, file); }
int fsync(int fd) { REAL(fsync); return on_file("fsync", fd) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return on_file("fdatasync", fd) ? -1 : real(fd); }
int ftruncate(int fd, off_t size) { REAL(ftruncate); return on_file("ftruncate", fd) ? -1 : real(fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); return on_file("ftruncate", fd) ? -1 : real(fd, size); }
int posix_fallocate64(int fd, off64_t at, off64_t size) { REAL(posix_fallocate64); return on_file("fallocate", fd) ? failure : real(fd, at, size); }
int rename(const char *from, const char *to) { REAL(rename); return on_path("rename", to) ? -1 : real(from, to); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); return on_path("rename", to) ? -1 : real(a, from, b, to); }
int link(const char *from, const char *to) { REAL(link); return on_path("link", to) ? -1 : real(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) { REAL(linkat); return on_path("link", to) ? -1 : real(a, from, b, to, flags); }
int mkdir(const char *path, mode_t bits) { REAL(mkdir); return on_path("mkdir", path) ? -1 : real(path, bits); }
int mkdirat(int at, const char *path, mode_t bits) { REAL(mkdirat); return on_path("mkdir", path) ? -1 : real(at, path, bits); }

#define BITS(flags) mode_t bits = 0; if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); bits = va_arg(more, mode_t); va_end(more); }
#define CREATES(flags, path) (((flags) & O_CREAT) && access(path, F_OK) && on_path("create", path))
int open(const char *path, int flags, ...) { REAL(open); BITS(flags); return CREATES(flags, path) ? -1 : real(path, flags, bits); }
int open64(const char *path, int flags, ...) { REAL(open64); BITS(flags); return CREATES(flags, path) ? -1 : real(path, flags, bits); }
int openat(int at, const char *path, int flags, ...) { REAL(openat); BITS(flags); return CREATES(flags, path) ? -1 : real(at, path, flags, bits); }
int openat64(int at, const char *path, int flags, ...) { REAL(openat64); BITS(flags); return CREATES(flags, path) ? -1 : real(at, path, flags, bits); }
