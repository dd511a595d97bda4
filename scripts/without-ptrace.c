/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * without-ptrace.c - run a program that may not trace, as in many containers
 *
 * For scripts/anywhere. The filter is made as root, so that set-user-ID programs stay
 * what they are.
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD_NUMBER	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
				offsetof(struct seccomp_data, nr))
/* Unless the number is @nr, skip what refuses the call. */
#define IF_CALL(nr)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1)
#define REFUSE		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		LOAD_NUMBER,
		IF_CALL(SYS_ptrace), REFUSE,
		IF_CALL(SYS_process_vm_readv), REFUSE,
		IF_CALL(SYS_perf_event_open), REFUSE,
		ALLOW,
	};
	const struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]), .filter = code,
	};

	if (argc < 2)
		return 2;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) {
		perror("without-ptrace: seccomp");
		return 125;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
