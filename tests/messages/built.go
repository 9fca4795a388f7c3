package main

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

// ruleFindings are the formats of the rules in BuildKit's linter.
var ruleFindings = []string{
	`"%s key=value" should be used instead of legacy "%s key value" format`,
	"'%s' and '%s' keywords' casing do not match",
	"(did you mean $%s?)",
	"Attempting to %s file %q that is excluded by .dockerignore",
	"Base image %s was pulled with platform %q, expected %q for current build",
	"Command '%s' should match the case of the command majority (%s)",
	"Comment for %s should follow the format: `# %s <description>`",
	"Default value for ARG %v results in empty or invalid base image name",
	"Defined protocol '%s' in EXPOSE instruction should be lowercase",
	"Do not use ARG or ENV instructions for sensitive data (%s %q)",
	"Duplicate stage name %q, stage names should be unique",
	"EXPOSE instruction should not define an IP address or host-port mapping, found '%s'",
	"Empty continuation line",
	"FROM --platform flag should not use constant value %q",
	"FROM argument '%s' is not declared",
	"JSON arguments recommended for %s to prevent unintended behavior related to OS signals",
	"Maintainer instruction is deprecated in favor of using label",
	"Multiple %s instructions should not be used in the same stage because only the last one will be used",
	"Relative workdir %q can have unexpected results if the base image changes",
	"Setting platform to predefined %s in FROM is redundant as this is the default behavior",
	"Stage name '%s' should be lowercase",
	"Stage name should not use the same name as reserved stage %q",
	"Usage of undefined variable '$%s'",
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
	for _, text := range ruleFindings {
		found["build"][text] = "tests/messages/built.go"
	}
}
