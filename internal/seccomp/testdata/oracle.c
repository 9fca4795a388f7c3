/*
 * Builds a filter with libseccomp and writes it to standard output, for
 * oracle_test.go. It takes one order a line:
 *
 *   init ACTION                    must come first; ACTION is SECCOMP_RET_*, hexadecimal
 *   foreign                        drop the native architecture
 *   arch TOKEN                     add an architecture, AUDIT_ARCH_* hexadecimal
 *   rule ACTION NAME N [ARG OP A B]...    OP is enum scmp_compare; A, B hexadecimal
 *
 * What libseccomp refuses is reported on standard error, with the line.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

static void check(int rc, const char *line)
{
	if (rc != 0)
		fprintf(stderr, "%d: %s", rc, line);
}

static void add_rule(scmp_filter_ctx ctx, const char *line)
{
	struct scmp_arg_cmp args[6];
	unsigned action, count, i;
	char name[256];
	int used, nr;

	if (sscanf(line, "rule %x %255s %u%n", &action, name, &count, &used) != 3 || count > 6) {
		check(-EINVAL, line);
		return;
	}
	for (i = 0; i < count; i++) {
		unsigned index, op;
		unsigned long long a, b;
		int more;

		line += used;
		if (sscanf(line, "%u %u %llx %llx%n", &index, &op, &a, &b, &more) != 4) {
			check(-EINVAL, line);
			return;
		}
		used = more;
		args[i].arg = index;
		args[i].op = op;
		args[i].datum_a = a;
		args[i].datum_b = b;
	}
	nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR)
		return; /* as runc and crun: a name nobody knows is passed over */
	check(seccomp_rule_add_array(ctx, action, nr, count, args), line);
}

int main(int argc, char **argv)
{
	scmp_filter_ctx ctx = NULL;
	char line[4096];
	unsigned v;

	if (argc > 1) { /* a token: all names and numbers of the architecture; "?" if no rule can have the name */
		unsigned nr;

		sscanf(argv[1], "%x", &v);
		for (nr = 0; nr < 0x0f0010; nr++) {
			char *name = seccomp_syscall_resolve_num_arch(v, nr);

			if (name)
				printf("%s %u%s\n", name, nr,
				       seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR ? " ?" : "");
			if (nr == 8000)
				nr = 0x0f0000 - 1;
		}
		return 0;
	}
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "init %x", &v) == 1)
			ctx = seccomp_init(v);
		else if (strncmp(line, "foreign", 7) == 0)
			check(seccomp_arch_remove(ctx, seccomp_arch_native()), line);
		else if (sscanf(line, "arch %x", &v) == 1)
			check(seccomp_arch_add(ctx, v), line);
		else
			add_rule(ctx, line);
	}
	check(seccomp_export_bpf(ctx, 1), "export\n");
	return 0;
}
