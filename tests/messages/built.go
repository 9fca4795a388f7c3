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
	"container": {
		"%s: cannot execute %q",
		"%s process(es)",
		"must have a mount namespace",
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
