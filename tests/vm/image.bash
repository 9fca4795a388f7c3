# image.bash: builds the parts of a virtual machine from Debian's packages, once, and keeps them in a cache.
#
#	need_packages  qemu, virtiofsd, busybox, mmdebstrap, on the host
#	prepare        the machine's parts below, for $release and $architecture; one process at a time builds them
#	make_kernel    the kernel package, unpacked: $kernel, $modules
#	make_initramfs busybox, some modules and init: $initramfs
#	make_image     Debian with systemd and engines, as a directory: $image
#	accelerated    whether KVM works
#
# $release and $architecture are Debian's names (bookworm, amd64) and independent of each other and of the host's.

cache=${MINIRUN_VM_CACHE:-${XDG_CACHE_HOME:-/root/.cache}/minirun-vm}
virtiofsd=/usr/lib/qemu/virtiofsd
packages='kmod e2fsprogs qemu-system-x86 qemu-system-common busybox-static cpio mmdebstrap'

# The dependencies of the initramfs's modules are found with modprobe's own list. The modules are in loading order.
wanted_modules='virtio_pci virtio_console virtio_rng virtio_blk ext4 fuse virtiofs overlay'

need_packages() {
	local name missing=''
	for name in qemu-system-x86_64 mkfs.ext4 busybox cpio depmod mmdebstrap; do command -v $name >/dev/null || missing="$missing $name"; done
	[ -e $virtiofsd ] || missing="$missing virtiofsd"
	[ -n "$missing" ] || return 0
	[ -n "$1" ] || die "missing:$missing. apt-get install $packages, or use --install"
	# shellcheck disable=SC2086 # a list of names
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >&2 ||
		die "apt-get could not install$missing"
}

# prepare PART...: makes the parts. Each release and architecture has a directory in the cache, with a lock.
prepare() {
	local part
	parts=$cache/$release-$architecture
	mkdir -p "$parts"
	exec 8>"$parts/lock"
	flock 8
	for part in "$@"; do "make_$part"; done
	exec 8>&-
}

# sources prints the repositories of the release.
sources() {
	printf 'deb http://deb.debian.org/debian %s main\n' "$release" "$release-updates"
	printf 'deb http://deb.debian.org/debian-security %s main\n' "$release-security"
}

# machine_apt COMMAND...: an apt command that works with the machine's release and architecture and does not touch the host's lists.
machine_apt() {
	local state=$parts/apt
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	sources >"$state/sources.list"
	"$1" -o Dir::State="$state" -o Dir::State::status=/dev/null -o Dir::Cache="$state/cache" -o Dir::Etc::sourcelist="$state/sources.list" \
		-o Dir::Etc::sourceparts=- -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" -o APT::Sandbox::User=root "${@:2}"
}

# The kernel is not installed: the host must not boot it.
make_kernel() {
	local package
	if ! [ -e "$parts/kernel/vmlinuz" ]; then
		rm -rf "$parts/kernel.new" && mkdir -p "$parts/kernel.new"
		machine_apt apt-get update -qq >&2 || die "apt-get update failed for $release, $architecture"
		package=$(machine_apt apt-cache depends "linux-image-cloud-$architecture" | sed -n 's/^ *Depends: //p' | head -1)
		[ -n "$package" ] || die "apt does not find linux-image-cloud-$architecture in $release"
		(cd "$parts/kernel.new" && machine_apt apt-get download -qq "$package" 2>/dev/null && dpkg -x "$package"*.deb . && rm ./*.deb &&
			mv boot/vmlinuz-* vmlinuz && mv boot/config-* config) || die "could not download the kernel package $package"
		rm -rf "$parts/kernel" && mv "$parts/kernel.new" "$parts/kernel"
	fi
	kernel=$parts/kernel/vmlinuz
	modules=$(echo "$parts"/kernel/lib/modules/*)
	# Debian 13 has them below /usr.
	[ -d "$modules" ] || modules=$(echo "$parts"/kernel/usr/lib/modules/*)
}

# module_files NAME...: the files of modules and of all their dependencies, each after those it needs.
module_files() {
	local name base=${modules%/lib/modules/*}
	depmod -b "$base" "$(basename "$modules")" 2>/dev/null || true
	for name in "$@"; do
		modprobe -d "$base" -S "$(basename "$modules")" --show-depends "$name" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'
	done | awk '!seen[$0]++'
}

make_initramfs() {
	initramfs=$parts/initramfs.cpio
	if [ -e "$initramfs" ] && ! [ "$here/init" -nt "$initramfs" ] && ! [ "$here/image.bash" -nt "$initramfs" ] && ! [ "$kernel" -nt "$initramfs" ]; then return 0; fi
	local tree file
	tree=$(mktemp -d /var/tmp/minirun-vm-initramfs.XXXXXX)
	mkdir -p "$tree"/{bin,dev,proc,sys,modules,lower,upper,root,job}
	cp "$(command -v busybox)" "$tree/bin/busybox"
	for file in sh mount mkdir chmod cat insmod echo reboot chroot; do ln -s busybox "$tree/bin/$file"; done
	install -m 755 "$here/init" "$tree/init"
	# shellcheck disable=SC2086 # a list of names
	for file in $(module_files $wanted_modules); do
		cp "$file" "$tree/modules/"
		basename "$file" >>"$tree/modules/order"
	done
	[ -s "$tree/modules/order" ] || die "the kernel package does not have the modules $wanted_modules"
	(cd "$tree" && find . | cpio --quiet -o -H newc) >"$initramfs.new"
	mv "$initramfs.new" "$initramfs"
	rm -rf "$tree"
}

image_packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,uidmap,busybox-static,iproute2,iptables,procps,kmod,strace,jq,runc,crun,podman,fuse-overlayfs,slirp4netns
image_packages+=,apparmor,docker.io,containerd,containernetworking-plugins,tini,ca-certificates

make_image() {
	local names=$image_packages
	# Debian 13 has Docker's client in a separate package, and a policy of SELinux that knows containers.
	[ "$release" = bookworm ] || names+=,docker-cli,selinux-policy-default,selinux-utils,policycoreutils
	image=$parts/image
	if [ -e "$image/recipe" ] && [ "$(cat "$image/recipe")" = "$names" ]; then return 0; fi
	rm -rf "$image.new" "$image.old" && mkdir -p "$image.new"
	echo "building the image of $release, $architecture (only once, takes a minute)" >&2
	sources | mmdebstrap --quiet --variant=minbase --architectures="$architecture" --include="$names" "$release" "$image.new" - >&2 || die "mmdebstrap failed"
	chroot "$image.new" useradd --create-home --shell /bin/bash minirun
	printf '%s\n' "$names" >"$image.new/recipe"
	# Machines that run from the old one still find its files.
	[ ! -e "$image" ] || mv "$image" "$image.old"
	mv "$image.new" "$image"
}

# accelerated reports whether KVM works, which is tested once per boot of the host: in many virtual machines /dev/kvm
# exists, but a kernel hangs with it. The test starts a machine that exits at once in `init`.
accelerated() {
	[ -w /dev/kvm ] || return 1
	local boot
	boot=$(cat /proc/sys/kernel/random/boot_id)
	if ! grep -qs "^$boot" "$cache/kvm"; then
		local works=no
		timeout 4 qemu-system-x86_64 -M q35 -accel kvm -cpu host -nodefaults -no-user-config -display none -no-reboot -m 256 \
			-kernel "$kernel" -initrd "$initramfs" -append 'quiet reboot=t panic=-1 minirun.probe' </dev/null >/dev/null 2>&1 && works=yes
		echo "$boot $works" >"$cache/kvm"
	fi
	grep -qs "^$boot yes" "$cache/kvm"
}
