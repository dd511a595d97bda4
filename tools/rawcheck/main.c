/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * main.c - urcu-rawcheck: finds calls that may sleep, made where they must not
 *
 * See urcu-rawcheck(1). Makes the memory that processes write their findings to
 * (shared.h), starts the program with the library preloaded, and ends with the
 * program's exit code, or 99.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher.h"

struct rc_options rc_options = {
	.sources = true,
	.max_reports = 100,
};

static const char rc_usage[] =
	"Usage: urcu-rawcheck [OPTION]... PROGRAM [ARGUMENT]...\n"
	"Run PROGRAM and report calls that allocate, block or take a sleeping lock\n"
	"while their thread holds a spinlock, runs a signal handler, or lies\n"
	"between urcu_rawcheck_enter() and urcu_rawcheck_leave().\n"
	"\n"
	"  -a, --abort              abort the program at the first finding\n"
	"  -j, --json               write JSON lines\n"
	"  -l, --log=FILE           write to FILE, not to standard error\n"
	"  -m, --max-reports=N      print N findings, only count the others (100)\n"
	"  -s, --suppress=PATTERN   ignore findings with PATTERN (shell pattern) as\n"
	"                           the call, or a function or object on a stack\n"
	"  -S, --suppressions=FILE  the same for each line of FILE\n"
	"  -t, --trace-frames=N     keep N frames, 1 to 12, each time a lock is taken\n"
	"  -w, --wait               wait for all descendants, daemons too\n"
	"      --no-sources         do not look up source lines\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n"
	"\n"
	"Exit status: PROGRAM's, or 99 when that is 0 and there were findings;\n"
	"125 when urcu-rawcheck fails, 126 or 127 when PROGRAM cannot be run.\n";

void rc_die(int code, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "urcu-rawcheck: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(code);
}

void *rc_alloc(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		rc_die(RC_EXIT_FAILURE, "out of memory");
	return memory;
}

char *rc_format(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		rc_die(RC_EXIT_FAILURE, "out of memory");
	va_end(args);
	return text;
}

/* ------------------------------------------------------------------ */
/* Options                                                            */

static unsigned long rc_number(const char *option, const char *text,
		unsigned long min, unsigned long max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value < min ||
			value > max) {
		if (max == ULONG_MAX)
			rc_die(RC_EXIT_FAILURE, "--%s=%s: want a number", option, text);
		rc_die(RC_EXIT_FAILURE, "--%s=%s: want a number from %lu to %lu",
				option, text, min, max);
	}
	return value;
}

static void rc_add_suppression(const char *pattern)
{
	size_t nr = rc_options.nr_suppress;
	char **longer;

	longer = realloc(rc_options.suppress, (nr + 1) * sizeof(*longer));
	if (!longer)
		rc_die(RC_EXIT_FAILURE, "out of memory");
	longer[nr] = rc_format("%s", pattern);
	rc_options.suppress = longer;
	rc_options.nr_suppress = nr + 1;
}

/* One pattern per line; blanks around it and lines that begin with # do not count. */
static void rc_read_suppressions(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (!file)
		rc_die(RC_EXIT_FAILURE, "%s: %s", path, strerror(errno));
	while (getline(&line, &room, file) >= 0) {
		char *start = line + strspn(line, " \t");
		size_t length = strlen(start);

		while (length > 0 && strchr(" \t\r\n", start[length - 1]))
			length--;
		start[length] = '\0';
		if (length > 0 && start[0] != '#')
			rc_add_suppression(start);
	}
	if (ferror(file))
		rc_die(RC_EXIT_FAILURE, "%s: %s", path, strerror(errno));
	free(line);
	fclose(file);
}

static void rc_open_log(const char *path)
{
	if (rc_options.log)
		fclose(rc_options.log);
	rc_options.log = fopen(path, "we");
	if (!rc_options.log)
		rc_die(RC_EXIT_FAILURE, "%s: %s", path, strerror(errno));
}

static void rc_set_option(int option, const char *value)
{
	switch (option) {
	case 'a':
		rc_options.abort = true;
		break;
	case 'j':
		rc_options.json = true;
		break;
	case 'l':
		rc_open_log(value);
		break;
	case 'm':
		rc_options.max_reports = rc_number("max-reports", value, 0,
				ULONG_MAX);
		break;
	case 's':
		rc_add_suppression(value);
		break;
	case 'S':
		rc_read_suppressions(value);
		break;
	case 't':
		rc_options.trace_frames = (unsigned int) rc_number("trace-frames",
				value, 1, RC_MAX_TRACE);
		break;
	case 'w':
		rc_options.wait_all = true;
		break;
	case 'n':
		rc_options.sources = false;
		break;
	case 'h':
		fputs(rc_usage, stdout);
		exit(fflush(stdout) == 0 ? 0 : RC_EXIT_FAILURE);
	case 'V':
		puts("urcu-rawcheck (liburcu-kvfree) " PACKAGE_VERSION);
		exit(fflush(stdout) == 0 ? 0 : RC_EXIT_FAILURE);
	default:
		fputs("Try 'urcu-rawcheck --help'.\n", stderr);
		exit(RC_EXIT_FAILURE);
	}
}

static char **rc_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "abort", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "log", required_argument, NULL, 'l' },
		{ "max-reports", required_argument, NULL, 'm' },
		{ "suppress", required_argument, NULL, 's' },
		{ "suppressions", required_argument, NULL, 'S' },
		{ "trace-frames", required_argument, NULL, 't' },
		{ "wait", no_argument, NULL, 'w' },
		{ "no-sources", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+ajl:m:s:S:t:whV", options,
			NULL)) >= 0)
		rc_set_option(option, optarg);
	if (optind == argc) {
		fputs("urcu-rawcheck: which program?\n", stderr);
		rc_set_option('?', NULL);
	}
	if (!rc_options.log)
		rc_options.log = stderr;
	return argv + optind;
}

/* ------------------------------------------------------------------ */
/* Setting up                                                         */

/*
 * A standard descriptor that is closed would be given to the next file opened, the
 * shared memory say, and messages would be written there. The program still finds
 * it closed. Standard input and output fail, as they would have.
 */
static void rc_fill_descriptors(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_WRONLY };
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
				open("/dev/null", modes[fd] | O_CLOEXEC) != fd)
			exit(RC_EXIT_FAILURE);
}

/* The launcher and its processes find files and each other by it. */
static void rc_need_proc(void)
{
	if (access("/proc/self/fd", X_OK) < 0)
		rc_die(RC_EXIT_FAILURE, "/proc is not there, without which no "
				"program can be checked");
}

/* From the environment, beside the launcher (in a build tree), or installed. */
static char *rc_find_library(void)
{
	const char *given = getenv(RC_ENV_LIBRARY);
	char self[PATH_MAX], *library;
	ssize_t length;

	length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[length > 0 ? length : 0] = '\0';
	if (given && given[0])
		library = rc_format("%s", given);
	else
		library = rc_format("%s/.libs/urcu-rawcheck.so", dirname(self));
	if (!(given && given[0]) && access(library, R_OK) < 0) {
		free(library);
		library = rc_format("%s/urcu-rawcheck.so", PKGLIBDIR);
	}
	if (access(library, R_OK) < 0)
		rc_die(RC_EXIT_FAILURE, "%s: %s", library, strerror(errno));
	if (strpbrk(library, ": "))
		rc_die(RC_EXIT_FAILURE, "%s: a path in LD_PRELOAD cannot have a "
				"blank or a colon", library);
	return library;
}

/*
 * The file has no name and goes with the launcher. Processes reach it by way of /proc,
 * so that the program's table of descriptors stays as it is.
 */
static struct rc_shared *rc_make_shared(char **path)
{
	struct rc_shared *shared;
	int fd;

	fd = memfd_create("urcu-rawcheck", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, sizeof(*shared)) < 0)
		rc_die(RC_EXIT_FAILURE, "shared memory: %s", strerror(errno));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			fd, 0);
	if (shared == MAP_FAILED)
		rc_die(RC_EXIT_FAILURE, "shared memory: %s", strerror(errno));
	shared->magic = RC_MAGIC;
	shared->launcher = (int32_t) getpid();
	shared->abort = rc_options.abort;
	shared->trace_frames = rc_options.trace_frames;
	*path = rc_format("/proc/%d/fd/%d", (int) getpid(), fd);
	return shared;
}

static void rc_check_program(const char *name)
{
	char *path = rc_find_program(name);
	const char *refusal;

	if (!path)
		rc_die(errno == ENOENT ? RC_EXIT_NOT_FOUND : RC_EXIT_CANNOT_RUN,
				"%s: %s", name, strerror(errno));
	refusal = rc_refusal(path);
	if (refusal)
		rc_die(RC_EXIT_FAILURE, "%s cannot be checked: %s", path, refusal);
	free(path);
}

/* Ends as the program ended, so that a caller sees no difference. */
static int rc_exit_code(int status)
{
	static const struct rlimit no_core = { 0, 0 };
	sigset_t set;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (!WIFSIGNALED(status))
		return RC_EXIT_FAILURE;
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(status), SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, WTERMSIG(status));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	char **program, *library, *path;
	struct rc_shared *shared;
	uint64_t findings;
	pid_t pid;
	int status;

	rc_fill_descriptors();
	program = rc_parse(argc, argv);
	rc_need_proc();
	library = rc_find_library();
	rc_check_program(program[0]);
	shared = rc_make_shared(&path);
	pid = rc_start(program, library, path);
	rc_reporter_start(shared);
	status = rc_wait(pid);
	findings = rc_reporter_stop();
	free(path);
	if (__atomic_load_n(&shared->refused, __ATOMIC_RELAXED))
		rc_die(RC_EXIT_FAILURE, "a process with a sanitizer was refused");
	if (__atomic_load_n(&shared->attached, __ATOMIC_RELAXED) == 0 &&
			!(WIFEXITED(status) &&
			  WEXITSTATUS(status) >= RC_EXIT_CANNOT_RUN))
		rc_die(RC_EXIT_FAILURE, "%s did not load %s: nothing was checked",
				program[0], library);
	free(library);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && findings)
		return RC_EXIT_FINDINGS;
	return rc_exit_code(status);
}
