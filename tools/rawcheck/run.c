/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * run.c - starts the program, waits for it, passes signals on
 *
 * The program stays in the launcher's process group, so that job control and the
 * terminal's keys work as without a launcher. A signal from the terminal reaches
 * both and is not passed on; one that was sent with kill() to the launcher
 * is meant for the program.
 */

#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher.h"

static const int rc_passed_on[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH,
};

/* Set by rc_start(), read-only after. */
static sigset_t rc_awaited, rc_old_mask;
static struct sigaction rc_old_sigchld;

/* Puts the library in front of what is preloaded anyway, itself left out. */
static void rc_set_preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD"), *end;
	char *preload = rc_format("%s", library), *longer;

	for (; old && *old; old = *end ? end + 1 : end) {
		size_t length;

		end = strpbrk(old, ": ");
		if (!end)
			end = old + strlen(old);
		length = (size_t) (end - old);
		if (length == 0 || (length == strlen(library) &&
				strncmp(old, library, length) == 0))
			continue;
		longer = rc_format("%s:%.*s", preload, (int) length, old);
		free(preload);
		preload = longer;
	}
	if (setenv("LD_PRELOAD", preload, 1) < 0)
		_exit(RC_EXIT_FAILURE);
	free(preload);
}

static void rc_exec(char **argv, const char *library, const char *shared_path)
{
	int error;

	if (setenv(RC_ENV_SHARED, shared_path, 1) < 0)
		_exit(RC_EXIT_FAILURE);
	rc_set_preload(library);
	sigaction(SIGCHLD, &rc_old_sigchld, NULL);
	sigprocmask(SIG_SETMASK, &rc_old_mask, NULL);
	execvp(argv[0], argv);
	error = errno;
	fprintf(stderr, "urcu-rawcheck: %s: %s\n", argv[0], strerror(error));
	_exit(error == ENOENT ? RC_EXIT_NOT_FOUND : RC_EXIT_CANNOT_RUN);
}

/* All signals that the launcher waits for; the others act as usual. */
static void rc_block_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	size_t i;

	/* An ignored SIGCHLD would take the program's status away. */
	sigaction(SIGCHLD, &action, &rc_old_sigchld);
	sigemptyset(&rc_awaited);
	sigaddset(&rc_awaited, SIGCHLD);
	for (i = 0; i < sizeof(rc_passed_on) / sizeof(rc_passed_on[0]); i++)
		/* Blocked, it comes even where a background shell ignores it. */
		sigaddset(&rc_awaited, rc_passed_on[i]);
	sigprocmask(SIG_BLOCK, &rc_awaited, &rc_old_mask);
}

pid_t rc_start(char **argv, const char *library, const char *shared_path)
{
	pid_t program;

	rc_block_signals();
	if (rc_options.wait_all && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		rc_die(RC_EXIT_FAILURE, "--wait: %s", strerror(errno));
	program = fork();
	if (program < 0)
		rc_die(RC_EXIT_FAILURE, "fork: %s", strerror(errno));
	if (program == 0)
		rc_exec(argv, library, shared_path);
	return program;
}

/* Reaps what has ended. True when there is nothing more to wait for. */
static bool rc_reap(pid_t program, int *status)
{
	for (;;) {
		int child_status;
		pid_t pid = waitpid(rc_options.wait_all ? -1 : program,
				&child_status, WNOHANG);

		if (pid == program)
			*status = child_status;
		if (pid == program && !rc_options.wait_all)
			return true;
		if (pid < 0 && errno == ECHILD)
			return true;
		if (pid == 0)
			return false;
	}
}

int rc_wait(pid_t program)
{
	siginfo_t info;
	int status = 0;

	while (!rc_reap(program, &status)) {
		int sig = sigwaitinfo(&rc_awaited, &info);

		if (sig < 0 || sig == SIGCHLD || info.si_code == SI_KERNEL)
			continue;
		/* Where it is gone already, nobody else wants the signal. */
		(void) kill(program, sig);
	}
	return status;
}
