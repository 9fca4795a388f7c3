package main

import "slices"

// built are messages, by area, that extract does not find, because the source code joins them from pieces of
// one word, from pieces that end in the middle of a sentence, or with a % that is not a verb.
var built = map[string][]string{
	"build": {
		"%s: added",
		"%s: changed",
		"%s: removed",
		"Building",
		"Loading",
		"Pulling",
		"Pushing",
		"Saving",
		"Unpacking",
		"added %s %s",
		"and %d more",
		"image %s",
		"in stage %s",
		"load %s",
		"pull %s",
		"push %s",
		"pushing %s",
		"removed %s %s",
		"save %s",
		"unpack %s",
		"write ADD %s",
		"write CMD %s",
		"write COPY %s",
		"write ENTRYPOINT %s",
		"write RUN %s",
		"write RUN apt-get update && apt-get install …",
		"write WORKDIR %s",
	},
	"cmdline": {
		"flag needs an argument: %s %s (%s)",
	},
	"container": {
		"%s: cannot execute %q",
		"%s process(es)",
		"must have a mount namespace",
	},
	"image": {
		"%d image names",
		"%w: the name contains a zero byte",
		"%w: the name has %d bytes: %w",
		"%w: the name has a component of %d bytes: %w",
		"%w: the name leads out of the target directory",
		"1 image name",
		"Password",
		"attestation %s: %w",
		"configuration %s: %w",
		"container %s: %w",
		"directory %s: %w",
		"document %s: %w",
		"entry %q: %w",
		"group %q: %w",
		"group %q: no matching entries in group file (the image's %s)",
		"image %s: %w",
		"index %s: %w",
		"layer %d: %w",
		"manifest %s: %w",
		"mirror %s: %w",
		"refused",
		"unreachable",
		"user %q: %w",
		"user %q: no matching entries in passwd file (the image's %s)",
	},
	"plan": {
		"drop %d capabilities",
		"raise %d capabilities",
	},
	"spec": {
		"%s, got %s",
		"a string",
		"a value",
		"line %s, column %s",
		"must be the name of a network device, or one with %%d for a number",
		"needs a network namespace in linux.namespaces: it would change the host",
		"needs a uts namespace in linux.namespaces: it would change the host",
		"needs an ipc namespace in linux.namespaces: it would change the host",
	},
	"trace": {
		"minirun's",
	},
}

// addBuilt adds the built messages to those that were found, by area with their positions.
func addBuilt(found map[string]map[string]string) {
	for area, texts := range built {
		for _, text := range texts {
			if found[area] == nil {
				found[area] = map[string]string{}
			}
			found[area][text] = "tests/messages/built.go"
		}
	}
	for _, text := range slices.Concat(ruleFindings, parseErrors) {
		found["build"][text] = "tests/messages/buildkit.go"
	}
}
