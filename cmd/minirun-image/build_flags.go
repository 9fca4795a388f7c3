package main

import "github.com/urfave/cli/v2"

func buildFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "file", Aliases: []string{"f"},
			Usage: "read the Dockerfile from `FILE` or a URL instead of CONTEXT/Dockerfile"},
		&cli.StringSliceFlag{Name: "tag", Aliases: []string{"t"}, Usage: "name the image `NAME`"},
		&cli.StringFlag{Name: "target", Usage: "build only up to `STAGE`"},
		&cli.StringSliceFlag{Name: "build-arg",
			Usage: "set the ARG `NAME[=VALUE]`; without a value, use the environment variable's"},
		&cli.StringSliceFlag{Name: "build-context",
			Usage: "context `NAME=SOURCE` for --from: a directory, docker-image://, oci-layout:// or a URL"},
		&cli.StringSliceFlag{Name: "secret", Usage: "`id=ID[,src=FILE|,env=NAME]` for RUN --mount=type=secret"},
		&cli.StringSliceFlag{Name: "ssh",
			Usage: "`default|ID[=SOCKET|KEY[,KEY]]` for RUN --mount=type=ssh; git over ssh uses default"},
		&cli.StringSliceFlag{Name: "label", Usage: "add the label `NAME[=VALUE]` to the image"},
		&cli.StringSliceFlag{Name: "platform",
			Usage: "build for `OS/ARCH[,OS/ARCH…]`; several platforms produce an index"},
		&cli.BoolFlag{Name: "no-cache", Usage: "do not use the cache"},
		&cli.StringSliceFlag{Name: "no-cache-filter", Usage: "do not use the cache for `STAGE[,STAGE…]`"},
		&cli.StringSliceFlag{Name: "cache-from",
			Usage: "import a cache from `type=local,src=DIR|type=registry,ref=NAME|NAME`"},
		&cli.StringSliceFlag{Name: "cache-to",
			Usage: "export the cache to `type=local,dest=DIR|type=registry,ref=NAME|type=inline`; mode=max exports " +
				"all steps, not only those of the result"},
		&cli.BoolFlag{Name: "pull", Usage: "check the registry for newer base images"},
		&cli.StringFlag{Name: "network", Value: "default",
			Usage: "network of RUN: `default|host|none`; default is the host's network"},
		&cli.StringSliceFlag{Name: "allow",
			Usage: "`security.insecure|network.host|device[=NAME]` for RUN --security, --network and --device"},
		&cli.StringSliceFlag{Name: "cdi-spec-dir",
			Usage: "read CDI specs for RUN --device from `DIR` instead of /etc/cdi and /var/run/cdi"},
		&cli.StringSliceFlag{Name: "add-host",
			Usage: "add `NAME:ADDRESS` to /etc/hosts of RUN; host-gateway is this machine"},
		&cli.StringSliceFlag{Name: "ulimit", Usage: "`NAME=SOFT[:HARD]` for RUN, such as nofile=1024:2048"},
		&cli.StringFlag{Name: "shm-size", Usage: "`SIZE` of RUN's /dev/shm: 128m; the default is 64m"},
		&cli.StringSliceFlag{Name: "resource",
			Usage: "limit a resource of RUN with `KEY=VALUE`: memory, memory-swap, cpu-shares, cpu-period, " +
				"cpu-quota, cpuset-cpus, cpuset-mems"},
		&cli.StringFlag{Name: "cgroup-parent", Usage: "create the cgroups of RUN in `CGROUP`"},
		&cli.StringFlag{Name: "builder", Usage: "accepted for compatibility; the only builder is `default`"},
		&cli.StringFlag{Name: "progress", Value: "auto", Usage: "`auto|tty|plain|quiet|none|rawjson`"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the image's ID"},
		&cli.BoolFlag{Name: "debug", Usage: "if a RUN fails, open a shell in its container"},
		&cli.StringFlag{Name: "call", Aliases: []string{"print"}, Value: "build",
			Usage: "`build|check|outline|targets[,format=text|json]`: check or describe the Dockerfile instead of " +
				"building it"},
		&cli.BoolFlag{Name: "check", Usage: "check the Dockerfile without building; same as --call=check"},
		&cli.StringFlag{Name: "format", Value: "text", Usage: "output format of --call and --check: `text|json`"},
		&cli.StringFlag{Name: "explain", Usage: "explain what each instruction did: `text|json|FILE.svg|FILE.html`"},
	}, append(outputFlags(), legacyFlags()...)...)
}

func outputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"},
			Usage: "`type=image|registry|oci|docker|tar|local|cacheonly,dest=…`: write the result there"},
		&cli.BoolFlag{Name: "push", Usage: "push the image to its registry"},
		&cli.BoolFlag{Name: "load", Usage: "keep the image in the store, in addition to --output"},
		&cli.StringSliceFlag{Name: "annotation",
			Usage: "`[TYPE:]NAME=VALUE` of the image's manifest, or index:, manifest-descriptor:, index-descriptor:"},
		&cli.StringSliceFlag{Name: "attest", Usage: "attach `type=provenance|sbom,…` to the image"},
		&cli.StringFlag{Name: "provenance", Usage: "attach build provenance: `true|false|mode=min|mode=max`"},
		&cli.StringFlag{Name: "sbom", Usage: "attach a list of the packages (SBOM): `true|false`"},
		&cli.StringFlag{Name: "iidfile", Usage: "write the image's ID to `FILE`"},
		&cli.StringFlag{Name: "metadata-file", Usage: "write the result's names and digests to `FILE`, as JSON"},
	}
}
