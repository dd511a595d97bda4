/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * wrap_stdio.c - streams and the system log
 *
 * They take a lock, allocate a buffer on first use and end in a blocking write():
 * printf() in a signal handler is the classic of its kind. Not reported:
 * snprintf() and its kin, which work in the caller's memory (and are caught at
 * malloc() in the rare cases where they need more), and the _unlocked calls.
 */

#include "config.h"

#include <stdarg.h>

#include "preload.h"

RC_WRAP(int, vprintf, (const char *format, va_list args), (format, args), true)
RC_WRAP(int, vfprintf, (FILE *stream, const char *format, va_list args),
	(stream, format, args), true)
RC_WRAP(int, vdprintf, (int fd, const char *format, va_list args),
	(fd, format, args), rc_fd_blocks(fd))
RC_WRAP(int, puts, (const char *text), (text), true)
RC_WRAP(int, fputs, (const char *text, FILE *stream), (text, stream), true)
RC_WRAP(int, fputc, (int c, FILE *stream), (c, stream), true)
RC_WRAP(int, putc, (int c, FILE *stream), (c, stream), true)
RC_WRAP(int, putchar, (int c), (c), true)
RC_WRAP(size_t, fwrite,
	(const void *from, size_t size, size_t nr, FILE *stream),
	(from, size, nr, stream), true)
RC_WRAP(int, fflush, (FILE *stream), (stream), true)
RC_WRAP(size_t, fread, (void *to, size_t size, size_t nr, FILE *stream),
	(to, size, nr, stream), true)
RC_WRAP(char *, fgets, (char *to, int size, FILE *stream),
	(to, size, stream), true)
RC_WRAP(int, fgetc, (FILE *stream), (stream), true)
RC_WRAP(int, getc, (FILE *stream), (stream), true)
RC_WRAP(int, getchar, (void), (), true)
RC_WRAP(ssize_t, getline, (char **line, size_t *size, FILE *stream),
	(line, size, stream), true)
RC_WRAP(ssize_t, getdelim,
	(char **line, size_t *size, int end, FILE *stream),
	(line, size, end, stream), true)
RC_WRAP_AS(getdelim, ssize_t, __getdelim,
	(char **line, size_t *size, int end, FILE *stream),
	(line, size, end, stream), true)
RC_WRAP(FILE *, fopen, (const char *path, const char *mode),
	(path, mode), true)
RC_WRAP_AS(fopen, FILE *, fopen64, (const char *path, const char *mode),
	(path, mode), true)
RC_WRAP(int, fclose, (FILE *stream), (stream), true)

RC_EXPORT void perror(const char *text)
{
	RC_GUARD(perror, true)
	RC_REAL(perror)(text);
}

RC_EXPORT void vsyslog(int priority, const char *format, va_list args)
{
	RC_GUARD(vsyslog, true)
	RC_REAL(vsyslog)(priority, format, args);
}

/* What _FORTIFY_SOURCE makes of the above. */
RC_WRAP_AS(vfprintf, int, __vfprintf_chk,
	(FILE *stream, int flag, const char *format, va_list args),
	(stream, flag, format, args), true)
RC_WRAP_AS(vdprintf, int, __vdprintf_chk,
	(int fd, int flag, const char *format, va_list args),
	(fd, flag, format, args), rc_fd_blocks(fd))
RC_WRAP_AS(fread, size_t, __fread_chk,
	(void *to, size_t room, size_t size, size_t nr, FILE *stream),
	(to, room, size, nr, stream), true)
RC_WRAP_AS(fgets, char *, __fgets_chk,
	(char *to, size_t room, int size, FILE *stream),
	(to, room, size, stream), true)

RC_EXPORT int __vprintf_chk(int flag, const char *format, va_list args)
{
	RC_GUARD(vprintf, true)
	return RC_REAL(__vfprintf_chk)(stdout, flag, format, args);
}

RC_EXPORT void __vsyslog_chk(int priority, int flag, const char *format,
		va_list args)
{
	RC_GUARD(vsyslog, true)
	RC_REAL(__vsyslog_chk)(priority, flag, format, args);
}

/* The variadic ones, by way of the others. */
#define RC_WRAP_FORMAT(call, name, params, last, blocks, expression)	\
RC_EXPORT int name params						\
{									\
	va_list args;							\
	int ret;							\
									\
	RC_GUARD(call, blocks)						\
	va_start(args, last);						\
	ret = expression;						\
	va_end(args);							\
	return ret;							\
}

RC_WRAP_FORMAT(printf, printf, (const char *format, ...), format, true,
	RC_REAL(vfprintf)(stdout, format, args))
RC_WRAP_FORMAT(fprintf, fprintf, (FILE *stream, const char *format, ...),
	format, true, RC_REAL(vfprintf)(stream, format, args))
RC_WRAP_FORMAT(dprintf, dprintf, (int fd, const char *format, ...),
	format, rc_fd_blocks(fd), RC_REAL(vdprintf)(fd, format, args))
RC_WRAP_FORMAT(printf, __printf_chk, (int flag, const char *format, ...),
	format, true, RC_REAL(__vfprintf_chk)(stdout, flag, format, args))
RC_WRAP_FORMAT(fprintf, __fprintf_chk,
	(FILE *stream, int flag, const char *format, ...), format, true,
	RC_REAL(__vfprintf_chk)(stream, flag, format, args))
RC_WRAP_FORMAT(dprintf, __dprintf_chk,
	(int fd, int flag, const char *format, ...), format, rc_fd_blocks(fd),
	RC_REAL(__vdprintf_chk)(fd, flag, format, args))

RC_EXPORT void syslog(int priority, const char *format, ...)
{
	va_list args;

	RC_GUARD(syslog, true)
	va_start(args, format);
	RC_REAL(vsyslog)(priority, format, args);
	va_end(args);
}

RC_EXPORT void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list args;

	RC_GUARD(syslog, true)
	va_start(args, format);
	RC_REAL(__vsyslog_chk)(priority, flag, format, args);
	va_end(args);
}
