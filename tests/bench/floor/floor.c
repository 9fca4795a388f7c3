/*
 * floor: how fast could it be? A container of the same config with nothing but the system calls: no config to read, no state to
 * write, no checks, no messages. It is the bench's lower bound, not a runtime: paths and numbers are constants.
 *
 *	floor ROOTFS ID default|docker FILTER
 *
 * FILTER is a file holding a seccomp program as struct sock_filter[], or "-". The hierarchies' mount points under /sys/fs/cgroup are
 * constants below; one that is not mounted is left out. Exit status: the container's, or 100 with a line saying what failed.
 *
 * Order: cgroups are made and the device rules written; a child is cloned into its namespaces; the child mounts while the parent moves it into
 * its cgroups; the child waits for that, drops its privileges and executes true; the parent waits
 * and removes the cgroups.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *hierarchies[] = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"};
#define HIERARCHIES (sizeof hierarchies / sizeof *hierarchies)
static char present[HIERARCHIES];

static const char *device_rules[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:8 rwm", "c 1:7 rwm", "c 5:0 rwm", "c 1:5 rwm", "c 1:9 rwm", "c 136:* rwm", "c 5:2 rwm"};
static const struct { const char *name; int major, minor; } nodes[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
static const char *links[][2] = {{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"}};
static const char *masked_default[] = {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi", 0};
static const char *masked_docker[] = {"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap", 0};
static const char *readonly_paths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", 0};

static const char *rootfs, *id;
static int docker;
static struct sock_fprog filter;

static void die(const char *what)
{
	dprintf(2, "floor: %s: %s\n", what, strerror(errno));
	_exit(100);
}
#define DO(call) do { if ((call) < 0) die(#call); } while (0)

static char *cgroup(const char *hierarchy, const char *file)
{
	static char path[512];
	snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s%s%s", hierarchy, id, *file ? "/" : "", file);
	return path;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) die(path);
	close(fd);
}

static void copy_up(const char *file)
{
	char from[128], text[128];
	snprintf(from, sizeof from, "/sys/fs/cgroup/cpuset/%s", file);
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n < 0) die(from);
	close(fd);
	text[n] = 0;
	put(cgroup("cpuset", file), text);
}

static void make_cgroups(void)
{
	for (unsigned i = 0; i < HIERARCHIES; i++) {
		if (mkdir(cgroup(hierarchies[i], ""), 0755) < 0) {
			if (errno != EROFS && errno != ENOENT && errno != EPERM) die(hierarchies[i]);
			continue;
		}
		present[i] = 1;
		if (!strcmp(hierarchies[i], "cpuset")) {
			copy_up("cpuset.cpus");
			copy_up("cpuset.mems");
		}
		if (!strcmp(hierarchies[i], "devices")) { /* while nobody is in it: the child may make its nodes at any time */
			put(cgroup("devices", "devices.deny"), "a");
			for (unsigned r = 0; r < sizeof device_rules / sizeof *device_rules; r++)
				put(cgroup("devices", "devices.allow"), device_rules[r]);
		}
	}
}

static void join_cgroups(pid_t child)
{
	char number[16];
	snprintf(number, sizeof number, "%d", child);
	for (unsigned i = 0; i < HIERARCHIES; i++) {
		if (!present[i]) continue;
		put(cgroup(hierarchies[i], "cgroup.procs"), number);
	}
}

static void remove_cgroups(void)
{
	for (unsigned i = 0; i < HIERARCHIES; i++)
		for (int tries = 0; present[i] && rmdir(cgroup(hierarchies[i], "")) < 0; tries++) {
			if (errno != EBUSY || tries == 1000) die(hierarchies[i]);
			usleep(100);
		}
}

static const char *in(const char *path)
{
	static char full[512];
	snprintf(full, sizeof full, "%s%s", rootfs, path);
	return full;
}

static void add(const char *type, const char *source, const char *target, unsigned long flags, const char *data)
{
	if (mkdir(in(target), 0755) < 0 && errno != EEXIST) die(target);
	if (mount(source, in(target), type, flags, data) < 0) die(target);
}

static void loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	DO(fd);
	DO(ioctl(fd, SIOCSIFFLAGS, &request));
	close(fd);
}

static void mounts(void)
{
	const unsigned long safe = MS_NOSUID | MS_NOEXEC | MS_NODEV;
	DO(mount("", "/", 0, MS_REC | MS_SLAVE, 0));
	DO(mount(rootfs, rootfs, 0, MS_BIND | MS_REC, 0));
	add("proc", "proc", "/proc", 0, 0);
	add("tmpfs", "tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	add("devpts", "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	add("tmpfs", "shm", "/dev/shm", safe, "mode=1777,size=65536k");
	add("mqueue", "mqueue", "/dev/mqueue", safe, 0);
	add("sysfs", "sysfs", "/sys", safe | MS_RDONLY, 0);
	add("tmpfs", "tmpfs", "/sys/fs/cgroup", safe, "mode=755");
	for (unsigned i = 0; i < HIERARCHIES; i++) {
		char target[128];
		if (!present[i]) continue;
		snprintf(target, sizeof target, "/sys/fs/cgroup/%s", hierarchies[i]);
		add(0, cgroup(hierarchies[i], ""), target, MS_BIND | MS_REC, 0);
		DO(mount(0, in(target), 0, MS_REMOUNT | MS_BIND | MS_RDONLY | safe, 0));
	}
	umask(0);
	for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		char path[64];
		snprintf(path, sizeof path, "/dev/%s", nodes[i].name);
		DO(mknod(in(path), S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
	}
	umask(022);
	for (unsigned i = 0; i < sizeof links / sizeof *links; i++) {
		char path[64];
		snprintf(path, sizeof path, "/dev/%s", links[i][1]);
		DO(symlink(links[i][0], in(path)));
	}
	DO(chdir(rootfs));
	DO(syscall(SYS_pivot_root, ".", "."));
	DO(mount("", ".", 0, MS_REC | MS_SLAVE, 0));
	DO(umount2(".", MNT_DETACH));
	DO(chdir("/"));
	if (!docker) DO(mount(0, "/", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
	for (const char **p = readonly_paths; *p; p++) {
		if (mount(*p, *p, 0, MS_BIND | MS_REC, 0) < 0) {
			if (errno != ENOENT) die(*p);
			continue;
		}
		DO(mount(0, *p, 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
	}
	for (const char **p = docker ? masked_docker : masked_default; *p; p++)
		if (mount("/dev/null", *p, 0, MS_BIND, 0) < 0) {
			if (errno == ENOENT) continue;
			if (errno != ENOTDIR || mount("tmpfs", *p, "tmpfs", MS_RDONLY, 0) < 0) die(*p);
		}
}

static void load_filter(void)
{
	if (filter.len) DO(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
}

static void privileges(void)
{
	/* runc spec: AUDIT_WRITE KILL NET_BIND_SERVICE; Docker's fourteen */
	unsigned long long caps = docker ? 0xa80425fbULL : 0x20000420ULL;
	struct rlimit files = {1024, 1024};
	if (!docker) {
		DO(setrlimit(RLIMIT_NOFILE, &files));
		DO(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	} else
		load_filter(); /* without no_new_privs it takes CAP_SYS_ADMIN, so before the capabilities go */
	for (int c = 0; c <= 40; c++)
		if (!(caps >> c & 1)) DO(prctl(PR_CAPBSET_DROP, c, 0, 0, 0));
	DO(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	DO(syscall(SYS_setgroups, 0, 0));
	DO(syscall(SYS_setresgid, 0, 0, 0));
	DO(syscall(SYS_setresuid, 0, 0, 0));
	DO(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0));
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{caps, caps, 0}, {caps >> 32, caps >> 32, 0}};
	DO(syscall(SYS_capset, &header, data));
	DO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	if (!docker) load_filter();
}

static void child(int ready)
{
	char byte;
	char *argv[] = {"true", 0}, *env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", "HOME=/root", 0};
	DO(setsid());
	DO(syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, id));
	DO(sethostname("runc", 4));
	loopback_up();
	mounts();
	if (read(ready, &byte, 1) != 1) die("the parent has gone");
	privileges();
	execve("/bin/true", argv, env);
	die("execve");
}

static void read_filter(const char *path)
{
	static struct sock_filter instructions[BPF_MAXINSNS];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, instructions, sizeof instructions);
	if (n <= 0) die(path);
	close(fd);
	filter.len = n / sizeof *instructions;
	filter.filter = instructions;
}

int main(int argc, char **argv)
{
	int ready[2], status;
	if (argc != 5) return fprintf(stderr, "usage: floor ROOTFS ID default|docker FILTER\n"), 2;
	rootfs = argv[1];
	id = argv[2];
	docker = !strcmp(argv[3], "docker");
	if (strcmp(argv[4], "-")) read_filter(argv[4]);
	DO(pipe2(ready, O_CLOEXEC));
	make_cgroups();
	pid_t pid = syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
	DO(pid);
	if (!pid) {
		close(ready[1]);
		child(ready[0]);
	}
	join_cgroups(pid);
	DO(write(ready[1], "", 1));
	DO(waitpid(pid, &status, 0));
	remove_cgroups();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
