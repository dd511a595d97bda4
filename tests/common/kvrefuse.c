/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvrefuse.c - system calls that the kernel refuses
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvrefuse.h"

#define MAX_NUMBERS	8

/* The filter does not look at the architecture: it protects nothing. */
bool kvrefuse(const int *numbers)
{
	struct sock_filter code[2 * MAX_NUMBERS + 2];
	struct sock_fprog program = { .len = 0, .filter = code };

	code[program.len++] = (struct sock_filter) BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (; *numbers >= 0 && program.len < 2 * MAX_NUMBERS; numbers++) {
		code[program.len++] = (struct sock_filter) BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (unsigned int) *numbers, 0, 1);
		code[program.len++] = (struct sock_filter) BPF_STMT(
			BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	}
	code[program.len++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K,
		SECCOMP_RET_ALLOW);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
