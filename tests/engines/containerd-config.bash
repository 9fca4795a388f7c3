# containerd-config.bash: the configuration of a private containerd, for the scripts that start one. Version 2 for containerd 1,
# version 3 for containerd 2, which moved the settings of the CRI into two plugins.

# containerd_version prints the version of the containerd that is first on PATH: 1.6.20, 2.4.2.
containerd_version() { containerd --version | awk '{ sub(/^v/, "", $3); sub(/[~+-].*/, "", $3); print $3 }'; }

# containerd_config [cri]: prints the configuration. Without cri, the CRI is off.
containerd_config() {
	case $(containerd_version) in
	1.*) echo 'version = 2' ;;
	*) echo 'version = 3' ;;
	esac
	printf '%s = "%s"\n' root "$DIR/root" state /run/containerd
	[ "${1-}" = cri ] || printf 'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]\n'
	printf '[grpc]\n  address = "/run/containerd/containerd.sock"\n'
	[ "${1-}" = cri ] || return 0
	case $(containerd_version) in
	1.*) cri_config_2 ;;
	*) cri_config_3 ;;
	esac
}

# A pod's first process has the score -998, which takes CAP_SYS_RESOURCE.
restrict_oom_score_adj() {
	if (((0x$(awk '/CapEff/ {print $2}' /proc/self/status) >> 24) & 1)); then echo false; else echo true; fi
}

cri_config_2() {
	cat <<-TOML
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  restrict_oom_score_adj = $(restrict_oom_score_adj)
		  disable_apparmor = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$DIR/cni"
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    default_runtime_name = "tried"
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.tried]
		      runtime_type = "io.containerd.runc.v2"
		      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.tried.options]
		        BinaryName = "$RUNTIME"
	TOML
}

# $DIR/registries: an empty directory, or one in which a script describes its registry.
cri_config_3() {
	cat <<-TOML
		[plugins."io.containerd.cri.v1.images".pinned_images]
		  sandbox = "localhost/pause:1"
		[plugins."io.containerd.cri.v1.images".registry]
		  config_path = "$DIR/registries"
		[plugins."io.containerd.cri.v1.runtime"]
		  restrict_oom_score_adj = $(restrict_oom_score_adj)
		  disable_apparmor = true
		  [plugins."io.containerd.cri.v1.runtime".cni]
		    bin_dirs = ["/usr/lib/cni"]
		    conf_dir = "$DIR/cni"
		  [plugins."io.containerd.cri.v1.runtime".containerd]
		    default_runtime_name = "tried"
		    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.tried]
		      runtime_type = "io.containerd.runc.v2"
		      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.tried.options]
		        BinaryName = "$RUNTIME"
	TOML
}
