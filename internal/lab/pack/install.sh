#!/bin/sh
# install.sh: installs minirun with its labs on this machine, without a network. As root:
#
#	sudo ./install.sh [PREFIX]     PREFIX is /usr/local without one
#	sudo ./install.sh --remove [PREFIX]
set -eu
cd "$(dirname "$0")"
remove=
if [ "${1-}" = --remove ]; then
	remove=1
	shift
fi
prefix=${1-/usr/local}
programs=$(cd bin && ls)
if [ -n "$remove" ]; then
	for program in $programs; do
		if [ "$program" != busybox ] || cmp -s bin/busybox "$prefix/bin/busybox"; then
			rm -f "$prefix/bin/$program"
		fi
	done
	echo "removed from $prefix/bin"
	exit
fi
sha256sum --quiet -c SHA256SUMS 2>/dev/null || sha256sum -c SHA256SUMS >/dev/null || {
	echo "install.sh: the archive is damaged" >&2
	exit 1
}
mkdir -p "$prefix/bin"
for program in $programs; do
	# This machine's own busybox stays, if it needs no libraries.
	if [ "$program" = busybox ] && "$prefix/bin/minirun" lab doctor >/dev/null 2>&1; then
		continue
	fi
	cp "bin/$program" "$prefix/bin/$program.new"
	chmod 755 "$prefix/bin/$program.new"
	mv "$prefix/bin/$program.new" "$prefix/bin/$program"
done
echo "installed in $prefix/bin. Next:"
echo "  sudo minirun lab doctor"
echo "  sudo minirun lab start 1"
