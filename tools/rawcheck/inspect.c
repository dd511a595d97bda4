/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * inspect.c - refuses programs that cannot be checked
 *
 * The dynamic linker ignores LD_PRELOAD for some programs, and a sanitizer's
 * own interceptors do not bear another library in front of them. Better a clear
 * word before the program runs than a silent pass, or a crash, after.
 */

#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image.h"
#include "launcher.h"

struct rc_sanitizer {
	const char *library;	/* how the name of its library begins */
	const char *symbol;	/* what it exports where it is linked in */
	const char *name;
};

static const struct rc_sanitizer rc_sanitizers[] = {
	{ "libasan.so", "__asan_init", "AddressSanitizer" },
	{ "libtsan.so", "__tsan_init", "ThreadSanitizer" },
	{ "libhwasan.so", "__hwasan_init", "HWAddressSanitizer" },
	{ "liblsan.so", "__lsan_init", "LeakSanitizer" },
	{ "libclang_rt.asan", "__asan_init", "AddressSanitizer" },
	{ "libclang_rt.tsan", "__tsan_init", "ThreadSanitizer" },
	{ "libclang_rt.msan", "__msan_init", "MemorySanitizer" },
};

#define RC_NR_SANITIZERS	(sizeof(rc_sanitizers) / sizeof(rc_sanitizers[0]))

static bool rc_is_program(const char *path)
{
	struct stat status;

	return access(path, X_OK) == 0 && stat(path, &status) == 0 &&
		S_ISREG(status.st_mode);
}

char *rc_find_program(const char *name)
{
	const char *path = getenv("PATH"), *end;
	int error = ENOENT;

	if (strchr(name, '/'))
		return access(name, F_OK) == 0 ? rc_format("%s", name) : NULL;
	for (path = path ? path : "/bin:/usr/bin"; ; path = end + 1) {
		char *candidate;

		end = strchrnul(path, ':');
		/* An empty part means the current directory. */
		candidate = rc_format("%.*s%s%s", (int) (end - path), path,
				end > path ? "/" : "./", name);
		if (rc_is_program(candidate))
			return candidate;
		if (access(candidate, F_OK) == 0)
			error = EACCES;
		free(candidate);
		if (!*end)
			break;
	}
	errno = error;
	return NULL;
}

static const char *rc_needed_sanitizer(const struct rc_image *image)
{
	const ElfW(Shdr) *dynamic = rc_image_section(image, SHT_DYNAMIC);
	const ElfW(Dyn) *entries;
	size_t i, j;

	if (!dynamic)
		return NULL;
	entries = rc_image_at(image, dynamic->sh_offset, dynamic->sh_size);
	for (i = 0; entries && i < dynamic->sh_size / sizeof(*entries); i++) {
		const char *name;

		if (entries[i].d_tag != DT_NEEDED)
			continue;
		name = rc_image_string(image, dynamic, entries[i].d_un.d_val);
		for (j = 0; j < RC_NR_SANITIZERS; j++)
			if (strncmp(name, rc_sanitizers[j].library,
					strlen(rc_sanitizers[j].library)) == 0)
				return rc_sanitizers[j].name;
	}
	return NULL;
}

/* Clang links its sanitizers into the program, and exports their entry points. */
static const char *rc_linked_sanitizer(const struct rc_image *image)
{
	const ElfW(Shdr) *table = rc_image_section(image, SHT_DYNSYM);
	const ElfW(Sym) *symbols;
	size_t i, j;

	if (!table)
		return NULL;
	symbols = rc_image_at(image, table->sh_offset, table->sh_size);
	for (i = 0; symbols && i < table->sh_size / sizeof(*symbols); i++) {
		const char *name = rc_image_string(image, table,
				symbols[i].st_name);

		for (j = 0; j < RC_NR_SANITIZERS; j++)
			if (symbols[i].st_shndx != SHN_UNDEF &&
			    strcmp(name, rc_sanitizers[j].symbol) == 0)
				return rc_sanitizers[j].name;
	}
	return NULL;
}

static bool rc_is_dynamic(const struct rc_image *image)
{
	size_t nr, i;
	const ElfW(Phdr) *segments = rc_image_segments(image, &nr);

	for (i = 0; segments && i < nr; i++)
		if (segments[i].p_type == PT_INTERP)
			return true;
	return false;
}

/* The kernel leaves the mode and the capabilities of the file alone. */
static bool rc_is_nosuid(const char *path)
{
	struct statvfs system;

	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
		(statvfs(path, &system) == 0 && (system.f_flag & ST_NOSUID));
}

/*
 * Would the kernel set AT_SECURE for the program at @path? It does where real and
 * effective identity are to differ, or others than root gain capabilities.
 */
static const char *rc_privilege(const char *path)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct stat status;
	bool nosuid = rc_is_nosuid(path);

	if (stat(path, &status) < 0)
		return NULL;
	if (!nosuid && (status.st_mode & S_ISUID))
		uid = status.st_uid;
	/* Without the right to execute the bit is about locks. */
	if (!nosuid && (status.st_mode & S_ISGID) && (status.st_mode & S_IXGRP))
		gid = status.st_gid;
	if (uid != getuid())
		return "it is set-user-ID, nothing can be preloaded";
	if (gid != getgid())
		return "it is set-group-ID, nothing can be preloaded";
	if (!nosuid && getuid() != 0 &&
			getxattr(path, "security.capability", NULL, 0) > 0)
		return "it has file capabilities, nothing can be preloaded";
	return NULL;
}

const char *rc_refusal(const char *path)
{
	const char *sanitizer, *privilege;
	struct rc_image image;

	/*
	 * A script, say: its interpreter will tell whether it could be checked. What
	 * cannot be read is none.
	 */
	if (!rc_image_open(&image, path))
		return access(path, R_OK) == 0 ? NULL : rc_privilege(path);
	privilege = rc_privilege(path);
	if (privilege)
		return privilege;
	if (!rc_is_dynamic(&image))
		return "it is statically linked, nothing can be preloaded";
	sanitizer = rc_needed_sanitizer(&image);
	if (!sanitizer)
		sanitizer = rc_linked_sanitizer(&image);
	rc_image_close(&image);
	if (sanitizer)
		return rc_format("it is built with %s, which must be the "
				"first library to be loaded; build it without",
				sanitizer);
	return NULL;
}
