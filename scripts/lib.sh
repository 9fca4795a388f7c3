# shellcheck shell=sh
# lib.sh: for try and scripts/setup, in the directory of the clone.

# A Go in /usr/local was put there on purpose; that of a package may be older.
if [ -x /usr/local/go/bin/go ]; then
	PATH=/usr/local/go/bin:$PATH
fi
export PATH GOTOOLCHAIN="${GOTOOLCHAIN:-auto}" # go fetches the version that go.mod names

# as_owner runs a command as the owner of the clone, who may not be the user who runs this: with
# sudo ./try, nothing in the clone or in a cache may belong to root.
as_owner() {
	owner=$(stat -c %u .)
	if [ "$(id -u)" != 0 ] || [ "$owner" = 0 ]; then
		"$@"
		return
	fi
	home=$(getent passwd "$owner" | cut -d: -f6)
	# A user without an entry in passwd has no home for Go's cache.
	setpriv --reuid "$owner" --regid "$(stat -c %g .)" --clear-groups \
		env HOME="${home:-/tmp/minirun-try-$owner}" "$@"
}

# go_version prints the version of the installed go command, such as 1.24.4.
go_version() { (cd / && GOTOOLCHAIN=local go version) | sed -n 's/^go version go\([0-9.]*\).*/\1/p'; }

# is_older reports whether version $1 is older than $2.
is_older() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# fetches_go reports whether a version of Go can fetch another one.
fetches_go() { ! is_older "${1%%[~-]*}" 1.21; }
