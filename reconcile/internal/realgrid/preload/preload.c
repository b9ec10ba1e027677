/*
 * Preloaded into the servers of the test grid (LD_PRELOAD). It changes where
 * they listen, where they log and how they live; no byte of a protocol.
 *
 *   REALGRID_SYSLOG=FILE     lines for syslog are appended to FILE
 *   REALGRID_FOREGROUND=N    the first N calls of fork() are not done: a server
 *                            that would become a daemon stays the test's child
 *
 * Always: bind() to the wildcard address becomes bind() to 127.0.0.1, and a
 * forked child is killed when its parent ends.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* vomsd has no option for the address that it listens on. */
int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*real)(int, const struct sockaddr *, socklen_t) = next("bind");

	if (addr && addr->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in = *(const struct sockaddr_in *)addr;
		if (in.sin_addr.s_addr == htonl(INADDR_ANY))
			in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return real(fd, (struct sockaddr *)&in, sizeof in);
	}
	if (addr && addr->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6 = *(const struct sockaddr_in6 *)addr;
		static const unsigned char mapped[16] = { 0,0,0,0, 0,0,0,0, 0,0,0xff,0xff, 127,0,0,1 };
		if (memcmp(&in6.sin6_addr, &in6addr_any, sizeof in6addr_any) == 0)
			memcpy(&in6.sin6_addr, mapped, sizeof mapped);
		return real(fd, (struct sockaddr *)&in6, sizeof in6);
	}
	return real(fd, addr, len);
}

/* myproxy-server logs to syslog only. One write is one line, from any child. */
static void to_file(const char *format, va_list args)
{
	const char *path = getenv("REALGRID_SYSLOG");
	char line[8192];
	int n, fd;

	if (!path)
		return;
	n = snprintf(line, sizeof line, "%d ", (int)getpid());
	n += vsnprintf(line + n, sizeof line - n - 1, format, args);
	if (n > (int)sizeof line - 2)
		n = sizeof line - 2;
	if (line[n - 1] != '\n')
		line[n++] = '\n';
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	if (write(fd, line, n) < 0)
		abort();
	close(fd);
}

void vsyslog(int priority, const char *format, va_list args)
{
	(void)priority;
	to_file(format, args);
}

void __vsyslog_chk(int priority, int flag, const char *format, va_list args)
{
	(void)priority;
	(void)flag;
	to_file(format, args);
}

void syslog(int priority, const char *format, ...)
{
	va_list args;

	(void)priority;
	va_start(args, format);
	to_file(format, args);
	va_end(args);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list args;

	(void)priority;
	(void)flag;
	va_start(args, format);
	to_file(format, args);
	va_end(args);
}

pid_t fork(void)
{
	static int stay = -1;
	pid_t (*real)(void) = next("fork");
	pid_t parent = getpid(), pid;

	if (stay < 0)
		stay = getenv("REALGRID_FOREGROUND") ? atoi(getenv("REALGRID_FOREGROUND")) : 0;
	if (stay > 0) {
		stay--;
		return 0;
	}
	pid = real();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

/* A group leader cannot start a session, and the servers are group leaders so
 * that they can be ended together with their children. */
pid_t setsid(void)
{
	return getpid();
}
