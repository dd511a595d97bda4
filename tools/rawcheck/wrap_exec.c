/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * wrap_exec.c - executing other programs, which may escape the tool
 *
 * A program that is static or privileged, or that gets another environment, does not load
 * this library. So each execution is noted in the shared memory, and the note goes away
 * when the library attaches in the new program. The notes that are left at the end are
 * the programs that were not checked.
 *
 * The exec family keeps the process id, by which the new program finds its note.
 * posix_spawn() says the child's id only when it returns, and the child may have
 * attached by then. So while its parent's note says that it spawns (RC_NOTE_SPAWNING), a
 * child without a note leaves one itself (RC_NOTE_ATTACHED). Each side publishes its
 * note, then looks for the other's; whoever finds both takes both away.
 * system() and popen() tell no process id; their shell stays in the caller's process
 * group, even where its parent is gone.
 */

#include "config.h"

#include <alloca.h>
#include <paths.h>
#include <stdarg.h>
#include <string.h>
#include <sys/auxv.h>

#include "preload.h"

/* A note of ours; key says whether it still is. */
struct rc_noted {
	struct rc_note *note;	/* NULL where there was no room */
	uint64_t key;
};

/* False where the note has been changed by another: it is no more ours. */
static bool rc_change(struct rc_noted *noted, uint64_t to)
{
	uint64_t expected = noted->key;

	/* Sequentially consistent: see rc_look(), and rc_note_of() of the launcher. */
	if (!noted->note || !__atomic_compare_exchange_n(&noted->note->key,
			&expected, to, false, __ATOMIC_SEQ_CST,
			__ATOMIC_RELAXED))
		return false;
	noted->key = to;
	return true;
}

/* The end of a long path says more than its beginning. */
static void rc_write_program(struct rc_note *note, const char *program)
{
	size_t length = program ? strlen(program) : 0;

	if (length >= sizeof(note->program)) {
		program += length - (sizeof(note->program) - 1);
		length = sizeof(note->program) - 1;
	}
	if (length)
		memcpy(note->program, program, length);
	note->program[length] = '\0';
}

/* Async-signal-safe, and for a child of vfork(): nothing but shared memory is written. */
static struct rc_noted rc_note(enum rc_note_state state, pid_t id,
		const char *program)
{
	/* Acquire: pairs with the release in rc_attach(). */
	struct rc_shared *shared = __atomic_load_n(&rc_shared, __ATOMIC_ACQUIRE);
	struct rc_noted noted = { .note = NULL };
	uint32_t serial;
	size_t i;

	if (!shared)
		return noted;
	serial = __atomic_add_fetch(&shared->notes_made, 1, __ATOMIC_RELAXED);
	for (i = 0; i < RC_MAX_NOTES; i++) {
		struct rc_note *note = &shared->notes[i];
		uint64_t none = 0;

		noted.key = rc_note_key(RC_NOTE_WRITING, serial, id);
		/* Acquire: pairs with the change that set it free. */
		if (__atomic_load_n(&note->key, __ATOMIC_RELAXED) ||
		    !__atomic_compare_exchange_n(&note->key, &none, noted.key,
				false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		noted.note = note;
		rc_write_program(note, program);
		/* The order that matters is between this and a look at others'. */
		rc_change(&noted, rc_note_key(state, serial, id));
		return noted;
	}
	__atomic_store_n(&shared->notes_full, 1, __ATOMIC_RELAXED);
	return noted;
}

/* Is there a note of @state about @id? It is taken away where @take says so. */
static bool rc_look(struct rc_shared *shared, enum rc_note_state state,
		pid_t id, bool take)
{
	size_t i;

	for (i = 0; i < RC_MAX_NOTES; i++) {
		/* In one order with the changes by which others publish theirs. */
		struct rc_noted noted = {
			.note = &shared->notes[i],
			.key = __atomic_load_n(&shared->notes[i].key,
					__ATOMIC_SEQ_CST),
		};

		if (rc_key_state(noted.key) != state ||
				rc_key_id(noted.key) != (uint32_t) id)
			continue;
		if (!take || rc_change(&noted, 0))
			return true;
	}
	return false;
}

void rc_note_attached(struct rc_shared *shared)
{
	const char *path = (const char *) getauxval(AT_EXECFN);
	struct rc_noted noted = { .note = NULL };
	pid_t pid = getpid();

	if (rc_look(shared, RC_NOTE_PROGRAM, pid, true))
		return;
	if (path && strcmp(path, _PATH_BSHELL) == 0)
		rc_look(shared, RC_NOTE_SHELL, getpgrp(), true);
	if (rc_look(shared, RC_NOTE_SPAWNING, getppid(), false))
		noted = rc_note(RC_NOTE_ATTACHED, pid, NULL);
	/* The parent may have learned the id meanwhile. */
	if (rc_look(shared, RC_NOTE_PROGRAM, pid, true))
		rc_change(&noted, 0);
}

void rc_note_own_malloc(struct rc_shared *shared)
{
	struct rc_note own;
	size_t i;

	rc_write_program(&own, rc_program);
	/* Once for each program. Where two meet here, the launcher merges them. */
	for (i = 0; i < RC_MAX_NOTES; i++)
		/* Acquire: pairs with the rc_change() after the program's name. */
		if (rc_key_state(__atomic_load_n(&shared->notes[i].key,
				__ATOMIC_ACQUIRE)) == RC_NOTE_OWN_MALLOC &&
		    strcmp(shared->notes[i].program, own.program) == 0)
			return;
	rc_note(RC_NOTE_OWN_MALLOC, 0, rc_program);
}

/* ------------------------------------------------------------------ */
/* The same process goes on in another program                        */

/* Where it returns the program was not executed, and the note is void. */
#define RC_EXEC(program, call)						\
	struct rc_noted noted = rc_note(RC_NOTE_PROGRAM, getpid(), program); \
	int result = call;						\
									\
	rc_change(&noted, 0);						\
	return result;

RC_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	RC_EXEC(path, RC_REAL(execve)(path, argv, envp))
}

RC_EXPORT int execv(const char *path, char *const argv[])
{
	RC_EXEC(path, RC_REAL(execv)(path, argv))
}

RC_EXPORT int execvp(const char *file, char *const argv[])
{
	RC_EXEC(file, RC_REAL(execvp)(file, argv))
}

RC_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	RC_EXEC(file, RC_REAL(execvpe)(file, argv, envp))
}

RC_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	RC_EXEC(argv[0], RC_REAL(fexecve)(fd, argv, envp))
}

RC_EXPORT int execveat(int fd, const char *path, char *const argv[],
		char *const envp[], int flags)
{
	RC_EXEC(path[0] ? path : argv[0],
		RC_REAL(execveat)(fd, path, argv, envp, flags))
}

/* How many arguments follow @first, their NULL not counted. */
static size_t rc_count_arguments(const char *first, va_list args)
{
	size_t nr = 0;

	for (; first; first = va_arg(args, const char *))
		nr++;
	return nr;
}

/* @argv, with room for them all, from the arguments of a call of execl() and its kin. */
static void rc_take_arguments(char **argv, const char *first, va_list *args)
{
	for (; first; first = va_arg(*args, const char *))
		*argv++ = (char *) first;
	*argv = NULL;
}

/* execl() and its kin, on the stack as in the C library: they are async-signal-safe. */
#define RC_EXECL(name, envp, call)					\
RC_EXPORT int name(const char *path, const char *arg, ...)		\
{									\
	char *const *env __attribute__((unused));			\
	char **argv;							\
	va_list args;							\
	size_t nr;							\
									\
	va_start(args, arg);						\
	nr = rc_count_arguments(arg, args);				\
	va_end(args);							\
	argv = alloca((nr + 1) * sizeof(*argv));			\
	va_start(args, arg);						\
	rc_take_arguments(argv, arg, &args);				\
	env = envp;							\
	va_end(args);							\
	return call;							\
}

RC_EXECL(execl, NULL, execv(path, argv))
RC_EXECL(execlp, NULL, execvp(path, argv))
RC_EXECL(execle, va_arg(args, char *const *), execve(path, argv, env))

/* ------------------------------------------------------------------ */
/* A child runs another program                                       */

static struct rc_noted rc_note_spawning(const char *program)
{
	return rc_note(RC_NOTE_SPAWNING, getpid(), program);
}

static void rc_note_spawned(struct rc_noted *noted, int error, pid_t child)
{
	if (!noted->note || error) {
		rc_change(noted, 0);
		return;
	}
	rc_change(noted, rc_note_key(RC_NOTE_PROGRAM,
			rc_key_serial(noted->key), child));
	if (rc_look(rc_shared, RC_NOTE_ATTACHED, child, true))
		rc_change(noted, 0);
}

#define RC_WRAP_SPAWN(name)						\
RC_EXPORT int name(pid_t *pid, const char *program,			\
	const posix_spawn_file_actions_t *actions,			\
	const posix_spawnattr_t *attr,					\
	char *const argv[], char *const envp[])				\
{									\
	RC_GUARD(name, true)						\
	struct rc_noted noted = rc_note_spawning(program);		\
	pid_t child = 0;						\
	int error = RC_REAL(name)(&child, program, actions, attr, argv,	\
			envp);						\
									\
	rc_note_spawned(&noted, error, child);				\
	if (!error && pid)						\
		*pid = child;						\
	return error;							\
}

RC_WRAP_SPAWN(posix_spawn)
RC_WRAP_SPAWN(posix_spawnp)

/*
 * Shells in one process group cannot be told apart, so each that attaches takes any of
 * their notes away, and so does one that was not there.
 */
static void rc_note_no_shell(const struct rc_noted *noted)
{
	if (noted->note)
		rc_look(rc_shared, RC_NOTE_SHELL, getpgrp(), true);
}

RC_EXPORT int system(const char *command)
{
	RC_GUARD(system, true)
	struct rc_noted noted = rc_note(RC_NOTE_SHELL, getpgrp(), _PATH_BSHELL);
	int status = RC_REAL(system)(command);

	if (status == -1)
		rc_note_no_shell(&noted);
	return status;
}

RC_EXPORT FILE *popen(const char *command, const char *mode)
{
	RC_GUARD(popen, true)
	struct rc_noted noted = rc_note(RC_NOTE_SHELL, getpgrp(), _PATH_BSHELL);
	FILE *stream = RC_REAL(popen)(command, mode);

	if (!stream)
		rc_note_no_shell(&noted);
	return stream;
}
