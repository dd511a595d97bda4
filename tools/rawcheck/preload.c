/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * preload.c - finds the real functions, attaches to the launcher
 *
 * The first wrapper to be called, long before the constructor, is often malloc()
 * on behalf of the dynamic linker. It looks up all real functions at once; a
 * malloc() that the lookup itself makes is served from a small static pool (see
 * wrap_memory.c). Later no lookup is needed, so none happens in raw context.
 */

#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>

#include "preload.h"

struct rc_real rc_real;
bool rc_ready;
struct rc_shared *rc_shared;
char rc_program[512];

static const struct {
	const char *name;
	size_t offset;
} rc_names[] = {
#define X(name) { #name, offsetof(struct rc_real, name) },
	RC_REALS(X)
#undef X
};

static void rc_say(const char *text)
{
	/* Nothing can be done about a stderr that does not take it. */
	(void) !syscall(SYS_write, STDERR_FILENO, text, strlen(text));
}

/* Nobody can have linked such a function. */
void rc_missing(void)
{
	rc_say("urcu-rawcheck: call of a function that the C library lacks\n");
	abort();
}

bool rc_resolve(void)
{
	static __thread bool resolving
		__attribute__((tls_model("initial-exec")));
	size_t i;

	if (rc_ready)
		return true;
	if (resolving)
		return false;
	resolving = true;
	for (i = 0; i < sizeof(rc_names) / sizeof(rc_names[0]); i++) {
		void *real = dlsym(RTLD_NEXT, rc_names[i].name);

		if (!real)
			real = (void *) rc_missing;
		memcpy((char *) &rc_real + rc_names[i].offset, &real,
				sizeof(real));
	}
	/* Pairs with nothing: threads begin after this, created by a wrapper. */
	__atomic_store_n(&rc_ready, true, __ATOMIC_RELEASE);
	resolving = false;
	return true;
}

static const char *rc_sanitizer(void)
{
	static const char *const inits[][2] = {
		{ "__asan_init", "AddressSanitizer" },
		{ "__tsan_init", "ThreadSanitizer" },
		{ "__msan_init", "MemorySanitizer" },
		{ "__hwasan_init", "HWAddressSanitizer" },
		{ "__lsan_init", "LeakSanitizer" },
	};
	size_t i;

	for (i = 0; i < sizeof(inits) / sizeof(inits[0]); i++)
		if (dlsym(RTLD_DEFAULT, inits[i][0]))
			return inits[i][1];
	return NULL;
}

/*
 * Does another object, the program itself, stand before this library with a malloc()?
 * Code at a fixed address may give the name to its stub that calls this one's: that
 * is a symbol with a value, and undefined.
 */
static bool rc_is_malloc_foreign(void)
{
	void *first = dlsym(RTLD_DEFAULT, "malloc");
	const ElfW(Sym) *symbol = NULL;
	Dl_info info, own;

	if (!first || !dladdr((void *) &rc_shared, &own) ||
			!dladdr1(first, &info, (void **) &symbol,
				RTLD_DL_SYMENT))
		return false;
	return info.dli_fbase != own.dli_fbase && symbol &&
		symbol->st_shndx != SHN_UNDEF;
}

static struct rc_shared *rc_map(const char *path)
{
	struct rc_shared *shared;
	int fd;

	fd = (int) syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0) {
		/* Where the launcher is gone, nobody wants to know. */
		if (errno != ENOENT)
			rc_say("urcu-rawcheck: a process cannot reach the "
				"launcher, it is not checked\n");
		return NULL;
	}
	shared = RC_REAL(mmap)(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	if (shared == MAP_FAILED)
		return NULL;
	if (shared->magic != RC_MAGIC) {
		rc_say("urcu-rawcheck: library and launcher do not fit\n");
		RC_REAL(munmap)(shared, sizeof(*shared));
		return NULL;
	}
	return shared;
}

static void rc_attach_once(void)
{
	const char *path = getenv(RC_ENV_SHARED);
	const char *sanitizer;
	struct rc_shared *shared;
	struct rc_stack prime;
	void *frame;
	ssize_t length;

	if (!path)
		return;
	shared = rc_map(path);
	if (!shared)
		return;
	sanitizer = rc_sanitizer();
	if (sanitizer) {
		__atomic_store_n(&shared->refused, 1, __ATOMIC_RELAXED);
		rc_say("urcu-rawcheck: cannot check a program built with ");
		rc_say(sanitizer);
		rc_say("\n");
		_exit(125);
	}
	length = readlink("/proc/self/exe", rc_program, sizeof(rc_program) - 1);
	rc_program[length > 0 ? length : 0] = '\0';
	/*
	 * The unwinder prepares itself at its first call, as does the C library
	 * where it uses it: pthread_exit() would load it in raw context.
	 */
	backtrace(&frame, 1);
	rc_backtrace(&prime, 2, NULL);
	__atomic_add_fetch(&shared->attached, 1, __ATOMIC_RELAXED);
	/* Release: pairs with the acquire in rc_report(), which reads it all. */
	__atomic_store_n(&rc_shared, shared, __ATOMIC_RELEASE);
	rc_note_attached(shared);
	if (rc_is_malloc_foreign())
		rc_note_own_malloc(shared);
}

void rc_attach(void)
{
	static bool begun;
	int saved_errno = errno;

	if (__atomic_load_n(&begun, __ATOMIC_RELAXED))
		return;
	/* Too early: the C library has not been initialized. */
	if (!environ)
		return;
	if (__atomic_exchange_n(&begun, true, __ATOMIC_RELAXED))
		return;
	rc_need_reals();
	rc_self.busy++;
	rc_attach_once();
	rc_self.busy--;
	errno = saved_errno;
}

static __attribute__((constructor(101))) void rc_start(void)
{
	rc_attach();
}
