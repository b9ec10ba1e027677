/*
 * Preloaded into the servers of the test grid (LD_PRELOAD). It changes where
 * they listen, where they log and how they live, and works around two faults
 * of vomsd; no byte of a protocol is touched.
 *
 *   REALGRID_SYSLOG=FILE     lines for syslog are appended to FILE
 *   REALGRID_FOREGROUND=N    the first N calls of fork() are not done: a server
 *                            that would become a daemon stays the test's child
 *   REALGRID_REST=1          vomsd answers REST requests
 *
 * Always: bind() to the wildcard address becomes bind() to 127.0.0.1, and a
 * forked child is killed when its parent ends; and vomsd's generic attributes
 * have their values.
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

/*
 * vomsd expects the HTTP parser of gSOAP (soap->fparse) to call the handler that
 * it has set for GET (soap->fget). gSOAP 2.8.124 leaves that to its caller, so
 * the connection closes without an answer. Upstream's correction calls the
 * handler when the parser has not (italiangrid/voms 15654d2); so does this.
 *
 * The function's name carries the version of struct soap, and with another
 * version this one is never called. The offsets are those that vomsd uses where
 * it sets the handler and calls the parser.
 */
#if defined(__LP64__)
enum { SOAP_FGET = 0xbff0, SOAP_FPARSE = 0xc038 };

typedef int soap_call(void *soap);
static soap_call *http_parse;

static soap_call **soap_member(void *soap, size_t offset)
{
	return (soap_call **)((char *)soap + offset);
}

static int parse_and_handle(void *soap)
{
	int err = http_parse(soap);

	return err ? err : (*soap_member(soap, SOAP_FGET))(soap);
}

void *soap_new_REQUIRE_lib_v208124(int mode)
{
	void *(*real)(int) = next("soap_new_REQUIRE_lib_v208124");
	void *soap = real(mode);

	if (soap && getenv("REALGRID_REST")) {
		soap_call **parse = soap_member(soap, SOAP_FPARSE);
		http_parse = *parse;
		*parse = parse_and_handle;
	}
	return soap;
}
#endif

/*
 * voms-mysql-plugin takes a column for NULL when MYSQL_BIND.is_null, a pointer,
 * is set; MariaDB's client library sets it for every column that it fetches, to
 * say where the answer is. Where that answer is "no", the pointer is put back.
 */
struct bind_head { /* as MYSQL_BIND begins */
	unsigned long *length;
	char *is_null;
};

int mysql_stmt_fetch_column(void *stmt, struct bind_head *bind, unsigned column, unsigned long offset)
{
	/* The library was loaded by dlopen(), so RTLD_NEXT does not find it. */
	void *library = dlopen("libmariadb.so.3", RTLD_LAZY | RTLD_NOLOAD);
	int (*real)(void *, struct bind_head *, unsigned, unsigned long) = dlsym(library, "mysql_stmt_fetch_column");
	char *before = bind->is_null;
	int err = real(stmt, bind, column, offset);

	if (!before && bind->is_null && !*bind->is_null)
		bind->is_null = NULL;
	return err;
}
