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

RC_WRAP(FILE *, freopen, (const char *path, const char *mode, FILE *stream),
	(path, mode, stream), true)
RC_WRAP_AS(freopen, FILE *, freopen64,
	(const char *path, const char *mode, FILE *stream),
	(path, mode, stream), true)
RC_WRAP(FILE *, fdopen, (int fd, const char *mode), (fd, mode), true)
RC_WRAP(int, setvbuf, (FILE *stream, char *buffer, int mode, size_t size),
	(stream, buffer, mode, size), true)
RC_WRAP_VOID(setbuf, (FILE *stream, char *buffer), (stream, buffer), true)
RC_WRAP_VOID(setbuffer, (FILE *stream, char *buffer, size_t size),
	(stream, buffer, size), true)
RC_WRAP_VOID(setlinebuf, (FILE *stream), (stream), true)
RC_WRAP_VOID(flockfile, (FILE *stream), (stream), true)
RC_WRAP(int, ungetc, (int c, FILE *stream), (c, stream), true)
RC_WRAP(int, fseek, (FILE *stream, long to, int whence),
	(stream, to, whence), true)
RC_WRAP(int, fseeko, (FILE *stream, off_t to, int whence),
	(stream, to, whence), true)
RC_WRAP_AS(fseeko, int, fseeko64, (FILE *stream, off64_t to, int whence),
	(stream, to, whence), true)
RC_WRAP(long, ftell, (FILE *stream), (stream), true)
RC_WRAP(off_t, ftello, (FILE *stream), (stream), true)
RC_WRAP_AS(ftello, off64_t, ftello64, (FILE *stream), (stream), true)
RC_WRAP_VOID(rewind, (FILE *stream), (stream), true)
RC_WRAP(int, fgetpos, (FILE *stream, fpos_t *at), (stream, at), true)
RC_WRAP_AS(fgetpos, int, fgetpos64, (FILE *stream, fpos64_t *at),
	(stream, at), true)
RC_WRAP(int, fsetpos, (FILE *stream, const fpos_t *at), (stream, at), true)
RC_WRAP_AS(fsetpos, int, fsetpos64, (FILE *stream, const fpos64_t *at),
	(stream, at), true)

/* Wide characters. */
RC_WRAP(int, vwprintf, (const wchar_t *format, va_list args),
	(format, args), true)
RC_WRAP(int, vfwprintf, (FILE *stream, const wchar_t *format, va_list args),
	(stream, format, args), true)
RC_WRAP(int, fputws, (const wchar_t *text, FILE *stream), (text, stream), true)
RC_WRAP(wint_t, fputwc, (wchar_t c, FILE *stream), (c, stream), true)
RC_WRAP(wint_t, putwc, (wchar_t c, FILE *stream), (c, stream), true)
RC_WRAP(wint_t, putwchar, (wchar_t c), (c), true)
RC_WRAP(wchar_t *, fgetws, (wchar_t *to, int size, FILE *stream),
	(to, size, stream), true)
RC_WRAP(wint_t, fgetwc, (FILE *stream), (stream), true)
RC_WRAP(wint_t, getwc, (FILE *stream), (stream), true)
RC_WRAP(wint_t, getwchar, (void), (), true)
RC_WRAP(wint_t, ungetwc, (wint_t c, FILE *stream), (c, stream), true)

/* Messages on standard error, and the system log. */
RC_WRAP_VOID(psignal, (int sig, const char *text), (sig, text), true)
RC_WRAP_VOID(psiginfo, (const siginfo_t *info, const char *text),
	(info, text), true)
RC_WRAP_VOID(vwarn, (const char *format, va_list args), (format, args), true)
RC_WRAP_VOID(vwarnx, (const char *format, va_list args), (format, args), true)
RC_WRAP_NORETURN(verr, (int code, const char *format, va_list args),
	(code, format, args))
RC_WRAP_NORETURN(verrx, (int code, const char *format, va_list args),
	(code, format, args))
RC_WRAP_VOID(openlog, (const char *name, int option, int facility),
	(name, option, facility), true)
RC_WRAP_VOID(closelog, (void), (), true)

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
RC_WRAP_AS(vfwprintf, int, __vfwprintf_chk,
	(FILE *stream, int flag, const wchar_t *format, va_list args),
	(stream, flag, format, args), true)
RC_WRAP_AS(fgetws, wchar_t *, __fgetws_chk,
	(wchar_t *to, size_t room, int size, FILE *stream),
	(to, room, size, stream), true)
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

RC_EXPORT int __vwprintf_chk(int flag, const wchar_t *format, va_list args)
{
	RC_GUARD(vwprintf, true)
	return RC_REAL(__vfwprintf_chk)(stdout, flag, format, args);
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

RC_WRAP_FORMAT(wprintf, wprintf, (const wchar_t *format, ...), format, true,
	RC_REAL(vfwprintf)(stdout, format, args))
RC_WRAP_FORMAT(fwprintf, fwprintf, (FILE *stream, const wchar_t *format, ...),
	format, true, RC_REAL(vfwprintf)(stream, format, args))
RC_WRAP_FORMAT(wprintf, __wprintf_chk, (int flag, const wchar_t *format, ...),
	format, true, RC_REAL(__vfwprintf_chk)(stdout, flag, format, args))
RC_WRAP_FORMAT(fwprintf, __fwprintf_chk,
	(FILE *stream, int flag, const wchar_t *format, ...), format, true,
	RC_REAL(__vfwprintf_chk)(stream, flag, format, args))

/*
 * The scanf() family, whose symbols say by which standard they read. The headers
 * give the plain names to one of the others.
 */
int rc_plain_scanf(const char *, ...) __asm__("scanf");
int rc_plain_fscanf(FILE *, const char *, ...) __asm__("fscanf");
int rc_plain_vscanf(const char *, va_list) __asm__("vscanf");
int rc_plain_vfscanf(FILE *, const char *, va_list) __asm__("vfscanf");

#define RC_WRAP_SCANF(prefix, real)					\
RC_WRAP_FORMAT(fscanf, prefix##fscanf,					\
	(FILE *stream, const char *format, ...), format, true,		\
	RC_REAL(real)(stream, format, args))				\
RC_WRAP_FORMAT(scanf, prefix##scanf, (const char *format, ...), format,	\
	true, RC_REAL(real)(stdin, format, args))			\
RC_EXPORT int prefix##vfscanf(FILE *stream, const char *format,		\
		va_list args)						\
{									\
	RC_GUARD(vfscanf, true)						\
	return RC_REAL(real)(stream, format, args);			\
}									\
RC_EXPORT int prefix##vscanf(const char *format, va_list args)		\
{									\
	RC_GUARD(vscanf, true)						\
	return RC_REAL(real)(stdin, format, args);			\
}
RC_WRAP_SCANF(rc_plain_, vfscanf)
RC_WRAP_SCANF(__isoc99_, __isoc99_vfscanf)
RC_WRAP_SCANF(__isoc23_, __isoc23_vfscanf)

/* Those that print a message, and may end the program after it. */
#define RC_WRAP_MESSAGE(name, params, last, expression)			\
RC_EXPORT void name params						\
{									\
	va_list args;							\
									\
	RC_GUARD(name, true)						\
	va_start(args, last);						\
	expression;							\
	va_end(args);							\
}
RC_WRAP_MESSAGE(warn, (const char *format, ...), format,
	RC_REAL(vwarn)(format, args))
RC_WRAP_MESSAGE(warnx, (const char *format, ...), format,
	RC_REAL(vwarnx)(format, args))
RC_WRAP_MESSAGE(err, (int code, const char *format, ...), format,
	RC_REAL(verr)(code, format, args); __builtin_unreachable())
RC_WRAP_MESSAGE(errx, (int code, const char *format, ...), format,
	RC_REAL(verrx)(code, format, args); __builtin_unreachable())

/* error() has no form with a va_list. Raw context has no memory for a long text. */
#define RC_WRAP_ERROR(name, params, expression)				\
RC_EXPORT void name params						\
{									\
	char room[1024], *text = room, *whole = NULL;			\
	va_list args;							\
									\
	RC_GUARD(name, true)						\
	va_start(args, format);						\
	if (rc_guard.reported || vasprintf(&whole, format, args) < 0)	\
		vsnprintf(room, sizeof(room), format, args);		\
	else								\
		text = whole;						\
	va_end(args);							\
	expression;							\
	if (text != room)						\
		free(text);						\
}
RC_WRAP_ERROR(error, (int code, int number, const char *format, ...),
	RC_REAL(error)(code, number, "%s", text))
RC_WRAP_ERROR(error_at_line,
	(int code, int number, const char *file, unsigned int line,
		const char *format, ...),
	RC_REAL(error_at_line)(code, number, file, line, "%s", text))
